/* SPDX-License-Identifier: Apache-2.0 */
/* What outbox.c (order, carrying) and outbox_spool.c (disk) share. Nobody else includes this. */
#pragma once

#include "core/backoff.h"
#include "signal/outbox.h"

#define SPOOL_PREFIX "spool/"

struct entry {
	struct entry *next;
	struct signal s;
	uint64_t order;  /* of arrival; names the entry where a pointer could be stale */
	bool superseded; /* under way while a newer one with its key waits: never sent again, never
			    deleted from disk */
	bool no_route;
	bool stored;
	bool put_failed;  /* the disk refused: asked again with REPUT_MS */
	bool resting;     /* failed before: waits for the pause of all, too */
	bool unreachable; /* its last failure was the server's absence: outbox_route_changed() ends
			   * its wait
			   */
	size_t bytes;     /* of the spool form */
	struct backoff backoff;
	int64_t not_before; /* boot ms */
	int64_t deadline;   /* boot ms */
	int64_t reput_at;
	/* boot ms until which it waits to be on disk; 0 = it does not */
	int64_t settled_at;
};

/* One put under way. */
struct put {
	struct put *next;
	struct outbox *o;
	uint64_t order;
	store_done_fn *accepted;
	void *ctx;
	int64_t due; /* when to give up waiting for the disk */
};

/* One file of an earlier life being read, or (name empty) the list of them. */
struct loading {
	struct loading *next;
	struct outbox *o;
	char name[STORE_NAME_MAX];
	bool over; /* told or withdrawn in this life while the file was being read: no news any more */
};

struct outbox {
	struct outbox_setup set;
	struct loop_timer *timer;
	struct entry *first; /* in order of arrival */
	struct entry *flying;
	int64_t flying_since;
	bool way_refused; /* it cannot be given up */
	bool leaving;     /* nothing is tried any more */
	struct put *puts;
	struct loading *loads;
	uint64_t orders;
	struct backoff pause;
	int64_t pause_until;
	int64_t asked_until; /* the server said so itself */
	size_t unreadable;
	int load_status;
	int64_t load_at; /* boot ms: ask again for what an earlier life left; 0 = all was read */
	bool loading_told;
	char last_error[200];
};

struct entry *outbox_find(const struct outbox *o, uint64_t order);
struct entry *outbox_waiting(const struct outbox *o,
			     const char *key); /* with that key and not superseded */
struct entry *outbox_append(struct outbox *o, struct signal *s, size_t bytes);
void outbox_plan(struct outbox *o); /* arm the timer for what comes next */
int outbox_spool_put(struct outbox *o, struct entry *e, store_done_fn *accepted, void *ctx);
void outbox_spool_delete(struct outbox *o, const struct entry *e);
void outbox_spool_tick(struct outbox *o, int64_t now); /* puts that took too long or were refused */
int64_t outbox_spool_due(const struct outbox *o);      /* boot ms; INT64_MAX = nothing */
void outbox_spool_free(struct outbox *o);
