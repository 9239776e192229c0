/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the queue share: queue.c (life, documents), queue_hook.c (one hook: deciding,
 * saving), queue_run.c (asking the runner), queue_service.c (watched services), queue_finding.c
 * (findings). Nobody else includes this. */
#pragma once

#include "core/backoff.h"
#include "core/json.h"
#include "hooks/protocol.h"
#include "hooks/queue.h"
#include "hooks/queue_state.h"

#define RETRY_CAP_MS INT64_C(900000)
#define HELD_MS      10000 /* the runner's kill switch is looked at again that often */

struct queue_hook {
	struct queue_hook *next;
	struct hook_queue *q;
	struct hook def;
	char store_name[64];
	bool loaded;
	struct hook_state state;
	/* an offer that came while the value was with the runner */
	bool has_offer;
	json_t *offer;
	/* saving: gen counts changes; what is sent, answered, and on disk for sure */
	uint64_t gen, sent_gen, answered_gen, durable_gen;
	bool saving;
	/* the runner: one question per hook */
	struct pending *asked;
	bool running; /* asked is a run and not a query */
	char asked_id[RUN_ID_LEN + 1];
	/* for status */
	bool has_last;
	unsigned last_trigger, last_attempt;
	struct run_result last; /* without texts */
};

struct watched_service {
	struct watched_service *next;
	struct hook_queue *q;
	char *resource, *name;
	bool asked;
	struct backoff backoff;
	int64_t not_before_ms; /* boot time */
};

struct waiting_doc {
	struct waiting_doc *next;
	struct document doc;
};

struct hook_queue {
	struct hook_queue_setup setup;
	struct loop_timer *kick;  /* one turn of the queue; never from inside a call of others */
	struct queue_hook *hooks; /* in load order */
	struct queue_hook
		*removed;         /* kept for answers on their way and for a hook that comes back */
	struct waiting_doc *docs; /* one per resource, until all states are loaded */
	struct watched_service *services;
	struct link *runner;
	bool runner_lost; /* it answered that it is gone; a new one will be set */
	json_t *early; /* findings that came before hooks and states were known */
	bool hooks_known;
	bool disabled;
	bool tell_idle;
	bool round_over; /* one-pass mode */
	uint64_t seq;
};

/* queue.c */
void queue_kick(struct hook_queue *q, int64_t delay_ms);
bool queue_loaded(const struct hook_queue *q); /* hooks and all their states */
/* queue_hook.c */
int queue_hook_load(struct queue_hook *h) _must_check_;
void queue_hook_changed(struct queue_hook *h); /* save, as soon as the save before it is answered */
void queue_hook_decide(struct queue_hook *h, json_t *value);
void queue_hook_event(struct queue_hook *h, const char *service);
void queue_hook_finding(struct queue_hook *h, json_t *value);
void queue_hook_ended(struct queue_hook *h, const struct run_result *result); /* of h->asked */
/* Decides on what was offered while the runner had the value. */
void queue_hook_take_offer(struct queue_hook *h);
struct queue_hook *queue_hook_free(struct queue_hook *h);
/* queue_run.c */
void queue_run_turn(struct hook_queue *q); /* resolve, start the next, arm the timer */
/* queue_finding.c */
void queue_finding_early(struct hook_queue *q); /* those that waited */
/* queue_service.c */
void queue_service_offer(struct hook_queue *q, const struct document *doc);
void queue_service_runner_gone(struct hook_queue *q);
bool queue_service_busy(const struct hook_queue *q);
void queue_service_deinit(struct hook_queue *q);
