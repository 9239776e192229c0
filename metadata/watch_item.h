/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the watch: one polled resource. */
#pragma once

#include "metadata/source.h"
#include "metadata/watch_policy.h"

#define WATCH_SOURCES_MAX 16
#define WATCH_TRIES_MAX	  5
#define WATCH_ITEMS_MAX   64
#define WATCH_CHANGES_SIZE 200

struct watch_source {
	struct watch *w;
	const struct source_ops *ops;
	struct source *src;    /* NULL: the place is free */
	bool late;             /* opened for a document's word: closed when nothing uses it */
	struct credentials cred;   /* it was opened with; kind NONE for sources without */
	struct keystone *keystone; /* its own session, or NULL */
	int64_t interval_ms;
};

/* What an item is there for. All but the first are tries: beside the own item, for the own resource. */
enum watch_part {
	PART_POLLED, /* in items[] */
	PART_WANTED, /* the newest document names this way: it is taken once it answered */
	PART_SPARE,  /* the way in use fails: another one that is known; not told of when it fails, too */
	PART_LOOK,   /* the way in use cannot tell that it has ended: one look another way */
};

struct watch_item {
	struct watch *w;
	struct watch_source *source;
	char *resource;          /* NULL: the source's own */
	enum watch_part part;
	unsigned failures;       /* in a row */
	unsigned since_look;     /* polls since the last PART_LOOK */
	bool hooked;             /* hooks depend on the whole of it: no light requests */
	bool dropped;            /* not wanted any more; freed when its fetch ends */
	struct watch_item *next; /* in w->dropped */
	bool busy, again;        /* a fetch is under way; poll once more right after it */
	bool answered;           /* at least one answer came */
	bool has_doc;
	struct document doc; /* last good one */
	char changes[WATCH_CHANGES_SIZE]; /* which paths of it are not as in the one before */
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
	struct credentials shared_cred; /* that own_keystone is for */
	struct watch_source sources[WATCH_SOURCES_MAX];
	size_t n_sources; /* places used so far */
	struct watch_item *tries[WATCH_TRIES_MAX];
	size_t n_tries;
	unsigned look_failures;
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
/** watch_item_keep() - a document becomes the item's; @changed: it is another one than before. */
int watch_item_keep(struct watch_item *item, const struct document *doc, bool *changed) _must_check_;
bool watch_item_failing(const struct watch_item *item);
/** watch_item_announce() - to the callee. */
void watch_item_announce(struct watch_item *item, bool changed);
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
/* watch.c */
/** watch_open() - Return: 0, -errno with @e. @cred NULL: as the setup has them. */
int watch_open(struct watch *w, const struct source_ops *ops, const struct credentials *cred,
	       struct watch_source **ret, struct err *e) _must_check_;
void watch_close(struct watch_source *source);
/** watch_allows() - root's configuration lets this source be used. */
bool watch_allows(const struct watch *w, const struct source_ops *ops);
void watch_set_intervals(struct watch *w);
/* watch_transport.c */
/** watch_follow() - what the own document says of transports. */
void watch_follow(struct watch *w, const struct document *doc);
/** watch_own() - the own resource's item at a remote source, or NULL; @index may be NULL. */
struct watch_item *watch_own(const struct watch *w, size_t *index);
/** watch_own_answered() - after each answer to the own item: other ways are tried or given up. */
void watch_own_answered(struct watch_item *item);
/** watch_try_answered() - after an answer to a try: it becomes the own item, or ends (dropped), or goes on.
 * Return: whether it is the own item now. */
bool watch_try_answered(struct watch_item *item, bool changed);
void watch_drop_tries(struct watch *w);
/** watch_round() - tells round_done when nothing is under way. */
void watch_round(struct watch *w);
