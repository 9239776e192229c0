/* SPDX-License-Identifier: Apache-2.0 */
/* Words that several sinks of metrics share: clean text, series, and names as node_exporter has
 * them. Pure. */
#include "sink/metric.h"

#include <string.h>

#include "core/buf.h"
#include "core/text.h"

const char *const metric_how_names[] = {
	[METRIC_TAKEN] = "ok",
	[METRIC_RETRY] = "retry",
	[METRIC_REFUSED] = "refused",
	[METRIC_FORBIDDEN] = "denied",
	[METRIC_TOO_LARGE] = "too-large",
	[METRIC_DENIED] = "denied",
};

const struct metric_sink_ops *const metric_sinks[] = {
	&metric_sink_monasca, &metric_sink_prometheus, &metric_sink_textfile,
	&metric_sink_gnocchi, &metric_sink_otlp,       NULL,
};

const struct metric_sink_ops *metric_sink_find(const char *type)
{
	for (size_t i = 0; metric_sinks[i]; i++)
		if (strcmp(metric_sinks[i]->name, type) == 0)
			return metric_sinks[i];
	return NULL;
}

/* ---- text ---- */

/* Length of the character at @s: @left bytes of it are valid UTF-8. */
static size_t char_len(const char *s, size_t left)
{
	size_t n = 1;

	while (n < left && ((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* Walks the characters of @s; calls put for each that stays. */
static void each_char(struct buf *out, const char *s, const char *forbidden, size_t max_chars,
		      bool json)
{
	size_t n = strlen(s), good = text_utf8_valid(s, n), chars = 0;

	for (size_t i = 0; i < n && (max_chars == 0 || chars < max_chars);) {
		unsigned char c = (unsigned char)s[i];
		size_t len = 1;

		if (i >= good) { /* the first byte that is no UTF-8: look on after it */
			buf_putc(out, '?');
			good = i + 1 + text_utf8_valid(s + i + 1, n - i - 1);
			chars++;
		} else if (c >= 0x80) {
			len = char_len(s + i, good - i);
			buf_put(out, s + i, len);
			chars++;
		} else if (c >= 0x20 && c != 0x7f) {
			if (json && (c == '"' || c == '\\'))
				buf_putc(out, '\\');
			buf_putc(out, forbidden && strchr(forbidden, c) ? '_' : (char)c);
			chars++;
		}
		i += len;
	}
}

void metric_json_text(struct buf *out, const char *s, size_t max_chars)
{
	buf_putc(out, '"');
	each_char(out, s, NULL, max_chars, true);
	buf_putc(out, '"');
}

void metric_clean(struct buf *out, const char *s, const char *forbidden, size_t max_chars)
{
	each_char(out, s, forbidden, max_chars, false);
}

/* ---- series ---- */

static uint64_t fnv(uint64_t h, const char *s)
{
	do {
		h ^= (unsigned char)*s;
		h *= 0x100000001b3ull;
	} while (*s++); /* the NUL too: "a" "bc" is not "ab" "c" */
	return h;
}

uint64_t metric_series_key(const struct metric_point *p)
{
	uint64_t h = fnv(0xcbf29ce484222325ull, p->name);

	for (size_t i = 0; i < p->n_dims; i++)
		h = fnv(fnv(h, p->dims[i].key), p->dims[i].value);
	return h;
}

static int by_series(const void *a, const void *b)
{
	const struct metric_point *x = *(const struct metric_point *const *)a,
				  *y = *(const struct metric_point *const *)b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->real_ms != y->real_ms)
		return x->real_ms < y->real_ms ? -1 : 1;
	return x < y ? -1 : x > y;
}

void metric_sort(const struct metric_point *points, size_t n, const struct metric_point **order)
{
	for (size_t i = 0; i < n; i++)
		order[i] = &points[i];
	if (n)
		qsort(order, n, sizeof(*order), by_series);
}

/* ---- names ---- */

/* Posted by the operator's agent from the hypervisor, in units that its dashboards know. */
static const char *const host_named[] = {
	"mem.total_gb",     "mem.free_gb",     "mem.used_gb",    "mem.free_perc",
	"mem.swap_used_gb", "cpu.total_cores", "cpu.used_cores", "cpu.utilization_norm_perc",
};

bool metric_is_host_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(host_named); i++)
		if (strcmp(host_named[i], name) == 0)
			return true;
	return false;
}

#define MIB 1048576.0
static const struct {
	const char *name, *prometheus;
	double factor;
} node_names[] = {
	{"mem.total_mb", "node_memory_MemTotal_bytes", MIB},
	{"mem.free_mb", "node_memory_MemFree_bytes", MIB},
	{"mem.usable_mb", "node_memory_MemAvailable_bytes", MIB},
	{"mem.used_buffers", "node_memory_Buffers_bytes", MIB},
	{"mem.used_shared", "node_memory_Shmem_bytes", MIB},
	{"mem.used_slab_mb", "node_memory_Slab_bytes", MIB},
	{"mem.swap_total_mb", "node_memory_SwapTotal_bytes", MIB},
	{"mem.swap_free_mb", "node_memory_SwapFree_bytes", MIB},
	{"guest.mem.committed_mb", "node_memory_Committed_AS_bytes", MIB},
	{"guest.mem.commit_limit_mb", "node_memory_CommitLimit_bytes", MIB},
	{"disk.total_space_mb", "node_filesystem_size_bytes", MIB},
	{"guest.fs.readonly", "node_filesystem_readonly", 1},
	{"guest.kernel.oom_kill", "node_vmstat_oom_kill", 1},
	{"guest.files.open", "node_filefd_allocated", 1},
	{"guest.files.max", "node_filefd_maximum", 1},
	{"guest.net.sockets_used", "node_sockstat_sockets_used", 1},
	{"guest.net.tcp_inuse", "node_sockstat_TCP_inuse", 1},
	{"guest.net.conntrack_count", "node_nf_conntrack_entries", 1},
};

void metric_prometheus_name(const struct metric_point *p, struct buf *name, double *value)
{
	*value = p->value;
	for (size_t i = 0; i < ARRAY_SIZE(node_names); i++)
		if (strcmp(node_names[i].name, p->name) == 0) {
			*value *= node_names[i].factor;
			buf_puts(name, node_names[i].prometheus);
			return;
		}
	for (const char *s = p->name; *s; s++) {
		bool good = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			    (*s >= '0' && *s <= '9' && s > p->name);

		buf_putc(name, good ? *s : '_');
	}
}

const char *metric_prometheus_dim(const char *key)
{
	return strcmp(key, "mount_point") == 0 ? "mountpoint" : key;
}
