/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scan that runs before jansson sees a text. One pass, no recursion, no allocation: a fixed stack
 * of open containers says where in the document it stands, so that a refusal can name the path. It
 * refuses what jansson 2.14 refuses (integers over 64 bits, NaN, \u0000, lone surrogates), so that the
 * person reads which value it was, and estimates what the tree will cost.
 */
#include "core/json.h"

#include <errno.h>
#include <string.h>
#include "core/text.h"

#define JSON_DEPTH_MAX 64
#define JSON_PATH_MAX  160
#define JSON_REAL_MAX  120 /* bytes of a number with point or exponent; Python writes at most 24 */

/* What jansson 2.14 allocates on 64-bit glibc, block headers included. */
enum {
	JSON_COST_PARSER = 4096,
	JSON_COST_OBJECT = 80 + 144,
	JSON_COST_MEMBER = 96 + 32, /* pair and its share of the grown table */
	JSON_COST_ARRAY = 48 + 80,
	JSON_COST_ITEM = 24, /* a slot while the table doubles */
	JSON_COST_STRING = 48 + 32,
	JSON_COST_NUMBER = 32,
};

const struct json_limits json_limits_default = {
	.text_bytes = 8u << 20,
	.depth = JSON_DEPTH_MAX,
	.values = 65536,
	.tree_bytes = 16u << 20,
};

struct json_level {
	bool is_object;
	size_t index;       /* of the item in an array */
	size_t key, key_len; /* of the member in an object: raw text between its quotes */
};

struct json_scanner {
	const char *p;
	size_t n, at;
	const struct json_limits *limits;
	size_t values, tree_bytes;
	struct json_level levels[JSON_DEPTH_MAX];
	size_t depth;
	struct err *e;
};

static void json_name_level(const struct json_scanner *s, const struct json_level *level, struct buf *path)
{
	if (!level->is_object) {
		buf_printf(path, "[%zu]", level->index);
		return;
	}
	if (path->len)
		buf_putc(path, '.');
	text_escape(path, s->p + level->key, level->key_len);
}

/* Says what is wrong, at which byte and under which path; the value itself is never shown: it may
 * be a secret. */
static int json_refuse(const struct json_scanner *s, int code, const char *what)
{
	struct buf path = BUF_INIT(1024);
	const char *text;

	for (size_t i = 0; i < s->depth; i++)
		json_name_level(s, &s->levels[i], &path);
	text = path.len ? buf_str(&path) : "the top";
	err_set(s->e, code, "JSON: %s at byte %zu, in %.*s", what, s->at, JSON_PATH_MAX, text);
	buf_deinit(&path);
	return code;
}

static int json_broken(const struct json_scanner *s, const char *what)
{
	return json_refuse(s, -EINVAL, what);
}

static void json_skip_blanks(struct json_scanner *s)
{
	while (s->at < s->n && strchr(" \t\r\n", s->p[s->at]) && s->p[s->at])
		s->at++;
}

static bool json_at(const struct json_scanner *s, char c)
{
	return s->at < s->n && s->p[s->at] == c;
}

static bool json_at_digit(const struct json_scanner *s)
{
	return s->at < s->n && s->p[s->at] >= '0' && s->p[s->at] <= '9';
}

static int json_spend(struct json_scanner *s, size_t bytes)
{
	s->tree_bytes += bytes;
	if (s->tree_bytes > s->limits->tree_bytes)
		return json_refuse(s, -EFBIG, "the document would take too much memory");
	return 0;
}

/* ---- strings ---- */

/* Four hex digits at @at, or -1. */
static int json_hex4(const struct json_scanner *s, size_t at)
{
	int value = 0;

	if (s->n - at < 4)
		return -1;
	for (size_t i = at; i < at + 4; i++) {
		int digit = text_hex_digit(s->p[i]);

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static int json_scan_unicode(struct json_scanner *s)
{
	int first = json_hex4(s, s->at + 2), second;

	if (first < 0)
		return json_broken(s, "broken \\u escape");
	if (first == 0)
		return json_broken(s, "\\u0000 cannot be held in text");
	if (first >= 0xdc00 && first <= 0xdfff)
		return json_broken(s, "lone surrogate");
	if (first < 0xd800 || first > 0xdfff) {
		s->at += 6;
		return 0;
	}
	if (s->n - s->at < 12 || s->p[s->at + 6] != '\\' || s->p[s->at + 7] != 'u')
		return json_broken(s, "lone surrogate");
	second = json_hex4(s, s->at + 8);
	if (second < 0xdc00 || second > 0xdfff)
		return json_broken(s, "lone surrogate");
	s->at += 12;
	return 0;
}

static int json_scan_escape(struct json_scanner *s)
{
	if (s->n - s->at < 2)
		return json_broken(s, "text ends inside a string");
	if (s->p[s->at + 1] == 'u')
		return json_scan_unicode(s);
	if (!s->p[s->at + 1] || !strchr("\"\\/bfnrt", s->p[s->at + 1]))
		return json_broken(s, "unknown escape");
	s->at += 2;
	return 0;
}

/* Stands on the opening quote; afterwards behind the closing one. UTF-8 was checked before. */
static int json_scan_string(struct json_scanner *s, size_t *ret_start, size_t *ret_len)
{
	size_t start = ++s->at;

	while (!json_at(s, '"')) {
		int r = 0;

		if (s->at >= s->n)
			return json_broken(s, "text ends inside a string");
		if ((unsigned char)s->p[s->at] < 0x20)
			return json_broken(s, "control character in a string");
		if (s->p[s->at] == '\\')
			r = json_scan_escape(s);
		else
			s->at++;
		if (r < 0)
			return r;
	}
	*ret_start = start;
	*ret_len = s->at - start;
	s->at++;
	return 0;
}

/* ---- numbers and words ---- */

static void json_skip_digits(struct json_scanner *s)
{
	while (json_at_digit(s))
		s->at++;
}

static int json_check_number(struct json_scanner *s, size_t start, bool is_real)
{
	size_t n = s->at - start;
	int64_t integer;
	double real;
	int r;

	s->at = start;
	if (is_real && n > JSON_REAL_MAX)
		return json_broken(s, "number too long");
	r = is_real ? text_double(s->p + start, n, &real) : text_i64(s->p + start, n, &integer);
	if (r < 0)
		return json_broken(s, is_real ? "number out of range" : "integer outside 64 bits");
	s->at = start + n;
	return json_spend(s, JSON_COST_NUMBER);
}

static int json_scan_number(struct json_scanner *s)
{
	size_t start = s->at;
	bool is_real = false;

	if (json_at(s, '-'))
		s->at++;
	if (json_at(s, 'I'))
		return json_broken(s, "-Infinity is not JSON");
	if (!json_at_digit(s))
		return json_broken(s, "broken number");
	if (json_at(s, '0'))
		s->at++;
	else
		json_skip_digits(s);
	if (json_at(s, '.')) {
		is_real = true;
		s->at++;
		if (!json_at_digit(s))
			return json_broken(s, "broken number");
		json_skip_digits(s);
	}
	if (json_at(s, 'e') || json_at(s, 'E')) {
		is_real = true;
		s->at++;
		if (json_at(s, '+') || json_at(s, '-'))
			s->at++;
		if (!json_at_digit(s))
			return json_broken(s, "broken number");
		json_skip_digits(s);
	}
	return json_check_number(s, start, is_real);
}

static int json_scan_word(struct json_scanner *s)
{
	static const struct {
		const char *word;
		const char *wrong; /* what Python writes and JSON has not */
	} words[] = {
		{"true", NULL}, {"false", NULL}, {"null", NULL},
		{"NaN", "NaN is not JSON"}, {"Infinity", "Infinity is not JSON"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i].word);

		if (s->n - s->at < n || memcmp(s->p + s->at, words[i].word, n) != 0)
			continue;
		if (words[i].wrong)
			return json_broken(s, words[i].wrong);
		s->at += n;
		return 0;
	}
	return json_broken(s, s->at < s->n ? "a value is expected" : "text ends where a value is expected");
}

/* ---- structure ---- */

/* What comes next: a value, a member's key, or what follows a finished value. */
enum json_next { JSON_NEXT_VALUE, JSON_NEXT_KEY, JSON_NEXT_AFTER };

static int json_open(struct json_scanner *s, bool is_object, enum json_next *next)
{
	unsigned limit = s->limits->depth < JSON_DEPTH_MAX ? s->limits->depth : JSON_DEPTH_MAX;

	if (s->depth >= limit)
		return json_refuse(s, -EFBIG, "nested too deep");
	s->levels[s->depth++] = (struct json_level){.is_object = is_object};
	s->at++;
	json_skip_blanks(s);
	*next = is_object ? JSON_NEXT_KEY : JSON_NEXT_VALUE;
	if (json_at(s, is_object ? '}' : ']')) {
		s->at++;
		s->depth--;
		*next = JSON_NEXT_AFTER;
	}
	return json_spend(s, is_object ? JSON_COST_OBJECT : JSON_COST_ARRAY);
}

static int json_scan_value(struct json_scanner *s, enum json_next *next)
{
	char c = s->at < s->n ? s->p[s->at] : '\0';
	size_t start, len;
	int r;

	if (++s->values > s->limits->values)
		return json_refuse(s, -EFBIG, "too many values");
	r = json_spend(s, JSON_COST_ITEM);
	if (r < 0)
		return r;
	*next = JSON_NEXT_AFTER;
	if (c == '{' || c == '[')
		return json_open(s, c == '{', next);
	if (c == '-' || (c >= '0' && c <= '9'))
		return json_scan_number(s);
	if (c != '"')
		return json_scan_word(s);
	r = json_scan_string(s, &start, &len);
	return r < 0 ? r : json_spend(s, JSON_COST_STRING + len);
}

static int json_scan_key(struct json_scanner *s, enum json_next *next)
{
	struct json_level *level = &s->levels[s->depth - 1];
	int r;

	level->key_len = 0;
	if (!json_at(s, '"'))
		return json_broken(s, "a key in quotes is expected");
	r = json_scan_string(s, &level->key, &level->key_len);
	if (r < 0)
		return r;
	json_skip_blanks(s);
	if (!json_at(s, ':'))
		return json_broken(s, "\":\" is expected");
	s->at++;
	*next = JSON_NEXT_VALUE;
	return json_spend(s, JSON_COST_MEMBER + level->key_len);
}

/* Inside a container and behind a value: a comma or the end of the container. */
static int json_scan_after(struct json_scanner *s, enum json_next *next)
{
	struct json_level *level = &s->levels[s->depth - 1];

	if (json_at(s, ',')) {
		s->at++;
		level->index++;
		*next = level->is_object ? JSON_NEXT_KEY : JSON_NEXT_VALUE;
		return 0;
	}
	if (!json_at(s, level->is_object ? '}' : ']'))
		return json_broken(s, level->is_object ? "\",\" or \"}\" is expected"
						       : "\",\" or \"]\" is expected");
	s->at++;
	s->depth--;
	*next = JSON_NEXT_AFTER;
	return 0;
}

static int json_scan_step(struct json_scanner *s, enum json_next *next)
{
	switch (*next) {
	case JSON_NEXT_VALUE:
		return json_scan_value(s, next);
	case JSON_NEXT_KEY:
		return json_scan_key(s, next);
	case JSON_NEXT_AFTER:
	default:
		return json_scan_after(s, next);
	}
}

int json_scan(const char *p, size_t n, const struct json_limits *limits, struct err *e)
{
	struct json_scanner s = {.p = p, .n = n, .limits = limits, .tree_bytes = JSON_COST_PARSER, .e = e};
	enum json_next next = JSON_NEXT_VALUE;
	int r = 0;

	if (n > limits->text_bytes)
		return err_set(e, -EFBIG, "JSON: %zu bytes, more than the %zu allowed", n,
			       limits->text_bytes);
	s.at = text_utf8_valid(p, n);
	if (s.at < n)
		return json_broken(&s, "invalid UTF-8");
	s.at = 0;
	do {
		json_skip_blanks(&s);
		r = json_scan_step(&s, &next);
	} while (r == 0 && (s.depth > 0 || next != JSON_NEXT_AFTER));
	if (r < 0)
		return r;
	json_skip_blanks(&s);
	return s.at < n ? json_broken(&s, "more text after the value") : 0;
}
