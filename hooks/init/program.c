/* SPDX-License-Identifier: Apache-2.0 */
/* poll(2) on the pipe and the child's pidfd with one deadline; the group gets SIGTERM, then
 * SIGKILL. */
#include "hooks/init/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define GRACE_MS  10000 /* between SIGTERM and SIGKILL */
#define LINGER_MS 200   /* output awaited after the end */
#define ASK_MS    50
#define SLICE_MS  10000 /* a suspended guest stops poll's clock, not the deadline's */

struct running {
	const struct env *env;
	struct program_end *end;
	pid_t pid;
	int pidfd, pipe;
	int64_t deadline;
	bool terminated;
};

/* ---- finding ---- */

static bool look_in(const struct env *env, const char *dirs, const char *name, char *out)
{
	const char *p;
	size_t n, pos = 0;

	while (text_list_next(dirs, ':', &pos, &p, &n)) {
		char path[ENV_PATH_MAX];

		if (n == 0 || *p != '/' ||
		    snprintf(path, sizeof(path), "%.*s/%s", (int)n, p, name) >= (int)sizeof(path))
			continue;
		if (env)
			env_path(env, path, out);
		else
			snprintf(out, ENV_PATH_MAX, "%s", path);
		if (access(out, X_OK) == 0)
			return true;
	}
	return false;
}

bool program_find(const struct env *env, const char *name, char out[static ENV_PATH_MAX])
{
	return look_in(env, PROGRAM_PATH, name, out);
}

static const char *path_of(char *const *envp)
{
	for (; envp && *envp; envp++)
		if (text_starts(*envp, "PATH="))
			return *envp + 5;
	return PROGRAM_PATH;
}

static int find(const struct env *env, const struct program *p, char *out, struct err *e)
{
	_cleanup_buf_ struct buf shown = BUF_INIT(ERR_TEXT_MAX);
	const char *name = p->argv[0];

	if (strchr(name, '/')) {
		if (snprintf(out, ENV_PATH_MAX, "%s", name) < ENV_PATH_MAX && name[0] == '/' &&
		    access(out, F_OK) == 0)
			return 0;
	} else if (look_in(p->below_root ? env : NULL, path_of(p->envp), name, out)) {
		return 0;
	}
	text_escape(&shown, name, strlen(name) < 200 ? strlen(name) : 200);
	return err_set(e, -ENOENT, "there is no program %s", buf_str(&shown));
}

/* ---- running ---- */

/* The end of the output is what tells: a full buffer loses its first half. */
static void keep(struct program_end *end, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (end->output_len == PROGRAM_OUTPUT_MAX) {
			end->output_len = PROGRAM_OUTPUT_MAX / 2;
			memmove(end->output, end->output + PROGRAM_OUTPUT_MAX / 2, end->output_len);
		}
		end->output[end->output_len++] = p[i] ? p[i] : '?';
	}
	end->output[end->output_len] = '\0';
}

/* Return: false at the end of the output. */
static bool read_some(struct running *r)
{
	char chunk[4096];
	ssize_t n = read(r->pipe, chunk, sizeof(chunk));

	if (n > 0)
		keep(r->end, chunk, (size_t)n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void out_of_time(struct running *r)
{
	r->end->timed_out = true;
	kill(-r->pid, r->terminated ? SIGKILL : SIGTERM);
	r->terminated = true;
	r->deadline = r->env->boot_ms() + GRACE_MS;
}

/* Kernels before 5.3 have no pidfd: there it is asked for again and again. */
static bool has_ended(const struct running *r)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == r->pid;
}

/* Until the program has ended; its output may go on. */
static void watch(struct running *r)
{
	const int64_t slice = r->pidfd >= 0 ? SLICE_MS : ASK_MS;
	bool open = true;

	while (!has_ended(r)) {
		struct pollfd fds[] = {{r->pidfd, POLLIN, 0}, {open ? r->pipe : -1, POLLIN, 0}};
		int64_t left = r->deadline - r->env->boot_ms();

		if (left <= 0) {
			out_of_time(r);
			continue;
		}
		if (poll(fds, 2, (int)(left < slice ? left : slice)) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			open = read_some(r);
	}
}

/* Return: true when something still holds the pipe. */
static bool linger(struct running *r)
{
	int64_t until = r->env->boot_ms() + LINGER_MS;

	for (;;) {
		struct pollfd fd = {r->pipe, POLLIN, 0};
		int64_t left = until - r->env->boot_ms();

		if (left <= 0)
			return true;
		if (poll(&fd, 1, (int)left) > 0 && !read_some(r))
			return false;
	}
}

static _Noreturn void swallow(int fd)
{
	char chunk[4096];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i);
	fcntl(fd, F_SETFL, 0);
	while (read(fd, chunk, sizeof(chunk)) > 0 || errno == EINTR)
		errno = 0;
	_exit(0);
}

static void reap(struct running *r)
{
	int status = 0;

	while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
		;
	r->end->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (r->terminated)
		kill(-r->pid, SIGKILL); /* what it left in its group */
	else if (linger(r) && fork() == 0)
		swallow(r->pipe);
}

static pid_t start(const struct program *p, const char *path, int out, struct err *e)
{
	char env_path_var[] = "PATH=" PROGRAM_PATH, locale[] = "LC_ALL=C", home[] = "HOME=/root",
	     front[] = "DEBIAN_FRONTEND=noninteractive";
	char *small[] = {env_path_var, locale, home, front, NULL};
	struct spawn spec = {
		.path = path,
		.argv = (char *const *)(uintptr_t)p->argv,
		.envp = p->envp ? p->envp : small,
		.cwd = p->cwd,
		.umask = 022,
		.fd_in = -1,
		.fd_out = out,
		.fd_err = out,
		.new_session = true,
	};

	if (p->user) {
		spec.switch_user = true;
		spec.uid = p->user->uid;
		spec.gid = p->user->gid;
		spec.groups = p->user->groups;
		spec.n_groups = p->user->n_groups;
	}
	return spawn_start(&spec, e);
}

int program_run(const struct env *env, const struct program *p, struct program_end *end,
		struct err *e)
{
	struct running r = {.env = env, .end = end, .deadline = env->boot_ms() + p->timeout_ms};
	_cleanup_close_ int pipe = -1, pidfd = -1;
	char path[ENV_PATH_MAX];
	int pipes[2], ret;

	*end = (struct program_end){.code = -1};
	ret = find(env, p, path, e);
	if (ret < 0)
		return ret;
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	fcntl(pipes[1], F_SETFL, 0); /* a program does not expect EAGAIN of its output */
	r.pid = start(p, path, pipes[1], e);
	close(pipes[1]);
	r.pipe = pipe = pipes[0];
	if (r.pid < 0)
		return (int)r.pid;
	r.pidfd = pidfd = (int)syscall(SYS_pidfd_open, r.pid, 0);
	watch(&r);
	reap(&r);
	return 0;
}

void program_last_line(const struct program_end *end, struct buf *out)
{
	size_t n = end->output_len, from;

	while (n > 0 && (end->output[n - 1] == '\n' || end->output[n - 1] == ' '))
		n--;
	for (from = n; from > 0 && end->output[from - 1] != '\n' && n - from < 160;)
		from--;
	text_escape(out, end->output + from, n - from);
}

int program_must(const struct env *env, const struct program *p, struct program_end *end,
		 struct err *e)
{
	_cleanup_buf_ struct buf line = BUF_INIT(ERR_TEXT_MAX * 4);
	const char *name = strrchr(p->argv[0], '/');
	int r = program_run(env, p, end, e);

	if (r < 0)
		return r;
	name = name ? name + 1 : p->argv[0];
	program_last_line(end, &line);
	if (end->timed_out)
		return err_set(e, -ECHILD, "%s ran out of time", name);
	if (end->code != 0)
		return err_set(e, -ECHILD, "%s ended with %d%s%s", name, end->code,
			       line.len ? ": " : "", buf_str(&line));
	return 0;
}
