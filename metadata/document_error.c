/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code and message out of an error body. CFN answers in XML whatever was asked, and in bare JSON
 * strings with status 200; the native API and Keystone have JSON objects of their own. A bounded
 * search for two tags is all the XML there is: no entities beyond the five and numbers, no nesting.
 */
#include "metadata/document.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"

#define ERROR_TEXT_MAX 240   /* of code and of message: they go into one log line */
#define ERROR_BODY_MAX 65536 /* an error longer than this is not looked into */

static const struct json_limits error_limits = {
	.text_bytes = ERROR_BODY_MAX, .depth = 16, .values = 1024, .tree_bytes = 1U << 20};

static void put_cut(struct buf *out, const char *p, size_t n)
{
	text_escape(out, p, n < ERROR_TEXT_MAX ? n : ERROR_TEXT_MAX);
}

/* The text between <@tag> and </@tag>. Return: NULL when there is none. */
static const char *find_element(const char *p, size_t n, const char *tag, size_t *len)
{
	char open[32], close[32];
	const char *from, *to;

	snprintf(open, sizeof(open), "<%s>", tag);
	snprintf(close, sizeof(close), "</%s>", tag);
	from = memmem(p, n, open, strlen(open));
	if (!from)
		return NULL;
	from += strlen(open);
	to = memmem(from, n - (size_t)(from - p), close, strlen(close));
	if (!to)
		return NULL;
	*len = (size_t)(to - from);
	return from;
}

/* One "&...;" at @p. Return: bytes used, 0 when it is none that we know. */
static size_t decode_entity(const char *p, size_t n, char *ret)
{
	static const struct {
		const char *text;
		char c;
	} entities[] = {{"&lt;", '<'},    {"&gt;", '>'},    {"&amp;", '&'},
			{"&quot;", '"'},  {"&apos;", '\''}, {"&#39;", '\''},
			{"&#x27;", '\''}, {"&#34;", '"'},   {"&#10;", ' '}};

	for (size_t i = 0; i < ARRAY_SIZE(entities); i++) {
		size_t len = strlen(entities[i].text);

		if (n >= len && !memcmp(p, entities[i].text, len)) {
			*ret = entities[i].c;
			return len;
		}
	}
	return 0;
}

static void put_xml(struct buf *out, const char *p, size_t n)
{
	char plain[ERROR_TEXT_MAX];
	size_t len = 0, used;

	for (size_t i = 0; i < n && len < sizeof(plain); i += used) {
		plain[len] = p[i];
		used = p[i] == '&' ? decode_entity(p + i, n - i, &plain[len]) : 1;
		if (!used)
			used = 1;
		len++;
	}
	put_cut(out, plain, len);
}

static void put_string(struct buf *out, const json_t *v)
{
	if (json_is_string(v))
		put_cut(out, json_string_value(v), json_string_length(v));
}

/* The first of @keys that @object has as a string. */
static void put_first(struct buf *out, const json_t *object, const char *const *keys)
{
	for (; *keys; keys++) {
		if (json_str(object, *keys)) {
			put_string(out, json_object_get(object, *keys));
			return;
		}
	}
}

static void from_json(const json_t *root, struct buf *code, struct buf *message)
{
	static const char *const codes[] = {"Code", "type", "title", NULL};
	static const char *const messages[] = {"Message", "message", "explanation", NULL};
	const json_t *error;

	if (json_is_string(root)) {
		put_string(message, root);
		return;
	}
	error = json_obj(json_obj(root, "ErrorResponse"), "Error");
	if (!error)
		error = json_obj(root, "error");
	put_first(code, error ? error : root, codes);
	put_first(message, error ? error : root, messages);
}

void document_cfn_error(const char *p, size_t n, struct buf *code, struct buf *message)
{
	_cleanup_json_ json_t *root = NULL;
	const char *text;
	size_t len;

	if (n > ERROR_BODY_MAX)
		n = ERROR_BODY_MAX;
	text_trim(&p, &n);
	if (!n)
		return;
	if (*p != '<') {
		if (!json_parse(p, n, &error_limits, &root, NULL))
			from_json(root, code, message);
		return;
	}
	text = find_element(p, n, "Code", &len);
	if (text)
		put_xml(code, text, len);
	text = find_element(p, n, "Message", &len);
	if (text)
		put_xml(message, text, len);
}
