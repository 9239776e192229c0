/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One program run and waited for: argument list, environment, folder, user, a time limit for it and
 * its children, the end of its output kept. What it leaves running may go on writing: a small
 * process reads on, so that nothing dies of a closed pipe.
 */
#pragma once

#include "core/env.h"
#include "core/spawn.h"
#include "core/text.h"

#define PROGRAM_OUTPUT_MAX 16384 /* bytes kept of the end of the output */
#define PROGRAM_PATH       "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct program {
	const char *const *argv; /* argv[0] without "/" is looked for in the environment's PATH */
	char *const *envp;       /* NULL: a small one of our own */
	const char *cwd;         /* NULL: "/" */
	const struct spawn_user *user; /* NULL: stay who we are */
	int64_t timeout_ms;
	bool below_root; /* a tool of ours: looked for below env's prefix */
};

struct program_end {
	int code;                            /* exit code; 128 + signal */
	bool timed_out;                      /* ended by us */
	char output[PROGRAM_OUTPUT_MAX + 1]; /* both streams, the end of them, any bytes but NUL */
	size_t output_len;
};

/** program_run() - Return: 0 when it has run (see @end), -ENOENT when there is no such program,
 * -errno when it could not be started. */
int program_run(const struct env *env, const struct program *p, struct program_end *end,
		struct err *e) _must_check_;
/** program_must() - program_run(), and an exit code other than 0 is -ECHILD with the last line of
 * the output in @e. */
int program_must(const struct env *env, const struct program *p, struct program_end *end,
		 struct err *e) _must_check_;
/** program_find() - absolute path of @name below the prefix, in the usual folders. false: none. */
bool program_find(const struct env *env, const char *name, char out[static ENV_PATH_MAX]);
/** program_last_line() - of the output, escaped and cut: fit for a log. */
void program_last_line(const struct program_end *end, struct buf *out);
