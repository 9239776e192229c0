/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of core/role.h, with small role programs that crash, end or serve at command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "core/fs.h"
#include "core/log.h"
#include "core/role.h"
#include "tests/unit/turns.h"

static const struct env env = {.boot_ms = clock_boot_ms, .real_ms = clock_real_ms};

struct fix {
	struct loop *loop;
	struct roles *roles;
	struct sandbox_user user;
	int fds[ROLE_COUNT];
	int ups, downs, clean, wstatus, stop_at_up;
	enum role last_down;
	int64_t up_at[16];
};

/* Obeys bytes: 'e' ends well, 'c' crashes, 'f' reports its open descriptors, 'n' its name; the
 * link's end ends it. */
static int obey(int fd, void *ctx)
{
	char order, text[32] = "";
	int n = 0;

	(void)ctx;
	fcntl(fd, F_SETFL, 0);
	while (recv(fd, &order, 1, 0) == 1) {
		if (order == 'e')
			return 0;
		if (order == 'c')
			abort();
		if (order == 'n')
			prctl(PR_GET_NAME, text);
		for (int i = 0; order == 'f' && i < 256; i++)
			n += fcntl(i, F_GETFD) >= 0;
		if (order == 'f')
			snprintf(text, sizeof(text), "%d", n);
		if (send(fd, text, sizeof(text), 0) < 0)
			return 1;
	}
	return 0;
}

static int ignore_term(int fd, void *ctx)
{
	signal(SIGTERM, SIG_IGN);
	return obey(fd, ctx);
}

static void end_late(int signo)
{
	(void)signo;
	usleep(300000);
	_exit(0);
}

static int linger(int fd, void *ctx)
{
	signal(SIGTERM, end_late);
	return obey(fd, ctx);
}

static int crash(int fd, void *ctx)
{
	(void)fd;
	(void)ctx;
	return 3;
}

static void on_up(struct roles *roles, enum role role, int fd, void *ctx)
{
	struct fix *f = ctx;

	(void)roles;
	if (f->fds[role] >= 0)
		close(f->fds[role]);
	f->fds[role] = fd;
	if (f->ups < 16)
		f->up_at[f->ups] = clock_boot_ms();
	if (++f->ups == f->stop_at_up)
		loop_quit(f->loop, 1);
}

static void on_down(struct roles *roles, enum role role, bool clean, int wstatus, void *ctx)
{
	struct fix *f = ctx;

	assert_int_equal(roles_pid(roles, role), 0);
	f->last_down = role;
	f->downs++;
	f->clean += clean;
	f->wstatus = wstatus;
}

static void start(struct fix *f, const struct role_spec *specs)
{
	struct err e;

	memset(f, 0, sizeof(*f));
	for (int i = 0; i < ROLE_COUNT; i++)
		f->fds[i] = -1;
	assert_int_equal(loop_new(&env, &f->loop), 0);
	assert_true(sandbox_find_user("nobody", &f->user, &e) >= 0);
	assert_int_equal(roles_new(f->loop, specs, &f->user, on_up, on_down, f, &f->roles), 0);
}

static void finish(struct fix *f)
{
	for (int i = 0; i < ROLE_COUNT; i++)
		if (f->fds[i] >= 0)
			close(f->fds[i]);
	roles_free(f->roles);
	loop_free(f->loop);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static const char *ask(struct fix *f, enum role role, char order)
{
	static char text[32];

	fcntl(f->fds[role], F_SETFL, 0);
	assert_int_equal(send(f->fds[role], &order, 1, 0), 1);
	assert_int_equal(recv(f->fds[role], text, sizeof(text), 0), sizeof(text));
	return text;
}

static const struct role_spec obedient[ROLE_COUNT] = {
	[ROLE_AGENT] = {"agent", SANDBOX_AGENT, obey},
	[ROLE_PROBER] = {"prober", SANDBOX_PROBER, obey},
	[ROLE_STORE] = {"store", SANDBOX_STORE, obey},
};

static const struct role_spec mixed[ROLE_COUNT] = {
	[ROLE_AGENT] = {"agent", SANDBOX_AGENT, ignore_term},
	[ROLE_STORE] = {"store", SANDBOX_STORE, crash},
};

/* A role runs in its sandbox with its name, and holds stdio and its link, nothing else of the
 * parent. */
static void test_fresh_child(void **state)
{
	struct fix f;
	int extra = open("/dev/null", O_RDONLY);
	struct buf b = BUF_INIT(65536);
	char path[64];

	(void)state;
	start(&f, obedient);
	for (int i = 0; i < ROLE_COUNT; i++)
		assert_int_equal(roles_start(f.roles, (enum role)i), 0);
	assert_int_equal(f.ups, ROLE_COUNT);
	assert_string_equal(ask(&f, ROLE_AGENT, 'f'), "4");
	assert_string_equal(ask(&f, ROLE_PROBER, 'f'), "4");
	assert_string_equal(ask(&f, ROLE_PROBER, 'n'), "pulse: prober");
	snprintf(path, sizeof(path), "/proc/%d/status", (int)roles_pid(f.roles, ROLE_STORE));
	assert_string_equal(ask(&f, ROLE_STORE, 'n'), "pulse: store");
	assert_int_equal(fs_read(path, &b), 0);
	assert_non_null(strstr(buf_str(&b), "\nSeccomp:\t2"));
	assert_non_null(strstr(buf_str(&b), "\nNoNewPrivs:\t1"));
	buf_deinit(&b);
	close(extra);
	finish(&f);
}

/* A crash is told with its status and the role is there again at once, on a new link. */
static void test_restart(void **state)
{
	struct fix f;
	pid_t first;

	(void)state;
	start(&f, obedient);
	assert_int_equal(roles_start(f.roles, ROLE_AGENT), 0);
	first = roles_pid(f.roles, ROLE_AGENT);
	f.stop_at_up = 2;
	assert_int_equal(send(f.fds[ROLE_AGENT], "c", 1, 0), 1);
	assert_int_equal(run_loop(f.loop, 10000), 1);
	assert_int_equal(f.downs, 1);
	assert_int_equal(f.clean, 0);
	assert_true(WIFSIGNALED(f.wstatus) && WTERMSIG(f.wstatus) == SIGABRT);
	assert_true(f.up_at[1] - f.up_at[0] < 900);
	assert_int_not_equal(roles_pid(f.roles, ROLE_AGENT), first);
	assert_string_equal(ask(&f, ROLE_AGENT, 'n'), "pulse: agent");
	finish(&f);
}

/* One that keeps dying young: at once, then after a second or more; a missing main is left out. */
static void test_backoff(void **state)
{
	struct fix f;

	(void)state;
	start(&f, mixed);
	assert_int_equal(roles_start(f.roles, ROLE_PROBER), 0);
	assert_int_equal(roles_pid(f.roles, ROLE_PROBER), 0);
	assert_int_equal(roles_start(f.roles, ROLE_STORE), 0);
	f.stop_at_up = 3;
	assert_int_equal(run_loop(f.loop, 20000), 1);
	assert_true(WIFEXITED(f.wstatus) && WEXITSTATUS(f.wstatus) == 3);
	assert_true(f.up_at[1] - f.up_at[0] < 900);
	assert_true(f.up_at[2] - f.up_at[1] >= 1000);
	finish(&f);
}

/* roles_restart() is no failure: however often it is asked for, the role comes back without
 * waiting. */
static void test_asked_restart(void **state)
{
	struct fix f;

	(void)state;
	start(&f, obedient);
	assert_int_equal(roles_start(f.roles, ROLE_AGENT), 0);
	for (int i = 2; i < 6; i++) {
		f.stop_at_up = i;
		roles_restart(f.roles, ROLE_AGENT);
		assert_int_equal(run_loop(f.loop, 10000), 1);
		assert_true(f.up_at[i - 1] - f.up_at[i - 2] < 900);
	}
	finish(&f);
}

/* The link's end ends a role. */
static void test_link_end(void **state)
{
	struct fix f;

	(void)state;
	start(&f, obedient);
	assert_int_equal(roles_start(f.roles, ROLE_PROBER), 0);
	f.stop_at_up = 2;
	close(f.fds[ROLE_PROBER]);
	f.fds[ROLE_PROBER] = -1;
	assert_int_equal(run_loop(f.loop, 10000), 1);
	assert_int_equal(f.clean, 1);
	finish(&f);
}

static void on_stopped(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, 7);
}

/* Stopping: SIGTERM to all, SIGKILL to those who ignore it, then told once; nothing is started
 * again. */
static void test_stop(void **state)
{
	struct fix f;

	(void)state;
	start(&f, mixed);
	roles_stop(f.roles, 100, on_stopped, NULL); /* nothing runs yet */
	assert_int_equal(run_loop(f.loop, 1000), 7);
	finish(&f);
	start(&f, mixed);
	assert_int_equal(roles_start(f.roles, ROLE_AGENT), 0);
	assert_string_equal(ask(&f, ROLE_AGENT, 'n'),
			    "pulse: agent"); /* it ignores SIGTERM by now */
	roles_stop(f.roles, 100, on_stopped, NULL);
	roles_restart(f.roles, ROLE_AGENT);
	assert_int_equal(run_loop(f.loop, 10000), 7);
	assert_true(WIFSIGNALED(f.wstatus) && WTERMSIG(f.wstatus) == SIGKILL);
	assert_int_equal(roles_start(f.roles, ROLE_AGENT), 0);
	assert_int_equal(f.ups, 1);
	finish(&f);
	start(&f, obedient);
	for (int i = 0; i < ROLE_COUNT; i++)
		assert_int_equal(roles_start(f.roles, (enum role)i), 0);
	roles_stop(f.roles, 5000, on_stopped, NULL);
	assert_int_equal(run_loop(f.loop, 4000), 7);
	assert_int_equal(f.downs, 3);
	finish(&f);
}

static const struct role_spec lingering[ROLE_COUNT] = {
	[ROLE_AGENT] = {"agent", SANDBOX_AGENT, linger},
	[ROLE_STORE] = {"store", SANDBOX_STORE, obey},
};

/* The store is there for the agent's last words: it is told to end when the agent has. */
static void test_store_ends_last(void **state)
{
	struct fix f;

	(void)state;
	start(&f, lingering);
	assert_int_equal(roles_start(f.roles, ROLE_STORE), 0);
	assert_int_equal(roles_start(f.roles, ROLE_AGENT), 0);
	ask(&f, ROLE_AGENT, 'n'); /* it is ready */
	ask(&f, ROLE_STORE, 'n');
	roles_stop(f.roles, 20000, on_stopped, NULL);
	assert_int_equal(run_loop(f.loop, 15000), 7);
	assert_int_equal(f.downs, 2);
	assert_int_equal(f.last_down, ROLE_STORE);
	assert_true(WIFSIGNALED(f.wstatus) && WTERMSIG(f.wstatus) == SIGTERM);
	assert_int_equal(f.clean, 1);
	finish(&f);
}

static int wait_for_end(int fd, void *ctx)
{
	(void)fd;
	(void)ctx;
	sleep(60);
	return 0;
}

static const struct role_spec deaf[ROLE_COUNT] = {
	[ROLE_PROBER] = {"prober", SANDBOX_PROBER, wait_for_end},
};

/* The runner is killed: a role that does not look at its link ends all the same. */
static void test_parent_dies(void **state)
{
	int fds[2];
	pid_t runner, role = 0;
	char path[64];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	runner = fork();
	if (runner == 0) {
		struct fix f;

		start(&f, deaf);
		if (roles_start(f.roles, ROLE_PROBER) < 0)
			_exit(1);
		usleep(200000);
		role = roles_pid(f.roles, ROLE_PROBER);
		if (waitpid(role, NULL, WNOHANG) != 0)
			role = 0; /* it did not live until then */
		if (write(fds[1], &role, sizeof(role)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(fds[0], &role, sizeof(role)), sizeof(role));
	assert_true(role > 0);
	kill(runner, SIGKILL);
	waitpid(runner, NULL, 0);
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)role);
	for (int i = 0; i < 200 && kill(role, 0) == 0; i++) {
		struct buf b = BUF_INIT(4096);

		if (fs_read(path, &b) < 0 ||
		    strstr(buf_str(&b), ") Z ")) { /* nobody may be there to reap it */
			buf_deinit(&b);
			break;
		}
		buf_deinit(&b);
		usleep(20000);
		assert_int_not_equal(i, 199);
	}
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fresh_child),     cmocka_unit_test(test_restart),
		cmocka_unit_test(test_backoff),         cmocka_unit_test(test_asked_restart),
		cmocka_unit_test(test_link_end),        cmocka_unit_test(test_stop),
		cmocka_unit_test(test_store_ends_last), cmocka_unit_test(test_parent_dies),
	};

	log_setup(LOG_LEVEL_ERR, "test");
	return cmocka_run_group_tests_name("role", tests, NULL, NULL);
}
