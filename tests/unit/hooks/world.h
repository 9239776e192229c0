/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A runner and the agent's end of its link, on one loop in one process. Hooks are real; each writes
 * to the file LOG below the root, which its action gets as $L.
 */
#pragma once

#include "fixture.h"

#include <sys/socket.h>

#include "core/link.h"
#include "core/loop.h"
#include "hooks/runner.h"

struct world {
	struct fixture *f;
	struct loop *loop;
	struct hookset set;
	struct runner *runner;
	struct link *runner_end, *agent_end;
	struct loop_timer *timer;
	bool late;
};

static inline void world_on_request(struct link *link, struct link_msg *msg, void *ctx)
{
	struct world *w = ctx;

	if (!runner_handle(w->runner, link, msg))
		fail_msg("the runner does not know message %u", msg->type);
}

static inline void world_on_notice(struct link *link, struct link_msg *msg, void *ctx)
{
	(void)link;
	(void)msg;
	(void)ctx;
}

static inline void world_on_closed(struct link *link, void *ctx)
{
	(void)link;
	(void)ctx;
}

static inline void world_on_late(struct loop *loop, void *ctx)
{
	struct world *w = ctx;

	w->late = true;
	loop_quit(loop, 1);
}

/* Runs the loop until somebody calls loop_quit(loop, 0). */
static inline void world_run(struct world *w, int64_t limit_ms)
{
	w->late = false;
	loop_timer_arm(w->timer, limit_ms);
	assert_int_equal(loop_run(w->loop), 0);
	loop_timer_disarm(w->timer);
	assert_false(w->late);
}

static inline void world_on_quit(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, 0);
}

/* Lets the loop turn for a while. */
static inline void world_turn(struct world *w, int64_t ms)
{
	struct loop_timer *t;

	assert_int_equal(loop_timer_new(w->loop, 0, world_on_quit, NULL, &t), 0);
	loop_timer_arm(t, ms);
	world_run(w, ms + 30000);
	loop_timer_free(t);
}

static inline void world_connect(struct world *w)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(
		link_new(w->loop, fds[0], world_on_request, world_on_closed, w, &w->runner_end), 0);
	assert_int_equal(
		link_new(w->loop, fds[1], world_on_notice, world_on_closed, w, &w->agent_end), 0);
}

static inline void world_disconnect(struct world *w)
{
	runner_agent_gone(w->runner);
	w->runner_end = link_free(w->runner_end);
	w->agent_end = link_free(w->agent_end);
}

static inline void world_start_runner(struct world *w)
{
	struct runner_setup setup = {w->loop, &w->f->env, &w->f->conf, &w->set};
	struct err e = ERR_INIT;

	if (runner_new(&setup, &w->runner, &e) < 0)
		fail_msg("%s", e.text);
}

/* A new runner, as after a crash or an upgrade: the old one's links are gone with it. */
static inline void world_restart_runner(struct world *w)
{
	world_disconnect(w);
	w->runner = runner_free(w->runner);
	world_start_runner(w);
	world_connect(w);
}

/* @text: sections of hooks.conf. */
static inline void world_load(const struct fixture *f, const char *text, struct hookset *ret)
{
	struct problems problems = {0};

	fixture_write(f, "/etc/cfn/hooks.conf", text, 0600);
	assert_int_equal(hookset_load_from(&f->env, &f->conf, "/etc/cfn", NULL, ret, &problems), 0);
	for (size_t i = 0; i < problems.n; i++)
		print_message("# %s\n", problems.list[i].text);
	assert_int_equal(problems.n, 0);
	problems_deinit(&problems);
}

static inline struct world *world_new(struct fixture *f, const char *hooks)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->f = f;
	assert_int_equal(loop_new(&f->env, &w->loop), 0);
	assert_int_equal(loop_timer_new(w->loop, 0, world_on_late, w, &w->timer), 0);
	world_load(f, hooks, &w->set);
	world_start_runner(w);
	world_connect(w);
	return w;
}

static inline void world_free(struct world *w)
{
	world_disconnect(w);
	runner_free(w->runner);
	hookset_deinit(&w->set);
	loop_timer_free(w->timer);
	loop_free(w->loop);
	free(w);
}
