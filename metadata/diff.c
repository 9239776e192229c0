/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares metadata trees and names the paths that changed. Values never reach the summary: they
 * may be secrets. The walk keeps its own stack, so a deep tree cannot exhaust ours; below
 * DIFF_DEPTH a change is reported at that depth.
 */
#include "metadata/diff.h"

#include <string.h>

#include "core/text.h"

#define DIFF_DEPTH   64
#define DIFF_KEY_MAX 64 /* longer keys are cut in the summary */

enum change_kind diff_value(const json_t *old, const json_t *new_value)
{
	if (!old)
		return new_value ? CHANGE_ADDED : CHANGE_NONE;
	if (!new_value)
		return CHANGE_REMOVED;
	return json_equal(old, new_value) ? CHANGE_NONE : CHANGE_UPDATED;
}

struct diff_frame {
	json_t *old, *new_value;
	void *iter;      /* next member to look at: of new_value first, then of old */
	bool second;     /* the members of old are being looked at for removals */
	size_t path_len; /* length of the path that leads here */
};

struct diff_walk {
	struct diff_frame frames[DIFF_DEPTH];
	size_t depth;
	struct buf path;
	unsigned shown, hidden, max;
	struct buf *out;
};

static const char *change_word(enum change_kind kind)
{
	static const char *const words[] = {"same", "added", "updated", "removed"};

	return words[kind];
}

static void path_append(struct buf *path, const char *key)
{
	size_t n = strnlen(key, DIFF_KEY_MAX);

	if (path->len)
		buf_putc(path, '.');
	for (size_t i = 0; i < n; i++) {
		if (key[i] == '.')
			buf_puts(path, "\\.");
		else
			text_escape(path, key + i, 1);
	}
	if (key[n])
		buf_puts(path, "...");
}

static void path_cut(struct buf *path, size_t len)
{
	if (len < path->len) {
		path->len = len;
		path->data[len] = '\0';
	}
}

static void report(struct diff_walk *w, enum change_kind kind)
{
	if (w->shown == w->max) {
		w->hidden++;
		return;
	}
	buf_printf(w->out, "%s%s: %s", w->shown ? ", " : "",
		   w->path.len ? buf_str(&w->path) : "(all)", change_word(kind));
	w->shown++;
}

static void push(struct diff_walk *w, json_t *old, json_t *new_value)
{
	struct diff_frame *f = &w->frames[w->depth++];

	*f = (struct diff_frame){.old = old, .new_value = new_value, .path_len = w->path.len};
	f->iter = json_object_iter(new_value);
}

/* One pair of values at the current path: equal, worth descending into, or to be reported. */
static void visit(struct diff_walk *w, json_t *old, json_t *new_value)
{
	enum change_kind kind = diff_value(old, new_value);

	if (kind == CHANGE_NONE)
		return;
	if (kind == CHANGE_UPDATED && json_is_object(old) && json_is_object(new_value) &&
	    w->depth < DIFF_DEPTH)
		push(w, old, new_value);
	else
		report(w, kind);
}

/* Looks at one member of the top frame. Return: false when the frame is done. */
static bool step(struct diff_walk *w)
{
	struct diff_frame *f = &w->frames[w->depth - 1];
	json_t *other, *value;
	const char *key;

	path_cut(&w->path, f->path_len);
	if (!f->iter && !f->second) {
		f->second = true;
		f->iter = json_object_iter(f->old);
	}
	if (!f->iter)
		return false;
	key = json_object_iter_key(f->iter);
	value = json_object_iter_value(f->iter);
	f->iter = json_object_iter_next(f->second ? f->old : f->new_value, f->iter);
	other = json_object_get(f->second ? f->new_value : f->old, key);
	if (f->second && other)
		return true;
	path_append(&w->path, key);
	if (f->second)
		report(w, CHANGE_REMOVED);
	else
		visit(w, other, value);
	return true;
}

/* jansson's iterators take non-const objects although they only read. */
static json_t *unconst(const json_t *j)
{
	union {
		const json_t *in;
		json_t *out;
	} u = {.in = j};

	return u.out;
}

void diff_summary(const json_t *old, const json_t *new_value, unsigned max, struct buf *out)
{
	struct diff_walk w = {.path = BUF_INIT(8192), .max = max, .out = out};

	visit(&w, unconst(old), unconst(new_value));
	while (w.depth) {
		if (!step(&w))
			w.depth--;
	}
	if (w.hidden)
		buf_printf(out, "%s%u more", w.shown ? ", " : "", w.hidden);
	buf_deinit(&w.path);
}
