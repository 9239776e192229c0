/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders and spools signals. Accepted = on disk (store, "spool/<key>") or, while the disk refuses,
 * in memory. Urgent first; newest health replaces an unsent one; boot results are never dropped.
 * Each is handed to the carrier until that says delivered or refused for good.
 */
#pragma once

#include "core/store.h"
#include "signal/signal.h"

enum carry {
	CARRY_DELIVERED,
	CARRY_RETRY,   /* server unreachable or busy: 5 s to 15 min, all others wait too unless they
			  are new */
	CARRY_SLOWLY,  /* refused for now (stack suspended, handle gone, URL expired look alike): 1
			  to 15 min,  others go on */
	CARRY_REFUSED, /* final: dropped */
	CARRY_NO_ROUTE, /* no credentials or document yet: ask again when told */
};
extern const char *const carry_names[];
typedef void carry_done_fn(enum carry how, int64_t retry_after_s, const char *why, void *ctx);
struct outbox_setup {
	struct loop *loop;
	struct store *store;
	/** hand one signal to the sinks; answer exactly once through @done, never from inside; @s
	 * stays until then */
	int (*carry)(const struct signal *s, carry_done_fn *done, void *done_ctx, void *ctx);
	/** give up what carry() has under way, whose @done is not called any more; what of it
	 * arrived arrived. -EBUSY: not now. NULL: never */
	int (*drop)(void *ctx);
	/** what came of each try, for log and status; CARRY_NO_ROUTE only the first time; may be
	 * NULL */
	void (*told)(const struct signal *s, enum carry how, const char *why, void *ctx);
	/** what an earlier life left is there: after outbox_load(), once; may be NULL */
	void (*loaded)(int status, void *ctx);
	void *ctx;
};
#define OUTBOX_CUSTOM_MAX 256 /* custom signals that may wait; more are refused with -ENOSPC */
#define OUTBOX_BYTES_MAX  (8u << 20) /* of all custom signals together */
#define OUTBOX_ACCEPT_MS  5000 /* a disk that did not answer by then counts as "memory only" */

struct outbox;
int outbox_new(const struct outbox_setup *setup,
	       struct outbox **ret) _must_check_; /* copies @setup */
/** outbox_free() - what waits stays on disk. Close the sinks first: @done must not be called
 * afterwards. The loop must not turn between this and store_free(). */
struct outbox *outbox_free(struct outbox *o);
int outbox_load(struct outbox *o) _must_check_; /* what an earlier life left */
/** outbox_add() - takes the content of @s (on success). @accepted: called once, never from inside,
 * when it is on disk (status 0) or kept in memory only (-errno); may be NULL. It is sent at the
 * same time as it is stored. -ENOSPC: too many custom signals wait. */
int outbox_add(struct outbox *o, struct signal *s, store_done_fn *accepted, void *ctx) _must_check_;
/** outbox_leave() - before an end: nothing is tried any more; it stays on disk. Return: whether
 * something is under way whose answer is waited for. */
bool outbox_leave(struct outbox *o);
/** outbox_route_changed() - credentials or document came, or Heat answered a poll: try what had no
 * route and what waited for the server, but not before the time that the server itself asked for.
 * Cheap. */
void outbox_route_changed(struct outbox *o);
bool outbox_holds(const struct outbox *o, const char *key); /* waits (or is under way) */
/** outbox_peek() - the signal of that key which waits or is under way, or NULL; borrowed until the
 * loop turns */
const struct signal *outbox_peek(const struct outbox *o, const char *key);
/** outbox_withdraw() - what waits under @key is not to be told any more; one under way may still
 * arrive, and is not tried again. */
void outbox_withdraw(struct outbox *o, const char *key);
size_t outbox_depth(const struct outbox *o);
/** {"depth":N,"oldest_s":…,"last_error":…,"memory_only":false,"no_route":N,"unreadable":N} new
 * reference */
json_t *outbox_status(const struct outbox *o);
