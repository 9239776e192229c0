/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that a built-in hook runs: the ends of what it prints are kept, and each line goes on
 * to the log at once. Time limits are the shepherd's: it ends the whole process group, and what was
 * printed until then is told all the same.
 */
#pragma once

#include "core/json.h"
#include "hooks/hook_output.h"

#define CAPTURE_KEEP (1u << 20) /* bytes of each stream: more than Heat takes */

struct capture {
	struct hook_stream out, err;
	int code; /* exit status; a signal is negative; 126 or 127 = not started */
};
/**
 * capture_run() - run @argv in @cwd with @envp (NULL-terminated), stdin empty, and wait for it
 *
 * A file without "#!" is run by /bin/sh, as a shell would. Return: 0 also when it could not be
 * started: then the reason is what it printed. -errno when nothing could be tried. capture_deinit()
 * it.
 */
int capture_run(char *const *argv, char *const *envp, const char *cwd, struct capture *ret,
		struct err *e) _must_check_;
void capture_deinit(struct capture *c);
/** capture_result() - {deploy_stdout, deploy_stderr, deploy_status_code}; new reference or NULL. */
json_t *capture_result(const struct capture *c);
