/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hides secrets in a metadata tree that is to be shown to a person. It errs on the side of hiding:
 * a name that contains one of the words below is enough. Looked at are member names, the pairs
 * {"name": ..., "value": ...} of deployment inputs, userinfo in URLs, and NAME=VALUE or NAME: VALUE
 * inside texts (query strings, credential files, scripts). A secret without a name beside it stays.
 */
#include "metadata/document.h"

#include <ctype.h>
#include <string.h>

#include "core/text.h"

#define MASK       "***"
#define MASK_DEPTH 80

static const char *const secret_words[] = {
	"passw",      "pwd",       "passphrase",    "secret",       "token",  "key",
	"credential", "signature", "authorization", "temp_url_sig", "cookie",
};
/* Names that contain such a word and are no secret. */
static const char *const plain_words[] = {"keystone", "keyboard", "keymap", "keypair_name",
					  "key_name"};

static bool contains(const char *p, size_t n, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= n; i++) {
		if (!strncasecmp(p + i, word, len))
			return true;
	}
	return false;
}

static bool name_is_secret(const char *p, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(plain_words); i++) {
		if (contains(p, n, plain_words[i]) && !contains(p, n, "secret") &&
		    !contains(p, n, "passw"))
			return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(secret_words); i++) {
		if (contains(p, n, secret_words[i]))
			return true;
	}
	return (n == 4 && !strncasecmp(p, "pass", 4)) || (n == 3 && !strncasecmp(p, "sig", 3));
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool is_quote(char c)
{
	return c == '"' || c == '\'';
}

static size_t skip_blanks(const char *p, size_t n, size_t i)
{
	while (i < n && (p[i] == ' ' || p[i] == '\t'))
		i++;
	return i;
}

/* Where the value of a secret name that ends at @i begins, or @n when none follows. */
static size_t value_start(const char *p, size_t n, size_t i)
{
	if (i < n && is_quote(p[i]))
		i++;
	i = skip_blanks(p, n, i);
	if (i >= n || (p[i] != '=' && p[i] != ':') || (n - i > 2 && !memcmp(p + i, "://", 3)))
		return n;
	return skip_blanks(p, n, i + 1);
}

/* @in_query: a query string, where the value ends at '&'; elsewhere '&' may be part of a secret. */
static size_t value_end(const char *p, size_t n, size_t i, bool in_query, bool header)
{
	char quote = '\0';

	if (i < n && is_quote(p[i]))
		quote = p[i++];
	for (; i < n; i++) {
		if (p[i] == '\n' || (quote && p[i] == quote))
			break;
		if (!quote && !header && isspace((unsigned char)p[i]))
			break;
		if (in_query && (p[i] == '&' || is_quote(p[i])))
			break;
	}
	return i;
}

/* Copies the name at @i and hides what it names. Return: where to go on. */
static size_t mask_name(const char *p, size_t n, size_t i, struct buf *out)
{
	size_t end = i, start;
	bool in_query = i && (p[i - 1] == '?' || p[i - 1] == '&');

	while (end < n && is_name_char(p[end]))
		end++;
	start = name_is_secret(p + i, end - i) ? value_start(p, n, end) : n;
	if (start >= n) {
		buf_put(out, p + i, end - i);
		return end;
	}
	end = value_end(p, n, start, in_query, contains(p + i, end - i, "authorization"));
	if (is_quote(p[start]))
		start++;
	if (end <= start) {
		buf_put(out, p + i, start - i);
		return start;
	}
	buf_put(out, p + i, start - i);
	buf_puts(out, MASK);
	return end;
}

/* The "://" at @i: copies it and hides a userinfo behind it. Return: where to go on. */
static size_t mask_userinfo(const char *p, size_t n, size_t i, struct buf *out)
{
	size_t from = i + 3, at = 0;

	for (size_t j = from; j < n && !strchr("/?# \t\r\n\"'<>", p[j]); j++) {
		if (p[j] == '@')
			at = j;
	}
	buf_puts(out, "://");
	if (!at)
		return from;
	buf_puts(out, MASK);
	return at;
}

static void mask_text(const char *p, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n;) {
		if (is_name_char(p[i])) {
			i = mask_name(p, n, i, out);
		} else if (n - i > 2 && !memcmp(p + i, "://", 3)) {
			i = mask_userinfo(p, n, i, out);
		} else {
			buf_putc(out, p[i]);
			i++;
		}
	}
}

/* Return: the replacement of a text, new reference; without memory all of it is hidden. */
static json_t *masked_text(const json_t *v, json_t *hidden)
{
	struct buf out = BUF_INIT(64U << 20);
	json_t *ret = NULL;

	mask_text(json_string_value(v), json_string_length(v), &out);
	if (!buf_error(&out))
		ret = json_stringn_nocheck(buf_str(&out), out.len);
	buf_deinit(&out);
	return ret ? ret : json_incref(hidden);
}

static bool worth_hiding(const json_t *v)
{
	return !json_is_null(v) && !(json_is_string(v) && !json_string_length(v));
}

struct mask_frame {
	json_t *node;
	void *iter;   /* objects */
	size_t index; /* arrays */
	bool pair;    /* an object whose "name" is secret: its "value" is hidden */
};

static struct mask_frame frame_for(json_t *node)
{
	struct mask_frame f = {.node = node};
	const char *name;

	if (json_is_object(node)) {
		f.iter = json_object_iter(node);
		name = json_str(node, "name");
		f.pair = name && name_is_secret(name, strlen(name));
	}
	return f;
}

/* What becomes of one value: NULL = stays; otherwise its replacement. */
static json_t *replacement(const json_t *v, bool secret, bool too_deep, json_t *hidden)
{
	bool container = json_is_object(v) || json_is_array(v);

	if ((secret && worth_hiding(v)) || (container && too_deep))
		return json_incref(hidden);
	return json_is_string(v) ? masked_text(v, hidden) : NULL;
}

/* Looks at the next child. Return: the child to descend into, or NULL; *@done when there is none
 * left. */
static json_t *mask_step(struct mask_frame *f, bool too_deep, json_t *hidden, bool *done)
{
	json_t *child, *new_value;
	bool secret = false;
	void *iter = f->iter;

	*done = json_is_object(f->node) ? !iter : f->index >= json_array_size(f->node);
	if (*done)
		return NULL;
	if (iter) {
		const char *key = json_object_iter_key(iter);

		child = json_object_iter_value(iter);
		secret = name_is_secret(key, strlen(key)) || (f->pair && !strcmp(key, "value"));
		f->iter = json_object_iter_next(f->node, iter);
	} else {
		child = json_array_get(f->node, f->index++);
	}
	new_value = replacement(child, secret, too_deep, hidden);
	if (!new_value)
		return json_is_object(child) || json_is_array(child) ? child : NULL;
	if (iter)
		json_object_iter_set_new(f->node, iter, new_value);
	else
		json_array_set_new(f->node, f->index - 1, new_value);
	return NULL;
}

static void mask_tree(json_t *tree, json_t *hidden)
{
	struct mask_frame frames[MASK_DEPTH];
	size_t depth = 0;
	json_t *child;
	bool done;

	if (json_is_object(tree) || json_is_array(tree))
		frames[depth++] = frame_for(tree);
	while (depth) {
		child = mask_step(&frames[depth - 1], depth == MASK_DEPTH, hidden, &done);
		if (done)
			depth--;
		else if (child)
			frames[depth++] = frame_for(child);
	}
}

json_t *document_mask(const json_t *tree)
{
	/* made before there is anything to hide: a lack of memory must not show a secret */
	_cleanup_json_ json_t *hidden = json_string(MASK);
	json_t *copy;

	if (!hidden)
		return NULL;
	if (json_is_string(tree))
		return masked_text(tree, hidden);
	copy = json_deep_copy(tree);
	mask_tree(copy, hidden);
	return copy;
}
