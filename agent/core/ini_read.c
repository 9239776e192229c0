/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of an INI file into sections and options, with the rules of Python 3's configparser: what is
 * a continuation depends on how far the option's own line was indented, a comment inside a value is
 * left out, an empty line inside a value stays. Knows nothing of interpolation.
 */
#include "core/ini_draft.h"

#include <errno.h>
#include <string.h>
#include "core/text.h"

struct ini_reader {
	struct ini_draft *d;
	size_t section; /* INI_NONE before the first header */
	size_t option;  /* the one that may be continued, or INI_NONE */
	size_t indent;  /* of the line that started it, in characters */
	int line;
};

/* Bytes of the blank character that starts at @p, 0 when it is none: what Python's str.isspace() knows. */
static size_t ini_blank(const char *p, size_t n)
{
	static const char *const wide[] = {
		"\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9",
		"\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
	};
	unsigned char c = n ? (unsigned char)p[0] : 'x';

	if (c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x1f))
		return 1;
	if (c < 0x80)
		return 0;
	if (n >= 3 && memcmp(p, "\xe2\x80", 2) == 0 && (unsigned char)p[2] >= 0x80 &&
	    (unsigned char)p[2] <= 0x8a)
		return 3;
	for (size_t i = 0; i < ARRAY_SIZE(wide); i++) {
		size_t len = strlen(wide[i]);

		if (n >= len && memcmp(p, wide[i], len) == 0)
			return len;
	}
	return 0;
}

static size_t ini_trim_end(const char *p, size_t n)
{
	while (n > 0) {
		size_t start = n - 1;

		while (start > 0 && ((unsigned char)p[start] & 0xc0) == 0x80)
			start--;
		if (ini_blank(p + start, n - start) != n - start)
			break;
		n = start;
	}
	return n;
}

/* Trims both sides. Return: how many characters were blank in front. */
static size_t ini_trim(const char **p, size_t *n)
{
	size_t count = 0, len;

	for (; (len = ini_blank(*p, *n)) > 0; count++) {
		*p += len;
		*n -= len;
	}
	*n = ini_trim_end(*p, *n);
	return count;
}

static int ini_wrong(const struct ini_reader *r, const char *what)
{
	return err_set(r->d->e, -EINVAL, "%s:%d: %s", r->d->file, r->line, what);
}

static int ini_no_memory(const struct ini_reader *r)
{
	return err_set(r->d->e, -ENOMEM, "%s: no memory", r->d->file);
}

static int ini_too_many(const struct ini_reader *r)
{
	return err_set(r->d->e, -EFBIG, "%s:%d: more than %d options or sections", r->d->file, r->line,
		       INI_ENTRIES_MAX);
}

static size_t ini_find_section(const struct ini_draft *d, const char *name)
{
	for (size_t i = 0; i < d->n_sections; i++) {
		if (text_equal(d->sections[i].name, name))
			return i;
	}
	return INI_NONE;
}

static int ini_add_section(struct ini_reader *r, char *name)
{
	struct ini_draft *d = r->d;
	struct ini_section *sections;

	if (d->n_sections == INI_ENTRIES_MAX)
		return ini_too_many(r);
	sections = reallocarray(d->sections, d->n_sections + 1, sizeof(*sections));
	if (!sections)
		return ini_no_memory(r);
	d->sections = sections;
	r->section = d->n_sections;
	d->sections[d->n_sections].name = strdup(name);
	d->sections[d->n_sections].line = r->line;
	if (!d->sections[d->n_sections].name)
		return ini_no_memory(r);
	d->n_sections++;
	return 0;
}

static int ini_enter_section(struct ini_reader *r, const char *p, size_t n)
{
	_cleanup_free_ char *name = strndup(p, n);

	if (!name)
		return ini_no_memory(r);
	r->option = INI_NONE;
	r->section = text_equal(name, "DEFAULT") ? INI_DEFAULT : ini_find_section(r->d, name);
	if (r->section == INI_NONE)
		return ini_add_section(r, name);
	if (r->section != INI_DEFAULT && (r->d->flags & INI_STRICT))
		return ini_wrong(r, "this section was there before");
	return 0;
}

static int ini_add_option(struct ini_reader *r, char **key)
{
	struct ini_draft *d = r->d;
	struct ini_option *options;

	if (d->n == INI_ENTRIES_MAX)
		return ini_too_many(r);
	options = reallocarray(d->options, d->n + 1, sizeof(*options));
	if (!options)
		return ini_no_memory(r);
	d->options = options;
	d->options[d->n] = (struct ini_option){.section = r->section,
					       .key = *key,
					       .hash = ini_hash(*key),
					       .value = BUF_INIT(INI_TEXT_MAX),
					       .line = r->line};
	*key = NULL; /* handed over */
	r->option = d->n++;
	return 0;
}

static int ini_set_option(struct ini_reader *r, const char *p, size_t key_n, const char *value,
			  size_t value_n)
{
	_cleanup_free_ char *key = strndup(p, key_n);
	struct ini_option *old;
	int rc = 0;

	if (!key)
		return ini_no_memory(r);
	ini_lower(key);
	old = ini_draft_find(r->d, r->section, key);
	if (old && (r->d->flags & INI_STRICT))
		return ini_wrong(r, "this key was there before");
	if (old) {
		r->option = (size_t)(old - r->d->options);
		buf_reset(&old->value);
		old->line = r->line;
	} else {
		rc = ini_add_option(r, &key);
	}
	if (rc < 0)
		return rc;
	return buf_put(&r->d->options[r->option].value, value, value_n) < 0 ? ini_no_memory(r) : 0;
}

static int ini_read_option(struct ini_reader *r, const char *p, size_t n)
{
	const char *value;
	size_t key_n = 0, value_n;

	while (key_n < n && p[key_n] != '=' && p[key_n] != ':')
		key_n++;
	if (key_n == n)
		return ini_wrong(r, "neither a section nor \"key = value\"");
	value = p + key_n + 1;
	value_n = n - key_n - 1;
	ini_trim(&value, &value_n);
	key_n = ini_trim_end(p, key_n);
	if (key_n == 0)
		return ini_wrong(r, "the key is missing");
	return ini_set_option(r, p, key_n, value, value_n);
}

static int ini_continue(struct ini_reader *r, const char *p, size_t n)
{
	struct buf *value = &r->d->options[r->option].value;

	buf_putc(value, '\n');
	return buf_put(value, p, n) < 0 ? ini_no_memory(r) : 0;
}

/* Where the header ends: the last bracket of the line counts, and what follows it is not looked at. */
static const char *ini_header_end(const char *p, size_t n)
{
	const char *end = p[0] == '[' ? memrchr(p, ']', n) : NULL;

	return end && end > p + 1 ? end : NULL;
}

static int ini_before_sections(const struct ini_reader *r, const char *p, size_t n)
{
	if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		return ini_wrong(r, "a byte order mark in front of the first section");
	return ini_wrong(r, "text in front of the first section");
}

static int ini_read_line(struct ini_reader *r, const char *p, size_t n)
{
	size_t indent = ini_trim(&p, &n);
	const char *end;

	if (n > 0 && (p[0] == '#' || p[0] == ';'))
		return 0;
	if (n == 0)
		return r->option == INI_NONE ? 0 : ini_continue(r, p, 0);
	if (r->option != INI_NONE && indent > r->indent)
		return ini_continue(r, p, n);
	r->indent = indent;
	end = ini_header_end(p, n);
	if (end)
		return ini_enter_section(r, p + 1, (size_t)(end - p) - 1);
	if (r->section == INI_NONE)
		return ini_before_sections(r, p, n);
	return ini_read_option(r, p, n);
}

/* "\n", "\r\n" and "\r" end a line, as Python opens text files. */
static size_t ini_line_length(const char *p, size_t n, size_t *ret_next)
{
	size_t len = 0;

	while (len < n && p[len] != '\n' && p[len] != '\r')
		len++;
	*ret_next = len + (len < n) + (n - len > 1 && p[len] == '\r' && p[len + 1] == '\n');
	return len;
}

int ini_read(struct ini_draft *d, const char *p, size_t n)
{
	struct ini_reader r = {.d = d, .section = INI_NONE, .option = INI_NONE};
	int rc = 0;

	if (n == 0)
		return 0;
	if (memchr(p, '\0', n) || text_utf8_valid(p, n) != n)
		return err_set(d->e, -EINVAL, "%s: not UTF-8 text", d->file);
	while (rc == 0 && n > 0) {
		size_t next, len = ini_line_length(p, n, &next);

		r.line++;
		rc = ini_read_line(&r, p, len);
		p += next;
		n -= next;
	}
	for (size_t i = 0; i < d->n; i++) {
		struct buf *value = &d->options[i].value;

		value->len = ini_trim_end(buf_str(value), value->len);
		if (value->data)
			value->data[value->len] = '\0';
	}
	return rc;
}
