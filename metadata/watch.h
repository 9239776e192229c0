/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From transports to documents: polls every wanted resource at its interval with splay, jitter and
 * backoff, judges the answers, keeps the last good document. What a document means is the callee's
 * business.
 */
#pragma once

#include "core/conf.h"
#include "core/http.h"
#include "auth/credentials.h"
#include "auth/keystone.h"

struct watch;
struct watch_events {
	/** a document came (changed or not); borrowed during the call */
	void (*document)(const struct document *doc, bool changed, void *ctx);
	/** the state of a source changed (for the log and the problem list). PROBLEM_OK: nothing
	 * has that code any more; remedy is NULL then. What concerns a source as a whole is told
	 * once; what concerns a resource (gone, foreign, a bad document) once for each, with the
	 * same code and another text. @code is "<source>-<word>", such as "cfn-403-policy", or
	 * "clock". */
	void (*problem)(enum problem_level level, const char *code, const char *text,
			const char *remedy, void *ctx);
	/** no poll is under way any more; @failures counts resources whose last poll failed. In
	 * one-pass mode: once, when all are done; a watch without any usable source or resource
	 * counts 1 */
	void (*round_done)(unsigned failures, void *ctx);
	void *ctx;
	/** the guest's own resource is polled another way from now on: @creds is all that is known of
	 * ways, to be remembered (metadata/transport.h). May be NULL. */
	void (*transport)(const struct credentials_set *creds, void *ctx);
};
struct watch_setup {
	struct loop *loop;
	struct http *http;
	const struct conf *conf;                 /* borrowed for the life of the watch */
	const struct credentials_set *creds;     /* copied */
	int (*open_fd)(int privpath, void *ctx); /* local file; NULL: opened directly */
	void *open_ctx;
	bool one_pass; /* poll each resource once, no splay */
	struct watch_events events;
	struct keystone *keystone; /* NULL: watch_new() makes it and shows it to the sources here */
	bool primed_is_newest; /* what a primed document says of transports goes before @creds */
};
/**
 * watch_new() - opens every usable source, or the one that the configuration names
 *
 * The first poll of a source comes after uniform(0, splay). Splay: as configured; else up to the
 * interval, at most 30 s, or 3 s for a resource without a primed document (a guest that has nothing
 * yet should not wait long). Nothing is called from inside; the events begin with the loop.
 */
int watch_new(const struct watch_setup *setup, struct watch **ret, struct err *e) _must_check_;
struct watch *watch_free(struct watch *w); /* not from inside an event */
/** watch_set_resources() - the logical ids that hooks name; the guest's own resource is always
 * polled. Names no source can reach become problems ("hook-resource"). May be called again;
 * documents of names that stay are kept. */
int watch_set_resources(struct watch *w, const char *const *names, size_t n) _must_check_;
/** watch_prime() - a last good document read from disk at start: shown, diffed against, not
 * announced. Before or after watch_set_resources(); one that belongs to no resource is kept until
 * such a name is set. */
int watch_prime(struct watch *w, const struct document *doc) _must_check_;
void watch_poll_now(struct watch *w);
/** watch_kept() - the own document, as last announced, is on disk: it may leave the queue it came from. */
void watch_kept(struct watch *w);
/** watch_document() - the last good one; @resource NULL = own. Borrowed, until the next event. */
const struct document *watch_document(const struct watch *w, const char *resource);
/** watch_changes() - for a log: the first paths in which @doc, as handed to the event, is not as
 * the one before
 * ("a.b: updated, c: added, 3 more"); "" for the first one, or where the change is beside the
 * metadata. */
const char *watch_changes(const struct watch *w, const struct document *doc);
/** watch_status() - array for `status`: name, resource, state ("ok", "backoff", "never"), last_ok,
 * next_s, error, interval_s. New reference. */
json_t *watch_status(const struct watch *w);
/** watch_keystone() - shared with sinks for the life of the watch; whose session it is follows the way to the
 * metadata, nobody's as long as no Keystone user is known. NULL when auth_url is no URL. */
struct keystone *watch_keystone(const struct watch *w);
/** watch_clock_skew_ms() - server minus guest by Date headers of the last answers; 0 until known */
int64_t watch_clock_skew_ms(const struct watch *w);
