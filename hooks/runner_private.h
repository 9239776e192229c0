/* SPDX-License-Identifier: Apache-2.0 */
/* What runner.c (runs, records, services), runner_wish.c (hooks) and deploy/serve.c (deployments)
 * share. Nobody else includes this. */
#pragma once

#include "hooks/runner.h"
#include "hooks/service.h"
#include "hooks/shepherd.h"

#define WAITERS_MAX 8

struct waiter {
	struct link *link;
	uint32_t id;
};

struct run {
	struct run *next;
	struct runner *runner;
	char id[RUN_ID_LEN + 1];
	int result_fd; /* -1 for an adopted run */
	struct loop_child *child;
	struct loop_timer *timer; /* asks the disk again, where no process can be watched */
	struct waiter waiters[WAITERS_MAX];
	size_t n_waiters;
};

struct service_call {
	struct service_call *next;
	struct runner *runner;
	struct waiter waiter; /* link NULL: the agent is gone */
};

struct runner {
	struct loop *loop;
	const struct env *env;
	const struct conf *conf;
	const struct hookset *hooks;
	struct run_store store;
	struct services *services;
	struct run *runs;
	size_t n_runs;
	struct service_call *calls;
	bool one_pass;
};

/** starts what was never started. Return: 0; -errno, which the waiter is told */
typedef int runner_start_fn(struct runner *r, const char *id, const struct waiter *waiter,
			    void *ctx);
/** runner_ask() - the one way to a run: waits for it, answers from its record, or has it started.
 */
void runner_ask(struct runner *r, const char *id, const struct waiter *waiter,
		runner_start_fn *start, void *ctx);
/** runner_start() - fork the shepherd of @job; the parts that are the same for all are filled in
 * here. */
int runner_start(struct runner *r, struct shepherd_job *job,
		 const struct waiter *waiter) _must_check_;
bool runner_has_run(const struct runner *r, const char *id); /* in progress */
void runner_forget(struct runner *r, const char *id);
/** runner_reply_result() - @state is put first when not negative, as RUNNER_QUERY wants it. */
void runner_reply_result(const struct waiter *waiter, int state, const struct run_result *result);
void runner_reply_status(const struct waiter *waiter, int status);
/* One message each. */
void runner_handle_run(struct runner *r, struct link *link, struct link_msg *msg);
void runner_handle_deploy(struct runner *r, struct link *link, struct link_msg *msg);
