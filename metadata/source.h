/* SPDX-License-Identifier: Apache-2.0 */
/* One transport. One row in sources[], one file source_*.c each. */
#pragma once

#include "metadata/watch.h"

enum fetch_class { /* what an answer means; the policy (retry, backoff, naming) is watch's, one row per class */
	FETCH_OK, FETCH_UNCHANGED, FETCH_UNREACHABLE, FETCH_SERVER_ERROR, FETCH_BUSY, FETCH_REFUSED, FETCH_REFUSED_POLICY, FETCH_REFUSED_FOREIGN,
	FETCH_CLOCK_SKEW, FETCH_EXPIRED_URL, FETCH_GONE, FETCH_BAD_DOCUMENT, FETCH_TOO_BIG, FETCH_CLASSES
};
struct fetch_result {
	enum fetch_class class;
	struct document doc;      /* with FETCH_OK */
	int64_t retry_after_s;    /* -1 */
	int64_t date_skew_ms; bool has_skew;
	char why[320];
};
typedef void fetch_fn(const struct fetch_result *result, void *ctx);

struct source;
struct source_ops {
	const char *name;
	bool (*usable)(const struct watch_setup *setup);      /* credentials or file for it are there */
	int (*open)(const struct watch_setup *setup, struct source **ret, struct err *e);
	/** fetch one resource (NULL = own); @full: not the light form; exactly one @fn per call, never from inside */
	int (*fetch)(struct source *s, const char *resource, bool full, fetch_fn *fn, void *ctx);
	bool (*reaches)(const struct source *s, const char *resource); /* can it ever fetch that resource? */
	struct source *(*close)(struct source *s);
};
extern const struct source_ops *const sources[]; /* NULL-terminated, in order of preference */
