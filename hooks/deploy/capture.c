/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one program to its end with poll(2); the shepherd above keeps the time. */
#include "hooks/deploy/capture.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/clock.h"
#include "core/spawn.h"
#include "hooks/deploy/result.h"

#define LOOK_MS  50  /* without pidfd (before Linux 5.3): between two looks for the end */
#define GRACE_MS 200 /* for what stands in the pipes when the program has ended */

static void pass_on(const char *line, size_t n, unsigned dropped, void *ctx)
{
	(void)ctx;
	if (dropped > 0)
		fprintf(stderr, "(%u lines not shown)\n", dropped);
	if (n > 0)
		fprintf(stderr, "%.*s\n", (int)n, line);
}

void capture_deinit(struct capture *c)
{
	hook_stream_close(&c->out);
	hook_stream_close(&c->err);
	hook_output_deinit(&c->out.output);
	hook_output_deinit(&c->err.output);
}

static int open_streams(struct capture *c)
{
	int r = hook_output_init(&c->out.output, CAPTURE_KEEP, pass_on, c);

	return r < 0 ? r : hook_output_init(&c->err.output, CAPTURE_KEEP, pass_on, c);
}

static pid_t start(struct capture *c, char *const *argv, char *const *envp, const char *cwd,
		   struct err *e)
{
	struct spawn spec = {
		.path = argv[0], .argv = argv, .envp = envp, .cwd = cwd, .umask = 022, .fd_in = -1};
	pid_t pid;

	spec.fd_out = hook_stream_open(&c->out, e);
	if (spec.fd_out < 0)
		return spec.fd_out;
	spec.fd_err = hook_stream_open(&c->err, e);
	pid = spec.fd_err < 0 ? spec.fd_err : spawn_start(&spec, e);
	close(spec.fd_out);
	if (spec.fd_err >= 0)
		close(spec.fd_err);
	if (pid >= 0)
		return pid;
	hook_stream_close(&c->out);
	hook_stream_close(&c->err);
	return pid;
}

/* execve() leaves files without "#!" to the caller. */
static pid_t start_by_shell(struct capture *c, char *const *argv, char *const *envp,
			    const char *cwd, struct err *e)
{
	char shell[] = "/bin/sh";
	char *by_shell[] = {shell, argv[0], NULL};

	*e = ERR_INIT;
	return start(c, by_shell, envp, cwd, e);
}

/* @pidfd: -1 = only the streams are waited for. */
static void look(struct capture *c, int pidfd, int timeout_ms)
{
	struct pollfd fds[] = {{.fd = c->out.fd, .events = POLLIN},
			       {.fd = c->err.fd, .events = POLLIN},
			       {.fd = pidfd, .events = POLLIN}};

	poll(fds, ARRAY_SIZE(fds), timeout_ms);
	if (fds[0].revents)
		hook_stream_read(&c->out, clock_boot_ms());
	if (fds[1].revents)
		hook_stream_read(&c->err, clock_boot_ms());
}

static bool open_ends(const struct capture *c)
{
	return c->out.fd >= 0 || c->err.fd >= 0;
}

/* The end of the program is its own: a child it leaves behind may hold the pipes open for ever. */
static void follow(struct capture *c, pid_t pid)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int wstatus = 0;
	int64_t end;
	pid_t r;

	while ((r = waitpid(pid, &wstatus, WNOHANG)) == 0 || (r < 0 && errno == EINTR))
		look(c, pidfd, pidfd < 0 ? LOOK_MS : -1);
	c->code = WIFSIGNALED(wstatus) ? -WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
	end = clock_boot_ms() + GRACE_MS;
	while (open_ends(c) && clock_boot_ms() < end)
		look(c, -1, LOOK_MS);
	hook_output_end(&c->out.output, clock_boot_ms());
	hook_output_end(&c->err.output, clock_boot_ms());
}

int capture_run(char *const *argv, char *const *envp, const char *cwd, struct capture *ret,
		struct err *e)
{
	struct err why = ERR_INIT;
	pid_t pid;
	int r;

	*ret = (struct capture){.out.fd = -1, .err.fd = -1};
	r = open_streams(ret);
	if (r < 0)
		return err_sys(e, -r, "cannot keep the output of %s", argv[0]);
	/* At its time limit the whole group is told to end; we stay to tell what was said. */
	signal(SIGTERM, SIG_IGN);
	pid = start(ret, argv, envp, cwd, &why);
	if (pid == -ENOEXEC)
		pid = start_by_shell(ret, argv, envp, cwd, &why);
	if (pid >= 0) {
		follow(ret, pid);
		return 0;
	}
	ret->code = pid == -ENOENT ? 127 : 126;
	hook_output_put(&ret->err.output, why.text, strlen(why.text), clock_boot_ms());
	hook_output_end(&ret->err.output, clock_boot_ms());
	return 0;
}

static json_t *text_of(const struct hook_stream *s)
{
	_cleanup_buf_ struct buf raw = BUF_INIT(CAPTURE_KEEP + 1);

	hook_output_bytes(&s->output, &raw);
	return deployment_text(buf_str(&raw), raw.len);
}

json_t *capture_result(const struct capture *c)
{
	return json_pack("{s:o, s:o, s:i}", "deploy_stdout", text_of(&c->out), "deploy_stderr",
			 text_of(&c->err), "deploy_status_code", c->code);
}
