/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork and exec. The child reports the step that failed and its errno through a pipe that a good
 * exec closes; the parent waits for one or the other. Between fork and exec the child allocates
 * nothing and takes no lock.
 */
#include "core/spawn.h"
#include "core/fs.h"
#include "core/text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define GROUPS_MAX 65536 /* NGROUPS_MAX of Linux */

enum step {
	STEP_SESSION,
	STEP_STDIO,
	STEP_GROUPS,
	STEP_USER,
	STEP_VERIFY,
	STEP_FOLDER,
	STEP_EXEC,
	STEP_COUNT
};

static const char *const step_names[STEP_COUNT] = {
	[STEP_SESSION] = "start a session for",
	[STEP_STDIO] = "open standard input and output of",
	[STEP_GROUPS] = "set the groups of",
	[STEP_USER] = "switch the user of",
	[STEP_VERIFY] = "make sure of the user of",
	[STEP_FOLDER] = "enter the working folder of",
	[STEP_EXEC] = "execute",
};

struct failure {
	int step, error;
};

/* ---- in the child: async-signal-safe calls only ---- */

static void write_file(const char *path, const char *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return;
	if (write(fd, p, n) != (ssize_t)n) {
		/* Best effort by contract: without the cgroup or the score the hook still runs. */
	}
	close(fd);
}

static void write_own_pid(const char *path)
{
	char text[16];
	size_t at = sizeof(text);
	unsigned pid = (unsigned)getpid();

	do
		text[--at] = (char)('0' + pid % 10);
	while (pid /= 10);
	write_file(path, text + at, sizeof(text) - at);
}

static int high_copy(int fd, int flags)
{
	int null, copy;

	if (fd >= 0)
		return fcntl(fd, F_DUPFD_CLOEXEC, 3);
	null = open("/dev/null", flags | O_CLOEXEC);
	if (null < 0 || null > 2)
		return null;
	copy = fcntl(null, F_DUPFD_CLOEXEC, 3);
	close(null);
	return copy;
}

/* All three are copied out of the way first: the caller's may be 0, 1 or 2 in any order. */
static int set_stdio(const struct spawn *s)
{
	const int fds[3] = {
		high_copy(s->fd_in, O_RDONLY),
		high_copy(s->fd_out, O_WRONLY),
		high_copy(s->fd_err, O_WRONLY),
	};

	for (int i = 0; i < 3; i++)
		if (fds[i] < 0 || dup2(fds[i], i) < 0)
			return -1;
	return 0;
}

void spawn_reset_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool is_already(const struct spawn *s)
{
	return geteuid() != 0 && s->uid == geteuid() && s->gid == getegid();
}

static int verify_user(const struct spawn *s)
{
	uid_t u[3];
	gid_t g[3];

	if (getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0)
		return -1;
	errno = EPERM;
	for (int i = 0; i < 3; i++)
		if (u[i] != s->uid || g[i] != s->gid)
			return -1;
	if (getgroups(0, NULL) != (int)s->n_groups)
		return -1;
	if (s->uid != 0 && setresuid(0, 0, 0) == 0) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

static int switch_user(const struct spawn *s, enum step *step)
{
	*step = STEP_GROUPS;
	if (setgroups(s->n_groups, s->groups) < 0)
		return -1;
	*step = STEP_USER;
	if (setresgid(s->gid, s->gid, s->gid) < 0 || setresuid(s->uid, s->uid, s->uid) < 0)
		return -1;
	*step = STEP_VERIFY;
	return verify_user(s);
}

static int prepare(const struct spawn *s, enum step *step)
{
	if (s->cgroup_procs)
		write_own_pid(s->cgroup_procs);
	if (s->reset_oom)
		write_file("/proc/self/oom_score_adj", "0", 1);
	*step = STEP_SESSION;
	if (s->new_session && setsid() < 0)
		return -1;
	*step = STEP_STDIO;
	if (set_stdio(s) < 0)
		return -1;
	umask(s->umask);
	if (s->switch_user && !is_already(s) && switch_user(s, step) < 0)
		return -1;
	*step = STEP_FOLDER;
	return chdir(s->cwd ? s->cwd : "/");
}

static void close_all_but(int keep)
{
	fs_close_range(3, (unsigned)keep - 1);
	fs_close_range((unsigned)keep + 1, ~0U);
}

static _Noreturn void child(const struct spawn *s, int report)
{
	enum step step = STEP_SESSION;
	struct failure f;
	int copy;

	copy = fcntl(report, F_DUPFD_CLOEXEC, 10); /* clear of stdio, and 3..keep-1 is not empty */
	if (copy >= 0) {
		report = copy;
		if (prepare(s, &step) == 0) {
			close_all_but(report);
			spawn_reset_signals();
			step = STEP_EXEC;
			execve(s->path, s->argv, s->envp);
		}
	}
	f = (struct failure){(int)step, errno};
	if (write(report, &f, sizeof(f)) < 0)
		_exit(126);
	_exit(127);
}

/* ---- in the parent ---- */

static pid_t await_exec(pid_t pid, int report, const struct spawn *s, struct err *e)
{
	_cleanup_buf_ struct buf name = BUF_INIT(ERR_TEXT_MAX);
	struct failure f;
	ssize_t n;

	do
		n = read(report, &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(f))
		return pid; /* closed by a good exec (or killed before: the caller's wait tells) */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	text_escape(&name, s->path, strlen(s->path));
	if (f.step < 0 || f.step >= STEP_COUNT || f.error <= 0)
		return err_set(e, -EIO, "cannot start %s", buf_str(&name));
	return err_sys(e, f.error, "cannot %s %s", step_names[f.step], buf_str(&name));
}

pid_t spawn_start(const struct spawn *s, struct err *e)
{
	sigset_t all, old;
	int report[2];
	pid_t pid;
	int error;

	if (s->path[0] != '/')
		return err_set(e, -EINVAL, "a program to start must be named by an absolute path");
	if (pipe2(report, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	/* No handler of ours may run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	error = errno;
	if (pid == 0)
		child(s, report[1]);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(report[1]);
	pid = pid < 0 ? err_sys(e, error, "cannot fork") : await_exec(pid, report[0], s, e);
	close(report[0]);
	return pid;
}

/* ---- users ---- */

void spawn_user_deinit(struct spawn_user *u)
{
	free(u->groups);
	free(u->name);
	free(u->home);
	free(u->shell);
	*u = (struct spawn_user){0};
}

static int find_groups(const char *name, struct spawn_user *u)
{
	int n = 64;

	for (int tries = 0; tries < 12; tries++) {
		int room = n;
		gid_t *groups = reallocarray(u->groups, (size_t)room, sizeof(*groups));

		if (!groups)
			return -ENOMEM;
		u->groups = groups;
		if (getgrouplist(name, u->gid, groups, &n) >= 0) {
			u->n_groups = (size_t)n;
			return 0;
		}
		if (n <= room)
			n = room * 2;
		if (n > GROUPS_MAX)
			break;
	}
	return -E2BIG;
}

static int copy_passwd(const struct passwd *pw, struct spawn_user *u)
{
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	u->name = strdup(pw->pw_name);
	u->home = strdup(pw->pw_dir && pw->pw_dir[0] ? pw->pw_dir : "/");
	u->shell = strdup(pw->pw_shell && pw->pw_shell[0] ? pw->pw_shell : "/bin/sh");
	if (!u->name || !u->home || !u->shell)
		return -ENOMEM;
	return find_groups(u->name, u);
}

int spawn_find_user(const char *name, struct spawn_user *ret, struct err *e)
{
	_cleanup_buf_ struct buf shown = BUF_INIT(ERR_TEXT_MAX);
	_cleanup_free_ char *text = NULL;
	struct passwd pw, *found = NULL;
	size_t room = 1024;
	int r;

	*ret = (struct spawn_user){0};
	do {
		char *more = realloc(text, room *= 4);

		if (!more)
			return err_set(e, -ENOMEM, "out of memory");
		text = more;
		r = getpwnam_r(name, &pw, text, room, &found);
	} while (r == EINTR || (r == ERANGE && room < (1u << 20)));
	text_escape(&shown, name, strlen(name));
	if (!found && (r == 0 || r == ENOENT || r == ESRCH))
		return err_set(e, -ENOENT, "there is no user \"%s\"", buf_str(&shown));
	if (!found)
		return err_sys(e, r, "cannot look up user \"%s\"", buf_str(&shown));
	r = copy_passwd(found, ret);
	if (r < 0) {
		spawn_user_deinit(ret);
		return err_sys(e, -r, "cannot look up the groups of user \"%s\"", buf_str(&shown));
	}
	return 0;
}
