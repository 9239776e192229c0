/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rendered in one walk over the text, a section again for each item of its list. Names are looked
 * up from the innermost context outwards, the first part of a dotted name alone.
 */
#include "hooks/init/mustache.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "core/text.h"
#include "hooks/value_text.h"

#define VALUE_MAX      (1u << 20)
#define NAME_MAX_BYTES 255

struct tag {
	char kind; /* # ^ / ! & { or 0: a plain name */
	const char *name;
	size_t name_n;
	size_t begin, end; /* in the text, a lonely tag's line with it */
};

struct render {
	const char *p;
	size_t n, steps;
	const json_t *stack[MUSTACHE_DEPTH_MAX];
	size_t depth;
	struct buf *out;
	struct err *e;
};

static int refuse(const struct render *r, size_t at, const char *why)
{
	return err_set(r->e, -EINVAL, "template: %s at byte %zu", why, at);
}

static size_t find(const struct render *r, size_t from, const char *word)
{
	const char *hit = from < r->n ? memmem(r->p + from, r->n - from, word, strlen(word)) : NULL;

	return hit ? (size_t)(hit - r->p) : SIZE_MAX;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A section tag or comment alone on its line takes the line with it. */
static void widen(const struct render *r, struct tag *t)
{
	size_t a = t->begin, b = t->end;

	while (a > 0 && is_blank(r->p[a - 1]))
		a--;
	while (b < r->n && is_blank(r->p[b]))
		b++;
	if ((a > 0 && r->p[a - 1] != '\n') || (b < r->n && r->p[b] != '\n' && r->p[b] != '\r'))
		return;
	if (b < r->n && r->p[b] == '\r')
		b++;
	if (b < r->n && r->p[b] == '\n')
		b++;
	t->begin = a;
	t->end = b;
}

static int read_name(const struct render *r, struct tag *t, size_t from, size_t to)
{
	t->name = r->p + from;
	t->name_n = to - from;
	text_trim(&t->name, &t->name_n);
	if (t->kind != '!' &&
	    (t->name_n == 0 || memchr(t->name, '{', t->name_n) || memchr(t->name, '\0', t->name_n)))
		return refuse(r, from, "a tag without a name");
	return 0;
}

/* The next tag at or after @from. Return: 1, 0 when there is none. */
static int next_tag(const struct render *r, size_t from, struct tag *t)
{
	size_t open = find(r, from, "{{"), close;
	bool triple;
	int ret;

	if (open == SIZE_MAX)
		return 0;
	triple = open + 2 < r->n && r->p[open + 2] == '{';
	close = find(r, open + 2, triple ? "}}}" : "}}");
	if (close == SIZE_MAX)
		return refuse(r, open, "a tag that does not end");
	*t = (struct tag){.begin = open, .end = close + (triple ? 3 : 2)};
	open += 2;
	if (open < close && strchr("#^/!&{>=", r->p[open]))
		t->kind = r->p[open++];
	if (t->kind == '>' || t->kind == '=')
		return refuse(r, t->begin, t->kind == '>' ? "a partial" : "other delimiters");
	ret = read_name(r, t, open, close);
	if (ret == 0 && strchr("#^/!", t->kind) && t->kind)
		widen(r, t);
	return ret < 0 ? ret : 1;
}

/* ---- values ---- */

static const json_t *member(const json_t *object, const char *p, size_t n)
{
	char key[NAME_MAX_BYTES + 1];

	if (n > NAME_MAX_BYTES)
		return NULL;
	memcpy(key, p, n);
	key[n] = '\0';
	return json_object_get(object, key);
}

static const json_t *look_up(const struct render *r, const char *p, size_t n)
{
	const char *dot = memchr(p, '.', n);
	size_t first = dot ? (size_t)(dot - p) : n;
	const json_t *value = NULL;

	if (n == 1 && *p == '.')
		return r->stack[r->depth - 1];
	for (size_t i = r->depth; i > 0 && !value; i--)
		value = member(r->stack[i - 1], p, first);
	while (value && first < n) {
		const char *part = p + first + 1;
		size_t left = n - first - 1;

		dot = memchr(part, '.', left);
		left = dot ? (size_t)(dot - part) : left;
		value = member(value, part, left);
		first += 1 + left;
	}
	return value;
}

static bool is_true(const json_t *v)
{
	if (json_is_string(v))
		return json_string_length(v) > 0;
	if (json_is_number(v))
		return json_number_value(v) != 0;
	return v && !json_is_null(v) && !json_is_false(v) &&
	       !(json_is_array(v) && json_array_size(v) == 0);
}

static void put_escaped(struct buf *out, const char *p, size_t n)
{
	static const struct {
		char c;
		const char *text;
	} rows[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};

	for (size_t i = 0; i < n; i++) {
		const char *text = NULL;

		for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
			if (rows[k].c == p[i])
				text = rows[k].text;
		if (text)
			buf_puts(out, text);
		else
			buf_putc(out, p[i]);
	}
}

static int put_value(struct render *r, const struct tag *t)
{
	_cleanup_buf_ struct buf text = BUF_INIT(VALUE_MAX);
	const json_t *value = look_up(r, t->name, t->name_n);
	int ret;

	if (!value || json_is_null(value))
		return 0;
	ret = value_text((json_t *)(uintptr_t)value, &text);
	if (ret < 0)
		return err_sys(r->e, -ret, "template: a value");
	if (t->kind)
		buf_put(r->out, buf_str(&text), text.len);
	else
		put_escaped(r->out, buf_str(&text), text.len);
	return buf_error(r->out);
}

/* ---- sections ---- */

/* The closing tag that belongs to @open. */
static int find_close(struct render *r, const struct tag *open, struct tag *close)
{
	size_t at = open->end, depth = 1;
	int ret;

	while ((ret = next_tag(r, at, close)) > 0) {
		bool same = close->name_n == open->name_n &&
			    !memcmp(close->name, open->name, open->name_n);

		at = close->end;
		if (++r->steps > MUSTACHE_STEPS_MAX)
			return err_set(r->e, -EFBIG, "template: too much of it");
		if (close->kind == '#' || close->kind == '^')
			depth++;
		else if (close->kind == '/' && --depth == 0)
			return same ? 0
				    : refuse(r, close->begin, "a section's end of another name");
	}
	return ret < 0 ? ret : refuse(r, open->begin, "a section that does not end");
}

static int walk(struct render *r, size_t from, size_t to);

static int inside(struct render *r, const json_t *context, size_t from, size_t to)
{
	int ret;

	if (r->depth == MUSTACHE_DEPTH_MAX)
		return refuse(r, from, "sections too deep");
	r->stack[r->depth++] = context;
	ret = walk(r, from, to);
	r->depth--;
	return ret;
}

static int section(struct render *r, const struct tag *open, struct tag *close)
{
	const json_t *value = look_up(r, open->name, open->name_n), *item;
	size_t i;
	int ret = find_close(r, open, close);

	if (ret < 0 || is_true(value) == (open->kind == '^'))
		return ret;
	if (!json_is_array(value) || open->kind == '^')
		return inside(r, open->kind == '^' ? r->stack[r->depth - 1] : value, open->end,
			      close->begin);
	json_array_foreach(value, i, item)
	{
		ret = inside(r, item, open->end, close->begin);
		if (ret < 0)
			break;
	}
	return ret;
}

static int one_tag(struct render *r, const struct tag *t, size_t *at)
{
	struct tag close;
	int ret;

	*at = t->end;
	if (++r->steps > MUSTACHE_STEPS_MAX)
		return err_set(r->e, -EFBIG, "template: too much of it");
	if (t->kind == '!')
		return 0;
	if (t->kind == '/')
		return refuse(r, t->begin, "a section's end without its beginning");
	if (t->kind != '#' && t->kind != '^')
		return put_value(r, t);
	ret = section(r, t, &close);
	*at = close.end;
	return ret;
}

static int walk(struct render *r, size_t from, size_t to)
{
	size_t at = from;

	while (at < to) {
		struct tag t;
		int ret = next_tag(r, at, &t);

		if (ret < 0)
			return ret;
		if (ret == 0 || t.begin >= to)
			break;
		if (t.begin > at)
			buf_put(r->out, r->p + at, t.begin - at);
		ret = one_tag(r, &t, &at);
		if (ret < 0)
			return ret;
	}
	if (at < to)
		buf_put(r->out, r->p + at, to - at);
	return buf_error(r->out);
}

int mustache_render(const char *p, size_t n, const json_t *context, struct buf *out, struct err *e)
{
	struct render r = {.p = p, .n = n, .stack = {context}, .depth = 1, .out = out, .e = e};
	int ret = walk(&r, 0, n);

	return ret == -EFBIG || ret == -ENOMEM ? err_sys(e, -ret, "template: the result") : ret;
}
