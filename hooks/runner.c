/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serves the agent's wishes about runs and services. What the agent says is checked against the
 * runner's own table: it names a hook, and a trigger and resource that this hook really has; values
 * are passed on unread. A run id is started at most once, however often and from however many
 * agents it is asked for.
 */
#include "hooks/runner.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "core/fs.h"
#include "core/log.h"
#include "hooks/hook_cgroup.h"
#include "hooks/service.h"
#include "hooks/shepherd.h"

#define RUNS_MAX       64
#define WAITERS_MAX    8
#define ADOPT_POLL_MS  100
#define SWEEP_AGE_S    (30 * 86400)
#define NAME_FIELD_MAX HOOK_TEXT_MAX

struct waiter {
	struct link *link;
	uint32_t id;
};

struct run {
	struct run *next;
	struct runner *runner;
	char id[RUN_ID_LEN + 1];
	int result_fd; /* -1 for an adopted run */
	struct loop_child *child;
	struct loop_timer *timer; /* asks the disk again, where no process can be watched */
	struct waiter waiters[WAITERS_MAX];
	size_t n_waiters;
};

struct service_call {
	struct service_call *next;
	struct runner *runner;
	struct waiter waiter; /* link NULL: the agent is gone */
};

struct runner {
	struct loop *loop;
	const struct env *env;
	const struct conf *conf;
	const struct hookset *hooks;
	struct run_store store;
	struct services *services;
	struct run *runs;
	size_t n_runs;
	struct service_call *calls;
	bool one_pass;
};

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

/* @state: put first when not negative, as RUNNER_QUERY wants it. */
static void reply_result(const struct waiter *waiter, int state, const struct run_result *result)
{
	_cleanup_close_ int tail = -1;
	struct msg_writer w = {.len = 0};

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

static void reply_status(const struct waiter *waiter, int status)
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
		reply_result(&run->waiters[i], -1, result);
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

/* ---- RUNNER_RUN ---- */

struct wish {
	char *id, *hook_name, *resource, *service;
	char *class_name, *entity, *evidence;
	struct hook_finding finding; /* of these texts */
	uint32_t trigger, attempt, flags;
	const struct hook *hook;
	struct waiter waiter;
	int fds[VALUE_SIDES];
};

static void wish_deinit(struct wish *w)
{
	free(w->id);
	free(w->hook_name);
	free(w->resource);
	free(w->service);
	free(w->class_name);
	free(w->entity);
	free(w->evidence);
}

static bool read_finding(struct wish *w, struct msg_reader *b)
{
	uint32_t level, event;

	w->class_name = msg_get_str(b, HOOK_NAME_MAX);
	w->entity = msg_get_str(b, HOOK_ENTITY_MAX);
	level = msg_get_u32(b);
	event = msg_get_u32(b);
	w->evidence = msg_get_str(b, HOOK_EVIDENCE_MAX);
	w->finding = (struct hook_finding){.class_name = w->class_name,
					   .entity = w->entity,
					   .level = (enum finding_level)level,
					   .event = (enum hook_event)event,
					   .evidence = w->evidence,
					   .eta_s = msg_get_i64(b)};
	return w->class_name && w->entity && w->evidence && level < FINDING_LEVELS &&
	       event < HOOK_EVENTS;
}

static int read_wish(struct wish *w, struct link *link, struct link_msg *msg)
{
	struct msg_reader *b = &msg->body;
	size_t used = 0;

	w->waiter = (struct waiter){link, msg->id};
	w->id = msg_get_str(b, RUN_ID_LEN);
	w->hook_name = msg_get_str(b, NAME_FIELD_MAX);
	w->trigger = msg_get_u32(b);
	w->resource = msg_get_str(b, NAME_FIELD_MAX);
	w->service = msg_get_str(b, SERVICE_NAME_MAX);
	w->attempt = msg_get_u32(b);
	w->flags = msg_get_u32(b);
	if (w->trigger == TRIGGER_FINDING && !read_finding(w, b))
		return -EBADMSG;
	if (msg_reader_done(b) < 0 || !run_id_valid(w->id) || !w->hook_name || !w->resource)
		return -EBADMSG;
	w->fds[VALUE_OLD] = (w->flags & RUN_HAS_OLD) && used < msg->n_fds ? msg->fds[used++] : -1;
	w->fds[VALUE_NEW] = (w->flags & RUN_HAS_NEW) && used < msg->n_fds ? msg->fds[used++] : -1;
	if ((w->flags & RUN_HAS_OLD) && w->fds[VALUE_OLD] < 0)
		return -EBADMSG;
	return (w->flags & RUN_HAS_NEW) && w->fds[VALUE_NEW] < 0 ? -EBADMSG : 0;
}

/* The agent may only start what the configuration says can happen. */
static int check_wish(const struct runner *r, struct wish *w)
{
	w->hook = hookset_find(r->hooks, w->hook_name);
	if (!w->hook)
		return -ENOENT;
	if (strcmp(trigger_name(w->trigger), "?") == 0 || !(w->trigger & w->hook->triggers))
		return -EPERM;
	if (strcmp(w->resource, w->hook->path.resource) != 0)
		return -EPERM;
	if ((w->trigger == TRIGGER_SERVICE_RESTARTED) != (w->service != NULL) ||
	    (w->service && !service_name_valid(w->service)))
		return -EPERM;
	if (w->trigger == TRIGGER_FINDING && !finding_wanted(w->hook, &w->finding))
		return -EPERM;
	return hooks_disabled(r->env, r->conf, NULL) ? -ESHUTDOWN : 0;
}

static int fork_shepherd(struct runner *r, struct run *run, const struct wish *w, int lock_fd)
{
	struct err e = ERR_INIT;
	struct shepherd_job job = {
		.env = r->env,
		.store = &r->store,
		.id = w->id,
		.hook = w->hook,
		.trigger = w->trigger,
		.service = w->service,
		.finding = w->trigger == TRIGGER_FINDING ? &w->finding : NULL,
		.values = {{w->fds[VALUE_OLD], w->fds[VALUE_NEW]}, r->conf->hook_env_max},
		.output_max = (size_t)r->conf->hook_output_max,
		.umask = r->hooks->umask,
		.lock_fd = lock_fd,
		.result_fd = run->result_fd,
		.one_pass = r->one_pass,
	};
	pid_t pid = shepherd_start(&job, &e);

	if (pid < 0) {
		log_err("%s", e.text);
		return (int)pid;
	}
	log_info("hook %s: started by %s of %s, try %u", w->hook->name, trigger_name(w->trigger),
		 job.finding ? w->entity : w->resource, w->attempt);
	watch_process(run, pid);
	return 0;
}

static int start_run(struct runner *r, const struct wish *w)
{
	_cleanup_close_ int lock_fd = -1;
	struct run *run;
	int code;

	if (r->n_runs == RUNS_MAX)
		return -EBUSY;
	lock_fd = run_store_lock(&r->store, w->id);
	if (lock_fd < 0)
		return lock_fd;
	run = new_run(r, w->id);
	if (!run)
		return -ENOMEM;
	run->result_fd = memfd_create("hook-result", MFD_CLOEXEC);
	code = fork_shepherd(r, run, w, lock_fd);
	if (code == 0)
		return add_waiter(run, &w->waiter);
	unlink_run(r, run);
	run_free(run);
	return code;
}

static int serve_unstarted(struct runner *r, struct wish *w)
{
	int code = check_wish(r, w);

	return code < 0 ? code : start_run(r, w);
}

static int serve_wish(struct runner *r, struct wish *w)
{
	struct run *run = find_run(r, w->id);
	struct run_record record = {0};
	int code = 0;

	if (run)
		return add_waiter(run, &w->waiter);
	switch (run_store_state(&r->store, w->id, &record)) {
	case RUN_STATE_UNKNOWN:
		code = serve_unstarted(r, w);
		break;
	case RUN_STATE_RUNNING:
		code = adopt_run(r, w->id, &record, &w->waiter);
		break;
	case RUN_STATE_ENDED:
		reply_result(&w->waiter, -1, &record.result);
		break;
	case RUN_STATE_CUT_OFF:
		clean_up(r, w->id, &record);
		reply_result(&w->waiter, -1, &cut_off);
		break;
	}
	run_record_deinit(&record);
	return code;
}

static void handle_run(struct runner *r, struct link *link, struct link_msg *msg)
{
	struct wish w = {.fds = {-1, -1}};
	int code = read_wish(&w, link, msg);

	if (code == 0)
		code = serve_wish(r, &w);
	if (code < 0)
		reply_status(&w.waiter, code);
	wish_deinit(&w);
}

/* ---- the other messages ---- */

static void handle_query(struct runner *r, struct link *link, struct link_msg *msg)
{
	_cleanup_free_ char *id = msg_get_str(&msg->body, RUN_ID_LEN);
	const struct waiter waiter = {link, msg->id};
	struct run_record record = {0};
	enum run_state state;

	if (msg_reader_done(&msg->body) < 0 || !run_id_valid(id)) {
		reply_status(&waiter, -EBADMSG);
		return;
	}
	state = find_run(r, id) ? RUN_STATE_RUNNING : run_store_state(&r->store, id, &record);
	if (state == RUN_STATE_CUT_OFF)
		clean_up(r, id, &record);
	reply_result(&waiter, (int)state, state == RUN_STATE_ENDED ? &record.result : NULL);
	run_record_deinit(&record);
}

static void forget_run(struct runner *r, const char *id)
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
		reply_status(&waiter, -EBADMSG);
		return;
	}
	if (!find_run(r, id) && run_store_state(&r->store, id, &record) != RUN_STATE_RUNNING)
		forget_run(r, id);
	run_record_deinit(&record);
	reply_status(&waiter, 0);
}

static void service_answered(int value, void *ctx)
{
	struct service_call *call = ctx;
	struct msg_writer w = {.len = 0};

	for (struct service_call **at = &call->runner->calls; *at; at = &(*at)->next) {
		if (*at == call) {
			*at = call->next;
			break;
		}
	}
	msg_put_u32(&w, (uint32_t)value);
	if (value < 0)
		reply_status(&call->waiter, value);
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
		reply_status(&waiter, code);
}

bool runner_handle(struct runner *r, struct link *link, struct link_msg *msg)
{
	static const struct {
		uint32_t type;
		void (*handle)(struct runner *r, struct link *link, struct link_msg *msg);
	} rows[] = {
		{RUNNER_RUN, handle_run},
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
