/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking rights away from a role: user, groups, capabilities, no_new_privs, dumpable, seccomp. One
 * row per role in one const table. Filters kill the process on what is not listed
 * (SCMP_ACT_KILL_PROCESS), except in builds made with sanitizers, where they log (a file chosen by
 * meson). That forbidden things really end a role is shown by tests/unit/core/test_sandbox.c and,
 * on a whole machine, with the program tests/unit/core/sandbox_try.
 */
#pragma once

#include "core/err.h"
#include <sys/types.h>

enum sandbox_role { SANDBOX_AGENT, SANDBOX_PROBER, SANDBOX_STORE, SANDBOX_ROLES };

struct sandbox_user {
	uid_t uid;
	gid_t gid;
	bool drop; /* false: not root, stay who we are */
};
/** sandbox_find_user() - @name, else "nobody" with -ENOENT as a positive answer 1 (tell the
 * person). */
int sandbox_find_user(const char *name, struct sandbox_user *ret, struct err *e) _must_check_;
/** sandbox_enter() - irreversible; the process calls it on itself before it reads anything. */
int sandbox_enter(enum sandbox_role role, const struct sandbox_user *user,
		  struct err *e) _must_check_;
