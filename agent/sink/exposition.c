/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All lines of one metric stand together after its TYPE, and no series twice. A name that
 * node_exporter itself offers would make it refuse the whole file for unequal help, so here each
 * name is our own: guest_ and the rest.
 */
#include "sink/exposition.h"

#include <errno.h>
#include <string.h>

#include "core/buf.h"

static void put_name(struct buf *out, const char *name)
{
	if (strncmp(name, "guest.", 6) != 0)
		buf_puts(out, "guest_");
	for (; *name; name++) {
		bool good = (*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9');

		buf_putc(out, good ? *name : '_');
	}
}

/* Backslash, quote and newline are escaped; control characters are gone before. */
static void put_label(struct buf *out, bool first, const char *key, const char *value)
{
	buf_printf(out, "%s%s=", first ? "{" : ",", metric_prometheus_dim(key));
	metric_json_text(out, value, 255);
}

static int by_name(const void *a, const void *b)
{
	const struct metric_point *x = *(const struct metric_point *const *)a,
				  *y = *(const struct metric_point *const *)b;
	int r = strcmp(x->name, y->name);

	if (r == 0 && x->key != y->key)
		r = x->key < y->key ? -1 : 1;
	if (r == 0 && x->real_ms != y->real_ms)
		r = x->real_ms > y->real_ms ? -1 : 1; /* the newest first: it alone is written */
	return r;
}

static void put_line(struct buf *out, const struct metric_point *p)
{
	char num[SAMPLE_NUMBER_MAX];

	put_name(out, p->name);
	for (size_t i = 0; i < p->n_dims; i++)
		put_label(out, i == 0, p->dims[i].key, p->dims[i].value);
	buf_printf(out, "%s %s\n", p->n_dims ? "}" : "", sample_number(p->value, num));
}

int exposition(const struct metric_point *points, size_t n, struct buf *out)
{
	_cleanup_free_ const struct metric_point **order = calloc(n + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = &points[i];
	if (n)
		qsort(order, n, sizeof(*order), by_name);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(order[i]->name, order[i - 1]->name) != 0) {
			buf_puts(out, "# TYPE ");
			put_name(out, order[i]->name);
			buf_puts(out, order[i]->kind == METRIC_COUNTER ? " counter\n" : " gauge\n");
		}
		if (i == 0 || order[i]->key != order[i - 1]->key)
			put_line(out, order[i]);
	}
	return buf_error(out);
}
