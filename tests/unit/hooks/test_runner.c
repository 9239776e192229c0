/* SPDX-License-Identifier: Apache-2.0 */
/* The runner over a real link: what it starts, what it refuses, and that no run id runs twice. */
#include "world.h"

#include <signal.h>

#include "core/log.h"
#include "hooks/run_record.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

struct answer {
	struct world *w;
	unsigned count, wanted;
	int status;
	uint32_t word; /* state, service answer, or run_end */
	uint32_t code;
	size_t fds;
	char tail[256];
};

static void on_answer(struct link *link, int status, struct link_msg *msg, void *ctx)
{
	struct answer *a = ctx;
	struct buf text = BUF_INIT(65536);

	(void)link;
	a->status = status;
	a->word = a->code = 0;
	a->fds = msg ? msg->n_fds : 0;
	a->tail[0] = '\0';
	if (status == 0 && msg && msg->body.left > 0)
		a->word = msg_get_u32(&msg->body);
	if (status == 0 && msg && msg->body.left > 4)
		a->code = msg_get_u32(&msg->body);
	if (a->fds && fs_blob_read(msg->fds[0], &text) == 0)
		snprintf(a->tail, sizeof(a->tail), "%s", buf_str(&text));
	buf_deinit(&text);
	if (++a->count == a->wanted)
		loop_quit(a->w->loop, 0);
}

struct wish {
	const char *id, *hook, *resource, *service;
	uint32_t trigger;
};

static void send_wish(struct world *w, const struct wish *wish, struct answer *a)
{
	struct msg_writer m = {.len = 0};

	msg_put_str(&m, wish->id);
	msg_put_str(&m, wish->hook);
	msg_put_u32(&m, wish->trigger);
	msg_put_str(&m, wish->resource);
	msg_put_str(&m, wish->service);
	msg_put_u32(&m, 1);
	msg_put_u32(&m, 0);
	assert_int_equal(link_call(w->agent_end, RUNNER_RUN, &m, NULL, 0, 30000, on_answer, a), 0);
}

static struct answer ask_run(struct world *w, const struct wish *wish)
{
	struct answer a = {.w = w, .wanted = 1};

	send_wish(w, wish, &a);
	world_run(w, 20000);
	return a;
}

static struct answer ask_word(struct world *w, uint32_t type, const char *text)
{
	struct answer a = {.w = w, .wanted = 1};
	struct msg_writer m = {.len = 0};

	msg_put_str(&m, text);
	assert_int_equal(link_call(w->agent_end, type, &m, NULL, 0, 30000, on_answer, &a), 0);
	world_run(w, 20000);
	return a;
}

static uint32_t query(struct world *w, const char *id)
{
	return ask_word(w, RUNNER_QUERY, id).word;
}

/* One hook "h" on R1 whose action gets $L, the log file, put before it. */
static struct world *make(void **state, const char *action)
{
	struct fixture *f = *state;
	char text[4096];

	snprintf(text, sizeof(text),
		 "[h]\ntriggers=post.update,service.restarted\npath=Resources.R1.Metadata\naction="
		 "L=%s/tmp/log; %s\n",
		 f->env.root, action);
	return world_new(f, text);
}

static void assert_log(const struct world *w, const char *expected)
{
	char *text = fixture_read(w->f, "/tmp/log");

	assert_string_equal(text, expected);
	free(text);
}

/* Lets the world turn until the log reads so. */
static void wait_log(struct world *w, const char *expected)
{
	for (int i = 0; i < 1000; i++) {
		char *text = fixture_read(w->f, "/tmp/log");
		bool there = strcmp(text, expected) == 0;

		free(text);
		if (there)
			return;
		world_turn(w, 20);
	}
	assert_log(w, expected);
}

static const struct wish good = {ID_A, "h", "R1", NULL, TRIGGER_UPDATE};

/* The answer is the result; asked again, the recorded result; forgotten, it would run again. */
static void test_once(void **state)
{
	struct world *w = make(state, "echo ran >> $L; echo out; exit 5");
	struct answer a = ask_run(w, &good);

	assert_int_equal(a.status, 0);
	assert_int_equal(a.word, RUN_EXITED);
	assert_int_equal(a.code, 5);
	assert_string_equal(a.tail, "out\n");
	assert_int_equal(query(w, ID_A), RUN_STATE_ENDED);
	assert_int_equal(query(w, ID_B), RUN_STATE_UNKNOWN);
	a = ask_run(w, &good);
	assert_int_equal(a.code, 5);
	assert_string_equal(a.tail, "out\n");
	world_restart_runner(w);
	a = ask_run(w, &good);
	assert_int_equal(a.code, 5);
	assert_log(w, "ran\n");
	assert_int_equal(ask_word(w, RUNNER_FORGET, ID_A).status, 0);
	assert_int_equal(query(w, ID_A), RUN_STATE_UNKNOWN);
	world_free(w);
}

/* Asked for while it runs, a run is waited for, by every asker. */
static void test_twice_while_running(void **state)
{
	struct world *w = make(state, "echo ran >> $L; sleep 1.5");
	struct answer a = {.w = w, .wanted = 3};

	send_wish(w, &good, &a);
	send_wish(w, &good, &a);
	wait_log(w, "ran\n");
	assert_int_equal(query(w, ID_A), RUN_STATE_RUNNING);
	assert_int_equal(ask_word(w, RUNNER_FORGET, ID_A).status, 0); /* not while it runs */
	send_wish(w, &good, &a);
	world_run(w, 10000);
	assert_int_equal(a.count, 3);
	assert_int_equal(a.word, RUN_EXITED);
	assert_log(w, "ran\n");
	world_free(w);
}

/* A new runner finds the run of the old one and waits for its end. */
static void test_adoption(void **state)
{
	struct world *w =
		make(state, "echo start >> $L; sleep 1.5; echo end >> $L; echo out; exit 7");
	struct answer a = {.w = w, .wanted = 1}, lost = {.w = w};

	send_wish(w, &good, &lost);
	wait_log(w, "start\n");
	world_restart_runner(w);
	assert_int_equal(query(w, ID_A), RUN_STATE_RUNNING);
	send_wish(w, &good, &a);
	world_run(w, 10000);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.code, 7);
	assert_string_equal(a.tail, "out\n");
	assert_log(w, "start\nend\n");
	world_free(w);
}

static struct run_record record_of(const struct world *w, const char *id)
{
	struct run_store store;
	struct run_record r;
	struct err e = ERR_INIT;

	assert_int_equal(run_store_init(&store, &w->f->env, &e), 0);
	run_store_state(&store, id, &r);
	return r;
}

/* Gone, or a zombie that its new parent has not reaped yet. */
static bool is_dead(pid_t pid)
{
	struct buf text = BUF_INIT(4096);
	char path[64];
	const char *p;
	bool dead;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	dead = fs_read(path, &text) < 0 || !(p = strrchr(buf_str(&text), ')')) || p[2] == 'Z';
	buf_deinit(&text);
	return dead;
}

/* The record of a run whose hook was started. Its shepherd can be killed: 0 would be all of us. */
static struct run_record running_record(struct world *w)
{
	struct run_record r = {0};

	for (int i = 0; i < 500 && !(r.shepherd > 1 && r.leader > 1); i++) {
		run_record_deinit(&r);
		world_turn(w, 20);
		if (query(w, ID_A) == RUN_STATE_RUNNING)
			r = record_of(w, ID_A);
	}
	assert_true(r.shepherd > 1 && r.leader > 1);
	return r;
}

/* A shepherd that was killed: the run is cut off, what is left of the hook is killed, and nothing
 * runs twice. */
static void test_cut_off(void **state)
{
	struct world *w = make(state, "echo start >> $L; sleep 2; echo end >> $L");
	struct answer a = {.w = w, .wanted = 1};
	struct run_record r;

	send_wish(w, &good, &a);
	r = running_record(w);
	wait_log(w, "start\n");
	assert_int_equal(kill(r.shepherd, SIGKILL), 0);
	world_run(w, 5000);
	assert_int_equal(a.word, RUN_CUT_OFF);
	assert_int_equal(query(w, ID_A), RUN_STATE_CUT_OFF);
	assert_int_equal(ask_run(w, &good).word, RUN_CUT_OFF);
	world_restart_runner(w);
	assert_int_equal(ask_run(w, &good).word, RUN_CUT_OFF);
	for (int i = 0; i < 200 && !is_dead(r.leader); i++)
		usleep(20000);
	assert_true(is_dead(r.leader));
	run_record_deinit(&r);
	assert_log(w, "start\n");
	world_free(w);
}

/* An adopted shepherd that dies is noticed too. */
static void test_adopted_cut_off(void **state)
{
	struct world *w = make(state, "echo start >> $L; sleep 3; echo end >> $L");
	struct answer a = {.w = w, .wanted = 1}, lost = {.w = w};
	struct run_record r;

	send_wish(w, &good, &lost);
	r = running_record(w);
	run_record_deinit(&r);
	world_restart_runner(w);
	send_wish(w, &good, &a);
	r = running_record(w);
	assert_int_equal(kill(r.shepherd, SIGKILL), 0);
	run_record_deinit(&r);
	world_run(w, 5000);
	assert_int_equal(a.word, RUN_CUT_OFF);
	world_free(w);
}

/* Only what the table says can happen is started. */
static void test_refusals(void **state)
{
	static const struct {
		struct wish wish;
		int status;
	} rows[] = {
		{{ID_A, "other", "R1", NULL, TRIGGER_UPDATE}, -ENOENT},
		{{ID_A, "h", "R1", NULL, TRIGGER_ADD}, -EPERM},
		{{ID_A, "h", "R1", NULL, TRIGGER_UPDATE | TRIGGER_SERVICE_RESTARTED}, -EPERM},
		{{ID_A, "h", "R1", NULL, 0}, -EPERM},
		{{ID_A, "h", "R2", NULL, TRIGGER_UPDATE}, -EPERM},
		{{ID_A, "h", "R1", "sshd", TRIGGER_UPDATE}, -EPERM},
		{{ID_A, "h", "R1", NULL, TRIGGER_SERVICE_RESTARTED}, -EPERM},
		{{ID_A, "h", "R1", "a;b", TRIGGER_SERVICE_RESTARTED}, -EPERM},
		{{"../../etc/passwd", "h", "R1", NULL, TRIGGER_UPDATE}, -EBADMSG},
		{{"", "h", "R1", NULL, TRIGGER_UPDATE}, -EBADMSG},
		{{ID_A, NULL, "R1", NULL, TRIGGER_UPDATE}, -EBADMSG},
	};
	struct world *w = make(state, "echo ran >> $L");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(ask_run(w, &rows[i].wish).status, rows[i].status);
	assert_int_equal(query(w, ID_A), RUN_STATE_UNKNOWN);
	assert_log(w, "");
	world_free(w);
}

/* The kill switch stops the start, and only the start. */
static void test_kill_switch(void **state)
{
	struct world *w = make(state, "echo ran >> $L");
	char path[ENV_PATH_MAX];

	fixture_mkdir(w->f, "/etc/heat-pulse", 0755);
	fixture_write(w->f, "/etc/heat-pulse/hooks.disabled", "", 0644);
	assert_int_equal(ask_run(w, &good).status, -ESHUTDOWN);
	assert_int_equal(ask_word(w, RUNNER_SERVICE, "sshd").status, -ESHUTDOWN);
	assert_log(w, "");
	fixture_path(w->f, "/etc/heat-pulse/hooks.disabled", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ask_run(w, &good).word, RUN_EXITED);
	fixture_write(w->f, "/etc/heat-pulse/hooks.disabled", "", 0644);
	assert_int_equal(ask_run(w, &good).word, RUN_EXITED);
	wait_log(w, "ran\n");
	world_free(w);
}

/* Messages of the wrong form get an answer, not a crash. */
static void test_malformed(void **state)
{
	static const uint32_t types[] = {RUNNER_RUN, RUNNER_QUERY, RUNNER_FORGET, RUNNER_SERVICE};
	struct world *w = make(state, "true");
	struct msg_writer m = {.len = 0};

	msg_put_u32(&m, 0xffffffff);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct answer a = {.w = w, .wanted = 2};

		assert_int_equal(
			link_call(w->agent_end, types[i], NULL, NULL, 0, 5000, on_answer, &a), 0);
		assert_int_equal(
			link_call(w->agent_end, types[i], &m, NULL, 0, 5000, on_answer, &a), 0);
		world_run(w, 5000);
		assert_true(a.status == -EBADMSG);
	}
	world_free(w);
}

/* ---- services, against stand-ins for the init systems ---- */

static void fake_program(const struct fixture *f, const char *path, const char *script)
{
	char text[2048];

	snprintf(text, sizeof(text), "#!/bin/sh\nD=%s/tmp\necho \"$@\" >> $D/log\n%s\n",
		 f->env.root, script);
	fixture_write(f, path, text, 0755);
}

static void fake_systemd(const struct fixture *f, const char *script)
{
	fixture_mkdir(f, "/run/systemd/system", 0755);
	fixture_mkdir(f, "/usr/bin", 0755);
	fake_program(f, "/usr/bin/systemctl", script);
}

/* Down is started, up and on-the-way are left alone, what cannot be started is said. */
static void test_systemd(void **state)
{
	static const struct {
		const char *word;
		int start_code;
		uint32_t answer;
		const char *log;
	} rows[] = {
		{"active", 0, SERVICE_RUNNING, "--no-ask-password is-active a@1.service\n"},
		{"activating", 0, SERVICE_RUNNING, "--no-ask-password is-active a@1.service\n"},
		{"reloading", 0, SERVICE_RUNNING, "--no-ask-password is-active a@1.service\n"},
		{"inactive", 0, SERVICE_STARTED,
		 "--no-ask-password is-active a@1.service\n--no-ask-password start a@1.service\n"},
		{"failed", 0, SERVICE_STARTED,
		 "--no-ask-password is-active a@1.service\n--no-ask-password start a@1.service\n"},
		{"failed", 1, SERVICE_FAILED,
		 "--no-ask-password is-active a@1.service\n--no-ask-password start a@1.service\n"},
		{"", 0, SERVICE_FAILED, "--no-ask-password is-active a@1.service\n"},
	};
	struct world *w = make(state, "true");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char script[256];

		snprintf(script, sizeof(script), "[ $2 = start ] && exit %d\necho %s\nexit 3",
			 rows[i].start_code, rows[i].word);
		fake_systemd(w->f, script);
		fixture_write(w->f, "/tmp/log", "", 0644);
		assert_int_equal(ask_word(w, RUNNER_SERVICE, "a@1.service").word, rows[i].answer);
		assert_log(w, rows[i].log);
	}
	world_free(w);
}

/* OpenRC tells by exit code; starting (8) is not down. */
static void test_openrc(void **state)
{
	struct world *w = make(state, "true");

	fixture_mkdir(w->f, "/sbin", 0755);
	fake_program(w->f, "/sbin/rc-service", "[ $2 = start ] && exit 0\nexit 8");
	assert_int_equal(ask_word(w, RUNNER_SERVICE, "sshd").word, SERVICE_RUNNING);
	fake_program(w->f, "/sbin/rc-service", "[ $2 = start ] && exit 0\nexit 3");
	assert_int_equal(ask_word(w, RUNNER_SERVICE, "sshd").word, SERVICE_STARTED);
	assert_log(w, "sshd status\nsshd status\nsshd start\n");
	world_free(w);
}

/* Names that are none never reach a program; several questions are answered in turn. */
static void test_service_names(void **state)
{
	static const char *const bad[] = {"",     "-x",   "a b",     "a;b", "a/b",
					  "../x", "$(x)", ".hidden", "a\nb"};
	struct world *w = make(state, "true");
	struct answer a = {.w = w, .wanted = 3};

	fake_systemd(w->f, "echo active");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(ask_word(w, RUNNER_SERVICE, bad[i]).status, -EINVAL);
	assert_log(w, "");
	for (int i = 0; i < 3; i++) {
		struct msg_writer m = {.len = 0};

		msg_put_str(&m, "x");
		assert_int_equal(
			link_call(w->agent_end, RUNNER_SERVICE, &m, NULL, 0, 5000, on_answer, &a),
			0);
	}
	world_run(w, 10000);
	assert_int_equal(a.word, SERVICE_RUNNING);
	world_free(w);
}

/* Without any init system the answer is that it could not be started. */
static void test_no_init(void **state)
{
	struct world *w = make(state, "true");

	assert_int_equal(ask_word(w, RUNNER_SERVICE, "x").word, SERVICE_FAILED);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_once, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_twice_while_running, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_adoption, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_cut_off, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_adopted_cut_off, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_refusals, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_kill_switch, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_malformed, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_systemd, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_openrc, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_service_names, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_no_init, fixture_setup, fixture_teardown),
	};

	log_setup(LOG_LEVEL_WARN, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
