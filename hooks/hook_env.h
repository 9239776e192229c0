/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world a hook wakes up in: its environment, and the files with the old and the new value. Runs
 * in the shepherd, as root, before the hook starts.
 */
#pragma once

#include "core/spawn.h"
#include "hooks/config.h"
#include "hooks/run_record.h"

enum value_side { VALUE_OLD, VALUE_NEW, VALUE_SIDES };

struct hook_values {
	int fds[VALUE_SIDES]; /* sealed memfds or -1 = absent; borrowed */
	uint64_t env_max;     /* larger values go by file only */
};
#define HOOK_ENV_MAX 24
struct hook_env {
	char *vars[HOOK_ENV_MAX + 1]; /* NULL-terminated */
	size_t n;
};
void hook_env_deinit(struct hook_env *env);
/** hook_env_set() - add NAME=value. -ENOMEM, -E2BIG. */
int hook_env_set(struct hook_env *env, const char *name, const char *value) _must_check_;
/** hook_env_user() - HOME, USER, LOGNAME, SHELL of @user, and a sane PATH. */
int hook_env_user(struct hook_env *env, const struct spawn_user *user) _must_check_;
/**
 * hook_env_values() - value files in the run's folder below @store->values, and the variables that
 * go with them
 * @part: names the variables: CFN_OLD_METADATA, CFN_OLD_PHYSICAL_RESOURCE_ID or
 * CFN_OLD_LAST_UPDATED
 *
 * The folder belongs to root, so that its owner can put nothing there; the files are 0600 of the
 * hook's user.
 */
int hook_env_values(struct hook_env *env, const struct run_store *store, const char *run_id,
		    enum path_part part, const struct hook_values *values,
		    const struct spawn_user *user, struct err *e) _must_check_;
