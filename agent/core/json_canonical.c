/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 8785, the form that is signed: keys in the order of their UTF-16 code units, no blanks,
 * ECMAScript's numbers and the shortest escapes. Walks with a stack of its own, so that a tree from
 * outside cannot exhaust the program's. What the form cannot hold exactly is refused, not rounded.
 */
#include "core/json.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include "core/text.h"

#define JSON_CANONICAL_DEPTH 64
#define JSON_INTEGER_MAX     (1LL << 53) /* beyond it a double skips integers */
#define JSON_DIGITS_MAX      17

/* ---- numbers ---- */

struct json_decimal {
	char digits[JSON_DIGITS_MAX + 1];
	int n;
	int point; /* the value is 0.DIGITS x 10^point */
};

static double json_decimal_value(const struct json_decimal *d)
{
	char text[64];

	snprintf(text, sizeof(text), "0.%se%d", d->digits, d->point);
	return strtod(text, NULL);
}

/* @precision digits of @value, correctly rounded. */
static void json_decimal_round(double value, int precision, struct json_decimal *d)
{
	char text[64];
	int n = 0;
	const char *at;

	snprintf(text, sizeof(text), "%.*e", precision - 1, value);
	for (at = text; *at && *at != 'e'; at++) {
		if (*at != '.')
			d->digits[n++] = *at;
	}
	d->digits[n] = '\0';
	d->n = n;
	d->point = (int)strtol(at + 1, NULL, 10) + 1;
}

/* The next larger number of as many digits. */
static void json_decimal_up(struct json_decimal *d)
{
	int i = d->n - 1;

	while (i >= 0 && d->digits[i] == '9')
		d->digits[i--] = '0';
	if (i >= 0) {
		d->digits[i]++;
		return;
	}
	d->digits[0] = '1';
	d->point++;
}

/*
 * The shortest digits that read back as @value. The neighbour above is tried too: below a power of two
 * doubles lie twice as close, and for 46 of the 2098 powers the shortest text is not the nearest one
 * of its length (compared with another implementation for all of them).
 */
static void json_decimal_shortest(double value, struct json_decimal *d)
{
	for (int precision = 1; precision <= JSON_DIGITS_MAX; precision++) {
		json_decimal_round(value, precision, d);
		if (json_decimal_value(d) == value)
			break;
		if (precision == JSON_DIGITS_MAX)
			break;
		json_decimal_up(d);
		if (json_decimal_value(d) == value)
			break;
	}
	while (d->n > 1 && d->digits[d->n - 1] == '0')
		d->digits[--d->n] = '\0';
}

static void json_put_zeros(struct buf *out, int n)
{
	for (int i = 0; i < n; i++)
		buf_putc(out, '0');
}

/* The cases of ECMAScript's Number::toString, in its order. */
static void json_put_decimal(struct buf *out, const struct json_decimal *d)
{
	size_t n = (size_t)d->n;

	if (d->point >= d->n && d->point <= 21) {
		buf_put(out, d->digits, n);
		json_put_zeros(out, d->point - d->n);
	} else if (d->point > 0 && d->point <= 21) {
		buf_printf(out, "%.*s.%s", d->point, d->digits, d->digits + d->point);
	} else if (d->point > -6 && d->point <= 0) {
		buf_puts(out, "0.");
		json_put_zeros(out, -d->point);
		buf_put(out, d->digits, n);
	} else {
		buf_putc(out, d->digits[0]);
		if (n > 1)
			buf_printf(out, ".%s", d->digits + 1);
		buf_printf(out, "e%+d", d->point - 1);
	}
}

static int json_put_real(struct buf *out, double value)
{
	struct json_decimal d;

	if (!isfinite(value))
		return -EINVAL;
	if (value == 0)
		return buf_putc(out, '0');
	if (value < 0)
		buf_putc(out, '-');
	json_decimal_shortest(fabs(value), &d);
	json_put_decimal(out, &d);
	return buf_error(out);
}

static int json_put_integer(struct buf *out, json_int_t value)
{
	if (value > JSON_INTEGER_MAX || value < -JSON_INTEGER_MAX)
		return -EINVAL;
	return buf_printf(out, "%lld", (long long)value);
}

/* ---- strings ---- */

static void json_put_char(struct buf *out, char c)
{
	static const char named[] = "\b\t\n\f\r\"\\";
	static const char letters[] = "btnfr\"\\";
	const char *at = c ? strchr(named, c) : NULL;

	if (at) {
		buf_putc(out, '\\');
		buf_putc(out, letters[at - named]);
	} else if ((unsigned char)c < 0x20) {
		buf_printf(out, "\\u%04x", (unsigned)(unsigned char)c);
	} else {
		buf_putc(out, c);
	}
}

static int json_put_string(struct buf *out, const char *p, size_t n)
{
	if (text_utf8_valid(p, n) != n)
		return -EINVAL;
	buf_putc(out, '"');
	for (size_t i = 0; i < n; i++)
		json_put_char(out, p[i]);
	buf_putc(out, '"');
	return buf_error(out);
}

/*
 * UTF-16 order is byte order of UTF-8 but for one thing: characters above U+FFFF (first byte F0 and
 * up) are surrogates there and come before U+E000 to U+FFFF (first byte EE and EF).
 */
static int json_compare_keys(const void *a, const void *b)
{
	const unsigned char *x = *(const unsigned char *const *)a;
	const unsigned char *y = *(const unsigned char *const *)b;

	while (*x && *x == *y) {
		x++;
		y++;
	}
	if (*x >= 0xee && *y >= 0xee && (*x >= 0xf0) != (*y >= 0xf0))
		return *x >= 0xf0 ? -1 : 1;
	return (int)*x - (int)*y;
}

/* ---- structure ---- */

struct json_canonical_level {
	const json_t *value;
	const char **keys; /* sorted, for objects */
	size_t i, n;
};

struct json_canonical_walk {
	struct json_canonical_level levels[JSON_CANONICAL_DEPTH];
	size_t depth;
	struct buf *out;
};

static int json_sorted_keys(const json_t *object, const char ***ret, size_t n)
{
	const char **keys = calloc(n ? n : 1, sizeof(*keys));
	void *iter;
	size_t i = 0;

	if (!keys)
		return -ENOMEM;
	/* jansson's own macro casts const away; the iterator only reads. */
	for (iter = json_object_iter((json_t *)(uintptr_t)object); iter && i < n;
	     iter = json_object_iter_next((json_t *)(uintptr_t)object, iter))
		keys[i++] = json_object_iter_key(iter);
	qsort(keys, i, sizeof(*keys), json_compare_keys);
	*ret = keys;
	return 0;
}

static int json_walk_open(struct json_canonical_walk *w, const json_t *value)
{
	struct json_canonical_level *level = &w->levels[w->depth];
	int r = 0;

	if (w->depth == JSON_CANONICAL_DEPTH)
		return -EINVAL;
	*level = (struct json_canonical_level){.value = value};
	level->n = json_is_object(value) ? json_object_size(value) : json_array_size(value);
	if (json_is_object(value))
		r = json_sorted_keys(value, &level->keys, level->n);
	if (r < 0)
		return r;
	w->depth++;
	return buf_putc(w->out, json_is_object(value) ? '{' : '[');
}

static int json_walk_put(struct json_canonical_walk *w, const json_t *value)
{
	switch (value ? (int)json_typeof(value) : -1) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		return json_walk_open(w, value);
	case JSON_STRING:
		return json_put_string(w->out, json_string_value(value), json_string_length(value));
	case JSON_INTEGER:
		return json_put_integer(w->out, json_integer_value(value));
	case JSON_REAL:
		return json_put_real(w->out, json_real_value(value));
	case JSON_TRUE:
		return buf_puts(w->out, "true");
	case JSON_FALSE:
		return buf_puts(w->out, "false");
	case JSON_NULL:
		return buf_puts(w->out, "null");
	default:
		return -EINVAL;
	}
}

static void json_walk_pop(struct json_canonical_walk *w)
{
	free(w->levels[--w->depth].keys);
}

/* One step in the innermost container: its next member, or its end. */
static int json_walk_step(struct json_canonical_walk *w)
{
	struct json_canonical_level *level = &w->levels[w->depth - 1];
	bool is_object = json_is_object(level->value);
	size_t i = level->i++;
	int r;

	if (i == level->n) {
		json_walk_pop(w);
		return buf_putc(w->out, is_object ? '}' : ']');
	}
	if (i > 0)
		buf_putc(w->out, ',');
	if (!is_object)
		return json_walk_put(w, json_array_get(level->value, i));
	r = json_put_string(w->out, level->keys[i], strlen(level->keys[i]));
	if (r < 0)
		return r;
	buf_putc(w->out, ':');
	return json_walk_put(w, json_object_get(level->value, level->keys[i]));
}

int json_canonical(const json_t *value, struct buf *out)
{
	struct json_canonical_walk w = {.out = out};
	int r = json_walk_put(&w, value);

	while (r == 0 && w.depth > 0)
		r = json_walk_step(&w);
	while (w.depth > 0)
		json_walk_pop(&w);
	return r;
}
