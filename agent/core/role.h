/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner's side of the roles: forks each, hands out socket pairs, restarts what dies (at once,
 * then with backoff to 1 min). A role is a fork of the runner that enters its sandbox before its
 * main function. Every role but the runner ends when its link closes, so no role outlives the
 * runner.
 */
#pragma once

#include "core/loop.h"
#include "core/sandbox.h"

enum role { ROLE_AGENT, ROLE_PROBER, ROLE_STORE, ROLE_COUNT };

/** @link_fd: to the runner for the agent, to the agent for the others; owned. Return: the process's
 * exit code. */
typedef int role_main_fn(int link_fd, void *ctx);
struct role_spec {
	const char *name;
	enum sandbox_role sandbox;
	role_main_fn *main;
};
extern const char *const role_names[ROLE_COUNT];

struct roles;
/** a role has started; @fd is the other end of its socket pair and now the callee's */
typedef void role_up_fn(struct roles *roles, enum role role, int fd, void *ctx);
/** a role ended; @clean = exit code 0; it will be started again unless roles_stop() was called */
typedef void role_down_fn(struct roles *roles, enum role role, bool clean, int wstatus, void *ctx);

/** @specs: ROLE_COUNT rows indexed by role, borrowed; a NULL main leaves the role out. @user
 * borrowed. */
int roles_new(struct loop *loop, const struct role_spec *specs, const struct sandbox_user *user,
	      role_up_fn *up, role_down_fn *down, void *ctx, struct roles **ret) _must_check_;
int roles_start(struct roles *roles, enum role role) _must_check_;
pid_t roles_pid(const struct roles *roles, enum role role); /* 0 = not running */
/** roles_stop() - SIGTERM all, SIGKILL after @grace_ms; no restarts; @fn when the last is gone. The
 * store's time begins when the agent is gone, whose last words it is to write. */
void roles_stop(struct roles *roles, int64_t grace_ms, loop_timer_fn *fn, void *ctx);
/** roles_restart() - SIGTERM one; it comes back at once (reload). */
void roles_restart(struct roles *roles, enum role role);
/** roles_free() - kills what still runs, without waiting. Not from inside @up or @down. */
struct roles *roles_free(struct roles *roles);
