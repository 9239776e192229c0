/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders and spools signals. Accepted = on disk (store, "spool/<key>") or, while the disk refuses, in memory. Urgent first;
 * newest health replaces an unsent one; boot results are never dropped. Each is handed to the carrier until that says delivered or refused for good.
 */
#pragma once

#include "core/store.h"
#include "signal/signal.h"

enum carry { CARRY_DELIVERED, CARRY_RETRY, CARRY_REFUSED /* final: dropped, logged once */, CARRY_NO_ROUTE /* no credentials or document yet: ask again when told */ };
typedef void carry_done_fn(enum carry how, int64_t retry_after_s, const char *why, void *ctx);
struct outbox_setup {
	struct loop *loop;
	struct store *store;
	/** hand one signal to the sinks; answer exactly once through @done, never from inside */
	int (*carry)(const struct signal *s, carry_done_fn *done, void *done_ctx, void *ctx);
	void (*told)(const struct signal *s, enum carry how, const char *why, void *ctx); /* for log and boot state */
	void *ctx;
};
struct outbox;
int outbox_new(const struct outbox_setup *setup, struct outbox **ret) _must_check_;
struct outbox *outbox_free(struct outbox *o);
int outbox_load(struct outbox *o) _must_check_;                    /* what an earlier life left */
/** outbox_add() - takes the content of @s. @accepted: called once it is on disk (status 0) or kept in memory only (-errno); may be NULL. */
int outbox_add(struct outbox *o, struct signal *s, store_done_fn *accepted, void *ctx) _must_check_;
void outbox_route_changed(struct outbox *o);                       /* credentials or document came: try what had no route */
size_t outbox_depth(const struct outbox *o);
json_t *outbox_status(const struct outbox *o);                     /* {"depth":N,"oldest_s":…,"last_error":…,"memory_only":false} new reference */
