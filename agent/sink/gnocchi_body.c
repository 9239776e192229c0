/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies for Gnocchi: see gnocchi_body.h and the head of sink_gnocchi.c. */
#include "sink/gnocchi_body.h"

#include <errno.h>
#include <string.h>

#include "core/buf.h"

#define NAME_CHARS 255

static void put_name(struct buf *out, const struct metric_point *p)
{
	_cleanup_buf_ struct buf name = BUF_INIT(4096);

	buf_printf(&name, "%s%s", strncmp(p->name, "guest.", 6) ? "guest." : "", p->name);
	if (p->n_dims) /* the first one tells entities apart */
		buf_printf(&name, "@%s", p->dims[0].value);
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] == '/')
			name.data[i] = ':';
	metric_json_text(out, buf_str(&name), NAME_CHARS);
}

static void put_measure(struct buf *out, const struct metric_point *p)
{
	char num[SAMPLE_NUMBER_MAX];

	buf_printf(out, "{\"timestamp\":%lld.%03d,\"value\":%s}", (long long)(p->real_ms / 1000),
		   (int)(p->real_ms % 1000), sample_number(p->value, num));
}

static size_t put_metric(struct buf *out, const struct metric_point *const *order, size_t n)
{
	size_t i;

	put_name(out, order[0]);
	buf_puts(out, ":{\"unit\":");
	metric_json_text(out, order[0]->unit, 31);
	buf_puts(out, ",\"measures\":[");
	for (i = 0; i < n && order[i]->key == order[0]->key; i++) {
		buf_puts(out, i ? "," : "");
		put_measure(out, order[i]);
	}
	buf_puts(out, "]}");
	return i;
}

int gnocchi_body(const struct metric_point *points, size_t n, const char *resource_id,
		 struct buf *out)
{
	_cleanup_free_ const struct metric_point **order = calloc(n + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;
	metric_sort(points, n, order);
	buf_putc(out, '{');
	if (n) {
		metric_json_text(out, resource_id, 0);
		buf_puts(out, ":{");
	}
	for (size_t i = 0; i < n;) {
		buf_puts(out, i ? "," : "");
		i += put_metric(out, order + i, n - i);
	}
	buf_puts(out, n ? "}}" : "}");
	return buf_error(out);
}

int gnocchi_resource(const struct metric_labels *labels, struct buf *out)
{
	buf_puts(out, "{\"id\":");
	metric_json_text(out, labels->resource_id, 0);
	if (labels->project_id) {
		buf_puts(out, ",\"project_id\":");
		metric_json_text(out, labels->project_id, 0);
	}
	buf_putc(out, '}');
	return buf_error(out);
}
