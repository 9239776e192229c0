/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the watch: one polled resource. */
#pragma once

#include "metadata/source.h"
#include "metadata/watch_policy.h"

#define WATCH_SOURCES_MAX 8
#define WATCH_ITEMS_MAX   64

struct watch_source {
	struct watch *w;
	const struct source_ops *ops;
	struct source *src;
	int64_t interval_ms;
};

struct watch_item {
	struct watch *w;
	struct watch_source *source;
	char *resource;          /* NULL: the source's own */
	bool hooked;             /* hooks depend on the whole of it: no light requests */
	bool dropped;            /* not wanted any more; freed when its fetch ends */
	struct watch_item *next; /* in w->dropped */
	bool busy, again;        /* a fetch is under way; poll once more right after it */
	bool answered;           /* at least one answer came */
	bool has_doc;
	struct document doc; /* last good one */
	struct loop_timer *timer;
	struct fetch_pacer pacer;
	enum fetch_class class;  /* of the last answer */
	int64_t started_ms;      /* of the last poll, boot time */
	int64_t last_ok_real_ms; /* 0 = never */
	int64_t since_full;      /* polls in the light form since the last full one */
	char why[320];
};

struct watch {
	struct watch_setup setup;
	struct credentials_set creds;
	struct keystone *own_keystone; /* NULL when the setup had one */
	struct watch_source sources[WATCH_SOURCES_MAX];
	size_t n_sources;
	struct watch_item *items[WATCH_ITEMS_MAX];
	size_t n_items;
	struct watch_item *dropped;
	struct document primed[WATCH_ITEMS_MAX]; /* waiting for their resource */
	size_t n_primed;
	unsigned busy;            /* fetches under way */
	struct loop_timer *start; /* tells what watch_new() found, once the loop runs */
	char hook_resources[256]; /* names that no source reaches, as last reported */
	char open_error[ERR_TEXT_MAX];
	bool started;
	int64_t skew_ms;
};

struct watch_item *watch_item_new(struct watch *w, struct watch_source *source,
				  const char *resource);
struct watch_item *watch_item_free(struct watch_item *item);
/** watch_item_first() - arms the first poll. */
void watch_item_first(struct watch_item *item);
void watch_item_poll_now(struct watch_item *item);
/** watch_item_name() - the logical id, "" when not known. */
const char *watch_item_name(const struct watch_item *item);
/** watch_item_drop() - no longer wanted: freed now, or when its fetch ends. */
void watch_item_drop(struct watch_item *item);
/** watch_problem() - to the callee, if it wants problems. */
void watch_problem(const struct watch *w, enum problem_level level, const char *code,
		   const char *remedy, const char *fmt, ...) _printf_(5, 6);
/** watch_round() - tells round_done when nothing is under way. */
void watch_round(struct watch *w);
