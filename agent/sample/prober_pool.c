/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers: one forked process for each open question, which writes its answer to a pipe and ends.
 * The end of the process is the one event waited for, so a question costs one wake-up. At the
 * deadline the asker is told and the worker is killed; one that sleeps where SIGKILL does not reach
 * stays in its place until the kernel lets it go, and until then nothing more is asked there.
 */
#include "sample/prober.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "core/fs.h"

#define DEADLINE_SLACK_MS 100

struct worker {
	struct prober_pool *pool;
	bool used;
	bool stuck;
	uint32_t kind;
	char path[PROBER_PATH_MAX];
	pid_t pid;
	int fd;
	struct loop_child *child;
	struct loop_timer *deadline;
	prober_done_fn *done;
	void *ctx;
};

struct prober_pool {
	struct loop *loop;
	const struct prober_kind_info *kinds;
	int64_t deadline_ms;
	struct worker workers[PROBER_WORKERS_MAX];
};

struct worker_result {
	int32_t status;
	struct prober_answer answer;
};

static void answer(struct worker *w, int status, const struct prober_answer *a)
{
	prober_done_fn *done = take_ptr(w->done);

	if (done)
		done(status, status ? NULL : a, w->ctx);
}

static void on_deadline(struct loop *loop, void *ctx)
{
	struct worker *w = ctx;

	(void)loop;
	kill(w->pid, SIGKILL);
	w->stuck = true;
	answer(w, -ETIMEDOUT, NULL);
}

static void on_end(struct loop *loop, pid_t pid, int wstatus, void *ctx)
{
	struct worker_result r = {0};
	struct worker *w = ctx;
	ssize_t n = read(w->fd, &r, sizeof(r));

	(void)loop, (void)pid, (void)wstatus;
	loop_timer_disarm(w->deadline);
	w->child = loop_child_remove(w->child);
	close(take_fd(&w->fd));
	w->used = w->stuck = false;
	answer(w, n == (ssize_t)sizeof(r) ? r.status : -EIO, &r.answer);
}

/* The worker must hold nothing of its parent's: with the link in a stuck worker's hands, the agent
 * would never see the prober's end. */
static void keep_only(int fd)
{
	if (fd > 0)
		fs_close_range(0, (unsigned)fd - 1);
	fs_close_range((unsigned)fd + 1, ~0U);
}

/* A worker must not outlive its prober, nor start when that has ended already. */
static void die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

static void worker_main(const struct worker *w, int fd, pid_t parent)
{
	const struct prober_pool *p = w->pool;
	struct worker_result r = {0};

	die_with(parent);
	keep_only(fd);
	r.status = p->kinds[w->kind].work(loop_env(p->loop), w->path, &r.answer);
	_exit(write(fd, &r, sizeof(r)) == (ssize_t)sizeof(r) ? 0 : 1);
}

static int worker_start(struct worker *w)
{
	int pipe_fds[2], err;
	pid_t self = getpid();

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	w->pid = fork();
	if (w->pid == 0)
		worker_main(w, pipe_fds[1], self);
	err = w->pid < 0 ? -errno : 0;
	close(pipe_fds[1]);
	w->fd = pipe_fds[0];
	if (!err)
		err = loop_child_add(w->pool->loop, w->pid, on_end, w, &w->child);
	if (!err)
		return 0;
	close(take_fd(&w->fd));
	if (w->pid > 0) {
		kill(w->pid, SIGKILL);
		waitpid(w->pid, NULL, WNOHANG);
	}
	return err;
}

/* Is @path at or below @at? The root is above everything, yet one hung mount must not silence the
 * others. */
static bool at_or_below(const char *path, const char *at)
{
	size_t n = strlen(at);

	if (at[0] != '/' || !at[1])
		return !strcmp(path, at);
	return !strncmp(path, at, n) && (!path[n] || path[n] == '/');
}

static bool taken(const struct prober_pool *p, uint32_t kind, const char *path)
{
	for (size_t i = 0; i < PROBER_WORKERS_MAX; i++) {
		const struct worker *w = &p->workers[i];

		if (!w->used)
			continue;
		if (w->stuck ? at_or_below(path, w->path)
			     : w->kind == kind && !strcmp(path, w->path))
			return true;
	}
	return false;
}

static struct worker *free_worker(struct prober_pool *p)
{
	for (size_t i = 0; i < PROBER_WORKERS_MAX; i++)
		if (!p->workers[i].used)
			return &p->workers[i];
	return NULL;
}

int prober_pool_ask(struct prober_pool *p, uint32_t kind, const char *path, prober_done_fn *done,
		    void *ctx)
{
	struct worker *w;
	int err = 0;

	if (kind >= PROBER_KINDS || strnlen(path, PROBER_PATH_MAX) == PROBER_PATH_MAX ||
	    !p->kinds[kind].legal || !p->kinds[kind].legal(path))
		return -EINVAL;
	if (taken(p, kind, path))
		return -EBUSY;
	w = free_worker(p);
	if (!w)
		return -EAGAIN;
	w->pool = p;
	w->kind = kind;
	memcpy(w->path, path, strlen(path) + 1);
	if (!w->deadline)
		err = loop_timer_new(p->loop, DEADLINE_SLACK_MS, on_deadline, w, &w->deadline);
	if (!err)
		err = worker_start(w);
	if (err)
		return err;
	w->used = true;
	w->done = done;
	w->ctx = ctx;
	loop_timer_arm(w->deadline, p->deadline_ms);
	return 0;
}

unsigned prober_pool_stuck(const struct prober_pool *p)
{
	unsigned n = 0;

	for (size_t i = 0; i < PROBER_WORKERS_MAX; i++)
		n += p->workers[i].used && p->workers[i].stuck;
	return n;
}

int prober_pool_new(struct loop *loop, const struct prober_kind_info *kinds, int64_t deadline_ms,
		    struct prober_pool **ret)
{
	struct prober_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->loop = loop;
	p->kinds = kinds;
	p->deadline_ms = deadline_ms;
	*ret = p;
	return 0;
}

struct prober_pool *prober_pool_free(struct prober_pool *p)
{
	if (!p)
		return NULL;
	for (size_t i = 0; i < PROBER_WORKERS_MAX; i++) {
		struct worker *w = &p->workers[i];

		loop_timer_free(w->deadline);
		if (!w->used)
			continue;
		loop_child_remove(w->child);
		kill(w->pid, SIGKILL);
		waitpid(w->pid, NULL, WNOHANG);
		close(w->fd);
	}
	free(p);
	return NULL;
}
