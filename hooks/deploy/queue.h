/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's side of deployments: each entry of the list is written to disk, run once by the
 * runner, in order and one at a time, and its result handed on to be told. A crash at any point
 * neither loses a result nor runs a hook twice: what was done is in the notes (journal.h) and in
 * the runner's records.
 */
#pragma once

#include "core/conf.h"
#include "core/link.h"
#include "core/store.h"
#include "hooks/deploy/deployment.h"

struct deploy_queue;
struct deploy_queue_setup {
	struct loop *loop;
	const struct conf *conf;
	struct store *store;
	/** hand the result on. Return: 0 and @accepted once, never from inside, when it is on disk
	 * (or kept in memory); 1: nothing is to be told; -errno: asked again later */
	int (*tell)(const struct deployment *d, const json_t *result, int64_t received_ms,
		    store_done_fn *accepted, void *accepted_ctx, void *ctx);
	/** a result for a deployment that Heat no longer lists must not be told: it would answer
	 * for its successor */
	void (*cancel)(const char *id, void *ctx);
	bool (*waits)(const char *id, void *ctx); /* its result is still to be told */
	/** of group "heat-pulse": what came of it. New reference or NULL */
	json_t *(*settings)(const struct deployment *d, void *ctx);
	void (*changed)(void *ctx); /* something began or ended; may be NULL */
	void *ctx;
};
int deploy_queue_new(const struct deploy_queue_setup *setup,
		     struct deploy_queue **ret) _must_check_; /* starts loading */
/** deploy_queue_free() - after the store, or without a turn of the loop between. */
struct deploy_queue *deploy_queue_free(struct deploy_queue *q);
void deploy_queue_set_runner(struct deploy_queue *q, struct link *runner);
/** deploy_queue_offer() - the `deployments` list of the own resource (NULL: the document has none,
 * nothing changes). What is not listed any more is not run and not told. 0 or -ENOMEM. */
int deploy_queue_offer(struct deploy_queue *q, const json_t *list) _must_check_;
/** deploy_queue_told() - Heat has the result of @id, or it was given up. */
void deploy_queue_told(struct deploy_queue *q, const char *id);
void deploy_queue_outbox_loaded(struct deploy_queue *q); /* @waits can be asked from now on */
void deploy_queue_disable(struct deploy_queue *q, bool disabled); /* kill switch: nothing starts */
/** deploy_queue_status() - array: id, name, group, action, state (waiting, running, disabled, done,
 * signalled, foreign), code once it ended, for_s while it runs. New reference. */
json_t *deploy_queue_status(const struct deploy_queue *q);
