/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's life and what it is told: hooks, documents, runners, the kill switch. All work is
 * done in turns, from a timer of its own, so that no caller is called back from inside and no turn
 * is entered twice.
 */
#include "hooks/queue_private.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"

void queue_kick(struct hook_queue *q, int64_t delay_ms)
{
	int64_t due = loop_now(q->setup.loop) + delay_ms;

	if (!loop_timer_armed(q->kick) || loop_timer_due(q->kick) > due)
		loop_timer_arm(q->kick, delay_ms);
}

static bool all_loaded(const struct hook_queue *q)
{
	for (const struct queue_hook *h = q->hooks; h; h = h->next)
		if (!h->loaded)
			return false;
	return true;
}

bool queue_loaded(const struct hook_queue *q)
{
	return q->hooks_known && all_loaded(q);
}

/* ---- documents ---- */

/* @ret: new reference, NULL where the document has nothing. Return: false without memory, which
 * must not look like a value that has gone. */
static bool value_at(const struct document *doc, const struct path *path, json_t **ret)
{
	const char *text = path->part == PATH_PHYSICAL_ID ? doc->physical_id : doc->updated;

	if (path->part == PATH_METADATA) {
		*ret = json_incref(path_lookup(doc->metadata, path->keys, path->n_keys));
		return true;
	}
	*ret = text ? json_string(text) : NULL;
	return *ret || !text;
}

static void offer_to_hooks(struct hook_queue *q, const struct document *doc)
{
	for (struct queue_hook *h = q->hooks; h; h = h->next) {
		_cleanup_json_ json_t *value = NULL;

		if (strcmp(h->def.path.resource, doc->resource) != 0)
			continue;
		if (value_at(doc, &h->def.path, &value)) /* else the next document tells */
			queue_hook_decide(h, value);
	}
	queue_service_offer(q, doc);
	q->tell_idle = true;
	queue_kick(q, 0);
}

static struct waiting_doc *find_waiting(struct hook_queue *q, const char *resource)
{
	for (struct waiting_doc *d = q->docs; d; d = d->next)
		if (strcmp(d->doc.resource, resource) == 0)
			return d;
	return NULL;
}

/* The newest per resource waits; order among resources is that of their first. */
static int keep_document(struct hook_queue *q, const struct document *doc)
{
	struct waiting_doc *d = find_waiting(q, doc->resource);
	struct waiting_doc **at = &q->docs;
	struct document copy = {0};
	int r = document_copy(&copy, doc);

	if (r < 0)
		return r;
	if (!d) {
		d = calloc(1, sizeof(*d));
		if (!d) {
			document_deinit(&copy);
			return -ENOMEM;
		}
		while (*at)
			at = &(*at)->next;
		*at = d;
	}
	document_deinit(&d->doc);
	d->doc = copy;
	return 0;
}

static void drop_first_doc(struct hook_queue *q)
{
	struct waiting_doc *d = q->docs;

	q->docs = d->next;
	document_deinit(&d->doc);
	free(d);
}

static void offer_waiting(struct hook_queue *q)
{
	while (q->docs) {
		offer_to_hooks(q, &q->docs->doc);
		drop_first_doc(q);
	}
}

int hook_queue_offer(struct hook_queue *q, const struct document *doc)
{
	int r;

	if (doc->in_progress || !doc->resource)
		return 0;
	r = keep_document(q, doc);
	if (r == 0)
		queue_kick(q, 0);
	return r;
}

/* ---- idle ---- */

/* Does this one stand between the queue and its rest? */
static bool keeps_busy(const struct hook_queue *q, const struct pending *p)
{
	if (p->phase != PENDING_READY)
		return true;
	return p->attempt == 1 && !q->disabled && !p->held && !p->failed_here;
}

static bool hook_busy(const struct queue_hook *h)
{
	if (!h->loaded || h->asked)
		return true;
	for (const struct pending *p = h->state.list; p; p = p->next)
		if (keeps_busy(h->q, p))
			return true;
	return false;
}

/* One pass: what is due from an earlier pass is run in this one. */
static bool pass_has_work(const struct hook_queue *q, const struct queue_hook *h)
{
	for (const struct pending *p = h->state.list; p && q->setup.one_pass && !q->disabled;
	     p = p->next)
		if (!p->failed_here && !p->held && p->due_ms <= loop_now(q->setup.loop))
			return true;
	return false;
}

bool hook_queue_idle(const struct hook_queue *q)
{
	if (q->docs || json_array_size(q->early) > 0 || queue_service_busy(q))
		return false;
	for (const struct queue_hook *h = q->hooks; h; h = h->next)
		if (hook_busy(h) || pass_has_work(q, h))
			return false;
	return true;
}

/* In this pass, or in one before it and not tried again yet. */
static bool has_failed(const struct queue_hook *h)
{
	for (const struct pending *p = h->state.list; p; p = p->next)
		if (p->failed_here || p->attempt > 1)
			return true;
	return false;
}

static unsigned count_failed(const struct hook_queue *q)
{
	unsigned n = 0;

	for (const struct queue_hook *h = q->hooks; h; h = h->next)
		if (h->state.gave_up[0] || (q->setup.one_pass && has_failed(h)))
			n++;
	return n;
}

unsigned hook_queue_retrying(const struct hook_queue *q)
{
	unsigned n = 0;

	for (const struct queue_hook *h = q->hooks; h; h = h->next) {
		const struct pending *p = h->state.list;

		while (p && p->attempt == 1)
			p = p->next;
		n += p != NULL;
	}
	return n;
}

static void turn(struct loop *loop, void *ctx)
{
	struct hook_queue *q = ctx;

	(void)loop;
	if (all_loaded(q))
		offer_waiting(q);
	queue_finding_early(q);
	queue_run_turn(q);
	if (!q->tell_idle || !hook_queue_idle(q))
		return;
	q->tell_idle = false;
	if (q->setup.idle)
		q->setup.idle(count_failed(q), q->setup.ctx);
}

void hook_queue_round_over(struct hook_queue *q)
{
	q->round_over = true;
	queue_kick(q, 0);
}

/* ---- hooks ---- */

static struct queue_hook *take_known(struct queue_hook **list, const struct hook *def)
{
	for (struct queue_hook **at = list; *at; at = &(*at)->next) {
		struct queue_hook *h = *at;

		if (strcmp(h->def.name, def->name) == 0 &&
		    strcmp(h->def.path_text, def->path_text) == 0) {
			*at = h->next;
			h->next = NULL;
			return h;
		}
	}
	return NULL;
}

static int make_hook(struct hook_queue *q, struct hook *def, struct queue_hook **ret)
{
	struct queue_hook *h = calloc(1, sizeof(*h));
	int r = h ? hook_state_name(def->name, def->path_text, h->store_name) : -ENOMEM;

	if (r < 0) {
		free(h);
		return r;
	}
	h->q = q;
	h->def = *def;
	*def = (struct hook){0};
	r = queue_hook_load(h);
	if (r < 0)
		queue_hook_free(h);
	else
		*ret = h;
	return r;
}

static int place_hook(struct hook_queue *q, struct queue_hook **old, struct hook *def,
		      struct queue_hook ***tail)
{
	struct queue_hook *h = take_known(old, def);
	int r = 0;

	if (!h)
		h = take_known(&q->removed, def);
	if (h) {
		hook_deinit(&h->def);
		h->def = *def;
		*def = (struct hook){0};
	} else {
		r = make_hook(q, def, &h);
	}
	if (r < 0)
		return r;
	**tail = h;
	*tail = &h->next;
	return 0;
}

/* Answers to a removed hook may still be on their way, so it stays, out of the line. */
static void retire(struct hook_queue *q, struct queue_hook *list)
{
	while (list) {
		struct queue_hook *h = list;

		list = h->next;
		h->next = q->removed;
		q->removed = h;
	}
}

int hook_queue_set_hooks(struct hook_queue *q, struct hookset *set)
{
	struct queue_hook *old = q->hooks;
	struct queue_hook **tail = &q->hooks;
	int r = 0;

	q->hooks = NULL;
	for (size_t i = 0; i < set->n && r == 0; i++)
		r = place_hook(q, &old, &set->hooks[i], &tail);
	retire(q, old);
	q->hooks_known = true;
	hookset_deinit(set);
	queue_kick(q, 0);
	return r;
}

/* ---- runner, switch ---- */

static void unask(struct queue_hook *list)
{
	for (struct queue_hook *h = list; h; h = h->next) {
		if (h->asked)
			h->asked->phase = PENDING_UNRESOLVED;
		h->asked = NULL;
		for (struct pending *p = h->state.list; p; p = p->next)
			p->ask_ms = 0;
	}
}

void hook_queue_set_runner(struct hook_queue *q, struct link *runner)
{
	q->runner = runner;
	q->runner_lost = false;
	unask(q->hooks);
	unask(q->removed);
	queue_service_runner_gone(q);
	queue_kick(q, 0);
}

void hook_queue_disable(struct hook_queue *q, bool disabled, const char *why)
{
	if (disabled != q->disabled)
		log_warn("%s%s%s",
			 disabled ? "hooks are switched off: " : "hooks are switched on again",
			 disabled && why ? why : "", disabled ? "; what is due waits" : "");
	q->disabled = disabled;
	for (struct queue_hook *h = q->hooks; h && !disabled; h = h->next)
		for (struct pending *p = h->state.list; p; p = p->next)
			if (p->held)
				p->due_ms = 0;
	queue_kick(q, 0);
}

int hook_queue_new(const struct hook_queue_setup *setup, struct hook_queue **ret)
{
	struct hook_queue *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	q->setup = *setup;
	r = loop_timer_new(setup->loop, 0, turn, q, &q->kick);
	if (r < 0)
		free(q);
	else
		*ret = q;
	return r;
}

static void free_list(struct queue_hook *list)
{
	while (list) {
		struct queue_hook *h = list;

		list = h->next;
		queue_hook_free(h);
	}
}

struct hook_queue *hook_queue_free(struct hook_queue *q)
{
	if (!q)
		return NULL;
	free_list(q->hooks);
	free_list(q->removed);
	while (q->docs)
		drop_first_doc(q);
	queue_service_deinit(q);
	json_decref(q->early);
	loop_timer_free(q->kick);
	free(q);
	return NULL;
}
