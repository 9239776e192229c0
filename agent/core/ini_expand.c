/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options into entries: each section's own and those that [DEFAULT] gives it, with %% and %(name)s
 * worked out. References nest at most ten deep, as in Python, on a stack of that size; text and
 * steps are budgeted for the file, because ten lines of references to each other can ask for 10^30.
 */
#include "core/ini_draft.h"

#include <errno.h>
#include <string.h>
#include "core/text.h"

#define INI_NESTING_MAX 10
#define INI_STEPS_MAX   200000
#define INI_EXPAND_MAX  (4 * INI_TEXT_MAX)

struct ini_expander {
	struct ini_draft *d;
	const struct ini_option *option; /* the one being expanded */
	size_t section;                  /* the one it is expanded for */
	const char *stack[INI_NESTING_MAX]; /* what is left of each value, innermost last */
	size_t depth;
	size_t steps, bytes;
	struct buf out;
};

static int ini_expand_wrong(const struct ini_expander *x, const char *what)
{
	return err_set(x->d->e, -EINVAL, "%s:%d: %s", x->d->file, x->option->line, what);
}

static int ini_expand_too_much(const struct ini_expander *x)
{
	return err_set(x->d->e, -EFBIG, "%s:%d: %%(name)s expands to too much", x->d->file, x->option->line);
}

static int ini_no_memory(const struct ini_expander *x)
{
	return err_set(x->d->e, -ENOMEM, "%s: no memory", x->d->file);
}

static int ini_lookup(const struct ini_expander *x, const char *p, size_t n, const struct ini_option **ret)
{
	_cleanup_free_ char *key = strndup(p, n);

	if (!key)
		return ini_no_memory(x);
	ini_lower(key);
	*ret = ini_draft_find(x->d, x->section, key);
	if (!*ret)
		*ret = ini_draft_find(x->d, INI_DEFAULT, key);
	return *ret ? 0 : ini_expand_wrong(x, "%(name)s names a key that is neither here nor in [DEFAULT]");
}

/* @p stands on "%(". On 0 the innermost value of the stack has moved on, or a new one lies on it. */
static int ini_expand_reference(struct ini_expander *x, const char *p)
{
	const char *end = strchr(p, ')');
	const struct ini_option *found;
	int r;

	if (!end || end == p + 2 || end[1] != 's')
		return ini_expand_wrong(x, "broken %(name)s");
	r = ini_lookup(x, p + 2, (size_t)(end - p) - 2, &found);
	if (r < 0)
		return r;
	x->stack[x->depth - 1] = end + 2;
	if (!strchr(buf_str(&found->value), '%'))
		return buf_puts(&x->out, buf_str(&found->value));
	if (x->depth == INI_NESTING_MAX)
		return ini_expand_wrong(x, "%(name)s nested more than ten deep");
	x->stack[x->depth++] = buf_str(&found->value);
	return 0;
}

/* Plain text up to the next percent sign, or what that sign means. */
static int ini_expand_step(struct ini_expander *x)
{
	const char *p = x->stack[x->depth - 1];
	size_t plain = strcspn(p, "%");

	if (++x->steps > INI_STEPS_MAX)
		return ini_expand_too_much(x);
	if (*p == '\0') {
		x->depth--;
		return 0;
	}
	if (plain > 0) {
		x->stack[x->depth - 1] = p + plain;
		return buf_put(&x->out, p, plain);
	}
	if (p[1] == '(')
		return ini_expand_reference(x, p);
	if (p[1] != '%')
		return ini_expand_wrong(x, "a bare % (write %% for one)");
	x->stack[x->depth - 1] = p + 2;
	return buf_putc(&x->out, '%');
}

static int ini_expand_value(struct ini_expander *x, char **ret)
{
	int r = 0;

	buf_reset(&x->out);
	if (x->d->flags & INI_INTERPOLATE) {
		x->stack[0] = buf_str(&x->option->value);
		x->depth = 1;
		while (r == 0 && x->depth > 0)
			r = ini_expand_step(x);
	} else {
		r = buf_puts(&x->out, buf_str(&x->option->value));
	}
	if (r == -EFBIG || (r == 0 && (x->bytes += x->out.len) > INI_EXPAND_MAX))
		return ini_expand_too_much(x);
	if (r < 0)
		return r == -ENOMEM ? ini_no_memory(x) : r;
	*ret = strndup(buf_str(&x->out), x->out.len);
	return *ret ? 0 : ini_no_memory(x);
}

static int ini_emit(struct ini_expander *x, const struct ini_option *option, size_t section)
{
	struct ini_draft *d = x->d;
	struct ini_entry *at, *entries;

	x->option = option;
	x->section = section;
	if (d->n_entries == INI_ENTRIES_MAX)
		return ini_expand_too_much(x);
	entries = reallocarray(d->entries, d->n_entries + 1, sizeof(*entries));
	if (!entries)
		return ini_no_memory(x);
	d->entries = entries;
	at = &d->entries[d->n_entries++];
	*at = (struct ini_entry){
		.section = strdup(d->sections[section].name), .key = strdup(option->key),
		.file = strdup(d->file), .line = option->line};
	if (!at->section || !at->key || !at->file)
		return ini_no_memory(x);
	return ini_expand_value(x, &at->value);
}

static int ini_emit_section(struct ini_expander *x, size_t section)
{
	struct ini_draft *d = x->d;
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->n; i++) {
		if (d->options[i].section == section)
			r = ini_emit(x, &d->options[i], section);
	}
	for (size_t i = 0; r == 0 && i < d->n; i++) {
		if (d->options[i].section == INI_DEFAULT && !ini_draft_find(d, section, d->options[i].key))
			r = ini_emit(x, &d->options[i], section);
	}
	return r;
}

int ini_expand(struct ini_draft *d)
{
	struct ini_expander x = {.d = d, .out = BUF_INIT(INI_TEXT_MAX)};
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->n_sections; i++)
		r = ini_emit_section(&x, i);
	buf_deinit(&x.out);
	return r;
}
