/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's side: from documents to finished hooks. One state per hook (name and path): the last
 * accepted value and what is pending, in the store before the runner is asked. Order is kept: one
 * hook at a time, in the order in which documents came and, within one document, load order. A
 * failed hook is retried with backoff, given up after hook_tries, and then quiet until the value
 * changes again.
 */
#pragma once

#include "core/conf.h"
#include "core/store.h"
#include "hooks/config.h"

struct hook_queue;
struct hook_finding;
struct hook_report {
	const char *hook, *trigger;
	const char *resource; /* of a finding: its entity */
	const struct run_result *result;
	unsigned attempt;
	bool gave_up; /* failed for the last time */
	bool final;   /* succeeded or gave up */
};
struct hook_queue_setup {
	struct loop *loop;
	const struct conf *conf;
	struct store *store;
	bool one_pass; /* each hook is tried at most once; what failed is left to the next pass */
	void (*report)(const struct hook_report *report, void *ctx);
	/** nothing runs, nothing waits for its first try; @failed hooks have given up on their
	 * current value (in one-pass mode: or failed at their last try). Called after each document
	 * and each end of a run that leaves the queue so. */
	void (*idle)(unsigned failed, void *ctx);
	void *ctx;
};
int hook_queue_new(const struct hook_queue_setup *setup, struct hook_queue **ret) _must_check_;
/** hook_queue_free() - free it after the store and the runner's link, or without a turn of the loop
 * between: their open answers would come to it. */
struct hook_queue *hook_queue_free(struct hook_queue *q);
/** hook_queue_set_runner() - NULL while there is none. What was under way is asked again of the new
 * one. */
void hook_queue_set_runner(struct hook_queue *q, struct link *runner);
/** hook_queue_set_hooks() - takes @set (zeroed); states of hooks that stay are kept. States load
 * from the store asynchronously; documents offered meanwhile wait. */
int hook_queue_set_hooks(struct hook_queue *q, struct hookset *set) _must_check_;
/** hook_queue_offer() - a document came: decide for every hook on its resource; services too
 * (service.restarted). */
int hook_queue_offer(struct hook_queue *q, const struct document *doc) _must_check_;
/**
 * hook_queue_finding() - a finding opened, was raised or closed: hooks that want it owe a run
 *
 * Of one hook at most one run waits for a class, entity and event: a younger one takes the place of
 * the older, at the end of the line. One hook owes at most 63 runs; what comes then is logged and
 * dropped. Before the hooks and their states are known as many wait in memory. Return: 0, -ENOMEM
 * or -ENOBUFS.
 */
int hook_queue_finding(struct hook_queue *q, const struct hook_finding *f) _must_check_;
/** hook_queue_round_over() - one-pass mode: every resource was asked. Hooks run from then on, in load
 * order. */
void hook_queue_round_over(struct hook_queue *q);
void hook_queue_disable(struct hook_queue *q, bool disabled,
			const char *why); /* kill switch: nothing starts, nothing is forgotten */
bool hook_queue_idle(const struct hook_queue *q);
/** hook_queue_retrying() - hooks that failed and will be tried again. */
unsigned hook_queue_retrying(const struct hook_queue *q);
/** hook_queue_status() - array for `status`: name, path, state (idle, waiting, running, retrying,
 * gave-up, disabled), last {trigger, end, code, ended}, tries. New reference. */
json_t *hook_queue_status(const struct hook_queue *q);
