/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.dumps() of Python: ", " and ": " between things, \u escapes for all that is not ASCII, keys
 * in the order they came, floats in their shortest exact form ("1.0", "1e+16"). Scripts that
 * compare text with what the old tool gave them must go on working; jansson's own dump differs in
 * floats and in the case of escapes. No recursion: a document may be 64 levels deep.
 */
#include "hooks/value_text.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/text.h"

#define LEVELS_MAX 64

struct level {
	json_t *container;
	void *iter;   /* of an object */
	size_t index; /* of an array */
};

/* Length of the valid UTF-8 character at @p and its code point. */
static size_t decode(const unsigned char *p, unsigned *code)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	*code = p[0] & masks[n];
	for (size_t i = 1; i < n; i++)
		*code = *code << 6 | (p[i] & 0x3fu);
	return n;
}

static void put_code(struct buf *out, unsigned code)
{
	if (code >= 0x10000) {
		code -= 0x10000;
		buf_printf(out, "\\u%04x\\u%04x", 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
	} else {
		buf_printf(out, "\\u%04x", code);
	}
}

static void put_char(struct buf *out, const unsigned char *p, size_t n, unsigned code)
{
	static const char short_from[] = "\"\\\n\r\t\f\b", short_to[] = "\"\\nrtfb";
	const char *at = code && code < 0x80 ? strchr(short_from, (int)code) : NULL;

	if (at) {
		buf_putc(out, '\\');
		buf_putc(out, short_to[at - short_from]);
	} else if (code < 0x20 || code > 0x7e + 1) {
		put_code(out, code);
	} else {
		buf_put(out, p, n);
	}
}

static void put_string(struct buf *out, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;

	buf_putc(out, '"');
	while (n > 0) {
		unsigned code;
		size_t len = decode(p, &code);

		put_char(out, p, len, code);
		p += len;
		n -= len;
	}
	buf_putc(out, '"');
}

/* Digits d1 d2 … and exponent of the shortest text that reads back as @v. */
static void shortest(double v, char digits[static 24], int *exponent)
{
	char text[40];
	size_t n = 0;

	for (int precision = 0; precision <= 16; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, v);
		if (strtod(text, NULL) == v)
			break;
	}
	for (const char *p = text; *p && *p != 'e'; p++)
		if (*p >= '0' && *p <= '9')
			digits[n++] = *p;
	digits[n] = '\0';
	*exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
}

static void put_plain(struct buf *out, const char *digits, int exponent)
{
	int n = (int)strlen(digits);

	if (exponent < 0) {
		buf_puts(out, "0.");
		for (int i = -1; i > exponent; i--)
			buf_putc(out, '0');
		buf_puts(out, digits);
		return;
	}
	for (int i = 0; i < n || i <= exponent; i++) {
		if (i == exponent + 1)
			buf_putc(out, '.');
		buf_putc(out, i < n ? digits[i] : '0');
	}
	if (n <= exponent + 1)
		buf_puts(out, ".0");
}

/* As repr(float): an exponent below -4 and from 16 on. */
static void put_real(struct buf *out, double v)
{
	char digits[24];
	int exponent;

	shortest(fabs(v), digits, &exponent);
	if (signbit(v))
		buf_putc(out, '-');
	if (exponent >= -4 && exponent < 16) {
		put_plain(out, digits, exponent);
		return;
	}
	buf_putc(out, digits[0]);
	if (digits[1]) {
		buf_putc(out, '.');
		buf_puts(out, digits + 1);
	}
	buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
}

static void put_scalar(struct buf *out, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		put_string(out, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		break;
	case JSON_REAL:
		put_real(out, json_real_value(v));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_puts(out, json_is_true(v) ? "true" : "false");
		break;
	default:
		buf_puts(out, "null");
		break;
	}
}

/* Opens a container or writes a scalar. */
static int put_value(struct buf *out, struct level *stack, size_t *depth, json_t *v)
{
	if (!json_is_object(v) && !json_is_array(v)) {
		put_scalar(out, v);
		return 0;
	}
	if (*depth == LEVELS_MAX)
		return -ELOOP;
	buf_putc(out, json_is_object(v) ? '{' : '[');
	stack[(*depth)++] = (struct level){v, json_is_object(v) ? json_object_iter(v) : NULL, 0};
	return 0;
}

static json_t *next_of_object(struct buf *out, struct level *l)
{
	const char *key = l->iter ? json_object_iter_key(l->iter) : NULL;
	json_t *v = key ? json_object_iter_value(l->iter) : NULL;

	if (!v)
		return NULL;
	if (l->index++ > 0)
		buf_puts(out, ", ");
	put_string(out, key, strlen(key));
	buf_puts(out, ": ");
	l->iter = json_object_iter_next(l->container, l->iter);
	return v;
}

static json_t *next_of_array(struct buf *out, struct level *l)
{
	json_t *v = json_array_get(l->container, l->index);

	if (v && l->index++ > 0)
		buf_puts(out, ", ");
	return v;
}

/* The next member of the innermost container, what stands before it already written; NULL at its
 * end. */
static json_t *next_member(struct buf *out, struct level *l)
{
	return json_is_object(l->container) ? next_of_object(out, l) : next_of_array(out, l);
}

static int put_tree(struct buf *out, json_t *value)
{
	struct level stack[LEVELS_MAX];
	size_t depth = 0;
	int r = put_value(out, stack, &depth, value);

	while (r == 0 && depth > 0 && buf_error(out) == 0) {
		struct level *l = &stack[depth - 1];
		json_t *v = next_member(out, l);

		if (v) {
			r = put_value(out, stack, &depth, v);
		} else {
			buf_putc(out, json_is_object(l->container) ? '}' : ']');
			depth--;
		}
	}
	return r < 0 ? r : buf_error(out);
}

int value_text(json_t *value, struct buf *out)
{
	if (!json_is_string(value))
		return put_tree(out, value);
	buf_put(out, json_string_value(value), json_string_length(value));
	return buf_error(out);
}
