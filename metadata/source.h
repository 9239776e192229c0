/* SPDX-License-Identifier: Apache-2.0 */
/* One transport. One row in sources[], one file source_*.c each. */
#pragma once

#include "metadata/watch.h"

/* What an answer means; what follows from it is watch's: one row per class in watch_policy.c. */
enum fetch_class {
	FETCH_OK,
	FETCH_UNCHANGED,
	FETCH_UNREACHABLE,
	FETCH_CERTIFICATE,
	FETCH_SERVER_ERROR,
	FETCH_BUSY,
	FETCH_NOT_HEAT,
	FETCH_REFUSED,
	FETCH_REFUSED_POLICY,
	FETCH_REFUSED_FOREIGN,
	FETCH_CLOCK_SKEW,
	FETCH_CLOCK_WRONG,
	FETCH_EXPIRED_URL,
	FETCH_GONE,
	FETCH_BAD_DOCUMENT,
	FETCH_TOO_BIG,
	FETCH_CLASSES
};
struct fetch_result {
	enum fetch_class class;
	struct document doc;   /* with FETCH_OK; the callee copies what it keeps */
	int64_t retry_after_s; /* -1 */
	int64_t date_skew_ms;  /* server minus guest */
	bool has_skew;
	char why[320]; /* a clause; never a secret, never a query string */
};
typedef void fetch_fn(const struct fetch_result *result, void *ctx);

struct source;
struct source_ops {
	const char *name;
	const char *block; /* its section in the os-collect-config block; NULL = none */
	bool remote; /* failures back off; false: the interval stays */
	bool silent; /* Heat may leave it behind without a word: it answers on, and nothing new comes */
	bool (*usable)(const struct watch_setup *setup); /* credentials or file for it are there */
	int (*open)(const struct watch_setup *setup, struct source **ret, struct err *e);
	/** fetch one resource (NULL = own); @full: not the light form. One fetch at a time per
	 * resource; exactly one @fn per call that returned 0, never from inside, none after close
	 */
	int (*fetch)(struct source *s, const char *resource, bool full, fetch_fn *fn, void *ctx);
	const char *(*own)(const struct source *s); /* the guest's own resource, NULL = not known */
	/** can it ever fetch that resource? */
	bool (*reaches)(const struct source *s, const char *resource);
	/** NULL, or: own() is not known from Heat, and a hook names @resource: true when that is the
	 * guest's own, which own() answers from then on */
	bool (*rename)(struct source *s, const char *resource);
	/** NULL, or: the document delivered last is on disk, so it may be taken off its queue */
	void (*kept)(struct source *s);
	/** speaks TLS: no request while the clock is before the build */
	bool (*needs_clock)(const struct source *s);
	/** NULL, or: call @fn when there may be news before the next poll is due */
	void (*subscribe)(struct source *s, void (*fn)(void *ctx), void *ctx);
	struct source *(*close)(struct source *s);
};
extern const struct source_ops *const sources[]; /* NULL-terminated, in order of preference */
extern const struct source_ops source_heat, source_cfn, source_tempurl, source_zaqar, source_local;
/** The guest's own resource where its name is not known. */
#define SOURCE_OWN_UNKNOWN "server"
/** source_rename() - what .rename answers for a place that Heat named after the resource:
 * "web-srv-k3jd82mx01qz" holds the metadata of srv. @place: a queue's name or a URL whose last folder is
 * such a name; a place that has another form may be anything. Fills cred->resource. */
bool source_rename(struct credentials *cred, const char *place, const char *resource);
/** source_name() - the static string of a row with that name, NULL = no such source. */
const char *source_name(const char *name);
