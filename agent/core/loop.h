/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: epoll, one timerfd (CLOCK_BOOTTIME) for all timers, signalfd, pidfds. Level
 * triggered. Single-threaded; callbacks may add and remove anything, themselves included.
 * A tick that comes more than 50 ms after it was due is counted and its delay kept.
 */
#pragma once

#include <stdbool.h>
#include <sys/epoll.h>
#include "core/env.h"

struct loop;
struct loop_io;
struct loop_timer;
struct loop_child;

typedef void loop_io_fn(struct loop *loop, uint32_t events, void *ctx);
typedef void loop_timer_fn(struct loop *loop, void *ctx);
typedef void loop_signal_fn(struct loop *loop, int signo, void *ctx);
/** @wstatus as waitpid(2) gives it; when the process was not ours to reap, -1. */
typedef void loop_child_fn(struct loop *loop, pid_t pid, int wstatus, void *ctx);

struct loop_stats {
	uint64_t wakeups;    /* returns of epoll_wait */
	uint64_t late_ticks; /* timers served over 50 ms late */
	int64_t late_max_ms;
	int64_t late_sum_ms; /* of all of them */
};

int loop_new(const struct env *env, struct loop **ret) _must_check_;
void loop_free(struct loop *loop); /* frees what is still attached; fds stay the caller's */
/** loop_run() - until loop_quit(). Return: the code given there, or -errno. */
int loop_run(struct loop *loop);
void loop_quit(struct loop *loop, int code);
int64_t loop_now(const struct loop *loop); /* boot ms, fixed at the wake-up */
const struct loop_stats *loop_get_stats(const struct loop *loop);
const struct env *loop_env(const struct loop *loop);

/** loop_io_add() - watch @fd (borrowed; EPOLLIN, EPOLLOUT, EPOLLPRI). Remove before closing it. */
int loop_io_add(struct loop *loop, int fd, uint32_t events, loop_io_fn *fn, void *ctx,
		struct loop_io **ret) _must_check_;
/** loop_io_mod() - other events from now on; 0: nothing of it is reported, errors neither, and nothing
 * wakes the process, until it is given some again. */
int loop_io_mod(struct loop_io *io, uint32_t events) _must_check_;
struct loop_io *loop_io_remove(struct loop_io *io); /* accepts NULL; returns NULL */

/** loop_timer_new() - made disarmed. @slack_ms: may fire that much later to share a wake-up, except
 * when armed for now. */
int loop_timer_new(struct loop *loop, int64_t slack_ms, loop_timer_fn *fn, void *ctx,
		   struct loop_timer **ret) _must_check_;
void loop_timer_arm(struct loop_timer *t, int64_t delay_ms); /* one shot; re-arm in the handler */
void loop_timer_disarm(struct loop_timer *t);
bool loop_timer_armed(const struct loop_timer *t);
int64_t loop_timer_due(const struct loop_timer *t); /* boot ms; -1 disarmed */
struct loop_timer *loop_timer_free(struct loop_timer *t);

/** loop_signal_add() - blocks @signo for the process and serves it here. One handler per signal. */
int loop_signal_add(struct loop *loop, int signo, loop_signal_fn *fn, void *ctx) _must_check_;
/**
 * loop_child_add() - calls once when @pid ends (pidfd), reaped if it is our child
 * @ret: stays valid, also after the call, until loop_child_remove(); NULL: the loop frees it after
 * the call.
 */
int loop_child_add(struct loop *loop, pid_t pid, loop_child_fn *fn, void *ctx,
		   struct loop_child **ret) _must_check_;
struct loop_child *loop_child_remove(struct loop_child *c);
/** loop_defer() - run once at the end of this iteration. */
int loop_defer(struct loop *loop, loop_timer_fn *fn, void *ctx) _must_check_;
