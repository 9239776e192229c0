/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployments end to end between store, queue, runner and a hook, and what is left when agent and runner die
 * between every two steps: the hook has run once, its result was told, nothing stays behind.
 */
#include "agent.h"

#include <dirent.h>

#include "core/json.h"
#include "core/log.h"
#include "hooks/deploy/journal.h"
#include "hooks/deploy/keep.h"
#include "hooks/deploy/queue.h"

#define ID_A "3f0700ec-79de-48d9-bbf1-d175605f8de6"
#define ID_B "82ef0000-0000-4000-8000-000000000002"
#define HOOK "/usr/libexec/heat-config/hooks/tool"

/* The outbox, as its disk would have it: it outlives the agent. */
struct spool {
	unsigned tells, cancels;
	bool holds;
	char stdout_text[256];
	int code;
};

struct desk {
	struct agent *a;
	struct spool spool;
	struct deploy_queue *queue;
	bool keep_quiet; /* tell() does not answer */
	store_done_fn *accepted;
	void *accepted_ctx;
};

static int tell(const struct deployment *d, const json_t *result, int64_t received_ms, store_done_fn *accepted,
		void *accepted_ctx, void *ctx)
{
	struct desk *k = ctx;
	const char *out = json_str(result, "deploy_stdout");
	const json_t *code = json_object_get(result, "deploy_status_code");

	assert_true(received_ms > 0);
	assert_string_equal(deployment_input_text(d->entry, "deploy_resource_name"), "dep");
	k->spool.tells++;
	k->spool.holds = true;
	k->spool.code = (int)json_integer_value(code);
	snprintf(k->spool.stdout_text, sizeof(k->spool.stdout_text), "%s", out ? out : "-");
	k->accepted = accepted;
	k->accepted_ctx = accepted_ctx;
	return 0;
}

static void cancel(const char *id, void *ctx)
{
	struct desk *k = ctx;

	(void)id;
	k->spool.cancels++;
	k->spool.holds = false;
}

static bool waits(const char *id, void *ctx)
{
	const struct desk *k = ctx;

	(void)id;
	return k->spool.holds;
}

static json_t *settings(const struct deployment *d, void *ctx)
{
	(void)d;
	(void)ctx;
	return json_pack("{s:i}", "deploy_status_code", 0);
}

static void start_queue(struct desk *k, bool with_runner)
{
	const struct deploy_queue_setup setup = {.loop = k->a->w->loop,
						 .conf = &k->a->w->f->conf,
						 .store = k->a->store,
						 .tell = tell,
						 .cancel = cancel,
						 .waits = waits,
						 .settings = settings,
						 .ctx = k};

	k->accepted = NULL;
	assert_int_equal(deploy_queue_new(&setup, &k->queue), 0);
	deploy_queue_outbox_loaded(k->queue);
	if (with_runner)
		deploy_queue_set_runner(k->queue, k->a->w->agent_end);
}

/* Agent, store and runner die at once; shepherds live on. */
static void die(struct desk *k)
{
	k->queue = deploy_queue_free(k->queue);
	agent_stop(k->a);
	k->a->w->runner = runner_free(k->a->w->runner);
}

static void rise(struct desk *k, bool with_runner)
{
	world_start_runner(k->a->w);
	world_connect(k->a->w);
	agent_start(k->a);
	start_queue(k, with_runner);
}

static void install_hook(struct fixture *f, const char *body)
{
	char text[1024];

	fixture_mkdir(f, "/usr/libexec/heat-config/hooks", 0755);
	snprintf(text, sizeof(text), "#!/bin/sh\nL=%s/tmp/log\n%s\n", f->env.root, body);
	fixture_write(f, HOOK, text, 0755);
}

static struct desk *make(void **state, const char *body)
{
	struct fixture *f = *state;
	struct desk *k = calloc(1, sizeof(*k));

	assert_non_null(k);
	f->conf.deployments_enabled = true;
	install_hook(f, body);
	k->a = agent_new(f, "");
	start_queue(k, true);
	return k;
}

static void end_desk(struct desk *k)
{
	k->queue = deploy_queue_free(k->queue);
	agent_free(k->a);
	free(k);
}

static void offer(struct desk *k, const char *entries)
{
	char text[4096];
	json_t *list;

	snprintf(text, sizeof(text), "[%s]", entries);
	list = json_loads(text, 0, NULL);
	assert_non_null(list);
	assert_int_equal(deploy_queue_offer(k->queue, list), 0);
	json_decref(list);
}

#define ENTRY_OF(id, group)                                                                                            \
	"{\"id\":\"" id "\",\"name\":\"n\",\"group\":\"" group "\",\"config\":\"\",\"inputs\":["                       \
	"{\"name\":\"deploy_action\",\"value\":\"CREATE\"},{\"name\":\"deploy_resource_name\",\"value\":\"dep\"}]}"
#define ENTRY_A ENTRY_OF(ID_A, "tool")

/* State of the @nth in status, "" when there is none. */
static const char *state_of(struct desk *k, size_t nth, char out[static 32])
{
	json_t *list = deploy_queue_status(k->queue);
	const char *text = json_str(json_array_get(list, nth), "state");

	snprintf(out, 32, "%s", text ? text : "");
	json_decref(list);
	return out;
}

static void wait_state(struct desk *k, size_t nth, const char *wanted)
{
	char text[32];

	for (int i = 0; i < 1500 && strcmp(state_of(k, nth, text), wanted) != 0; i++)
		world_turn(k->a->w, 10);
	assert_string_equal(text, wanted);
}

static void wait_tell(struct desk *k)
{
	for (int i = 0; i < 1500 && !k->accepted; i++)
		world_turn(k->a->w, 10);
	assert_non_null(k->accepted);
}

static void accept_now(struct desk *k)
{
	store_done_fn *fn = k->accepted;

	k->accepted = NULL;
	fn(0, k->accepted_ctx);
}

static void wait_disk(struct desk *k)
{
	for (int i = 0; i < 1500 && store_pending(k->a->store) > 0; i++)
		world_turn(k->a->w, 10);
	assert_int_equal(store_pending(k->a->store), 0);
}

static void deliver(struct desk *k)
{
	k->spool.holds = false;
	deploy_queue_told(k->queue, ID_A);
}

/* From wherever the last life stopped to the end. */
static void finish(struct desk *k)
{
	char text[32];

	for (int i = 0; i < 1500 && strcmp(state_of(k, 0, text), "signalled") != 0; i++) {
		if (k->accepted)
			accept_now(k);
		if (strcmp(state_of(k, 0, text), "done") == 0 && k->spool.holds)
			deliver(k);
		world_turn(k->a->w, 10);
	}
	assert_string_equal(text, "signalled");
	wait_disk(k);
}

static size_t records(const struct fixture *f)
{
	char path[ENV_PATH_MAX];
	const struct dirent *d;
	size_t n = 0;
	DIR *dir;

	fixture_path(f, RUNS_DIR, path);
	dir = opendir(path);
	assert_non_null(dir);
	while ((d = readdir(dir)))
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* ---- deaths ---- */

enum death {
	DEATH_OFFERED,	/* nothing is on disk yet: the next document brings it again */
	DEATH_RECEIVED, /* on disk, the runner was not asked */
	DEATH_RUNNING,
	DEATH_ENDED,   /* nobody heard of the end */
	DEATH_TOLD,    /* handed on, not accepted */
	DEATH_ACCEPTED, /* accepted, not noted */
	DEATH_DONE,	/* noted, not delivered */
	DEATH_DELIVERED, /* delivered, not noted */
	DEATH_SIGNALLED,
	DEATHS
};

static void reach(struct desk *k, enum death at)
{
	char text[32];

	if (at == DEATH_RECEIVED)
		deploy_queue_set_runner(k->queue, NULL);
	offer(k, ENTRY_A);
	if (at == DEATH_OFFERED)
		return;
	for (int i = 0; i < 1500 && !*state_of(k, 0, text); i++)
		world_turn(k->a->w, 1);
	wait_disk(k);
	if (at == DEATH_RECEIVED)
		return;
	wait_log(k->a, "ran\n");
	if (at == DEATH_RUNNING)
		return;
	fixture_write(k->a->w->f, "/tmp/go", "", 0644);
	if (at == DEATH_ENDED) {
		usleep(600000); /* without a turn of our loop: the shepherd writes its record meanwhile */
		return;
	}
	wait_tell(k);
	if (at == DEATH_TOLD)
		return;
	accept_now(k);
	if (at == DEATH_ACCEPTED)
		return;
	wait_disk(k);
	if (at == DEATH_DONE)
		return;
	deliver(k);
	if (at == DEATH_DELIVERED)
		return;
	wait_disk(k);
}

static void test_deaths(void **state)
{
	struct fixture *f = *state;

	for (int at = 0; at < DEATHS; at++) {
		struct desk *k = make(state, "cat >/dev/null; echo ran >>$L\n"
					     "while [ ! -e ${L%log}go ]; do sleep 0.05; done\n"
					     "echo '{\"deploy_stdout\":\"words\",\"deploy_status_code\":0}'");
		char path[ENV_PATH_MAX];

		reach(k, (enum death)at);
		die(k);
		rise(k, true);
		fixture_write(f, "/tmp/go", "", 0644);
		if (at == DEATH_OFFERED)
			offer(k, ENTRY_A);
		finish(k);
		offer(k, ENTRY_A); /* the document still lists it */
		world_turn(k->a->w, 50);
		assert_log(k->a, "ran\n");
		assert_in_range(k->spool.tells, 1, 2);
		assert_string_equal(k->spool.stdout_text, "words");
		assert_int_equal(k->spool.code, 0);
		world_turn(k->a->w, 50);
		assert_int_equal(records(f), 0);
		end_desk(k);
		for (size_t i = 0; i < 5; i++) {
			static const char *const clean[] = {"/tmp/log", "/tmp/go", "/var/lib/heat-config",
							    "/var/lib/heat-pulse", "/run"};

			fixture_path(f, clean[i], path);
			fs_remove_tree(path);
			unlink(path);
		}
	}
}

/* A store that comes late is waited for: what it knows to be through is not run again. */
static void test_store_late(void **state)
{
	struct desk *k = make(state, "cat >/dev/null; echo ran >>$L");
	struct link *link;
	char text[32];

	offer(k, ENTRY_A);
	finish(k);
	die(k);
	world_start_runner(k->a->w);
	world_connect(k->a->w);
	agent_start_store(k->a);
	link = take_ptr(k->a->store_link);
	agent_start_queue(k->a);
	agent_count_from_here(k->a);
	start_queue(k, true);
	offer(k, ENTRY_A);
	world_turn(k->a->w, 500);
	assert_string_equal(state_of(k, 0, text), "");
	k->a->store_link = link;
	store_set_link(k->a->store, link);
	wait_state(k, 0, "signalled");
	world_turn(k->a->w, 300);
	assert_log(k->a, "ran\n");
	assert_int_equal(k->spool.tells, 1);
	end_desk(k);
}

static pid_t shepherd_of(const struct fixture *f)
{
	char name[128], run_id[RUN_ID_LEN + 1];
	const char *at;
	char *text;
	pid_t pid;

	deployment_run_id(ID_A, run_id);
	snprintf(name, sizeof(name), RUNS_DIR "/%s.json", run_id);
	text = fixture_read(f, name);
	at = strstr(text, "\"shepherd\":");
	pid = at ? (pid_t)strtol(at + strlen("\"shepherd\":"), NULL, 10) : 0;
	free(text);
	return pid;
}

/* The shepherd is killed: the hook is not run again, and that it was cut off is told. */
static void test_cut_off(void **state)
{
	struct desk *k = make(state, "cat >/dev/null; echo ran >>$L; sleep 30");
	pid_t pid;

	offer(k, ENTRY_A);
	wait_log(k->a, "ran\n");
	pid = shepherd_of(*state);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	finish(k);
	assert_int_equal(k->spool.code, -9);
	assert_log(k->a, "ran\n");
	end_desk(k);
}

/* Cut off between record and deployed/ID.json the hook was never started: it is run. */
static void test_unborn(void **state)
{
	struct fixture *f = *state;
	struct desk *k = make(state, "cat >/dev/null; echo ran >>$L");
	char path[128], record[512], run_id[RUN_ID_LEN + 1];

	deployment_run_id(ID_A, run_id);
	snprintf(path, sizeof(path), RUNS_DIR "/%s.json", run_id);
	snprintf(record, sizeof(record),
		 "{\"v\":1,\"run\":\"%s\",\"hook\":\"x\",\"shepherd\":1,\"shepherd_start\":1,\"leader\":0,\"leader_"
		 "start\":0}",
		 run_id);
	fixture_write(f, path, record, 0600);
	offer(k, ENTRY_A);
	finish(k);
	assert_log(k->a, "ran\n");
	end_desk(k);
}

/* What another agent has run is not run again; what it left to tell is told. */
static void test_foreign(void **state)
{
	struct fixture *f = *state;
	struct desk *k = make(state, "echo ran >>$L");

	fixture_mkdir(f, DEPLOYED_DIR, 0700);
	fixture_write(f, DEPLOYED_DIR "/" ID_A ".json", "{}", 0600);
	fixture_write(f, DEPLOYED_DIR "/" ID_B ".json", "{}", 0600);
	fixture_write(f, DEPLOYED_DIR "/" ID_B ".notify.json", "{\"deploy_stdout\":\"theirs\"}", 0600);
	offer(k, ENTRY_A "," ENTRY_OF(ID_B, "tool"));
	wait_state(k, 0, "foreign");
	wait_tell(k);
	assert_string_equal(k->spool.stdout_text, "theirs");
	assert_log(k->a, "");
	end_desk(k);
}

/* In the order of the list, one at a time; a group that nothing serves is a failure and stops nobody. */
static void test_order(void **state)
{
	struct fixture *f = *state;
	struct desk *k = make(state, "cat >/dev/null; until [ -e $L.go ]; do sleep 0.01; done; exit 3");

	offer(k, ENTRY_OF(ID_B, "no-such-group") "," ENTRY_A);
	wait_tell(k);
	assert_int_equal(k->spool.code, 127);
	accept_now(k);
	fixture_write(f, "/tmp/log.go", "", 0644); /* not before the first was looked at */
	wait_tell(k);
	assert_int_equal(k->spool.code, 3);
	accept_now(k);
	wait_state(k, 1, "done");
	end_desk(k);
}

/* A program that others may write is not obeyed, and nothing else is taken in its place. */
static void test_untrusted(void **state)
{
	struct fixture *f = *state;
	struct desk *k = make(state, "echo ran >>$L");
	char path[ENV_PATH_MAX];

	fixture_path(f, HOOK, path);
	assert_int_equal(chmod(path, 0777), 0);
	offer(k, ENTRY_A);
	wait_tell(k);
	assert_int_equal(k->spool.code, 127);
	assert_log(k->a, "");
	end_desk(k);
}

/* The runner's own configuration decides, whatever the agent asks. */
static void test_not_enabled(void **state)
{
	struct fixture *f = *state;
	struct desk *k = make(state, "echo ran >>$L");

	f->conf.deployments_enabled = false;
	offer(k, ENTRY_A);
	wait_state(k, 0, "disabled");
	assert_log(k->a, "");
	f->conf.deployments_enabled = true;
	deploy_queue_disable(k->queue, false);
	wait_tell(k);
	assert_log(k->a, "ran\n");
	end_desk(k);
}

/* What Heat no longer lists is not told: its successor would be answered for. */
static void test_replaced(void **state)
{
	struct desk *k = make(state, "cat >/dev/null; echo ran >>$L; sleep 0.3");

	offer(k, ENTRY_A);
	wait_log(k->a, "ran\n");
	offer(k, ENTRY_OF(ID_B, "tool"));
	wait_tell(k);
	assert_int_equal(k->spool.tells, 1);
	wait_log(k->a, "ran\nran\n");
	accept_now(k);
	wait_disk(k);
	offer(k, "");
	assert_int_equal(k->spool.cancels, 1);
	end_desk(k);
}

/* The hook's time is over: what it said until then is told. */
static void test_time_limit(void **state)
{
	struct fixture *f = *state;
	struct desk *k;

	f->conf.deployment_timeout_ms = 1500;
	k = make(state, "cat >/dev/null; echo half; sleep 30");
	offer(k, ENTRY_A);
	wait_tell(k);
	assert_int_equal(k->spool.code, -15);
	assert_string_equal(k->spool.stdout_text, "half\n");
	end_desk(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_deaths, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_store_late, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_cut_off, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_unborn, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_foreign, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_order, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_untrusted, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_not_enabled, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_replaced, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_time_limit, fixture_setup, fixture_teardown),
	};

	log_setup(LOG_LEVEL_ERR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
