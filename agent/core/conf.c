/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of conf_options.c at work: defaults, values from INI files, the written reference. Which
 * files are read stands in conf_load.c.
 */
#include "core/conf.h"

#include <errno.h>
#include <string.h>
#include <openssl/crypto.h>
#include "core/text.h"

#define CONF_VALUE_SHOWN 80

static void *conf_at(struct conf *conf, const struct conf_option *o)
{
	return (char *)conf + o->offset;
}

static bool conf_is_text(const struct conf_option *o)
{
	return o->type == CONF_STRING || o->type == CONF_SECRET || o->type == CONF_PATH;
}

static void conf_drop_text(struct conf *conf, const struct conf_option *o)
{
	char **at = conf_at(conf, o);

	if (*at && o->type == CONF_SECRET)
		OPENSSL_cleanse(*at, strlen(*at));
	free(*at);
	*at = NULL;
}

/* An empty value unsets: it is how a file of conf.d takes back what an earlier one set. */
static int conf_set_text(struct conf *conf, const struct conf_option *o, const char *text, const char **why)
{
	char *copy = NULL;

	*why = "must be one line";
	if (strchr(text, '\n'))
		return -EINVAL;
	*why = "must be an absolute path";
	if (o->type == CONF_PATH && text[0] && text[0] != '/')
		return -EINVAL;
	*why = "found no memory";
	if (text[0]) {
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
	}
	conf_drop_text(conf, o);
	*(char **)conf_at(conf, o) = copy;
	return 0;
}

static int conf_set_bool(struct conf *conf, const struct conf_option *o, const char *text, const char **why)
{
	*why = "must be yes or no";
	return text_bool(text, strlen(text), conf_at(conf, o));
}

static int conf_check_bounds(const struct conf_option *o, int64_t value, const char **why)
{
	*why = "is out of bounds";
	return value < o->min || value > o->max ? -ERANGE : 0;
}

static int conf_set_int(struct conf *conf, const struct conf_option *o, const char *text, const char **why)
{
	int64_t value = 0;

	*why = "must be a number";
	if (text_i64(text, strlen(text), &value) < 0)
		return -EINVAL;
	if (conf_check_bounds(o, value, why) < 0)
		return -ERANGE;
	*(int64_t *)conf_at(conf, o) = value;
	return 0;
}

static int conf_set_duration(struct conf *conf, const struct conf_option *o, const char *text,
			     const char **why)
{
	int64_t value = 0;

	*why = "must be a duration such as 500ms, 30s, 10m, 2h or 1d";
	if (text_duration_ms(text, strlen(text), &value) < 0)
		return -EINVAL;
	if (conf_check_bounds(o, value, why) < 0)
		return -ERANGE;
	*(int64_t *)conf_at(conf, o) = value;
	return 0;
}

/* Kept in thousandths, which is what signals and status show. */
static int conf_set_fraction(struct conf *conf, const struct conf_option *o, const char *text,
			     const char **why)
{
	double value = 0;

	*why = "must be a number such as 0.9";
	if (text_double(text, strlen(text), &value) < 0)
		return -EINVAL;
	*why = "is out of bounds";
	if (!(value >= (double)o->min / 1000 && value <= (double)o->max / 1000))
		return -ERANGE;
	*(int64_t *)conf_at(conf, o) = (int64_t)(value * 1000 + 0.5);
	return 0;
}

static int conf_set_size(struct conf *conf, const struct conf_option *o, const char *text, const char **why)
{
	uint64_t value = 0;

	*why = "must be a size such as 4096, 64KiB or 1MiB";
	if (text_size(text, strlen(text), &value) < 0)
		return -EINVAL;
	if (value > INT64_MAX || conf_check_bounds(o, (int64_t)value, why) < 0)
		return -ERANGE;
	*(uint64_t *)conf_at(conf, o) = value;
	return 0;
}

static int conf_set_word(struct conf *conf, const struct conf_option *o, const char *text, const char **why)
{
	*why = "is none of the words allowed";
	for (int i = 0; text[0] && o->words[i]; i++) {
		if (text_equal(o->words[i], text)) {
			*(int *)conf_at(conf, o) = i;
			return 0;
		}
	}
	return -EINVAL;
}

typedef int conf_set_fn(struct conf *conf, const struct conf_option *o, const char *text, const char **why);

static conf_set_fn *const conf_setters[] = {
	[CONF_STRING] = conf_set_text, [CONF_SECRET] = conf_set_text, [CONF_PATH] = conf_set_text,
	[CONF_BOOL] = conf_set_bool, [CONF_INT] = conf_set_int, [CONF_DURATION] = conf_set_duration,
	[CONF_SIZE] = conf_set_size, [CONF_ENUM] = conf_set_word,
	[CONF_FRACTION] = conf_set_fraction,
};

int conf_init(struct conf *conf)
{
	const char *why;

	*conf = (struct conf){0};
	for (size_t i = 0; i < conf_options_n; i++) {
		const struct conf_option *o = &conf_options[i];
		int r;

		if (!o->default_text) {
			if (o->type == CONF_DURATION)
				*(int64_t *)conf_at(conf, o) = -1;
			continue;
		}
		r = conf_setters[o->type](conf, o, o->default_text, &why);
		if (r < 0) {
			conf_deinit(conf);
			return r;
		}
	}
	return 0;
}

void conf_deinit(struct conf *conf)
{
	for (size_t i = 0; i < conf_options_n; i++) {
		if (conf_is_text(&conf_options[i]))
			conf_drop_text(conf, &conf_options[i]);
	}
	*conf = (struct conf){0};
}

static const struct conf_option *conf_find(const char *section, const char *key)
{
	for (size_t i = 0; i < conf_options_n; i++) {
		if (text_equal(conf_options[i].section, section) && text_equal(conf_options[i].key, key))
			return &conf_options[i];
	}
	return NULL;
}

static bool conf_has_section(const char *section)
{
	for (size_t i = 0; i < conf_options_n; i++) {
		if (text_equal(conf_options[i].section, section))
			return true;
	}
	return false;
}

static void conf_unknown(struct problems *problems, const struct ini_entry *entry)
{
	problems_add(problems, PROBLEM_WARN, "conf-unknown", "remove it or correct its name",
		     "%s:%d: there is no option %s in [%s]", entry->file, entry->line, entry->key,
		     entry->section);
}

/* The value is shown only where it cannot be a secret. */
static void conf_bad_value(struct problems *problems, const struct conf_option *o,
			   const struct ini_entry *entry, const char *why)
{
	struct buf shown = BUF_INIT(4 * CONF_VALUE_SHOWN);
	size_t n = strnlen(entry->value, CONF_VALUE_SHOWN);

	if (o->type != CONF_SECRET)
		text_escape(&shown, entry->value, n);
	problems_add(problems, PROBLEM_ERROR, "conf-value", "correct it; until then the value before is kept",
		     "%s:%d: [%s] %s%s%s %s", entry->file, entry->line, o->section, o->key,
		     o->type == CONF_SECRET ? "" : " = ", buf_str(&shown), why);
	buf_deinit(&shown);
}

void conf_apply(struct conf *conf, const struct ini *ini, struct problems *problems)
{
	for (size_t i = 0; i < ini->n_sections; i++) {
		if (!conf_has_section(ini->sections[i]))
			problems_add(problems, PROBLEM_WARN, "conf-unknown", "remove it or correct its name",
				     "%s:%d: there is no section [%s]", ini->section_files[i],
				     ini->section_lines[i], ini->sections[i]);
	}
	for (size_t i = 0; i < ini->n; i++) {
		const struct ini_entry *entry = &ini->entries[i];
		const struct conf_option *o = conf_find(entry->section, entry->key);
		const char *why = "";

		if (!o && conf_has_section(entry->section))
			conf_unknown(problems, entry);
		if (o && conf_setters[o->type](conf, o, entry->value, &why) < 0)
			conf_bad_value(problems, o, entry, why);
	}
}

/* ---- the reference ---- */

static void conf_put_number(struct buf *out, const struct conf_option *o, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	if (o->type == CONF_DURATION)
		text_duration_str(value, text);
	else if (o->type == CONF_SIZE && value && value % 1024 == 0)
		snprintf(text, sizeof(text), "%lldKiB", (long long)(value / 1024));
	else if (o->type == CONF_FRACTION)
		snprintf(text, sizeof(text), "%.4g", (double)value / 1000);
	buf_puts(out, text);
}

static void conf_put_value(struct buf *out, const struct conf *conf, const struct conf_option *o)
{
	const void *at = (const char *)conf + o->offset;
	const char *text;

	switch (o->type) {
	case CONF_BOOL:
		buf_puts(out, *(const bool *)at ? "yes" : "no");
		break;
	case CONF_ENUM:
		buf_puts(out, o->words[*(const int *)at]);
		break;
	case CONF_INT:
	case CONF_DURATION:
	case CONF_SIZE:
	case CONF_FRACTION:
		if (*(const int64_t *)at >= 0)
			conf_put_number(out, o, *(const int64_t *)at);
		break;
	case CONF_STRING:
	case CONF_SECRET:
	case CONF_PATH:
	default:
		text = *(char *const *)at;
		buf_puts(out, text ? text : "");
	}
}

static void conf_put_allowed(struct buf *out, const struct conf_option *o)
{
	if (o->type == CONF_ENUM) {
		buf_puts(out, "# one of:");
		for (size_t i = 0; o->words[i]; i++) {
			if (o->words[i][0])
				buf_printf(out, " %s", o->words[i]);
		}
		buf_putc(out, '\n');
	} else if (o->min != o->max) {
		buf_puts(out, "# from ");
		conf_put_number(out, o, o->min);
		buf_puts(out, " to ");
		conf_put_number(out, o, o->max);
		buf_putc(out, '\n');
	}
}

static void conf_put_option(struct buf *out, const struct conf *conf, const struct conf_option *o)
{
	struct buf value = BUF_INIT(1 << 20);
	const char *before = o->default_text ? o->default_text : "";

	buf_printf(out, "\n# %s\n", o->help);
	conf_put_allowed(out, o);
	buf_printf(out, "#%s =%s%s\n", o->key, before[0] ? " " : "", before);
	if (conf)
		conf_put_value(&value, conf, o);
	if (conf && !text_equal(buf_str(&value), before)) {
		if (o->type == CONF_SECRET)
			buf_printf(out, "# %s is set and not shown\n", o->key);
		else
			buf_printf(out, "%s = %s\n", o->key, buf_str(&value));
	}
	if (o->type == CONF_SECRET && value.data)
		OPENSSL_cleanse(value.data, value.cap);
	buf_deinit(&value);
}

int conf_dump(const struct conf *conf, struct buf *out)
{
	const char *section = NULL;

	for (size_t i = 0; i < conf_options_n; i++) {
		if (!text_equal(section, conf_options[i].section)) {
			section = conf_options[i].section;
			buf_printf(out, "%s[%s]\n", i ? "\n" : "", section);
		}
		conf_put_option(out, conf, &conf_options[i]);
	}
	return buf_error(out);
}
