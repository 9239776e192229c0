/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one polled resource: due, fetch, judge, tell, wait. Periods are counted from the
 * start of a poll, so a slow server does not stretch them; a timer that is overdue after a pause or
 * a migration fires once. Only changes of state are told as problems.
 */
#include "metadata/watch_item.h"

#include <string.h>

#include "core/text.h"
#include "metadata/diff.h"

#define IN_PROGRESS_MS  10000 /* while the stack is being changed */
#define PRIMED_SPLAY_MS 30000
#define BARE_SPLAY_MS   3000
#define CHANGES_MAX     3
#define SLACK_SHARE     50 /* a poll may be late by that part of the interval to share a wake-up */

const char *watch_item_name(const struct watch_item *item)
{
	const char *name =
		item->resource ? item->resource : item->source->ops->own(item->source->src);

	return name ? name : "";
}

static int64_t interval_of(const struct watch_item *item)
{
	int64_t interval = item->source->interval_ms;

	return item->doc.in_progress && interval > IN_PROGRESS_MS ? IN_PROGRESS_MS : interval;
}

static bool is_failure(enum fetch_class class)
{
	return fetch_policy(class)->code != NULL;
}

bool watch_item_failing(const struct watch_item *item)
{
	return item->answered && is_failure(item->class);
}

/* What is only looked for whether it works is not told when it does not. */
static bool is_quiet(const struct watch_item *item)
{
	return item->part == PART_SPARE || item->part == PART_LOOK;
}

/* "clock" is about the guest and not about a source. */
static void problem_code(const struct watch_item *item, enum fetch_class class, char *out,
			 size_t size)
{
	const char *word = fetch_policy(class)->code;

	if (class == FETCH_CLOCK_WRONG)
		snprintf(out, size, "%s", word);
	else
		snprintf(out, size, "%s-%s", item->source->ops->name, word);
}

static bool same_problem(const struct watch_item *a, const struct watch_item *b,
			 enum fetch_class class)
{
	if (a == b || !a->answered || a->class != class)
		return false;
	return class == FETCH_CLOCK_WRONG || a->source == b->source;
}

static bool others_have(const struct watch_item *item, enum fetch_class class)
{
	const struct watch *w = item->w;

	for (size_t i = 0; i < w->n_items; i++) {
		if (same_problem(w->items[i], item, class))
			return true;
	}
	return false;
}

static void clear_problem(const struct watch_item *item, enum fetch_class class)
{
	char code[32];

	if (!is_failure(class) || is_quiet(item) || others_have(item, class))
		return;
	problem_code(item, class, code, sizeof(code));
	watch_problem(item->w, PROBLEM_OK, code, NULL, "%s %s: this is over: %s",
		      item->source->ops->name, watch_item_name(item),
		      fetch_policy(class)->sentence);
}

static void tell_problem(const struct watch_item *item)
{
	const struct fetch_policy *p = fetch_policy(item->class);
	char code[32];

	if (!p->code || is_quiet(item) || (p->whole && others_have(item, item->class)))
		return;
	problem_code(item, item->class, code, sizeof(code));
	watch_problem(item->w, p->level, code, p->remedy, "%s %s: %s%s%s", item->source->ops->name,
		      watch_item_name(item), p->sentence, *item->why ? ": " : "", item->why);
}

static void set_class(struct watch_item *item, enum fetch_class class, const char *why)
{
	enum fetch_class old = item->answered ? item->class : FETCH_OK;
	bool same = fetch_policy(old)->code == fetch_policy(class)->code;

	item->class = class;
	item->answered = true;
	text_print(item->why, sizeof(item->why), "%s", is_failure(class) ? why : "");
	if (same)
		return;
	clear_problem(item, old);
	tell_problem(item);
}

static bool document_differs(const struct document *a, const struct document *b)
{
	return diff_value(a->metadata, b->metadata) != CHANGE_NONE ||
	       !text_equal(a->physical_id, b->physical_id) || !text_equal(a->updated, b->updated) ||
	       !text_equal(a->status, b->status) || !text_equal(a->stack_id, b->stack_id);
}

/* Paths alone: values may be secrets. */
static void note_changes(struct watch_item *item, const struct document *doc)
{
	_cleanup_buf_ struct buf out = BUF_INIT(32768);

	if (item->has_doc)
		diff_summary(item->doc.metadata, doc->metadata, CHANGES_MAX, &out);
	text_print(item->changes, sizeof(item->changes), "%s", buf_str(&out));
}

int watch_item_keep(struct watch_item *item, const struct document *doc, bool *changed)
{
	struct document copy;
	int r = document_copy(&copy, doc);

	if (r < 0)
		return r;
	*changed = !item->has_doc || document_differs(&item->doc, &copy);
	if (*changed)
		note_changes(item, &copy);
	document_deinit(&item->doc);
	item->doc = copy;
	item->has_doc = true;
	return 0;
}

void watch_item_announce(struct watch_item *item, bool changed)
{
	const struct watch_events *events = &item->w->setup.events;

	if (item->has_doc && events->document)
		events->document(&item->doc, changed, events->ctx);
}

/* After a long refusal one resource is served again: so may the others be. */
static void wake_refused(const struct watch_item *item)
{
	const struct watch *w = item->w;

	for (size_t i = 0; i < w->n_items; i++) {
		struct watch_item *other = w->items[i];

		if (other != item && other->source == item->source && other->answered &&
		    other->class == FETCH_REFUSED)
			watch_item_poll_now(other);
	}
}

static void schedule(struct watch_item *item, const struct fetch_result *r)
{
	const struct watch *w = item->w;
	enum fetch_class pace = item->source->ops->remote || item->class == FETCH_CLOCK_WRONG
					? item->class
					: FETCH_OK;
	int64_t interval = interval_of(item), spent = loop_now(w->setup.loop) - item->started_ms;
	int64_t delay = fetch_delay(&item->pacer, pace, interval, r->retry_after_s, random_unit());

	if (w->setup.one_pass)
		return;
	if (item->again) {
		item->again = false;
		loop_timer_arm(item->timer, 0);
		return;
	}
	if (!is_failure(pace) && r->retry_after_s <= 0)
		delay -= spent;
	loop_timer_arm(item->timer, delay > interval / 10 ? delay : interval / 10);
}

/* Return: whether the document is another one than before. */
static bool take_answer(struct watch_item *item, const struct fetch_result *r)
{
	bool was_refused = item->answered && item->class == FETCH_REFUSED, changed = false;

	if (r->has_skew)
		item->w->skew_ms = r->date_skew_ms;
	if (r->class == FETCH_OK && watch_item_keep(item, &r->doc, &changed) < 0) {
		set_class(item, FETCH_BAD_DOCUMENT, "no memory to keep it");
		return false;
	}
	set_class(item, r->class, r->why);
	if (is_failure(r->class)) {
		item->failures++;
		return false;
	}
	item->failures = 0;
	item->last_ok_real_ms = loop_env(item->w->setup.loop)->real_ms();
	if (was_refused)
		wake_refused(item);
	return changed;
}

/* A try that answers may become the own item here, and one that has done its work is dropped. */
static void tell_answer(struct watch_item *item, const struct fetch_result *r)
{
	bool changed = take_answer(item, r);

	if (item->part != PART_POLLED && !watch_try_answered(item, changed))
		return;
	if (!is_failure(item->class))
		watch_item_announce(item, changed);
	if (!item->dropped)
		watch_own_answered(item);
}

/* The item counts as busy until all is told: what the callee does meanwhile (poll now, drop it) is
 * kept for the end. */
static void on_fetched(const struct fetch_result *r, void *ctx)
{
	struct watch_item *item = ctx;
	struct watch *w = item->w;

	if (!item->dropped)
		tell_answer(item, r);
	item->busy = false;
	w->busy--;
	if (item->dropped)
		watch_item_free(item);
	else
		schedule(item, r);
	watch_round(w);
}

/* The light form only where nothing waits for the rest, and the full one now and then. */
static bool wants_full(struct watch_item *item)
{
	bool full = item->hooked || !item->has_doc || !item->last_ok_real_ms ||
		    item->w->setup.one_pass || item->doc.in_progress || is_failure(item->class) ||
		    item->since_full + 1 >= item->w->setup.conf->full_every;

	item->since_full = full ? 0 : item->since_full + 1;
	return full;
}

static void fail_now(struct watch_item *item, enum fetch_class class, const char *why)
{
	struct fetch_result r = {.class = class, .retry_after_s = -1};

	text_print(r.why, sizeof(r.why), "%s", why);
	item->busy = true;
	item->w->busy++;
	on_fetched(&r, item);
}

static void on_due(struct loop *loop, void *ctx)
{
	struct watch_item *item = ctx;
	struct watch_source *source = item->source;
	int r;

	if (item->busy)
		return;
	item->started_ms = loop_now(loop);
	if (source->ops->needs_clock(source->src) &&
	    clock_is_before_build(loop_env(loop)->real_ms())) {
		fail_now(item, FETCH_CLOCK_WRONG, "");
		return;
	}
	r = source->ops->fetch(source->src, item->resource, wants_full(item), on_fetched, item);
	if (r < 0) {
		fail_now(item, FETCH_UNREACHABLE, strerror(-r));
		return;
	}
	item->busy = true;
	item->w->busy++;
}

struct watch_item *watch_item_new(struct watch *w, struct watch_source *source,
				  const char *resource)
{
	struct watch_item *item = calloc(1, sizeof(*item));

	if (!item)
		return NULL;
	item->w = w;
	item->source = source;
	if (resource && !(item->resource = strdup(resource)))
		return watch_item_free(item);
	if (loop_timer_new(w->setup.loop, source->interval_ms / SLACK_SHARE, on_due, item,
			   &item->timer) < 0)
		return watch_item_free(item);
	return item;
}

struct watch_item *watch_item_free(struct watch_item *item)
{
	if (!item)
		return NULL;
	for (struct watch_item **p = &item->w->dropped; *p; p = &(*p)->next) {
		if (*p == item) {
			*p = item->next;
			break;
		}
	}
	loop_timer_free(item->timer);
	document_deinit(&item->doc);
	free(item->resource);
	free(item);
	return NULL;
}

void watch_item_drop(struct watch_item *item)
{
	if (item->answered)
		clear_problem(item, item->class);
	item->dropped = true;
	loop_timer_disarm(item->timer);
	if (!item->busy) {
		watch_item_free(item);
		return;
	}
	item->next = item->w->dropped;
	item->w->dropped = item;
}

void watch_item_first(struct watch_item *item)
{
	const struct watch_setup *setup = &item->w->setup;
	const struct credentials_set *creds = setup->creds;
	int64_t splay = setup->conf->splay_ms >= 0 || !creds->has_splay ? setup->conf->splay_ms
								       : creds->splay_ms,
		limit = item->has_doc ? PRIMED_SPLAY_MS : BARE_SPLAY_MS;

	if (splay < 0)
		splay = item->source->interval_ms < limit ? item->source->interval_ms : limit;
	if (setup->one_pass || !item->source->ops->remote || item->part != PART_POLLED)
		splay = 0;
	loop_timer_arm(item->timer, (int64_t)((double)splay * random_unit()));
}

void watch_item_poll_now(struct watch_item *item)
{
	if (item->busy)
		item->again = true;
	else
		loop_timer_arm(item->timer, 0);
}
