/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A control group per run, where nobody else manages them: cgroup2 writable and no systemd. All of
 * it is best effort; a hook without a group of its own still has its own session and process group.
 */
#pragma once

#include "core/env.h"

/** hook_cgroup_make() - Return: true and the path of the group's cgroup.procs in @out. */
bool hook_cgroup_make(const struct env *env, const char *run_id, char out[static ENV_PATH_MAX]);
void hook_cgroup_kill(const struct env *env, const char *run_id);
/** hook_cgroup_remove() - fails silently while a background child of the hook lives in it. */
void hook_cgroup_remove(const struct env *env, const char *run_id);
/** hook_cgroup_sweep() - remove all that are empty: a group whose last process was just dying could
 * not go with its run. */
void hook_cgroup_sweep(const struct env *env);
