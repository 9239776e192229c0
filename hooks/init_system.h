/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each init system calls things: one row each. Shared by the services of hooks, which are asked
 * on the agent's loop, and by cfn-init's, which waits.
 */
#pragma once

#include <stdbool.h>
#include "core/env.h"

#define INIT_SYSTEM_ARGS 6
#define INIT_SYSTEM_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum init_verb { INIT_STATUS, INIT_START, INIT_STOP, INIT_RESTART, INIT_VERBS };

struct init_system {
	const char *name;
	const char *needs; /* a path that shows that it is in charge; NULL: the program is enough */
	const char *programs[2];
	const char *before; /* first argument, or NULL */
	const char *verbs[INIT_VERBS];
	bool name_first;           /* "NAME verb" instead of "verb NAME" */
	const char *down_words[4]; /* judged by the first word of output … */
	int up_codes[4];           /* … or else by exit code: these are not down, -1 ends */
};

/** init_system_find() - the one in charge, and its program as the kernel sees it; NULL: none. */
const struct init_system *init_system_find(const struct env *env,
					   char program[static ENV_PATH_MAX]);
/** init_system_argv() - "systemctl is-active NAME" or "rc-service NAME status", NULL-terminated;
 * borrowed. */
void init_system_argv(const struct init_system *s, const char *program, enum init_verb verb,
		      const char *name, char *argv[static INIT_SYSTEM_ARGS]);
/** init_system_is_down() - by the status' first word and exit code. Something on its way
 * (activating, reloading, stopping) is not down. */
bool init_system_is_down(const struct init_system *s, const char *word, int code);

/* Whether a service comes up at boot: one row for each tool, found apart from the above, as
 * distributions combine them. */
struct enabler {
	const char *needs; /* as above */
	const char *programs[2];
	const char *enable[INIT_SYSTEM_ARGS], *disable[INIT_SYSTEM_ARGS]; /* "@" is the name */
	const char *links[2]; /* patterns of files that are there when it is enabled, "@" is the name;
				 none: "is-enabled" is asked */
};
const struct enabler *enabler_find(const struct env *env, char program[static ENV_PATH_MAX]);
/** enabler_argv() - as init_system_argv(). */
void enabler_argv(const struct enabler *e, const char *program, bool enable, const char *name,
		  char *argv[static INIT_SYSTEM_ARGS]);
/** enabler_has_link() - is one of the row's links there? Below @env's root. */
bool enabler_has_link(const struct enabler *e, const struct env *env, const char *name);
