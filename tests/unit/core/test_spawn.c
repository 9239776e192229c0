/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of core/spawn.h. Programs are small shell scripts that report what they see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include "core/buf.h"
#include "core/spawn.h"
#include "tests/unit/skip.h"

static char *no_env[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};

struct shell {
	struct spawn spawn;
	struct buf out;
	int status;
};

static void shell_init(struct shell *s)
{
	*s = (struct shell){.out = BUF_INIT(65536)};
	s->spawn = (struct spawn){.path = "/bin/sh",
				  .envp = no_env,
				  .umask = 022,
				  .fd_in = -1,
				  .fd_out = -1,
				  .fd_err = -1};
}

/* Runs the script and collects its output. Return: what spawn_start() said. */
static pid_t shell_run(struct shell *s, const char *script, struct err *e)
{
	char sh[] = "sh", c[] = "-c", text[1024];
	char *argv[] = {sh, c, text, NULL};
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	snprintf(text, sizeof(text), "%s", script);
	s->spawn.argv = argv;
	s->spawn.fd_out = fds[1];
	pid = spawn_start(&s->spawn, e);
	close(fds[1]);
	for (ssize_t n = 1; pid > 0 && n > 0;) {
		char chunk[512];

		n = read(fds[0], chunk, sizeof(chunk));
		if (n > 0)
			buf_put(&s->out, chunk, (size_t)n);
	}
	close(fds[0]);
	if (pid > 0)
		assert_int_equal(waitpid(pid, &s->status, 0), pid);
	return pid;
}

static void expect_output(struct shell *s, const char *script, const char *want)
{
	struct err e = ERR_INIT;

	if (shell_run(s, script, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(buf_str(&s->out), want);
	buf_deinit(&s->out);
}

/* The child sees exactly the environment, folder, umask and descriptors that were said. */
static void test_world(void **state)
{
	char a[] = "A=1", *envp[] = {a, NULL};
	struct shell s;
	int extra = open("/dev/null", O_RDONLY); /* without O_CLOEXEC: must not get through */

	(void)state;
	shell_init(&s);
	s.spawn.envp = envp;
	s.spawn.cwd = "/usr";
	s.spawn.umask = 0137;
	expect_output(&s, "/usr/bin/env | /usr/bin/grep -v -e ^PWD= -e ^_= -e ^SHLVL=; pwd; umask",
		      "A=1\n/usr\n0137\n");
	shell_init(&s);
	expect_output(&s, "pwd; read x; echo $?; exec ls /proc/self/fd",
		      "/\n1\n0\n1\n2\n3\n"); /* 3: ls reads there */
	close(extra);
}

/* Signals that the parent blocks or ignores are as the system made them. */
static void test_signals(void **state)
{
	struct shell s;
	sigset_t set, old;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGPIPE, SIG_IGN);
	shell_init(&s);
	expect_output(&s, "grep -E '^Sig(Blk|Ign)' /proc/self/status",
		      "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, NULL, &set);
	assert_true(sigismember(&set, SIGTERM)); /* and ours is as it was */
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* The error of exec comes back, named, and leaves no child behind. */
static void test_exec_errors(void **state)
{
	struct shell s;
	struct err e = ERR_INIT;

	(void)state;
	shell_init(&s);
	s.spawn.path = "/nonexistent/program";
	assert_int_equal(shell_run(&s, "", &e), -ENOENT);
	assert_string_equal(e.text,
			    "cannot execute /nonexistent/program: No such file or directory");
	s.spawn.path = "/etc/passwd";
	assert_int_equal(shell_run(&s, "", &e), -EACCES);
	s.spawn.path = "sh";
	assert_int_equal(shell_run(&s, "", &e), -EINVAL);
	s.spawn.path = "/bin/sh";
	s.spawn.cwd = "/nonexistent";
	assert_int_equal(shell_run(&s, "", &e), -ENOENT);
	assert_non_null(strstr(e.text, "working folder"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	buf_deinit(&s.out);
}

/* A new session has the child as its leader; without it the group is ours. */
static void test_session(void **state)
{
	struct shell s;

	(void)state;
	shell_init(&s);
	s.spawn.new_session = true;
	expect_output(&s,
		      "set -- $(cat /proc/$$/stat); test $6 = $$ && test $5 = $$ && echo leader",
		      "leader\n");
	shell_init(&s);
	expect_output(&s, "set -- $(cat /proc/$$/stat); test $6 = $$ || echo member", "member\n");
}

/* Descriptors may be handed over in any order, the parent's own 0, 1 and 2 among them. */
static void test_stdio_swapped(void **state)
{
	struct shell s;
	int in[2];

	(void)state;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(write(in[1], "word\n", 5), 5);
	close(in[1]);
	shell_init(&s);
	s.spawn.fd_in = in[0];
	s.spawn.fd_err = 1;
	expect_output(&s, "read x; echo got $x", "got word\n");
	close(in[0]);
}

/* The pid is written to the file given before exec; an unwritable one is no obstacle. */
static void test_cgroup_file(void **state)
{
	struct shell s;
	char path[] = "/tmp/test_spawn.XXXXXX", text[32] = "", want[32];
	int fd = mkstemp(path);
	pid_t pid;

	(void)state;
	shell_init(&s);
	s.spawn.cgroup_procs = path;
	s.spawn.reset_oom = true;
	pid = shell_run(&s, "cat /proc/self/oom_score_adj", NULL);
	assert_true(pid > 0);
	assert_string_equal(buf_str(&s.out), "0\n");
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	snprintf(want, sizeof(want), "%d", (int)pid);
	assert_string_equal(text, want);
	buf_reset(&s.out);
	s.spawn.cgroup_procs = "/nonexistent/cgroup.procs";
	expect_output(&s, "echo runs", "runs\n");
	close(fd);
	unlink(path);
}

/* Another user: uid and gid in all three places, groups as listed and no others, no way back, no
 * capability. */
static void test_drops(void **state)
{
	struct spawn_user u;
	struct shell s;
	struct err e = ERR_INIT;
	gid_t groups[] = {65533};
	char want[256];

	(void)state;
	if (geteuid() != 0)
		skip_because("only root can become somebody else");
	assert_int_equal(spawn_find_user("nobody", &u, &e), 0);
	assert_int_equal(setgroups(1, groups), 0); /* ours must not get through */
	shell_init(&s);
	s.spawn.switch_user = true;
	s.spawn.uid = u.uid;
	s.spawn.gid = u.gid;
	s.spawn.groups = u.groups;
	s.spawn.n_groups = u.n_groups;
	snprintf(want, sizeof(want),
		 "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nGroups:\t%u "
		 "\nCapPrm:\t0000000000000000\n"
		 "CapEff:\t0000000000000000\n",
		 u.uid, u.uid, u.uid, u.uid, u.gid, u.gid, u.gid, u.gid, u.gid);
	expect_output(&s, "grep -E '^(Uid|Gid|Groups|CapPrm|CapEff)' /proc/self/status", want);
	spawn_user_deinit(&u);
	assert_int_equal(setgroups(0, NULL), 0);
}

/* Without root a switch to oneself is no switch; to another it is refused and nothing runs. */
static void test_unprivileged(void **state)
{
	struct shell s;
	struct err e = ERR_INIT;
	pid_t pid;
	int status;

	(void)state;
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 &&
		    (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0))
			_exit(1);
		shell_init(&s);
		s.spawn.switch_user = true;
		s.spawn.uid = geteuid();
		s.spawn.gid = getegid();
		if (shell_run(&s, "echo runs", &e) < 0 || strcmp(buf_str(&s.out), "runs\n") != 0)
			_exit(2);
		s.spawn.uid = 0;
		buf_reset(&s.out);
		if (shell_run(&s, "echo runs", &e) != -EPERM || s.out.len != 0)
			_exit(3);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Users as the system knows them; an unknown one is named, with odd bytes escaped. */
static void test_find_user(void **state)
{
	struct spawn_user u;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(spawn_find_user("root", &u, &e), 0);
	assert_int_equal(u.uid, 0);
	assert_string_equal(u.name, "root");
	assert_true(u.n_groups >= 1);
	assert_non_null(u.home);
	assert_non_null(u.shell);
	spawn_user_deinit(&u);
	spawn_user_deinit(&u);
	assert_int_equal(spawn_find_user("no\nsuch", &u, &e), -ENOENT);
	assert_string_equal(e.text, "there is no user \"no\\x0asuch\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_world),         cmocka_unit_test(test_signals),
		cmocka_unit_test(test_exec_errors),   cmocka_unit_test(test_session),
		cmocka_unit_test(test_stdio_swapped), cmocka_unit_test(test_cgroup_file),
		cmocka_unit_test(test_drops),         cmocka_unit_test(test_unprivileged),
		cmocka_unit_test(test_find_user),
	};

	return cmocka_run_group_tests_name("spawn", tests, NULL, NULL);
}
