/* SPDX-License-Identifier: Apache-2.0 */
/* One destination of signals. One row in sinks[], one file each. */
#pragma once

#include "core/conf.h"
#include "core/http.h"
#include "auth/credentials.h"
#include "auth/keystone.h"
#include "signal/outbox.h"

struct sink;
struct sink_setup {
	struct loop *loop;
	struct http *http;
	const struct conf *conf;
	const struct credentials_set *creds; /* borrowed for the life of the sink */
	struct keystone *keystone;           /* or NULL */
	struct store *store; /* handle kinds, minted keys; NULL: nothing is remembered */
	/** stack id (ARN or name/uuid) and name of the own document, NULL before one came */
	const struct document *(*document)(void *ctx);
	void *ctx;
};
struct sink_ops {
	const char *name;
	bool (*takes)(const struct sink_setup *setup, const struct signal *s);
	/** @setup is copied; what it points to is borrowed for the life of the sink */
	int (*open)(const struct sink_setup *setup, struct sink **ret, struct err *e);
	/** one at a time (-EBUSY); @s is borrowed until @done, which is called exactly once, never
	 * from inside */
	int (*send)(struct sink *sink, const struct signal *s, carry_done_fn *done, void *ctx);
	/** give up what is under way: its @done is not called any more. -EBUSY: not now. NULL: nothing
	 * lasts that long */
	int (*drop)(struct sink *sink);
	json_t *(*status)(const struct sink *sink); /* new reference */
	/** accepts NULL; what is under way is not answered any more. The loop must not turn between
	 * this and store_free(): the store answers into the sink */
	struct sink *(*close)(struct sink *sink);
};
/* NULL-terminated; every row that takes a signal gets it, in this order */
extern const struct sink_ops *const sinks[];
#define SINKS_MAX 8

/* All rows of sinks[] opened, and each signal handed to every row that takes it; delivered when the
 * last has it. */
struct sink_set;
int sink_set_open(const struct sink_setup *setup, struct sink_set **ret,
		  struct err *e) _must_check_;
/** sink_set_send() - fit for outbox_setup.carry. Nobody takes it: CARRY_NO_ROUTE. One at a time. */
int sink_set_send(struct sink_set *set, const struct signal *s, carry_done_fn *done,
		  void *ctx) _must_check_;
/** sink_set_drop() - fit for outbox_setup.drop */
int sink_set_drop(struct sink_set *set) _must_check_;
/** sink_set_status() - array of {"name":…,"state":…,"error":…}; new reference */
json_t *sink_set_status(const struct sink_set *set);
struct sink_set *sink_set_close(struct sink_set *set);
