/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that looks after one run: starts the hook, bounds its time and its output, logs its
 * lines, writes the result. It is its own session, ignores the signals that end the agent, and
 * needs nobody: runner and agent may die meanwhile.
 */
#pragma once

#include "hooks/deploy/keep.h"
#include "hooks/finding.h"
#include "hooks/hook_env.h"

#define SHEPHERD_TERM_MS 10000 /* between SIGTERM and SIGKILL of a hook that is out of time */
#define SHEPHERD_DRAIN_MS                                                                          \
	200 /* output is awaited that long after the hook's first process has ended */

struct shepherd_job {
	const struct env *env;
	const struct run_store *store;
	const char *id;
	const struct hook *hook;
	unsigned trigger;
	const char *service;		    /* or NULL */
	const struct hook_finding *finding; /* or NULL */
	/* a deployment: @hook is only its name, user and time limit; or NULL */
	const struct deploy_job *deploy;
	struct hook_values values;
	size_t output_max;
	mode_t umask;
	bool one_pass; /* what comes after the end of the hook is not logged */
	int lock_fd;   /* run_store_lock(): held until the shepherd ends */
	int result_fd; /* memfd: gets the ended record too, for a runner that still lives while the
			  disk refuses */
};
/** shepherd_start() - fork. All of @job is borrowed; the descriptors may be closed afterwards.
 * Return: pid or -errno. */
pid_t shepherd_start(const struct shepherd_job *job, struct err *e) _must_check_;
