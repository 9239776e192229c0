/* SPDX-License-Identifier: Apache-2.0 */
/* Run records: what a new runner can tell of a run from what is on disk. */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "hooks/run_record.h"
#include "hooks/runner.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct run_store open_store(const struct fixture *f)
{
	struct run_store s;
	struct err e = ERR_INIT;

	assert_int_equal(run_store_init(&s, &f->env, &e), 0);
	return s;
}

static struct run_record make_record(bool ended)
{
	struct run_record r = {.hook = strdup("a hook"),
			       .shepherd = 12,
			       .shepherd_start = 34,
			       .leader = 56,
			       .leader_start = 78,
			       .ended = ended};

	memcpy(r.id, ID, sizeof(r.id));
	r.result = (struct run_result){RUN_SIGNALLED, 9, 1000, 2000, strdup("tail\n\xc3\xa9"),
				       strdup("why")};
	return r;
}

/* What is encoded comes back; what is not such a record is refused. */
static void test_form(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"{\"v\":1}",
		"{\"v\":2,\"run\":\"" ID
		"\",\"shepherd\":1,\"shepherd_start\":1,\"leader\":1,\"leader_start\":1}",
		"{\"v\":1,\"run\":\"../"
		"x\",\"shepherd\":1,\"shepherd_start\":1,\"leader\":1,\"leader_start\":1}",
		"{\"v\":1,\"run\":\"" ID
		"\",\"shepherd\":-1,\"shepherd_start\":1,\"leader\":1,\"leader_start\":1}",
		"{\"v\":1,\"run\":\"" ID "\",\"shepherd\":1,\"shepherd_start\":1,\"leader\":1,"
					 "\"leader_start\":1,\"result\":{\"end\":\"odd\"}}"};
	struct run_record r = make_record(true), copy;
	char *text = run_record_encode(&r);

	(void)state;
	assert_int_equal(run_record_decode(text, strlen(text), &copy, NULL), 0);
	assert_string_equal(copy.id, ID);
	assert_string_equal(copy.hook, "a hook");
	assert_int_equal(copy.leader_start, 78);
	assert_true(copy.ended);
	assert_int_equal(copy.result.end, RUN_SIGNALLED);
	assert_int_equal(copy.result.code, 9);
	assert_string_equal(copy.result.tail, r.result.tail);
	assert_string_equal(copy.result.why, "why");
	run_record_deinit(&copy);
	run_record_deinit(&r);
	free(text);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(run_record_decode(bad[i], strlen(bad[i]), &copy, NULL), -EBADMSG);
}

/* Why it did not start may name a file of any bytes: its end must be told all the same. */
static void test_why_of_any_bytes(void **state)
{
	struct run_record r = make_record(true), copy;
	char *text;

	(void)state;
	free(r.result.why);
	r.result.why = strdup("cannot enter /srv/caf\xe9");
	text = run_record_encode(&r);
	assert_non_null(text);
	assert_int_equal(run_record_decode(text, strlen(text), &copy, NULL), 0);
	assert_int_equal(copy.result.code, 9);
	assert_string_equal(copy.result.why, "cannot enter /srv/caf\\xe9");
	run_record_deinit(&copy);
	run_record_deinit(&r);
	free(text);
}

static void assert_state(const struct run_store *s, enum run_state expected)
{
	struct run_record r;

	assert_int_equal(run_store_state(s, ID, &r), expected);
	run_record_deinit(&r);
}

/* A process that holds the run's lock until it is killed. */
static pid_t hold_lock(const struct run_store *s)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (run_store_lock(s, ID) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* Unknown, running, ended and cut off are told apart at every step of a run. */
static void test_states(void **state)
{
	struct run_store s = open_store(*state);
	struct run_record running = make_record(false), ended = make_record(true);
	pid_t pid;

	assert_state(&s, RUN_STATE_UNKNOWN);
	pid = hold_lock(&s);
	assert_state(&s, RUN_STATE_RUNNING);
	assert_int_equal(run_store_save(&s, &running, true, NULL), 0);
	assert_state(&s, RUN_STATE_RUNNING);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_state(&s, RUN_STATE_CUT_OFF);
	assert_state(&s, RUN_STATE_CUT_OFF);
	assert_int_equal(run_store_save(&s, &ended, true, NULL), 0);
	assert_state(&s, RUN_STATE_ENDED);
	run_store_forget(&s, ID);
	assert_state(&s, RUN_STATE_UNKNOWN);
	run_record_deinit(&running);
	run_record_deinit(&ended);
}

/* Killed before its first record, a shepherd has not started the hook. */
static void test_killed_before_record(void **state)
{
	struct run_store s = open_store(*state);
	pid_t pid = hold_lock(&s);

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_state(&s, RUN_STATE_UNKNOWN);
}

/* On a full disk the reserved space still tells start and end apart. */
static void test_reserved_space(void **state)
{
	struct run_store s = open_store(*state);
	const struct run_result result = {RUN_EXITED, 3, 11, 22, NULL, NULL};
	struct run_record r;
	int fd = run_store_lock(&s, ID);

	assert_true(fd >= 0);
	assert_int_equal(run_store_mark_started(fd), 0);
	close(fd);
	assert_state(&s, RUN_STATE_CUT_OFF);
	fd = run_store_lock(&s, ID);
	assert_int_equal(run_store_save_bare(fd, &result), 0);
	close(fd);
	assert_int_equal(run_store_state(&s, ID, &r), RUN_STATE_ENDED);
	assert_int_equal(r.result.end, RUN_EXITED);
	assert_int_equal(r.result.code, 3);
	assert_int_equal(r.result.ended_real_ms, 22);
	run_record_deinit(&r);
}

/* Records are root's alone, and old ones go. */
static void test_modes_and_sweep(void **state)
{
	struct run_store s = open_store(*state);
	struct run_record ended = make_record(true);
	char path[2 * ENV_PATH_MAX];
	struct stat st;

	assert_int_equal(run_store_save(&s, &ended, true, NULL), 0);
	assert_int_equal(stat(s.dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(path, sizeof(path), "%s/%s.json", s.dir, ID);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	run_store_sweep(&s, 3600, clock_real_ms());
	assert_state(&s, RUN_STATE_ENDED);
	run_store_sweep(&s, 3600, clock_real_ms() + 2 * 3600 * 1000);
	assert_state(&s, RUN_STATE_UNKNOWN);
	run_record_deinit(&ended);
}

/* Pid and start together name a process. */
static void test_process_start(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	assert_true(process_start(getpid()) > 0);
	assert_int_equal(process_start(getpid()), process_start(getpid()));
	assert_int_equal(process_start(pid), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_why_of_any_bytes),
		cmocka_unit_test_setup_teardown(test_states, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_killed_before_record, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_reserved_space, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_modes_and_sweep, fixture_setup,
						fixture_teardown),
		cmocka_unit_test(test_process_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
