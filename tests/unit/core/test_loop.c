/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of core/loop.h. Times are short and only lower bounds are exact: the machine may be
 * busy. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include "core/loop.h"

static const struct env env = {.boot_ms = clock_boot_ms, .real_ms = clock_real_ms};

struct trace {
	char text[64];
	struct loop_timer *timers[4];
	struct loop_io *io[3];
	struct loop_child *child;
	int fds[3][2];
	int count, status;
	pid_t pid;
	int64_t at;
};

static void note(struct trace *t, const char *s)
{
	strncat(t->text, s, sizeof(t->text) - strlen(t->text) - 1);
}

static struct loop *new_loop(void)
{
	struct loop *loop;

	assert_int_equal(loop_new(&env, &loop), 0);
	return loop;
}

static void quit(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, 42);
}

static void stop_after(struct loop *loop, int64_t ms)
{
	struct loop_timer *t;

	assert_int_equal(loop_timer_new(loop, 0, quit, NULL, &t), 0);
	loop_timer_arm(t, ms);
}

static void note_a(struct loop *loop, void *ctx)
{
	(void)loop;
	note(ctx, "a");
}

static void note_b(struct loop *loop, void *ctx)
{
	(void)loop;
	note(ctx, "b");
}

static void note_c(struct loop *loop, void *ctx)
{
	(void)loop;
	note(ctx, "c");
}

/* Timers fire in the order of their due times, ties in the order of arming, never early; run
 * returns the code. */
static void test_timer_order(void **state)
{
	struct loop *loop = new_loop();
	struct trace t = {0};
	int64_t start = clock_boot_ms();

	(void)state;
	assert_int_equal(loop_timer_new(loop, 0, note_a, &t, &t.timers[0]), 0);
	assert_int_equal(loop_timer_new(loop, 0, note_b, &t, &t.timers[1]), 0);
	assert_int_equal(loop_timer_new(loop, 0, note_c, &t, &t.timers[2]), 0);
	assert_false(loop_timer_armed(t.timers[0]));
	assert_int_equal(loop_timer_due(t.timers[0]), -1);
	loop_timer_arm(t.timers[0], 20);
	loop_timer_arm(t.timers[1], 5);
	loop_timer_arm(t.timers[2], 5);
	assert_true(loop_timer_armed(t.timers[0]));
	stop_after(loop, 40);
	assert_int_equal(loop_run(loop), 42);
	assert_string_equal(t.text, "bca");
	assert_true(clock_boot_ms() - start >= 40);
	assert_false(loop_timer_armed(t.timers[0]));
	loop_free(loop);
}

/* A disarmed timer does not fire; a huge delay neither overflows nor fires. */
static void test_timer_disarm(void **state)
{
	struct loop *loop = new_loop();
	struct trace t = {0};

	(void)state;
	assert_int_equal(loop_timer_new(loop, 0, note_a, &t, &t.timers[0]), 0);
	assert_int_equal(loop_timer_new(loop, 1000, note_b, &t, &t.timers[1]), 0);
	loop_timer_arm(t.timers[0], 1);
	loop_timer_disarm(t.timers[0]);
	loop_timer_arm(t.timers[1], INT64_MAX);
	stop_after(loop, 10);
	assert_int_equal(loop_run(loop), 42);
	assert_string_equal(t.text, "");
	loop_free(loop);
}

/* Slack lets timers share a wake-up: ten timers due within 90 ms with 100 ms slack cost one or two,
 * not ten. */
static void test_slack_groups(void **state)
{
	struct loop *loop = new_loop();
	struct trace t = {0};

	(void)state;
	for (int i = 0; i < 10; i++) {
		struct loop_timer *timer;

		assert_int_equal(loop_timer_new(loop, 100, note_a, &t, &timer), 0);
		loop_timer_arm(timer, 10 + i * 10);
	}
	stop_after(loop, 150);
	assert_int_equal(loop_run(loop), 42);
	assert_string_equal(t.text, "aaaaaaaaaa");
	assert_true(loop_get_stats(loop)->wakeups <= 3);
	loop_free(loop);
}

static void quit_at_once(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, 7);
}

/* Armed for now means now: a poll that somebody asked for does not wait out the slack of the interval. */
static void test_no_slack_for_now(void **state)
{
	struct loop *loop = new_loop();
	struct loop_timer *timer;

	(void)state;
	assert_int_equal(loop_timer_new(loop, 60000, quit_at_once, NULL, &timer), 0);
	loop_timer_arm(timer, 0);
	stop_after(loop, 5000);
	assert_int_equal(loop_run(loop), 7);
	loop_free(loop);
}

static void free_others(struct loop *loop, void *ctx)
{
	struct trace *t = ctx;

	(void)loop;
	note(t, "x");
	for (int i = 0; i < 3; i++)
		t->timers[i] = loop_timer_free(t->timers[i]);
}

/* A timer may free itself and others that are due in the same round. */
static void test_timer_free_inside(void **state)
{
	struct loop *loop = new_loop();
	struct trace t = {0};

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(loop_timer_new(loop, 0, free_others, &t, &t.timers[i]), 0);
		loop_timer_arm(t.timers[i], 1);
	}
	stop_after(loop, 10);
	assert_int_equal(loop_run(loop), 42);
	assert_string_equal(t.text, "x");
	loop_free(loop);
}

static void rearm(struct loop *loop, void *ctx)
{
	struct trace *t = ctx;

	(void)loop;
	t->count++;
	loop_timer_arm(t->timers[0], 0);
}

/* A timer that re-arms itself with 0 does not starve the others. */
static void test_timer_rearm(void **state)
{
	struct loop *loop = new_loop();
	struct trace t = {0};

	(void)state;
	assert_int_equal(loop_timer_new(loop, 0, rearm, &t, &t.timers[0]), 0);
	loop_timer_arm(t.timers[0], 0);
	stop_after(loop, 5);
	assert_int_equal(loop_run(loop), 42);
	assert_true(t.count > 1);
	loop_free(loop);
}

static void remove_all(struct loop *loop, uint32_t events, void *ctx)
{
	struct trace *t = ctx;

	(void)loop;
	assert_true(events & EPOLLIN);
	t->count++;
	for (int i = 0; i < 3; i++)
		t->io[i] = loop_io_remove(t->io[i]);
}

/* Of three readable descriptors the first handler removes all: the other two are not called. */
static void test_io_remove_inside(void **state)
{
	struct loop *loop = new_loop();
	struct trace t = {0};

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pipe2(t.fds[i], O_CLOEXEC), 0);
		assert_int_equal(write(t.fds[i][1], "x", 1), 1);
		assert_int_equal(loop_io_add(loop, t.fds[i][0], EPOLLIN, remove_all, &t, &t.io[i]),
				 0);
	}
	stop_after(loop, 10);
	assert_int_equal(loop_run(loop), 42);
	assert_int_equal(t.count, 1);
	for (int i = 0; i < 3; i++) {
		close(t.fds[i][0]);
		close(t.fds[i][1]);
	}
	loop_free(loop);
}

static void count_io(struct loop *loop, uint32_t events, void *ctx)
{
	struct trace *t = ctx;

	(void)events;
	if (++t->count == 3)
		loop_quit(loop, 7);
}

/* Level triggered: what is not read is reported again; loop_io_mod(0) silences it, a hang-up too,
 * until there is something to wait for again. */
static void test_io_level(void **state)
{
	struct loop *loop = new_loop();
	struct trace t = {0};

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, t.fds[0]), 0);
	assert_int_equal(write(t.fds[0][1], "x", 1), 1);
	assert_int_equal(loop_io_add(loop, t.fds[0][0], EPOLLIN, count_io, &t, &t.io[0]), 0);
	assert_int_equal(loop_run(loop), 7);
	assert_int_equal(loop_io_mod(t.io[0], 0), 0);
	stop_after(loop, 5);
	close(t.fds[0][1]);
	assert_int_equal(loop_run(loop), 42);
	assert_int_equal(t.count, 3);
	assert_int_equal(loop_io_mod(t.io[0], 0), 0);
	assert_int_equal(loop_io_mod(t.io[0], EPOLLOUT), 0);
	t.count = 2;
	assert_int_equal(loop_run(loop), 7);
	assert_int_equal(loop_io_mod(t.io[0], 0), 0);
	loop_io_remove(t.io[0]);
	assert_int_equal(loop_io_add(loop, -1, EPOLLIN, count_io, &t, &t.io[1]), -EBADF);
	loop_free(loop);
	close(t.fds[0][0]);
}

static void on_signal(struct loop *loop, int signo, void *ctx)
{
	struct trace *t = ctx;

	t->status = signo;
	loop_quit(loop, 1);
}

/* A signal is blocked and served in the loop, also one sent before the loop runs; a second handler
 * is refused. */
static void test_signal(void **state)
{
	struct loop *loop = new_loop();
	struct trace t = {0};

	(void)state;
	assert_int_equal(loop_signal_add(loop, SIGUSR1, on_signal, &t), 0);
	assert_int_equal(loop_signal_add(loop, SIGUSR2, on_signal, &t), 0);
	assert_int_equal(loop_signal_add(loop, SIGUSR1, on_signal, &t), -EBUSY);
	assert_int_equal(loop_signal_add(loop, 0, on_signal, &t), -EINVAL);
	kill(getpid(), SIGUSR2);
	assert_int_equal(loop_run(loop), 1);
	assert_int_equal(t.status, SIGUSR2);
	loop_free(loop);
}

static void on_child(struct loop *loop, pid_t pid, int wstatus, void *ctx)
{
	struct trace *t = ctx;

	t->count++;
	t->pid = pid;
	t->status = wstatus;
	if (loop)
		loop_quit(loop, 0);
}

static pid_t fork_exit(int code, int delay_ms)
{
	pid_t pid = fork();

	if (pid == 0) {
		usleep((unsigned)delay_ms * 1000);
		_exit(code);
	}
	assert_true(pid > 0);
	return pid;
}

/* The end of a child comes once, with its status, and the child is reaped. */
static void test_child(void **state)
{
	struct loop *loop = new_loop();
	struct trace t = {0};
	pid_t pid = fork_exit(3, 10);

	(void)state;
	assert_int_equal(loop_child_add(loop, pid, on_child, &t, &t.child), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(t.pid, pid);
	assert_true(WIFEXITED(t.status) && WEXITSTATUS(t.status) == 3);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
	stop_after(loop, 5);
	assert_int_equal(loop_run(loop), 42);
	assert_int_equal(t.count, 1);
	t.child = loop_child_remove(t.child);
	/* one that is dead already, and one that nobody holds */
	pid = fork_exit(0, 0);
	usleep(20000);
	assert_int_equal(loop_child_add(loop, pid, on_child, &t, NULL), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(t.count, 2);
	assert_int_equal(loop_child_add(loop, pid, on_child, &t, &t.child), -ESRCH);
	loop_free(loop);
}

/* A process of another parent can be watched too: its status is then -1. */
static void test_child_of_other(void **state)
{
	struct loop *loop = new_loop();
	struct trace t = {0};
	int fds[2];
	pid_t pid, parent;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	parent = fork();
	if (parent == 0) {
		pid = fork_exit(5, 300);
		if (write(fds[1], &pid, sizeof(pid)) != sizeof(pid))
			_exit(1);
		waitpid(pid, NULL, 0);
		_exit(0);
	}
	assert_int_equal(read(fds[0], &pid, sizeof(pid)), sizeof(pid));
	assert_int_equal(loop_child_add(loop, pid, on_child, &t, &t.child), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(t.status, -1);
	waitpid(parent, NULL, 0);
	close(fds[0]);
	close(fds[1]);
	loop_free(loop);
}

static void defer_more(struct loop *loop, void *ctx)
{
	note(ctx, "d");
	assert_int_equal(loop_defer(loop, note_a, ctx), 0);
	assert_int_equal(loop_defer(loop, quit, NULL), 0);
}

/* Deferred calls run once, in order, without waiting for anything; those added by them in the next
 * round. */
static void test_defer(void **state)
{
	struct loop *loop = new_loop();
	struct trace t = {0};

	(void)state;
	assert_int_equal(loop_defer(loop, defer_more, &t), 0);
	assert_int_equal(loop_defer(loop, note_b, &t), 0);
	assert_int_equal(loop_run(loop), 42);
	assert_string_equal(t.text, "dba");
	assert_int_equal(loop_get_stats(loop)->wakeups, 2);
	loop_free(loop);
}

static void block_130(struct loop *loop, void *ctx)
{
	(void)loop;
	(void)ctx;
	usleep(130000);
}

/* A callback that blocks makes the next timer late, and that is counted with its delay. */
static void test_late_tick(void **state)
{
	struct loop *loop = new_loop();
	struct trace t = {0};

	(void)state;
	assert_int_equal(loop_timer_new(loop, 0, block_130, &t, &t.timers[0]), 0);
	assert_int_equal(loop_timer_new(loop, 0, note_a, &t, &t.timers[1]), 0);
	loop_timer_arm(t.timers[0], 0);
	loop_timer_arm(t.timers[1], 10);
	stop_after(loop, 140);
	assert_int_equal(loop_run(loop), 42);
	assert_true(loop_get_stats(loop)->late_ticks >= 1);
	assert_true(loop_get_stats(loop)->late_max_ms >= 100);
	loop_free(loop);
}

static void keep_now(struct loop *loop, void *ctx)
{
	struct trace *t = ctx;

	t->at = loop_now(loop);
	usleep(20000);
	assert_int_equal(loop_now(loop), t->at);
	loop_quit(loop, 0);
}

/* loop_now() stands still within one wake-up. */
static void test_now(void **state)
{
	struct loop *loop = new_loop();
	struct trace t = {0};

	(void)state;
	assert_int_equal(loop_defer(loop, keep_now, &t), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_ptr_equal(loop_env(loop), &env);
	loop_free(loop);
}

static int64_t boot_offset;
static int64_t shifted_boot_ms(void)
{
	return clock_boot_ms() + boot_offset;
}

/* Time that passed while the guest stood still counts: an hour's timer is due when the clock has
 * jumped by two. */
static void test_clock_jump(void **state)
{
	struct env jumping = {.boot_ms = shifted_boot_ms, .real_ms = clock_real_ms};
	struct loop *loop;
	struct trace t = {0};

	(void)state;
	boot_offset = 0;
	assert_int_equal(loop_new(&jumping, &loop), 0);
	assert_int_equal(loop_timer_new(loop, 0, quit, &t, &t.timers[0]), 0);
	loop_timer_arm(t.timers[0], 3600 * 1000);
	boot_offset = 7200 * 1000;
	assert_int_equal(loop_run(loop), 42);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timer_order),  cmocka_unit_test(test_timer_disarm),
		cmocka_unit_test(test_slack_groups), cmocka_unit_test(test_no_slack_for_now),
		cmocka_unit_test(test_timer_free_inside),
		cmocka_unit_test(test_timer_rearm),  cmocka_unit_test(test_io_remove_inside),
		cmocka_unit_test(test_io_level),     cmocka_unit_test(test_signal),
		cmocka_unit_test(test_child),        cmocka_unit_test(test_child_of_other),
		cmocka_unit_test(test_defer),        cmocka_unit_test(test_late_tick),
		cmocka_unit_test(test_now),          cmocka_unit_test(test_clock_jump),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
