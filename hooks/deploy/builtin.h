/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks that need no program of their own: one row each in deploy_builtins[]. They run as
 * `heat-pulse hook GROUP`, in a child of the runner: the entry on stdin, the result as JSON on
 * stdout, what is for the log on stderr.
 */
#pragma once

#include "core/env.h"
#include "core/json.h"

struct deploy_builtin {
	const char *group;
	/** do what @entry asks. @ret_result: new reference to what Heat is told, also of failures.
	 * 0, or -errno when not even that could be made. */
	int (*run)(const struct env *env, const json_t *entry, json_t **ret_result);
	/** is what it needs there? NULL: it needs nothing */
	bool (*usable)(const struct env *env);
	const char *about; /* for --help */
};
extern const struct deploy_builtin deploy_builtins[];
extern const size_t deploy_builtins_n;
/** deploy_builtin_find() - NULL when nothing of that name is built in. */
const struct deploy_builtin *deploy_builtin_find(const char *group);
/** deploy_builtin_known() - built in, and what it needs is there; or of the agent itself. */
bool deploy_builtin_known(const struct env *env, const char *group);

/* Rows, one per file or kind. */
int deploy_script(const struct env *env, const json_t *entry, json_t **ret_result);
int deploy_json_file(const struct env *env, const json_t *entry, json_t **ret_result);
int deploy_hiera(const struct env *env, const json_t *entry, json_t **ret_result);
int deploy_apply_config(const struct env *env, const json_t *entry, json_t **ret_result);
bool deploy_apply_config_usable(const struct env *env);
