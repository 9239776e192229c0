/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies for both kinds of handles, and the memory of which handle is which. The memory is a hint: a wrong
 * entry costs one request that Heat refuses in so many words (`Metadata format invalid`), after which the
 * other kind is tried and learned.
 */
#include "sink/handle_kind.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"

#define STORE_NAME  "handles"
#define HANDLES_MAX 256
#define NAME_MAX_   512

static const char *const kind_words[] = {"", "heat", "aws"};

static const struct keys {
	const char *status, *reason, *data, *id;
} keys[] = {
	[HANDLE_HEAT] = {"status", "reason", "data", "id"},
	[HANDLE_AWS] = {"Status", "Reason", "Data", "UniqueId"},
};

enum handle_kind handle_other(enum handle_kind kind)
{
	return kind == HANDLE_AWS ? HANDLE_HEAT : HANDLE_AWS;
}

/* An AWS handle wants all four; an OS::Heat one has its own words for what is absent. */
static int put(json_t *o, const char *name, const char *value, bool always)
{
	return value || always ? json_object_set_new(o, name, json_string(value ? value : "")) : 0;
}

int handle_body(enum handle_kind kind, const struct signal *s, struct buf *out)
{
	const struct keys *k = &keys[kind == HANDLE_AWS ? HANDLE_AWS : HANDLE_HEAT];
	bool all = kind == HANDLE_AWS;
	_cleanup_json_ json_t *o = s->kind == SIGNAL_ACTION ? NULL : json_object();
	_cleanup_free_ char *text = NULL;
	size_t start = out->len;
	int bad = o ? 0 : -1;

	if (s->kind == SIGNAL_ACTION) /* no handle: the input of a workflow */
		return s->data ? json_canonical(s->data, out) : buf_puts(out, "{}");
	bad |= bad ? 0
		   : put(o, k->status, s->status, true) | put(o, k->reason, s->reason, all) |
			       put(o, k->id, s->id ? s->id : (all ? s->key : NULL), all);
	if (!bad && s->data)
		bad = json_object_set(o, k->data, s->data);
	else if (!bad && all)
		bad = json_object_set_new(o, k->data, json_string(""));
	if (bad)
		return -ENOMEM;
	/* shortest numbers; what that form cannot hold (an integer over 2^53) goes out as jansson writes it
	 */
	if (json_canonical(o, out) == 0 && buf_error(out) == 0)
		return 0;
	if (buf_error(out))
		return buf_error(out);
	out->len = start;
	text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	return text ? buf_puts(out, text) : -ENOMEM;
}

static bool same_text(const json_t *entry, const char *key, const char *want)
{
	const char *got = json_str(entry, key);

	return !want || (got && strcmp(got, want) == 0);
}

bool handle_holds(const json_t *metadata, const struct signal *s, enum handle_kind *kind)
{
	const json_t *entry = s->id ? json_obj(metadata, s->id) : NULL;

	for (enum handle_kind k = HANDLE_HEAT; entry && k <= HANDLE_AWS; k++)
		if (json_object_get(entry, keys[k].status) && same_text(entry, keys[k].status, s->status) &&
		    same_text(entry, keys[k].reason, s->reason)) {
			*kind = k;
			return true;
		}
	return false;
}

/* ---- memory ---- */

struct handle_kinds {
	struct store *store;
	json_t *known; /* name -> "heat" or "aws" */
};

static void merge(struct handle_kinds *h, const json_t *stored)
{
	const char *name;
	json_t *word;

	json_object_foreach((json_t *)(uintptr_t)stored, name, word)
	{
		if (json_object_size(h->known) < HANDLES_MAX && json_is_string(word) &&
		    !json_object_get(h->known, name))
			json_object_set(h->known, name, word);
	}
}

static void loaded(int status, const char *p, size_t n, void *ctx)
{
	struct handle_kinds *h = ctx;
	_cleanup_json_ json_t *o = NULL;
	int64_t v;

	if (status == 0 && json_parse(p, n, &json_limits_default, &o, NULL) == 0 && json_int(o, "v", &v) &&
	    v == 1)
		merge(h, json_obj(o, "handles"));
}

int handle_kinds_new(struct store *store, struct handle_kinds **ret)
{
	struct handle_kinds *h = calloc(1, sizeof(*h));

	if (!h || !(h->known = json_object())) {
		free(h);
		return -ENOMEM;
	}
	h->store = store;
	if (store)
		(void)!store_get(store, STORE_NAME, loaded, h);
	*ret = h;
	return 0;
}

struct handle_kinds *handle_kinds_free(struct handle_kinds *h)
{
	if (!h)
		return NULL;
	json_decref(h->known);
	free(h);
	return NULL;
}

enum handle_kind handle_kinds_get(const struct handle_kinds *h, const char *name)
{
	const char *word = json_str(h->known, name);

	for (enum handle_kind k = HANDLE_HEAT; word && k <= HANDLE_AWS; k++)
		if (strcmp(word, kind_words[k]) == 0)
			return k;
	return HANDLE_UNKNOWN;
}

static void save(struct handle_kinds *h)
{
	_cleanup_json_ json_t *o = json_pack("{s:i, s:O}", "v", 1, "handles", h->known);
	_cleanup_free_ char *text = o ? json_compact(o) : NULL;

	if (h->store && text)
		(void)!store_put(h->store, STORE_NAME, text, strlen(text), NULL, NULL);
}

void handle_kinds_learn(struct handle_kinds *h, const char *name, enum handle_kind kind)
{
	if (kind == HANDLE_UNKNOWN || handle_kinds_get(h, name) == kind || strlen(name) > NAME_MAX_)
		return;
	if (json_object_size(h->known) >= HANDLES_MAX && !json_object_get(h->known, name))
		json_object_clear(h->known); /* learning again is cheap */
	if (json_object_set_new(h->known, name, json_string(kind_words[kind])) == 0)
		save(h);
}
