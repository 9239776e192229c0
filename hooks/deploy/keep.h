/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root side of one deployment: the program that serves its group, and the files below
 * /var/lib/heat-config in the layout of heat-agents, so that an image can change from it to this
 * agent and back. deployed/ID.json is written before the hook starts: where it stands without a
 * record of ours, another agent has run the hook, and it is not run again.
 */
#pragma once

#include "core/conf.h"
#include "hooks/deploy/deployment.h"

#define HEAT_CONFIG_DIR      "/var/lib/heat-config"
#define DEPLOYED_DIR         HEAT_CONFIG_DIR "/deployed"
#define DEPLOYMENT_ENTRY_MAX (16u << 20) /* of an entry as text */

struct deploy_job {
	const char *id, *group;
	const char *program; /* a hook's executable as the kernel sees it; NULL: built in */
	int entry_fd;        /* sealed memfd: the entry as text; borrowed */
};

/**
 * deploy_find_hook() - who serves @group?
 * @program: gets the executable's path, "" = built in
 *
 * Executables below the folders of [deployments] hooks-path win over what is built in; they and
 * every folder above them must be root's alone. Return: 0; -ENOENT, -EPERM with the reason in @e.
 */
int deploy_find_hook(const struct env *env, const struct conf *conf, const char *group,
		     char program[static ENV_PATH_MAX], struct err *e) _must_check_;
/** one executable below those folders; @why: the reason why it is refused, NULL when it serves @group */
typedef void deploy_program_fn(const char *group, const char *program, const char *why, void *ctx);
/** deploy_each_program() - in the order in which they are looked for, without those that another one hides. */
void deploy_each_program(const struct env *env, const struct conf *conf, deploy_program_fn *fn, void *ctx);
/** deploy_was_run() - deployed/@id.json stands there. */
bool deploy_was_run(const struct env *env, const char *id);
/** deploy_old_result() - content of deployed/@id.notify.json, new string; NULL: there is none. */
char *deploy_old_result(const struct env *env, const char *id);
/** deploy_keep_entry() - read @job->entry_fd, write deployed/ID.json. @ret_stdin: descriptor for
 * the hook. */
int deploy_keep_entry(const struct env *env, const struct deploy_job *job, int *ret_stdin,
		      struct err *e) _must_check_;
/** deploy_keep_result() - deployed/ID.notify.json. */
int deploy_keep_result(const struct env *env, const char *id, const char *text,
		       struct err *e) _must_check_;
