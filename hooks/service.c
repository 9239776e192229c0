/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a service up, and if not, start it. One question runs at a time: status, then perhaps start. A
 * service that is on its way (activating, reloading, stopping) is not down: a slow starter must not
 * be started twice. What each init system calls these things is in init_system.c.
 */
#include "hooks/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "core/spawn.h"
#include "hooks/init_system.h"

#define WORD_MAX 32

enum step { STEP_STATUS, STEP_START };

struct question {
	char name[SERVICE_NAME_MAX + 1];
	service_fn *fn;
	void *ctx;
};

struct services {
	struct loop *loop;
	struct question queue[SERVICES_QUEUE_MAX];
	size_t n;
	const struct init_system *manager; /* of the question that runs */
	char program[ENV_PATH_MAX];
	enum step step;
	pid_t pid;
	int pipe_fd;
	char word[WORD_MAX];
	size_t word_len;
	struct loop_child *child;
	struct loop_timer *timer;
	bool active;
};

bool service_name_valid(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > SERVICE_NAME_MAX || name[0] == '-' || name[0] == '.')
		return false;
	return strspn(name,
		      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@._:\\-") == n;
}

static void next_question(struct loop *loop, void *ctx);

static void close_pipe(struct services *s)
{
	if (s->pipe_fd >= 0)
		close(s->pipe_fd);
	s->pipe_fd = -1;
}

static void answer(struct services *s, int value)
{
	struct question q = s->queue[0];

	close_pipe(s);
	loop_timer_disarm(s->timer);
	s->active = false;
	s->n--;
	memmove(&s->queue[0], &s->queue[1], s->n * sizeof(s->queue[0]));
	if (s->n > 0 && loop_defer(s->loop, next_question, s) < 0)
		loop_timer_arm(s->timer, 1000);
	q.fn(value, q.ctx);
}

/* What is started keeps its output for life: that is never our pipe. */
static pid_t run_step(struct services *s, int out_fd)
{
	char *argv[INIT_SYSTEM_ARGS];
	char path[] = INIT_SYSTEM_PATH, locale[] = "LC_ALL=C";
	char *envp[] = {path, locale, NULL};
	struct spawn spec = {.path = s->program,
			     .argv = argv,
			     .envp = envp,
			     .umask = 022,
			     .fd_in = -1,
			     .fd_out = s->step == STEP_STATUS ? out_fd : -1,
			     .fd_err = -1,
			     .new_session = true,
			     .reset_oom = true};

	init_system_argv(s->manager, s->program, s->step == STEP_STATUS ? INIT_STATUS : INIT_START,
			 s->queue[0].name, argv);
	return spawn_start(&spec, NULL);
}

static void step_ended(struct loop *loop, pid_t pid, int wstatus, void *ctx);

static int start_step(struct services *s, enum step step)
{
	int pipes[2], r;

	s->step = step;
	s->word_len = 0;
	close_pipe(s);
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	s->pid = run_step(s, pipes[1]);
	close(pipes[1]);
	s->pipe_fd = pipes[0];
	if (s->pid < 0)
		return (int)s->pid;
	r = loop_child_add(s->loop, s->pid, step_ended, s, &s->child);
	if (r < 0)
		kill(-s->pid, SIGKILL);
	return r;
}

/* The status word is short: it waits in the pipe until the program has ended. */
static void read_word(struct services *s)
{
	ssize_t n = read(s->pipe_fd, s->word, sizeof(s->word) - 1);

	s->word[n > 0 ? n : 0] = '\0';
	s->word[strcspn(s->word, " \t\r\n")] = '\0';
}

static void status_ended(struct services *s, int wstatus)
{
	read_word(s);
	/* No word: the service manager could not be asked. */
	if (!WIFEXITED(wstatus) || (s->manager->down_words[0] && !s->word[0])) {
		answer(s, SERVICE_FAILED);
		return;
	}
	if (!init_system_is_down(s->manager, s->word, WEXITSTATUS(wstatus)))
		answer(s, SERVICE_RUNNING);
	else if (start_step(s, STEP_START) < 0)
		answer(s, SERVICE_FAILED);
}

static void step_ended(struct loop *loop, pid_t pid, int wstatus, void *ctx)
{
	struct services *s = ctx;

	(void)loop;
	(void)pid;
	s->child = loop_child_remove(s->child);
	if (s->step == STEP_STATUS)
		status_ended(s, wstatus);
	else
		answer(s, WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0 ? SERVICE_STARTED
									  : SERVICE_FAILED);
}

/* SIGKILL ends it, and its end answers the question as failed. */
static void out_of_time(struct loop *loop, void *ctx)
{
	struct services *s = ctx;

	if (s->active)
		kill(-s->pid, SIGKILL);
	else
		next_question(loop, s);
}

static void next_question(struct loop *loop, void *ctx)
{
	struct services *s = ctx;

	(void)loop;
	if (s->active || s->n == 0)
		return;
	s->active = true;
	s->manager = init_system_find(loop_env(s->loop), s->program);
	loop_timer_arm(s->timer, SERVICE_TIMEOUT_MS);
	if (!s->manager || start_step(s, STEP_STATUS) < 0)
		answer(s, SERVICE_FAILED);
}

int services_ask(struct services *s, const char *name, service_fn *fn, void *ctx)
{
	int r;

	if (!service_name_valid(name))
		return -EINVAL;
	if (s->n == SERVICES_QUEUE_MAX)
		return -EBUSY;
	if (s->n == 0) {
		r = loop_defer(s->loop, next_question, s);
		if (r < 0)
			return r;
	}
	snprintf(s->queue[s->n].name, sizeof(s->queue[0].name), "%s", name);
	s->queue[s->n].fn = fn;
	s->queue[s->n].ctx = ctx;
	s->n++;
	return 0;
}

int services_new(struct loop *loop, struct services **ret)
{
	struct services *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->pipe_fd = -1;
	r = loop_timer_new(loop, 0, out_of_time, s, &s->timer);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct services *services_free(struct services *s)
{
	if (!s)
		return NULL;
	loop_child_remove(s->child);
	loop_timer_free(s->timer);
	close_pipe(s);
	free(s);
	return NULL;
}
