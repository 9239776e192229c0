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
	const struct credentials_set *creds;   /* borrowed for the life of the sink */
	struct keystone *keystone;             /* or NULL */
	struct store *store;                   /* handle kinds, minted keys */
	/** stack id (ARN or name/uuid) and name of the own document, NULL before one came */
	const struct document *(*document)(void *ctx);
	void *ctx;
};
struct sink_ops {
	const char *name;
	bool (*takes)(const struct sink_setup *setup, const struct signal *s);
	int (*open)(const struct sink_setup *setup, struct sink **ret, struct err *e);
	int (*send)(struct sink *sink, const struct signal *s, carry_done_fn *done, void *ctx); /* one at a time; @done exactly once, never from inside */
	json_t *(*status)(const struct sink *sink);
	struct sink *(*close)(struct sink *sink);
};
extern const struct sink_ops *const sinks[]; /* NULL-terminated */
