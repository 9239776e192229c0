/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which way the guest's own resource is polled, when documents and failures change it. A way that the newest
 * document names is opened beside the one in use and taken once it has answered. While the one in use fails,
 * the others that are known are tried, as Heat removes an object or a queue before the guest has seen what
 * comes after it. A queue that was removed looks like an empty one, and an object may be left as it was: now
 * and then another way is looked at.
 */
#include "metadata/watch_item.h"

#include <string.h>

#include "core/text.h"

#define PATIENCE 3 /* failures in a row that may pass by themselves */

/* A way that ends like this does not come back by waiting. */
static bool has_ended(enum fetch_class class)
{
	return class == FETCH_REFUSED || class == FETCH_REFUSED_POLICY ||
	       class == FETCH_REFUSED_FOREIGN || class == FETCH_EXPIRED_URL || class == FETCH_GONE;
}

struct watch_item *watch_own(const struct watch *w, size_t *index)
{
	for (size_t i = 0; i < w->n_items; i++) {
		if (!w->items[i]->resource && w->items[i]->source->ops->remote) {
			if (index)
				*index = i;
			return w->items[i];
		}
	}
	return NULL;
}

static const struct source_ops *ops_of(const char *block)
{
	for (size_t i = 0; sources[i] && block; i++) {
		if (text_equal(sources[i]->block, block))
			return sources[i];
	}
	return NULL;
}

/* ---- places ---- */

static bool used_by(struct watch_item *const *list, size_t n, const struct watch_source *source)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i]->source == source)
			return true;
	}
	return false;
}

static bool in_use(const struct watch *w, const struct watch_source *source)
{
	for (const struct watch_item *item = w->dropped; item; item = item->next) {
		if (item->source == source)
			return true;
	}
	return used_by(w->items, w->n_items, source) || used_by(w->tries, w->n_tries, source);
}

/* Not from inside an answer of theirs: an item whose fetch is under way keeps its source in use. */
static void close_unused(struct watch *w)
{
	for (size_t i = 0; i < w->n_sources; i++) {
		if (w->sources[i].src && w->sources[i].late && !in_use(w, &w->sources[i]))
			watch_close(&w->sources[i]);
	}
}

/* One that is open already for the same rights serves again, unless it is busy with the own item. */
static struct watch_source *open_for(struct watch *w, const struct source_ops *ops,
				     const struct credentials *cred)
{
	struct watch_source *source = NULL;
	struct err e = ERR_INIT;

	close_unused(w);
	for (size_t i = 0; i < w->n_sources; i++) {
		if (w->sources[i].src && w->sources[i].ops == ops &&
		    credentials_equal(&w->sources[i].cred, cred))
			return &w->sources[i];
	}
	if (watch_open(w, ops, cred, &source, &e) < 0) {
		watch_problem(w, PROBLEM_ERROR, "transport", "correct the template",
			      "a document names a way to the metadata that cannot be used: %s", e.text);
		return NULL;
	}
	return source;
}

/* ---- tries ---- */

static struct watch_item *find_try(const struct watch *w, const struct source_ops *ops,
				   enum watch_part part)
{
	for (size_t i = 0; i < w->n_tries; i++) {
		if (w->tries[i]->part == part && (!ops || w->tries[i]->source->ops == ops))
			return w->tries[i];
	}
	return NULL;
}

static void forget_try(struct watch *w, const struct watch_item *item)
{
	for (size_t i = 0; i < w->n_tries; i++) {
		if (w->tries[i] == item) {
			w->tries[i] = w->tries[--w->n_tries];
			return;
		}
	}
}

static void drop_part(struct watch *w, enum watch_part part)
{
	struct watch_item *item;

	while ((item = find_try(w, NULL, part))) {
		forget_try(w, item);
		watch_item_drop(item);
	}
}

void watch_drop_tries(struct watch *w)
{
	drop_part(w, PART_WANTED);
	drop_part(w, PART_SPARE);
	drop_part(w, PART_LOOK);
}

static void start_try(struct watch *w, const struct source_ops *ops, const struct credentials *cred,
		      enum watch_part part)
{
	const struct watch_item *own = watch_own(w, NULL);
	struct watch_source *source;
	struct watch_item *item;
	bool changed;

	if (w->n_tries == WATCH_TRIES_MAX)
		return;
	source = open_for(w, ops, cred);
	if (!source || (own && own->source == source))
		return;
	item = watch_item_new(w, source, NULL);
	if (!item)
		return;
	item->part = part;
	/* What comes is compared with what is known; without room for a copy it counts as news. */
	if (own && own->has_doc && watch_item_keep(item, &own->doc, &changed) < 0)
		item->has_doc = false;
	w->tries[w->n_tries++] = item;
	if (w->started)
		watch_item_first(item);
}

/* ---- taking a way ---- */

static void take_place(struct watch *w, struct watch_item *item)
{
	size_t at = 0;
	struct watch_item *old = watch_own(w, &at);

	forget_try(w, item);
	item->part = PART_POLLED;
	if (old) {
		item->hooked = old->hooked;
		w->items[at] = item;
		watch_item_drop(old);
	} else if (w->n_items < WATCH_ITEMS_MAX) {
		memmove(&w->items[1], &w->items[0], w->n_items * sizeof(w->items[0]));
		w->items[0] = item;
		w->n_items++;
	}
	watch_drop_tries(w);
}

/* What sinks use is the newest user's session, too. A source that shares it goes on with that; it is none to
 * return to with the credentials it had. */
static void renew_session(struct watch *w)
{
	const struct credentials *cred = credentials_session(&w->creds);
	struct credentials copy;

	if (!w->own_keystone || !cred || credentials_equal(cred, &w->shared_cred) ||
	    credentials_copy(&copy, cred) < 0)
		return;
	if (keystone_replace(w->own_keystone, cred) < 0) {
		credentials_deinit(&copy);
		return;
	}
	credentials_deinit(&w->shared_cred);
	w->shared_cred = copy;
	for (size_t i = 0; i < w->n_sources; i++)
		if (w->sources[i].ops == &source_heat && !w->sources[i].keystone)
			credentials_deinit(&w->sources[i].cred);
}

static void promote(struct watch *w, struct watch_item *item)
{
	const struct watch_item *old = watch_own(w, NULL);
	const char *before = old ? old->source->ops->name : NULL;

	take_place(w, item);
	watch_problem(w, PROBLEM_OK, "transport", NULL, "the metadata of %s come from source %s now%s%s",
		      watch_item_name(item), item->source->ops->name, before ? ", no longer from " : "",
		      before ? before : "");
	renew_session(w);
	if (w->setup.events.transport)
		w->setup.events.transport(&w->creds, w->setup.events.ctx);
}

bool watch_try_answered(struct watch_item *item, bool changed)
{
	struct watch *w = item->w;
	struct watch_item *own = watch_own(w, NULL);
	bool good = !watch_item_failing(item);

	if (good && (item->part != PART_LOOK || !own || watch_item_failing(own))) {
		promote(w, item);
		return true;
	}
	if (item->part != PART_LOOK)
		return false;
	forget_try(w, item);
	item->part = PART_SPARE; /* still not told of */
	w->look_failures += good ? 0 : 1;
	if (good && changed && watch_item_keep(own, &item->doc, &changed) == 0) {
		watch_item_announce(own, true);
		watch_follow(w, &own->doc);
	}
	watch_item_drop(item);
	return false;
}

/* ---- following documents ---- */

/* What root wrote about this guest stays; what Heat's newest word adds or replaces is merged. */
static int learn(struct watch *w, const struct document *doc, struct credentials_set *found)
{
	struct err e = ERR_INIT;
	int r = credentials_from_block(json_object_get(doc->metadata, "os-collect-config"),
				       "the newest document", found, &e);

	if (r < 0 || json_is_object(json_object_get(doc->metadata, "os-collect-config"))) {
		if (r >= 0 && credentials_merge(&w->creds, found) < 0)
			return -1;
		watch_set_intervals(w);
	}
	return r;
}

static const char *named_block(const struct watch *w, const struct credentials_set *found)
{
	const char *names[WATCH_SOURCES_MAX + 1] = {NULL};
	size_t n = 0;

	for (size_t i = 0; sources[i] && n < WATCH_SOURCES_MAX; i++) {
		const char *block = sources[i]->block;

		if (!block || !watch_allows(w, sources[i]))
			continue;
		if (credentials_section((struct credentials_set *)(uintptr_t)&w->creds, block)->preferred)
			return NULL;
		names[n++] = block;
	}
	return credentials_preferred(found, names);
}

void watch_follow(struct watch *w, const struct document *doc)
{
	const struct watch_item *own = watch_own(w, NULL);
	struct credentials_set found = {0};
	const struct source_ops *ops = NULL;
	const struct credentials *cred;
	const struct watch_item *wanted;

	if (learn(w, doc, &found) == 0)
		ops = ops_of(named_block(w, &found));
	credentials_set_deinit(&found);
	if (!ops)
		return;
	cred = credentials_section(&w->creds, ops->block);
	if (own && own->source->ops == ops && credentials_equal(&own->source->cred, cred)) {
		drop_part(w, PART_WANTED);
		return;
	}
	wanted = find_try(w, ops, PART_WANTED);
	if (wanted && credentials_equal(&wanted->source->cred, cred))
		return;
	drop_part(w, PART_WANTED);
	start_try(w, ops, cred, PART_WANTED);
}

/* ---- other ways while this one fails, or cannot be told from an ended one ---- */

static void try_others(struct watch *w, const struct watch_item *own)
{
	for (size_t i = 0; sources[i]; i++) {
		const struct source_ops *ops = sources[i];
		const struct credentials *cred =
			ops->block ? credentials_section(&w->creds, ops->block) : NULL;

		if (cred && cred->kind != CREDENTIALS_NONE && ops != own->source->ops && watch_allows(w, ops) &&
		    !find_try(w, ops, PART_WANTED) && !find_try(w, ops, PART_SPARE))
			start_try(w, ops, cred, PART_SPARE);
	}
}

/* One way that tells all; when it fails the next look goes another one. */
static void look(struct watch *w)
{
	const struct source_ops *const ways[] = {&source_heat, &source_cfn};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		const struct source_ops *ops = ways[(w->look_failures + i) % ARRAY_SIZE(ways)];
		const struct credentials *cred = credentials_section(&w->creds, ops->block);

		if (cred->kind == CREDENTIALS_NONE || !watch_allows(w, ops) || find_try(w, NULL, PART_LOOK))
			continue;
		start_try(w, ops, cred, PART_LOOK);
		return;
	}
}

void watch_own_answered(struct watch_item *item)
{
	struct watch *w = item->w;

	if (item != watch_own(w, NULL)) {
		/* A file may carry the block to a guest that has nothing else. */
		if (!item->resource && !watch_own(w, NULL) && item->class == FETCH_OK && item->has_doc)
			watch_follow(w, &item->doc);
		return;
	}
	if (watch_item_failing(item)) {
		if (has_ended(item->class) || item->failures >= PATIENCE)
			try_others(w, item);
		return;
	}
	drop_part(w, PART_SPARE);
	if (item->class == FETCH_OK)
		watch_follow(w, &item->doc);
	if (item->source->ops->silent && ++item->since_look >= w->setup.conf->full_every) {
		item->since_look = 0;
		look(w);
	}
}
