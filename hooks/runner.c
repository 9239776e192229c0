/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in progress, whoever wished for them (runner_wish.c: hooks, deploy/serve.c: deployments), and
 * the smaller messages. A run id is started at most once, however often and from however many
 * agents it is asked for.
 */
#include "hooks/runner_private.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "core/fs.h"
#include "core/log.h"
#include "hooks/hook_cgroup.h"

#define RUNS_MAX      64
#define ADOPT_POLL_MS 100
#define SWEEP_AGE_S   (30 * 86400)

/* ---- answers ---- */

static void put_result(struct msg_writer *w, const struct run_result *result)
{
	_cleanup_free_ char *why = result->why ? strndup(result->why, RUN_WHY_MAX) : NULL;

	msg_put_u32(w, (uint32_t)result->end);
	msg_put_u32(w, (uint32_t)result->code);
	msg_put_i64(w, result->started_real_ms);
	msg_put_i64(w, result->ended_real_ms);
	msg_put_str(w, why);
}

void runner_reply_result(const struct waiter *waiter, int state, const struct run_result *result)
{
	_cleanup_close_ int tail = -1;
	struct msg_writer w;

	msg_writer_init(&w);
	if (!waiter->link || waiter->id == 0)
		return;
	if (state >= 0)
		msg_put_u32(&w, (uint32_t)state);
	if (result)
		put_result(&w, result);
	if (result && result->tail)
		tail = fs_blob("hook-output", result->tail, strlen(result->tail));
	link_reply(waiter->link, waiter->id, 0, &w, &tail, tail >= 0 ? 1 : 0);
}

void runner_reply_status(const struct waiter *waiter, int status)
{
	if (waiter->link && waiter->id != 0)
		link_reply(waiter->link, waiter->id, status, NULL, NULL, 0);
}

static const struct run_result cut_off = {.end = RUN_CUT_OFF};

/* ---- runs in progress ---- */

static struct run *find_run(const struct runner *r, const char *id)
{
	for (struct run *run = r->runs; run; run = run->next)
		if (strcmp(run->id, id) == 0)
			return run;
	return NULL;
}

static struct run *run_free(struct run *run)
{
	loop_child_remove(run->child);
	loop_timer_free(run->timer);
	if (run->result_fd >= 0)
		close(run->result_fd);
	free(run);
	return NULL;
}

static void unlink_run(struct runner *r, const struct run *run)
{
	for (struct run **at = &r->runs; *at; at = &(*at)->next) {
		if (*at == run) {
			*at = run->next;
			r->n_runs--;
			return;
		}
	}
}

static int add_waiter(struct run *run, const struct waiter *waiter)
{
	if (run->n_waiters == WAITERS_MAX)
		return -EBUSY;
	run->waiters[run->n_waiters++] = *waiter;
	return 0;
}

/* After a cut-off: nothing of the hook may be left running beside the run that follows. */
static void clean_up(struct runner *r, const char *id, const struct run_record *record)
{
	log_warn("hook %s: its run was cut off", record->hook ? record->hook : "?");
	run_record_kill(record, r->env);
	run_store_drop_values(&r->store, id);
}

static bool read_handed_over(const struct run *run, struct run_record *ret)
{
	_cleanup_buf_ struct buf text = BUF_INIT(RUN_RECORD_MAX);

	return run->result_fd >= 0 && fs_read_fd(run->result_fd, &text) == 0 && text.len > 0 &&
	       run_record_decode(buf_str(&text), text.len, ret, NULL) == 0;
}

static void finish_run(struct run *run, const struct run_result *result)
{
	unlink_run(run->runner, run);
	for (size_t i = 0; i < run->n_waiters; i++)
		runner_reply_result(&run->waiters[i], -1, result);
	run_free(run);
}

static void check_run(struct loop *loop, void *ctx)
{
	struct run *run = ctx;
	struct runner *r = run->runner;
	struct run_record record = {0};
	enum run_state state = RUN_STATE_ENDED;

	(void)loop;
	if (!read_handed_over(run, &record))
		state = run_store_state(&r->store, run->id, &record);
	if (state == RUN_STATE_RUNNING) {
		loop_timer_arm(run->timer, ADOPT_POLL_MS);
	} else if (state == RUN_STATE_ENDED) {
		finish_run(run, &record.result);
	} else {
		clean_up(r, run->id, &record);
		finish_run(run, &cut_off);
	}
	run_record_deinit(&record);
}

static void shepherd_ended(struct loop *loop, pid_t pid, int wstatus, void *ctx)
{
	struct run *run = ctx;

	(void)pid;
	(void)wstatus;
	run->child = loop_child_remove(run->child);
	check_run(loop, run);
}

static struct run *new_run(struct runner *r, const char *id)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	run->runner = r;
	run->result_fd = -1;
	memcpy(run->id, id, RUN_ID_LEN + 1);
	if (loop_timer_new(r->loop, 0, check_run, run, &run->timer) < 0) {
		free(run);
		return NULL;
	}
	run->next = r->runs;
	r->runs = run;
	r->n_runs++;
	return run;
}

static void watch_process(struct run *run, pid_t pid)
{
	if (loop_child_add(run->runner->loop, pid, shepherd_ended, run, &run->child) < 0) {
		run->child = NULL;
		loop_timer_arm(run->timer, ADOPT_POLL_MS);
	}
}

/* A run that an earlier runner started. */
static int adopt_run(struct runner *r, const char *id, const struct run_record *record,
		     const struct waiter *waiter)
{
	struct run *run = new_run(r, id);

	if (!run)
		return -ENOMEM;
	if (record->shepherd > 0 && process_start(record->shepherd) == record->shepherd_start)
		watch_process(run, record->shepherd);
	else
		loop_timer_arm(run->timer, ADOPT_POLL_MS);
	return add_waiter(run, waiter);
}

/* ---- starting and asking ---- */

static int fork_shepherd(struct run *run, const struct shepherd_job *job)
{
	struct err e = ERR_INIT;
	pid_t pid = shepherd_start(job, &e);

	if (pid < 0) {
		log_err("%s", e.text);
		return (int)pid;
	}
	watch_process(run, pid);
	return 0;
}

int runner_start(struct runner *r, struct shepherd_job *job, const struct waiter *waiter)
{
	_cleanup_close_ int lock_fd = -1;
	struct run *run;
	int code;

	if (r->n_runs == RUNS_MAX)
		return -EBUSY;
	lock_fd = run_store_lock(&r->store, job->id);
	if (lock_fd < 0)
		return lock_fd;
	run = new_run(r, job->id);
	if (!run)
		return -ENOMEM;
	run->result_fd = memfd_create("hook-result", MFD_CLOEXEC);
	job->env = r->env;
	job->store = &r->store;
	job->umask = r->hooks->umask;
	job->lock_fd = lock_fd;
	job->result_fd = run->result_fd;
	job->one_pass = r->one_pass;
	code = fork_shepherd(run, job);
	if (code == 0)
		return add_waiter(run, waiter);
	unlink_run(r, run);
	run_free(run);
	return code;
}

void runner_ask(struct runner *r, const char *id, const struct waiter *waiter, runner_start_fn *start,
		void *ctx)
{
	struct run *run = find_run(r, id);
	struct run_record record = {0};
	int code = run ? add_waiter(run, waiter) : 0;

	switch (run ? -1 : (int)run_store_state(&r->store, id, &record)) {
	case RUN_STATE_UNKNOWN:
		code = start(r, id, waiter, ctx);
		break;
	case RUN_STATE_RUNNING:
		code = adopt_run(r, id, &record, waiter);
		break;
	case RUN_STATE_ENDED:
		runner_reply_result(waiter, -1, &record.result);
		break;
	case RUN_STATE_CUT_OFF:
		clean_up(r, id, &record);
		runner_reply_result(waiter, -1, &cut_off);
		break;
	default:
		break;
	}
	run_record_deinit(&record);
	if (code < 0)
		runner_reply_status(waiter, code);
}

bool runner_has_run(const struct runner *r, const char *id)
{
	return find_run(r, id) != NULL;
}

/* ---- the other messages ---- */

static void handle_query(struct runner *r, struct link *link, struct link_msg *msg)
{
	_cleanup_free_ char *id = msg_get_str(&msg->body, RUN_ID_LEN);
	const struct waiter waiter = {link, msg->id};
	struct run_record record = {0};
	enum run_state state;

	if (msg_reader_done(&msg->body) < 0 || !run_id_valid(id)) {
		runner_reply_status(&waiter, -EBADMSG);
		return;
	}
	state = find_run(r, id) ? RUN_STATE_RUNNING : run_store_state(&r->store, id, &record);
	if (state == RUN_STATE_CUT_OFF)
		clean_up(r, id, &record);
	runner_reply_result(&waiter, (int)state, state == RUN_STATE_ENDED ? &record.result : NULL);
	run_record_deinit(&record);
}

void runner_forget(struct runner *r, const char *id)
{
	run_store_forget(&r->store, id);
	hook_cgroup_remove(r->env, id);
}

/* A run that still runs keeps its record: forgetting it would allow it to be started again. */
static void handle_forget(struct runner *r, struct link *link, struct link_msg *msg)
{
	_cleanup_free_ char *id = msg_get_str(&msg->body, RUN_ID_LEN);
	const struct waiter waiter = {link, msg->id};
	struct run_record record = {0};

	if (msg_reader_done(&msg->body) < 0 || !run_id_valid(id)) {
		runner_reply_status(&waiter, -EBADMSG);
		return;
	}
	if (!find_run(r, id) && run_store_state(&r->store, id, &record) != RUN_STATE_RUNNING)
		runner_forget(r, id);
	run_record_deinit(&record);
	runner_reply_status(&waiter, 0);
}

static void service_answered(int value, void *ctx)
{
	struct service_call *call = ctx;
	struct msg_writer w;

	msg_writer_init(&w);
	for (struct service_call **at = &call->runner->calls; *at; at = &(*at)->next) {
		if (*at == call) {
			*at = call->next;
			break;
		}
	}
	msg_put_u32(&w, (uint32_t)value);
	if (value < 0)
		runner_reply_status(&call->waiter, value);
	else if (call->waiter.link && call->waiter.id != 0)
		link_reply(call->waiter.link, call->waiter.id, 0, &w, NULL, 0);
	free(call);
}

static int ask_service(struct runner *r, const char *name, const struct waiter *waiter)
{
	struct service_call *call;
	int code;

	if (hooks_disabled(r->env, r->conf, NULL))
		return -ESHUTDOWN;
	call = calloc(1, sizeof(*call));
	if (!call)
		return -ENOMEM;
	*call = (struct service_call){r->calls, r, *waiter};
	code = services_ask(r->services, name, service_answered, call);
	if (code < 0)
		free(call);
	else
		r->calls = call;
	return code;
}

static void handle_service(struct runner *r, struct link *link, struct link_msg *msg)
{
	_cleanup_free_ char *name = msg_get_str(&msg->body, SERVICE_NAME_MAX);
	const struct waiter waiter = {link, msg->id};
	int code =
		msg_reader_done(&msg->body) < 0 || !name ? -EBADMSG : ask_service(r, name, &waiter);

	if (code < 0)
		runner_reply_status(&waiter, code);
}

bool runner_handle(struct runner *r, struct link *link, struct link_msg *msg)
{
	static const struct {
		uint32_t type;
		void (*handle)(struct runner *r, struct link *link, struct link_msg *msg);
	} rows[] = {
		{RUNNER_RUN, runner_handle_run},
		{RUNNER_DEPLOY, runner_handle_deploy},
		{RUNNER_QUERY, handle_query},
		{RUNNER_FORGET, handle_forget},
		{RUNNER_SERVICE, handle_service},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].type == msg->type) {
			rows[i].handle(r, link, msg);
			return true;
		}
	}
	return false;
}

/* ---- life ---- */

static int open_parts(struct runner *r, struct err *e)
{
	int code = run_store_init(&r->store, r->env, e);

	if (code < 0)
		return code;
	run_store_sweep(&r->store, SWEEP_AGE_S, r->env->real_ms());
	hook_cgroup_sweep(r->env);
	code = services_new(r->loop, &r->services);
	return code < 0 ? err_sys(e, -code, "cannot set up services") : 0;
}

int runner_new(const struct runner_setup *setup, struct runner **ret, struct err *e)
{
	struct runner *r = calloc(1, sizeof(*r));
	int code;

	if (!r)
		return err_set(e, -ENOMEM, "no memory for the runner");
	r->loop = setup->loop;
	r->env = setup->env;
	r->conf = setup->conf;
	r->one_pass = setup->one_pass;
	r->hooks = setup->hooks;
	code = open_parts(r, e);
	if (code < 0)
		runner_free(r);
	else
		*ret = r;
	return code;
}

struct runner *runner_free(struct runner *r)
{
	if (!r)
		return NULL;
	while (r->runs) {
		struct run *run = r->runs;

		r->runs = run->next;
		run_free(run);
	}
	services_free(r->services);
	while (r->calls) {
		struct service_call *call = r->calls;

		r->calls = call->next;
		free(call);
	}
	free(r);
	return NULL;
}

void runner_set_hooks(struct runner *r, const struct hookset *hooks)
{
	r->hooks = hooks;
}

void runner_agent_gone(struct runner *r)
{
	for (struct run *run = r->runs; run; run = run->next)
		run->n_waiters = 0;
	for (struct service_call *call = r->calls; call; call = call->next)
		call->waiter.link = NULL;
}
