/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that do as a path tells them, and a pool of them on a loop: for tests of the prober. */
#pragma once

#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "sample/prober.h"

#define DEADLINE_MS 150

/* ---- workers by order ---- */

static inline bool legal(const char *path)
{
	return path[0] == '/';
}

static inline int work(const struct env *env, const char *path, struct prober_answer *ret)
{
	(void)env;
	if (!strncmp(path, "/hang", 5))
		for (;;)
			pause();
	if (!strcmp(path, "/die"))
		_exit(7);
	if (!strcmp(path, "/no"))
		return -ENOENT;
	if (!strcmp(path, "/fds")) /* what the worker still holds of its parent: only its own end of
				      the pipe */
		for (int fd = 0; fd < 1024; fd++)
			ret->n[0] += fcntl(fd, F_GETFD) >= 0;
	else
		ret->n[0] = 42;
	ret->n[7] = 7;
	return 0;
}

static const struct prober_kind_info by_order[PROBER_KINDS] = {
	[PROBER_STATVFS] = {"a", legal, work},
	[PROBER_FD_COUNT] = {"b", legal, work},
	[PROBER_PROC_IO] = {"c", legal, work},
	[PROBER_FILE] = {"d", legal, work},
	[PROBER_PROCESSES] = {"e", legal, work},
	[PROBER_WCHAN] = {"f", legal, work},
	[PROBER_FD_LARGEST] = {"g", legal, work},
	[PROBER_PSTORE] = {"h", legal, work},
	[PROBER_DISK_SERIAL] = {"i", legal, work},
	[PROBER_HYPERV_BALLOON] = {"j", legal, work},
};

/* ---- bench ---- */

struct reply {
	struct bench *bench;
	bool done;
	int status;
	int64_t after_ms;
	struct prober_answer answer;
};

struct bench {
	struct env env;
	struct loop *loop;
	struct prober_pool *pool;
	int64_t started_ms;
	size_t open;
	struct reply replies[64];
};

static inline void on_done(int status, const struct prober_answer *answer, void *ctx)
{
	struct reply *r = ctx;

	assert_false(r->done);
	r->done = true;
	r->status = status;
	r->after_ms = clock_boot_ms() - r->bench->started_ms;
	if (answer)
		r->answer = *answer;
	assert_true(!!answer == !status);
	if (!--r->bench->open)
		loop_quit(r->bench->loop, 0);
}

/* Workers are waited for by pidfd (Linux 5.3); valgrind of that age does not know it either. */
static inline bool lacks_pidfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static inline int bench_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_int_equal(env_init(&b->env, ""), 0);
	assert_int_equal(loop_new(&b->env, &b->loop), 0);
	for (size_t i = 0; i < ARRAY_SIZE(b->replies); i++)
		b->replies[i].bench = b;
	b->started_ms = clock_boot_ms();
	*state = b;
	return 0;
}

static inline int bench_down(void **state)
{
	struct bench *b = *state;

	prober_pool_free(b->pool);
	loop_free(b->loop);
	free(b);
	return 0;
}

static inline void open_pool(struct bench *b, const struct prober_kind_info *kinds)
{
	assert_int_equal(prober_pool_new(b->loop, kinds, DEADLINE_MS, &b->pool), 0);
}

static inline int ask(struct bench *b, size_t i, uint32_t kind, const char *path)
{
	int err;

	b->replies[i].done = false;
	err = prober_pool_ask(b->pool, kind, path, on_done, &b->replies[i]);
	assert_false(b->replies[i].done); /* never from inside */
	b->open += !err;
	return err;
}

static inline void stop_loop(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, 0);
}

static inline void run_for(struct bench *b, int64_t ms)
{
	struct loop_timer *t;

	assert_int_equal(loop_timer_new(b->loop, 0, stop_loop, NULL, &t), 0);
	loop_timer_arm(t, ms);
	assert_int_equal(loop_run(b->loop), 0);
	loop_timer_free(t);
}
