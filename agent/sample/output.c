/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sample as text, JSON, a Monasca request body or a Prometheus exposition: one row each in
 * sample_formats. What every form needs - number, dimensions, what a receiver refuses - is said
 * once here. Builds text only; where it goes is a sink's business.
 */
#include "sample/sample.h"

#include <math.h>
#include <string.h>

#include "core/buf.h"
#include "core/text.h"

#define NUMBER_MAX SAMPLE_NUMBER_MAX
#define DIMS_MAX   8

struct dims {
	size_t n;
	struct {
		const char *key, *value;
	} list[DIMS_MAX];
};

/* What the detail of an entity of that kind is called; the name itself is called as the kind. */
static const struct {
	const char *kind, *detail_key;
} entity_details[] = {
	{"mount_point", "device"},
	{"disk", "hardware"},
	{"process", "wchan"},
};

const char *sample_detail_key(const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(entity_details); i++)
		if (!strcmp(entity_details[i].kind, kind))
			return entity_details[i].detail_key;
	return NULL;
}

const char *sample_number(double v, char out[static NUMBER_MAX])
{
	int n;

	if (fabs(v) >= 1e15) {
		snprintf(out, NUMBER_MAX, "%.15g", v);
		return out;
	}
	n = snprintf(out, NUMBER_MAX, "%.3f", fabs(v) < 0.0005 ? 0.0 : v);
	while (out[n - 1] == '0')
		n--;
	if (out[n - 1] == '.')
		n--;
	out[n] = '\0';
	return out;
}

static void dims_add(struct dims *d, const char *key, const char *value)
{
	if (!value || !value[0] || d->n == DIMS_MAX)
		return;
	d->list[d->n].key = key;
	d->list[d->n].value = value;
	d->n++;
}

static void dims_add_entity(struct dims *d, const struct sample *s, int entity)
{
	const struct sample_entity *e;

	if (entity < 0)
		return;
	e = &s->entities[entity];
	dims_add(d, e->kind, e->name);
	if (sample_detail_key(e->kind))
		dims_add(d, sample_detail_key(e->kind), e->detail);
}

static void dims_add_labels(struct dims *d, const struct sample_labels *labels)
{
	if (!labels)
		return;
	dims_add(d, "hostname", labels->hostname);
	dims_add(d, "resource_id", labels->resource_id);
	dims_add(d, "zone", labels->zone);
}

/* A quoted string for JSON and for Prometheus labels: both take \\ and \"; control characters and
 * bytes that are not UTF-8 come as '?', as no receiver has a use for them. */
static void quoted(struct buf *out, const char *s)
{
	size_t n = strlen(s);
	bool utf8 = text_utf8_valid(s, n) == n;

	buf_putc(out, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\')
			buf_putc(out, '\\');
		buf_putc(out, c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8) ? '?' : (char)c);
	}
	buf_putc(out, '"');
}

/* ---- text ---- */

static int write_text(const struct sample *s, const struct sample_labels *labels, struct buf *out)
{
	char num[NUMBER_MAX];

	(void)labels;
	for (size_t i = 0; i < s->n_values; i++) {
		const struct sample_value *v = &s->values[i];
		const struct metric_info *m = &metric_infos[v->metric];
		struct dims d = {0};

		dims_add_entity(&d, s, v->entity);
		buf_printf(out, "%-34s %12s %s", m->name, sample_number(v->value, num), m->unit);
		for (size_t k = 0; k < d.n; k++)
			buf_printf(out, " %s=%s", d.list[k].key, d.list[k].value);
		buf_putc(out, '\n');
	}
	return buf_error(out);
}

/* ---- json ---- */

static void json_members(struct buf *out, const struct dims *d)
{
	for (size_t k = 0; k < d->n; k++) {
		buf_puts(out, k ? "," : "");
		quoted(out, d->list[k].key);
		buf_putc(out, ':');
		quoted(out, d->list[k].value);
	}
}

static void json_value(struct buf *out, const struct sample *s, const struct sample_value *v)
{
	const struct metric_info *m = &metric_infos[v->metric];
	char num[NUMBER_MAX];
	struct dims d = {0};

	dims_add_entity(&d, s, v->entity);
	buf_puts(out, "{\"name\":");
	quoted(out, m->name);
	buf_printf(out, ",\"value\":%s,\"unit\":", sample_number(v->value, num));
	quoted(out, m->unit);
	if (d.n) {
		buf_puts(out, ",\"dimensions\":{");
		json_members(out, &d);
		buf_putc(out, '}');
	}
	buf_putc(out, '}');
}

static int write_json(const struct sample *s, const struct sample_labels *labels, struct buf *out)
{
	struct dims d = {0};

	dims_add_labels(&d, labels);
	buf_printf(out, "{\"v\":1,\"kind\":\"sample\",\"ts_ms\":%lld,\"dimensions\":{",
		   (long long)s->real_ms);
	json_members(out, &d);
	buf_putc(out, '}');
	if (labels && labels->hypervisor) {
		buf_puts(out, ",\"hypervisor\":");
		quoted(out, labels->hypervisor);
	}
	buf_puts(out, s->extra ? ",\"extra\":true,\"metrics\":[" : ",\"metrics\":[");
	for (size_t i = 0; i < s->n_values; i++) {
		buf_puts(out, i ? "," : "");
		json_value(out, s, &s->values[i]);
	}
	buf_printf(out, "],\"dropped\":%u}\n", s->dropped);
	return buf_error(out);
}

/* ---- monasca ---- */

/* Its API answers 422 for the whole array when one dimension holds any of these, so they become
 * '_'. A pipe is taken but cannot be asked for again. */
static const char *monasca_value(const char *s, char *out, size_t cap)
{
	size_t n = strnlen(s, cap - 1);

	for (size_t i = 0; i < n; i++)
		out[i] = strchr("<>={},\"\\;&|", s[i]) ? '_' : s[i];
	out[n] = '\0';
	n = text_utf8_valid(out, n); /* the cut may be inside a character */
	out[n] = '\0';
	return out;
}

static void monasca_metric(struct buf *out, const struct sample *s, const struct sample_value *v,
			   const struct sample_labels *labels)
{
	char num[NUMBER_MAX], clean[256];
	struct dims d = {0};

	dims_add_labels(&d, labels);
	/* tells our series from those the hypervisor's agent posts under the same names */
	dims_add(&d, "source", "guest");
	dims_add_entity(&d, s, v->entity);
	buf_puts(out, "{\"name\":");
	quoted(out, metric_infos[v->metric].name);
	buf_puts(out, ",\"dimensions\":{");
	for (size_t k = 0; k < d.n; k++) {
		buf_puts(out, k ? "," : "");
		quoted(out, d.list[k].key);
		buf_putc(out, ':');
		quoted(out, monasca_value(d.list[k].value, clean, sizeof(clean)));
	}
	buf_printf(out, "},\"timestamp\":%lld,\"value\":%s", (long long)s->real_ms,
		   sample_number(v->value, num));
	if (labels && labels->hypervisor && metric_in_vm_profile(v->metric)) {
		buf_puts(out, ",\"value_meta\":{\"hypervisor\":");
		quoted(out, labels->hypervisor);
		buf_putc(out, '}');
	}
	buf_putc(out, '}');
}

static int write_monasca(const struct sample *s, const struct sample_labels *labels,
			 struct buf *out)
{
	buf_putc(out, '[');
	for (size_t i = 0; i < s->n_values; i++) {
		buf_puts(out, i ? "," : "");
		monasca_metric(out, s, &s->values[i], labels);
	}
	buf_puts(out, "]\n");
	return buf_error(out);
}

/* ---- prometheus ---- */

/* Metric names are legal there once dots are gone; tests hold metrics.def to that. */
static void prometheus_name(struct buf *out, const char *name)
{
	for (; *name; name++)
		buf_putc(out, *name == '.' ? '_' : *name);
}

static void prometheus_head(struct buf *out, const struct metric_info *m)
{
	buf_puts(out, "# HELP ");
	prometheus_name(out, m->name);
	buf_printf(out, " %s (%s)\n# TYPE ", m->meaning, m->unit);
	prometheus_name(out, m->name);
	buf_puts(out, m->kind == METRIC_COUNTER ? " counter\n" : " gauge\n");
}

static void prometheus_line(struct buf *out, const struct sample *s, const struct sample_value *v,
			    const struct sample_labels *labels)
{
	char num[NUMBER_MAX];
	struct dims d = {0};

	dims_add_labels(&d, labels);
	dims_add_entity(&d, s, v->entity);
	prometheus_name(out, metric_infos[v->metric].name);
	for (size_t k = 0; k < d.n; k++) {
		buf_printf(out, "%s%s=", k ? "," : "{", d.list[k].key);
		quoted(out, d.list[k].value);
	}
	buf_printf(out, "%s %s\n", d.n ? "}" : "", sample_number(v->value, num));
}

/* All lines of one metric must stand together; no time stamps, as readers of text files refuse
 * them. */
static int write_prometheus(const struct sample *s, const struct sample_labels *labels,
			    struct buf *out)
{
	for (size_t metric = 0; metric < METRIC_COUNT; metric++) {
		bool first = true;

		for (size_t i = 0; i < s->n_values; i++) {
			if (s->values[i].metric != metric)
				continue;
			if (first)
				prometheus_head(out, &metric_infos[metric]);
			first = false;
			prometheus_line(out, s, &s->values[i], labels);
		}
	}
	return buf_error(out);
}

const struct sample_format sample_formats[] = {
	{"text", write_text},
	{"json", write_json},
	{"monasca", write_monasca},
	{"prometheus", write_prometheus},
};
const size_t sample_formats_n = ARRAY_SIZE(sample_formats);

const struct sample_format *sample_format_find(const char *name)
{
	for (size_t i = 0; i < sample_formats_n; i++)
		if (!strcmp(sample_formats[i].name, name))
			return &sample_formats[i];
	return NULL;
}
