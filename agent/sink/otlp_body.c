/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies for OTLP/HTTP: see otlp_body.h. Counters are cumulative monotonic sums, all else
 * gauges. */
#include "sink/otlp_body.h"

#include <errno.h>
#include <string.h>

#include "build_info.h"
#include "core/buf.h"

#define TEMPORALITY_CUMULATIVE 2
#define MIB                    1048576.0

/* Where the semantic conventions have a name for the same value. */
static const struct {
	const char *name, *otlp, *unit;
	double factor;
	const char *key, *value; /* an attribute that the name needs */
} conventions[] = {
	{"mem.usable_mb", "system.memory.linux.available", "By", MIB, NULL, NULL},
	{"mem.total_mb", "system.memory.limit", "By", MIB, NULL, NULL},
	{"mem.swap_used_mb", "system.paging.usage", "By", MIB, "system.paging.state", "used"},
	{"mem.swap_free_mb", "system.paging.usage", "By", MIB, "system.paging.state", "free"},
	{"disk.total_used_space_mb", "system.filesystem.usage", "By", MIB,
	 "system.filesystem.state", "used"},
	{"disk.space_used_perc", "system.filesystem.utilization", "1", 0.01, NULL, NULL},
	{"cpu.user_perc", "system.cpu.utilization", "1", 0.01, "cpu.mode", "user"},
	{"cpu.system_perc", "system.cpu.utilization", "1", 0.01, "cpu.mode", "system"},
	{"cpu.wait_perc", "system.cpu.utilization", "1", 0.01, "cpu.mode", "iowait"},
	{"cpu.stolen_perc", "system.cpu.utilization", "1", 0.01, "cpu.mode", "steal"},
	{"cpu.idle_perc", "system.cpu.utilization", "1", 0.01, "cpu.mode", "idle"},
};

static const struct {
	const char *key, *attribute;
} attributes[] = {
	{"mount_point", "system.filesystem.mountpoint"},
	{"device", "system.device"},
	{"process", "process.executable.name"},
};

static const char *attribute_of(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
		if (strcmp(attributes[i].key, key) == 0)
			return attributes[i].attribute;
	return key;
}

static void put_attribute(struct buf *out, bool *first, const char *key, const char *value)
{
	if (!value || !value[0])
		return;
	buf_puts(out, *first ? "" : ",");
	*first = false;
	buf_puts(out, "{\"key\":");
	metric_json_text(out, key, 255);
	buf_puts(out, ",\"value\":{\"stringValue\":");
	metric_json_text(out, value, 1024);
	buf_puts(out, "}}");
}

static ssize_t convention_of(const struct metric_point *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(conventions); i++)
		if (strcmp(conventions[i].name, p->name) == 0)
			return (ssize_t)i;
	return -1;
}

static void put_data_point(struct buf *out, const struct metric_point *p, ssize_t c)
{
	char num[SAMPLE_NUMBER_MAX];
	double v = p->value * (c < 0 ? 1 : conventions[c].factor);
	bool first = true;

	/* a percentage as a part of one needs more decimals than sample_number() keeps */
	if (c >= 0 && conventions[c].factor < 1)
		snprintf(num, sizeof(num), "%.6g", v);
	else
		sample_number(v, num);
	buf_printf(out, "{\"timeUnixNano\":\"%lld000000\",\"asDouble\":%s", (long long)p->real_ms,
		   num);
	if (p->n_dims || (c >= 0 && conventions[c].key)) {
		buf_puts(out, ",\"attributes\":[");
		if (c >= 0 && conventions[c].key)
			put_attribute(out, &first, conventions[c].key, conventions[c].value);
		for (size_t i = 0; i < p->n_dims; i++)
			put_attribute(out, &first, attribute_of(p->dims[i].key), p->dims[i].value);
		buf_putc(out, ']');
	}
	buf_putc(out, '}');
}

/* The points of one series. A metric of several series is written once for each: receivers merge by
 * name. */
static size_t put_metric(struct buf *out, const struct metric_point *const *order, size_t n)
{
	ssize_t c = convention_of(order[0]);
	bool counter = order[0]->kind == METRIC_COUNTER;
	size_t i;

	buf_puts(out, "{\"name\":");
	metric_json_text(out, c < 0 ? order[0]->name : conventions[c].otlp, 255);
	buf_puts(out, ",\"unit\":");
	metric_json_text(out, c < 0 ? order[0]->unit : conventions[c].unit, 63);
	if (counter)
		buf_printf(out, ",\"sum\":{\"aggregationTemporality\":%d,\"isMonotonic\":true",
			   TEMPORALITY_CUMULATIVE);
	else
		buf_puts(out, ",\"gauge\":{");
	buf_puts(out, counter ? ",\"dataPoints\":[" : "\"dataPoints\":[");
	for (i = 0; i < n && order[i]->key == order[0]->key; i++) {
		buf_puts(out, i ? "," : "");
		put_data_point(out, order[i], c);
	}
	buf_puts(out, "]}}");
	return i;
}

static void put_resource(struct buf *out, const struct metric_labels *l)
{
	bool first = true;

	put_attribute(out, &first, "host.id", l->resource_id);
	put_attribute(out, &first, "host.name", l->hostname);
	put_attribute(out, &first, "cloud.provider", "openstack");
	put_attribute(out, &first, "cloud.availability_zone", l->zone);
	put_attribute(out, &first, "cloud.account.id", l->project_id);
	put_attribute(out, &first, "service.name", "heat-pulse");
}

int otlp_body(const struct metric_point *points, size_t n, const struct metric_labels *labels,
	      struct buf *out)
{
	_cleanup_free_ const struct metric_point **order = calloc(n + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;
	metric_sort(points, n, order);
	buf_puts(out, "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[");
	put_resource(out, labels);
	buf_puts(out, "]},\"scopeMetrics\":[{\"scope\":{\"name\":\"heat-pulse\",\"version\":"
		      "\"" HEAT_PULSE_VERSION "\"},\"metrics\":[");
	for (size_t i = 0; i < n;) {
		buf_puts(out, i ? "," : "");
		i += put_metric(out, order + i, n - i);
	}
	buf_puts(out, "]}]}]}");
	return buf_error(out);
}
