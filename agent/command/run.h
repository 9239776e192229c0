/* SPDX-License-Identifier: Apache-2.0 */
/* The running agent: the options that `run` and `cfn-hup` hand to the runner, and the two main
 * functions that wire the rooms. */
#pragma once

#include "core/conf.h"
#include "hooks/config.h"

#define CONTROL_DIR  "/run/heat-pulse"
#define CONTROL_PATH "/run/heat-pulse/control.sock"
#define LOCK_PATH    "/run/heat-pulse/lock"
#define LIB_DIR      "/var/lib/heat-pulse"

struct run_options {
	const char *conf_file;      /* NULL: /etc/heat-pulse/heat-pulse.conf */
	const char *hooks_conf_dir; /* cfn-hup -c: folder with cfn-hup.conf, or NULL */
	const char *hooks_dir;      /* cfn-hup -c: folder of hooks only, or NULL */
	int64_t for_ms;             /* end by itself after that long; 0 = never */
	bool one_pass;
	int log_level; /* -1: as configured */
};

/** runner_main() - the runner: load configuration, fork the roles, serve them until told to stop.
 * Return: exit code. */
int runner_main(struct env *env, const struct run_options *options);

struct agent_setup {
	const struct env *env;
	const struct conf *conf;
	bool one_pass;
	const struct problems *problems; /* of configuration, as the runner found them */
};
/** agent_main() - the agent role. @link_fd: to the runner, taken. Return: exit code. */
int agent_main(const struct agent_setup *setup, int link_fd);
