/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies for Monasca: see monasca_body.h. */
#include "sink/monasca_body.h"

#include <string.h>

#include "core/json.h"
#include "core/text.h"

#define NAME_MAX_    255 /* code points: of names, keys and values */
#define META_ENTRIES 16
#define META_MAX     2048

/* What its validator refuses, and what its query syntax cannot ask for again. */
#define BAD_IN_NAME  "<>={},\"\\;&() "
#define BAD_IN_KEY   "<>={},\"\\;&:"
#define BAD_IN_VALUE "<>={},\"\\;&|"

size_t monasca_json_length(const char *s)
{
	size_t n = 2;

	for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
		if (*p >= 0xf0)
			n += 12; /* two escapes */
		else if (*p >= 0xc0)
			n += 6;
		else if (*p == '"' || *p == '\\' || *p == '\n' || *p == '\r' || *p == '\t' ||
			 *p == '\b' || *p == '\f')
			n += 2;
		else if (*p < 0x20)
			n += 6;
		else if (*p < 0x80)
			n++;
	}
	return n;
}

static void quoted(struct buf *out, const char *s, const char *bad)
{
	_cleanup_buf_ struct buf clean = BUF_INIT(8192);

	metric_clean(&clean, s, bad, NAME_MAX_);
	buf_putc(out, '"');
	buf_put(out, buf_str(&clean), clean.len);
	buf_putc(out, '"');
}

/* A dimension whose cleaned key or value would be empty is left out; a '_' that the key begins with, too,
 * as such keys are the server's own. */
static void dimension(struct buf *out, bool *first, const char *key, const char *value)
{
	_cleanup_buf_ struct buf name = BUF_INIT(8192), clean = BUF_INIT(8192);
	const char *at;

	if (!value)
		return;
	metric_clean(&name, key, BAD_IN_KEY, NAME_MAX_);
	metric_clean(&clean, value, BAD_IN_VALUE, NAME_MAX_);
	at = buf_str(&name) + strspn(buf_str(&name), "_");
	if (!*at || clean.len == 0)
		return;
	buf_puts(out, *first ? "\"" : ",\"");
	*first = false;
	buf_puts(out, at);
	buf_puts(out, "\":\"");
	buf_put(out, clean.data, clean.len);
	buf_putc(out, '"');
}

static void dimensions(struct buf *out, const struct metric_point *p, const struct metric_labels *l)
{
	bool first = true, host_named = metric_is_host_named(p->name);

	dimension(out, &first, "hostname", l->hostname);
	dimension(out, &first, "resource_id", l->resource_id);
	dimension(out, &first, "zone", l->zone);
	dimension(out, &first, "service", host_named ? "compute" : "guest");
	dimension(out, &first, "component", "vm");
	if (host_named) /* never one series with what the agent beside the hypervisor posts */
		dimension(out, &first, "source", "guest");
	for (size_t i = 0; i < p->n_dims; i++)
		dimension(out, &first, p->dims[i].key, p->dims[i].value);
}

/* Cuts @s so that it counts at most @max, on a boundary of characters. */
static void cut_to(char *s, size_t max)
{
	size_t n = strlen(s);

	while (n > 0 && monasca_json_length(s) > max) {
		do
			n--;
		while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80);
		s[n] = '\0';
	}
}

void monasca_meta(const char *text, struct buf *out)
{
	_cleanup_json_ json_t *o = NULL;
	size_t left = META_MAX - 2, n = 0;
	const char *key;
	json_t *value;

	if (json_parse(text, strlen(text), &json_limits_default, &o, NULL) < 0 ||
	    !json_is_object(o))
		return;
	json_object_foreach(o, key, value)
	{
		_cleanup_buf_ struct buf name = BUF_INIT(8192), clean = BUF_INIT(4 * META_MAX + 1);
		size_t fixed;

		metric_clean(&name, key, NULL, NAME_MAX_);
		metric_clean(&clean, json_is_string(value) ? json_string_value(value) : "", NULL, META_MAX);
		fixed = monasca_json_length(buf_str(&name)) + 2 + (n ? 2 : 0);
		if (name.len == 0 || clean.len == 0 || fixed + 2 > left || n == META_ENTRIES)
			continue;
		cut_to(clean.data, left - fixed);
		buf_puts(out, n++ ? "," : "{");
		metric_json_text(out, name.data, 0);
		buf_putc(out, ':');
		metric_json_text(out, clean.data, 0);
		left -= fixed + monasca_json_length(clean.data);
	}
	buf_puts(out, n ? "}" : "");
}

static void metric(struct buf *out, const struct metric_point *p, const struct metric_labels *l)
{
	_cleanup_buf_ struct buf meta = BUF_INIT(16384);
	char num[SAMPLE_NUMBER_MAX];

	buf_puts(out, "{\"name\":");
	quoted(out, p->name, BAD_IN_NAME);
	buf_printf(out, ",\"value\":%s,\"timestamp\":%lld,\"dimensions\":{",
		   sample_number(p->value, num), (long long)p->real_ms);
	dimensions(out, p, l);
	buf_putc(out, '}');
	if (p->meta)
		monasca_meta(p->meta, &meta);
	else if (l->hypervisor && metric_is_host_named(p->name)) {
		buf_puts(&meta, "{\"hypervisor\":");
		metric_json_text(&meta, l->hypervisor, NAME_MAX_);
		buf_putc(&meta, '}');
	}
	if (meta.len) {
		buf_puts(out, ",\"value_meta\":");
		buf_put(out, meta.data, meta.len);
	}
	buf_putc(out, '}');
}

int monasca_body(const struct metric_point *points, size_t n, const struct metric_labels *labels,
		 struct buf *out)
{
	buf_putc(out, '[');
	for (size_t i = 0; i < n; i++) {
		buf_puts(out, i ? "," : "");
		metric(out, &points[i], labels);
	}
	buf_putc(out, ']');
	return buf_error(out);
}
