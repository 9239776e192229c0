/* SPDX-License-Identifier: Apache-2.0 */
/* What queue.c (order, list), queue_run.c (runner, results), queue_load.c (earlier lives, status)
 * share. */
#pragma once

#include "hooks/deploy/journal.h"
#include "hooks/deploy/queue.h"

struct deploy_item {
	struct deploy_item *next;
	struct deploy_queue *q;
	struct deploy_note note;
	bool listed;     /* by the latest list */
	bool dropped;    /* to be freed as soon as nothing answers into it */
	unsigned saving; /* puts under way */
	bool asked;      /* of the runner */
	bool telling;    /* handed on, not accepted yet */
	bool held;
	bool forgotten;   /* the runner was told to forget its record */
	int64_t due_ms;   /* boot time: not before */
	int64_t begun_ms; /* boot time; of the question to the runner */
};

struct deploy_queue {
	struct deploy_queue_setup set;
	struct link *runner;
	struct loop_timer *timer;
	struct deploy_item *items; /* by seq */
	uint64_t seq;
	size_t loading; /* questions to the store */
	bool loaded, outbox_loaded, disabled;
	json_t *offered; /* a list that came before the notes were read */
};

void deploy_queue_kick(struct deploy_queue *q, int64_t delay_ms);
void deploy_queue_changed(struct deploy_queue *q);
int deploy_queue_take_list(struct deploy_queue *q, const json_t *list);
void deploy_queue_insert(struct deploy_queue *q, struct deploy_item *item);
/** deploy_queue_next() - the first that is not through yet; the others wait behind it. */
struct deploy_item *deploy_queue_next(const struct deploy_queue *q);
void deploy_note_name(const char *id, char out[static STORE_NAME_MAX]);
/** deploy_item_phase() - set and write it. One that cannot be written is found out again by the
 * next life. */
void deploy_item_phase(struct deploy_item *item, enum deploy_phase phase);
void deploy_item_forget(struct deploy_item *item); /* its record at the runner */
/* queue_run.c */
void deploy_item_run(struct deploy_item *item);
/* queue_load.c */
int deploy_queue_load(struct deploy_queue *q) _must_check_;
