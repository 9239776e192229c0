/* SPDX-License-Identifier: Apache-2.0 */
/* Questions that may hang: workers that never answer, workers that not even SIGKILL ends, the
 * kinds. */
#include "prober_bench.h"

#include <signal.h>
#include <sys/stat.h>

/* A worker in uninterruptible sleep outlives kill(2). No test can order one, so the pool's kill(2)
 * is made to do as little: this definition is linked in the place of libc's. */
static bool kill_does_nothing;
static pid_t last_killed;
int kill(pid_t pid, int signo)
{
	last_killed = pid;
	return kill_does_nothing && signo == SIGKILL ? 0 : (int)syscall(SYS_kill, pid, signo);
}

static int stuck_down(void **state)
{
	kill_does_nothing = false;
	return bench_down(state);
}

/* ---- the pool ---- */

/* Answers and errors come back as the worker had them; a worker that dies is an error, not silence.
 */
static void pool_brings_answers(void **state)
{
	struct bench *b = *state;

	open_pool(b, by_order);
	assert_int_equal(ask(b, 0, PROBER_STATVFS, "/ok"), 0);
	assert_int_equal(ask(b, 1, PROBER_FILE, "/no"), 0);
	assert_int_equal(ask(b, 2, PROBER_FILE, "/die"), 0);
	assert_int_equal(ask(b, 3, PROBER_FILE, "/fds"), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->replies[0].status, 0);
	assert_int_equal(b->replies[0].answer.n[0], 42);
	assert_int_equal(b->replies[0].answer.n[7], 7);
	assert_int_equal(b->replies[1].status, -ENOENT);
	assert_int_equal(b->replies[2].status, -EIO);
	assert_int_equal(b->replies[3].answer.n[0], 1);
}

static void pool_refuses_what_is_not_legal(void **state)
{
	struct bench *b = *state;
	char longer[PROBER_PATH_MAX + 10];

	open_pool(b, by_order);
	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(ask(b, 0, PROBER_KINDS, "/ok"), -EINVAL);
	assert_int_equal(ask(b, 0, UINT32_MAX, "/ok"), -EINVAL);
	assert_int_equal(ask(b, 0, PROBER_STATVFS, "ok"), -EINVAL);
	assert_int_equal(ask(b, 0, PROBER_STATVFS, longer), -EINVAL);
}

/* A hanging question ends at its deadline and delays no other; a worker that can be killed leaves
 * its place free. */
static void hang_costs_only_itself(void **state)
{
	struct bench *b = *state;

	open_pool(b, by_order);
	assert_int_equal(ask(b, 0, PROBER_STATVFS, "/hang"), 0);
	assert_int_equal(ask(b, 1, PROBER_STATVFS, "/ok"), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->replies[1].status, 0);
	assert_true(b->replies[1].after_ms < DEADLINE_MS);
	assert_int_equal(b->replies[0].status, -ETIMEDOUT);
	assert_in_range(b->replies[0].after_ms, DEADLINE_MS, DEADLINE_MS + 1000);
	run_for(b, 100);
	assert_int_equal(prober_pool_stuck(b->pool), 0);
	assert_int_equal(ask(b, 0, PROBER_STATVFS, "/hang"), 0);
}

/* A worker that cannot be killed: one and no more there, refused until it has ended, then asked
 * again. */
static void stuck_worker_is_left_alone(void **state)
{
	struct bench *b = *state;

	open_pool(b, by_order);
	kill_does_nothing = true;
	assert_int_equal(ask(b, 0, PROBER_STATVFS, "/hang"), 0);
	assert_int_equal(ask(b, 1, PROBER_STATVFS, "/hang"), -EBUSY);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->replies[0].status, -ETIMEDOUT);
	assert_int_equal(prober_pool_stuck(b->pool), 1);
	for (int i = 0; i < 50; i++)
		assert_int_equal(ask(b, 1, PROBER_STATVFS, "/hang"), -EBUSY);
	assert_int_equal(ask(b, 1, PROBER_FILE, "/hang/below/it"), -EBUSY);
	assert_int_equal(ask(b, 1, PROBER_STATVFS, "/ok"), 0);
	assert_int_equal(ask(b, 2, PROBER_STATVFS, "/hangar"), 0); /* begins alike, is elsewhere */
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->replies[1].status, 0);
	assert_int_equal(prober_pool_stuck(b->pool), 2);
	syscall(SYS_kill, last_killed, SIGKILL); /* the kernel lets go of /hangar */
	run_for(b, 100);
	assert_int_equal(prober_pool_stuck(b->pool), 1);
	assert_int_equal(ask(b, 2, PROBER_STATVFS, "/hangar"), 0);
	kill_does_nothing = false;
}

/* The number of workers has an end, and it is told. */
static void workers_are_bounded(void **state)
{
	struct bench *b = *state;
	char path[32];

	open_pool(b, by_order);
	for (size_t i = 0; i < PROBER_WORKERS_MAX; i++) {
		snprintf(path, sizeof(path), "/hang%zu", i);
		assert_int_equal(ask(b, i, PROBER_STATVFS, path), 0);
	}
	assert_int_equal(ask(b, PROBER_WORKERS_MAX, PROBER_STATVFS, "/ok"), -EAGAIN);
	assert_int_equal(loop_run(b->loop), 0);
	run_for(b, 100);
	assert_int_equal(ask(b, 0, PROBER_STATVFS, "/ok"), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->replies[0].status, 0);
}

/* ---- the real kinds ---- */

static void real_kinds_answer(void **state)
{
	struct bench *b = *state;
	char pid[16];
	struct stat st;

	open_pool(b, prober_kinds);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_int_equal(ask(b, 0, PROBER_STATVFS, "/"), 0);
	assert_int_equal(ask(b, 1, PROBER_FD_COUNT, pid), 0);
	assert_int_equal(ask(b, 2, PROBER_PROC_IO, pid), 0);
	assert_int_equal(ask(b, 3, PROBER_FILE, "/etc"), 0);
	assert_int_equal(ask(b, 4, PROBER_FD_COUNT, "2147483647"), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->replies[0].status, 0);
	assert_true(b->replies[0].answer.n[STATVFS_BLOCKS] >= b->replies[0].answer.n[STATVFS_FREE]);
	assert_int_equal(b->replies[1].status, 0);
	assert_true(b->replies[1].answer.n[FD_COUNT_OPEN] >= 4);
	if (b->replies[2].status != -EACCES &&
	    b->replies[2].status != -ENOENT) /* a kernel without task I/O accounting */
		assert_int_equal(b->replies[2].status, 0);
	assert_int_equal(stat("/etc", &st), 0);
	assert_int_equal(b->replies[3].answer.n[FILE_MODE], st.st_mode);
	assert_int_equal(b->replies[4].status, -ENOENT);
}

static void real_kinds_refuse(void **state)
{
	static const char *const bad_paths[] = {"", "etc", "/proc/../etc", "/etc/.."};
	static const char *const bad_pids[] = {"",	 "0",	       "-1", "self",
					       "1/../2", "2147483648", "1 ", "/1"};
	struct bench *b = *state;

	open_pool(b, prober_kinds);
	for (size_t i = 0; i < ARRAY_SIZE(bad_paths); i++) {
		assert_int_equal(ask(b, 0, PROBER_STATVFS, bad_paths[i]), -EINVAL);
		assert_int_equal(ask(b, 0, PROBER_FILE, bad_paths[i]), -EINVAL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad_pids); i++) {
		assert_int_equal(ask(b, 0, PROBER_FD_COUNT, bad_pids[i]), -EINVAL);
		assert_int_equal(ask(b, 0, PROBER_PROC_IO, bad_pids[i]), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pool_brings_answers, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(pool_refuses_what_is_not_legal, bench_up,
						bench_down),
		cmocka_unit_test_setup_teardown(hang_costs_only_itself, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(stuck_worker_is_left_alone, bench_up, stuck_down),
		cmocka_unit_test_setup_teardown(workers_are_bounded, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(real_kinds_answer, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(real_kinds_refuse, bench_up, bench_down),
	};

	if (lacks_pidfd()) {
		printf("1..0 # SKIP no pidfd_open\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
