/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WriteRequest{1: TimeSeries*}, TimeSeries{1: Label*, 2: Sample*}, Label{1: name, 2: value},
 * Sample{1: double value, 2: int64 ms}: the whole of the protobuf that is needed, written by hand.
 */
#include "sink/remote_write.h"

#include <errno.h>
#include <string.h>

#include "core/buf.h"

#define JOB         "heat-pulse"
#define SERIES_MAX  (64u << 10)
#define WIRE_VARINT 0u
#define WIRE_64     1u
#define WIRE_BYTES  2u

/* ---- protobuf ---- */

static void put_varint(struct buf *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_putc(out, (char)(0x80 | (v & 0x7f)));
	buf_putc(out, (char)v);
}

static void put_tag(struct buf *out, unsigned field, unsigned wire)
{
	put_varint(out, field << 3 | wire);
}

static void put_bytes(struct buf *out, unsigned field, const char *p, size_t n)
{
	put_tag(out, field, WIRE_BYTES);
	put_varint(out, n);
	if (n)
		buf_put(out, p, n);
}

static void put_double(struct buf *out, unsigned field, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	put_tag(out, field, WIRE_64);
	for (size_t i = 0; i < 8; i++)
		buf_putc(out, (char)(bits >> (8 * i)));
}

/* ---- labels ---- */

/* Into its place; the first of a name stays. */
static size_t insert(struct remote_label *list, size_t n, const char *name, const char *value)
{
	size_t at = n;

	if (!value || !value[0] || n == REMOTE_LABELS_MAX)
		return n;
	while (at > 0 && strcmp(list[at - 1].name, name) > 0)
		at--;
	if (at > 0 && strcmp(list[at - 1].name, name) == 0)
		return n;
	memmove(&list[at + 1], &list[at], (n - at) * sizeof(*list));
	list[at] = (struct remote_label){name, value};
	return n + 1;
}

size_t remote_labels(const struct metric_point *p, const struct metric_labels *labels,
		     struct remote_label out[static REMOTE_LABELS_MAX])
{
	size_t n = 0;

	n = insert(out, n, "job", JOB);
	n = insert(out, n, "instance", labels->hostname);
	n = insert(out, n, "resource_id", labels->resource_id);
	n = insert(out, n, "project", labels->project_id);
	n = insert(out, n, "zone", labels->zone);
	for (size_t i = 0; i < p->n_dims; i++)
		n = insert(out, n, metric_prometheus_dim(p->dims[i].key), p->dims[i].value);
	return n;
}

static void put_label(struct buf *series, const char *name, const char *value)
{
	_cleanup_buf_ struct buf label = BUF_INIT(8192), clean = BUF_INIT(4096);

	metric_clean(&clean, value, NULL, 1024);
	if (clean.len == 0)
		return;
	put_bytes(&label, 1, name, strlen(name));
	put_bytes(&label, 2, clean.data, clean.len);
	put_bytes(series, 1, buf_str(&label), label.len);
}

/* ---- series ---- */

static void put_sample(struct buf *series, double value, int64_t ms)
{
	_cleanup_buf_ struct buf sample = BUF_INIT(64);

	put_double(&sample, 1, value);
	put_tag(&sample, 2, WIRE_VARINT);
	put_varint(&sample, (uint64_t)ms);
	put_bytes(series, 2, buf_str(&sample), sample.len);
}

/* All points of the series that begins at @order[0]. Return: how many. */
static size_t put_series(struct buf *out, const struct metric_point *const *order, size_t n,
			 const struct metric_labels *labels)
{
	_cleanup_buf_ struct buf series = BUF_INIT(SERIES_MAX), name = BUF_INIT(512);
	struct remote_label list[REMOTE_LABELS_MAX];
	size_t n_labels = remote_labels(order[0], labels, list), i = 0;
	double value;

	metric_prometheus_name(order[0], &name, &value);
	put_label(&series, "__name__",
		  buf_str(&name)); /* before all: '_' sorts below small letters */
	for (size_t k = 0; k < n_labels; k++)
		put_label(&series, list[k].name, list[k].value);
	for (; i < n && order[i]->key == order[0]->key; i++) {
		buf_reset(&name);
		metric_prometheus_name(order[i], &name, &value);
		if (i == 0 || order[i]->real_ms != order[i - 1]->real_ms)
			put_sample(&series, value, order[i]->real_ms);
	}
	put_bytes(out, 1, buf_str(&series), series.len);
	if (buf_error(&series) && !out->error)
		out->error = buf_error(&series);
	return i;
}

int remote_write_body(const struct metric_point *points, size_t n,
		      const struct metric_labels *labels, struct buf *out)
{
	_cleanup_free_ const struct metric_point **order = calloc(n + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;
	metric_sort(points, n, order);
	for (size_t i = 0; i < n;)
		i += put_series(out, order + i, n - i, labels);
	return buf_error(out);
}
