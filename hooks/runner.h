/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root side of running hooks. Each run has a shepherd: a small process forked from the runner,
 * in its own session, that starts the hook, bounds its time and output, logs its lines and writes
 * the result to disk before anyone is told. So a run survives the agent and the runner: a new
 * runner finds it by its record and waits for it. The runner never acts on a command from the
 * agent: only on names of its own table.
 */
#pragma once

#include "core/link.h"
#include "hooks/config.h"
#include "hooks/protocol.h"

#define RUNS_DIR "/var/lib/heat-pulse/runs"
#define RUN_VALUES_DIR                                                                             \
	"/run/heat-pulse-hooks" /* files with old and new values, one folder per run, entered by   \
				   the hook's user */

struct runner;
struct runner_setup {
	struct loop *loop;
	const struct env *env;
	const struct conf *conf;
	const struct hookset *hooks; /* borrowed; runner_set_hooks() when they change */
	bool one_pass; /* nobody waits for what daemons that hooks leave behind still say */
};
/** runner_new() - makes the folders for the records. -errno with the reason in @e. */
int runner_new(const struct runner_setup *setup, struct runner **ret, struct err *e) _must_check_;
struct runner *runner_free(struct runner *r); /* runs go on */
void runner_set_hooks(struct runner *r, const struct hookset *hooks);
/** runner_handle() - serve one message of the agent if it is about runs or services. Return: true
 * when it was. */
bool runner_handle(struct runner *r, struct link *link, struct link_msg *msg);
void runner_agent_gone(struct runner *r); /* answers are not sent any more; runs go on */
