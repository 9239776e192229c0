/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths into metadata: cfn-hup's `Resources.R.Metadata.a.b` and the key paths of cfn-get-metadata,
 * where quotes may also keep dots together. Pure text; what a path means is decided elsewhere.
 */
#include "core/path.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include "core/text.h"

#define PATH_TEXT_MAX 4096

static void path_free_keys(char **keys, size_t *n_keys)
{
	for (size_t i = 0; i < *n_keys; i++)
		free(keys[i]);
	*n_keys = 0;
}

static int path_add_key(char **keys, size_t *n_keys, struct buf *key, struct err *e)
{
	if (*n_keys == PATH_KEYS_MAX)
		return err_set(e, -EINVAL, "more than %d keys in the path", PATH_KEYS_MAX);
	keys[*n_keys] = buf_take(key);
	if (!keys[*n_keys])
		return err_set(e, -ENOMEM, "no memory");
	(*n_keys)++;
	return 0;
}

/*
 * One key from @at to the next dot outside quotes. `\.` is a dot; another backslash is itself. A quote
 * opens only at the key's start, so that an apostrophe inside a word stays one.
 */
static int path_next_key(const char *p, size_t n, size_t *at, bool quotes, struct buf *key, struct err *e)
{
	char quote = '\0';
	size_t i = *at;

	if (quotes && i < n && (p[i] == '\'' || p[i] == '"'))
		quote = p[i++];
	for (; i < n && (quote ? p[i] != quote : p[i] != '.'); i++) {
		if (!quote && p[i] == '\\' && i + 1 < n && p[i + 1] == '.')
			i++;
		buf_putc(key, p[i]);
	}
	if (quote && i++ >= n)
		return err_set(e, -EINVAL, "a quote in the path is not closed");
	if (quote && i < n && p[i] != '.')
		return err_set(e, -EINVAL, "text after a closing quote in the path");
	*at = i;
	return buf_error(key);
}

/* @quotes: cfn-get-metadata's grammar, which also tolerates a dot at the end; else cfn-hup's. */
static int path_split(const char *p, size_t n, bool quotes, char **keys, size_t *n_keys, struct err *e)
{
	_cleanup_buf_ struct buf key = BUF_INIT(PATH_TEXT_MAX);
	size_t at = 0;
	int r = 0;

	if (n > PATH_TEXT_MAX)
		return err_set(e, -EINVAL, "the path is longer than %d bytes", PATH_TEXT_MAX);
	if (text_utf8_valid(p, n) != n || memchr(p, '\0', n))
		return err_set(e, -EINVAL, "the path is not text");
	while (r == 0 && at < n) {
		bool quoted = quotes && (p[at] == '\'' || p[at] == '"');

		r = path_next_key(p, n, &at, quotes, &key, e);
		if (r == 0 && key.len == 0 && !quoted)
			r = err_set(e, -EINVAL, "an empty key in the path");
		if (r == 0)
			r = path_add_key(keys, n_keys, &key, e);
		at++; /* over the dot, or beyond the end when there is none */
	}
	if (r == 0 && n > 0 && at == n && !quotes)
		r = err_set(e, -EINVAL, "the path ends with a dot");
	return r;
}

int path_split_keys(const char *p, size_t n, char **keys, size_t *n_keys, struct err *e)
{
	int r;

	*n_keys = 0;
	r = path_split(p, n, true, keys, n_keys, e);
	if (r < 0)
		path_free_keys(keys, n_keys);
	return r;
}

/* The element up to the next dot; @p, @n move behind it. Return: whether there was a dot. */
static bool path_element(const char **p, size_t *n, const char **ret_p, size_t *ret_n)
{
	const char *dot = memchr(*p, '.', *n);

	*ret_p = *p;
	*ret_n = dot ? (size_t)(dot - *p) : *n;
	*p += *ret_n + (dot != NULL);
	*n -= *ret_n + (dot != NULL);
	return dot != NULL;
}

static bool path_is_word(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(p, word, n) == 0;
}

static int path_parse_part(const char *p, size_t n, struct path *ret, struct err *e)
{
	const char *part;
	size_t part_n;
	bool more = path_element(&p, &n, &part, &part_n);

	if (path_is_word(part, part_n, "PhysicalResourceId") && !more) {
		ret->part = PATH_PHYSICAL_ID;
		return 0;
	}
	if (!path_is_word(part, part_n, "Metadata"))
		return err_set(
			e, -EINVAL,
			"what follows the resource is neither Metadata nor PhysicalResourceId");
	if (more && n == 0)
		return err_set(e, -EINVAL, "the path ends with a dot");
	ret->part = PATH_METADATA;
	return path_split(p, n, false, ret->keys, &ret->n_keys, e);
}

static int path_parse_into(const char *p, size_t n, struct path *ret, struct err *e)
{
	const char *word, *resource;
	size_t word_n, resource_n;
	bool more;

	if (n > PATH_TEXT_MAX || text_utf8_valid(p, n) != n || memchr(p, '\0', n))
		return err_set(e, -EINVAL, "the path is not text of at most %d bytes", PATH_TEXT_MAX);
	if (!path_element(&p, &n, &word, &word_n) || !path_is_word(word, word_n, "Resources"))
		return err_set(e, -EINVAL, "the path does not start with \"Resources.\"");
	more = path_element(&p, &n, &resource, &resource_n);
	if (resource_n == 0)
		return err_set(e, -EINVAL, "the path names no resource");
	ret->resource = strndup(resource, resource_n);
	if (!ret->resource)
		return err_set(e, -ENOMEM, "no memory");
	ret->part = PATH_UPDATED_TIME;
	return more ? path_parse_part(p, n, ret, e) : 0;
}

int path_parse(const char *p, size_t n, struct path *ret, struct err *e)
{
	int r;

	*ret = (struct path){0};
	text_trim(&p, &n);
	r = path_parse_into(p, n, ret, e);
	if (r < 0)
		path_deinit(ret);
	return r;
}

void path_deinit(struct path *path)
{
	path_free_keys(path->keys, &path->n_keys);
	free(path->resource);
	*path = (struct path){0};
}

json_t *path_lookup(json_t *root, char *const *keys, size_t n_keys)
{
	for (size_t i = 0; root && i < n_keys; i++)
		root = json_object_get(root, keys[i]); /* NULL unless root is an object */
	return root;
}
