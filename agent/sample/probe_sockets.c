/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sockets use of what the kernel allows them: orphans, memory of TCP, connections the firewall
 * tracks, and connections that listening servers lose. Most of its cost is netstat (37 us on Linux
 * 6.18 with 2 processors: the kernel adds up two hundred counters), so it is read each minute.
 */
#include "sample/probe.h"

#include <errno.h>

#include "sample/parse.h"
#include "sample/parse_net.h"

enum limit { LIMIT_TCP_MEM, LIMIT_ORPHANS, LIMITS };
static const char *const limit_paths[LIMITS] = {
	[LIMIT_TCP_MEM] = "/proc/sys/net/ipv4/tcp_mem",
	[LIMIT_ORPHANS] = "/proc/sys/net/ipv4/tcp_max_orphans",
};

enum lost { LOST_OVERFLOWS, LOST_DROPS, LOST };
static const char *const lost_names[LOST] = {
	[LOST_OVERFLOWS] = "ListenOverflows",
	[LOST_DROPS] = "ListenDrops",
};

struct sockets {
	struct probe_setup setup; /* for files that come later */
	struct procfile sockstat, netstat, limits[LIMITS], tracked, tracked_max;
	unsigned found; /* of values */
	uint64_t values[SOCKSTATS];
	uint64_t limit_values[LIMITS]; /* 0: not known */
	bool has_tracked;
	uint64_t n_tracked, n_tracked_max;
	struct rate lost[LOST];
};

static void close_files(struct sockets *s)
{
	procfile_close(&s->sockstat);
	procfile_close(&s->netstat);
	procfile_close(&s->tracked);
	procfile_close(&s->tracked_max);
	for (size_t i = 0; i < LIMITS; i++)
		procfile_close(&s->limits[i]);
}

static bool read_numbers(struct procfile *f, uint64_t *values, size_t want)
{
	return f->fd >= 0 && procfile_read(f) == 0 &&
	       parse_numbers(f->text, f->len, values, want) == 0;
}

static void read_limits(struct sockets *s)
{
	uint64_t tcp_mem[3]; /* low, pressure, high */

	s->limit_values[LIMIT_TCP_MEM] =
		read_numbers(&s->limits[LIMIT_TCP_MEM], tcp_mem, 3) ? tcp_mem[2] : 0;
	if (!read_numbers(&s->limits[LIMIT_ORPHANS], &s->limit_values[LIMIT_ORPHANS], 1))
		s->limit_values[LIMIT_ORPHANS] = 0;
}

/* The files come with a module that the first firewall rule loads, maybe long after us. */
static void read_tracked(struct sockets *s)
{
	static const char dir[] = "/proc/sys/net/netfilter/nf_conntrack_";
	char path[64];

	if (s->tracked.fd < 0) {
		snprintf(path, sizeof(path), "%scount", dir);
		if (procfile_open(&s->tracked, &s->setup, path, 64, true, NULL))
			return;
	}
	if (s->tracked_max.fd < 0) {
		snprintf(path, sizeof(path), "%smax", dir);
		if (procfile_open(&s->tracked_max, &s->setup, path, 64, true, NULL))
			return;
	}
	s->has_tracked = read_numbers(&s->tracked, &s->n_tracked, 1) &&
			 read_numbers(&s->tracked_max, &s->n_tracked_max, 1);
}

/* What a kernel without TCP, or a container, does not have is left out. */
static int sockets_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	_cleanup_free_ struct sockets *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return err_set(e, -ENOMEM, "no memory");
	s->setup = *setup;
	err = procfile_open(&s->sockstat, setup, "/proc/net/sockstat", 4096, false, e);
	if (err)
		return err;
	err = procfile_open(&s->netstat, setup, "/proc/net/netstat", 65536, false, NULL);
	for (size_t i = 0; i < LIMITS && err != -ENOMEM; i++)
		err = procfile_open(&s->limits[i], setup, limit_paths[i], 256, true, NULL);
	s->tracked.fd = s->tracked_max.fd = -1;
	if (err == -ENOMEM) {
		close_files(s);
		return err_set(e, err, "no memory");
	}
	read_tracked(s);
	*ret = take_ptr(s);
	return 0;
}

static void read_lost(struct sockets *s, int64_t now_ms)
{
	uint64_t values[LOST], found = 0;

	if (s->netstat.fd >= 0 && procfile_read(&s->netstat) == 0)
		found = parse_paired(s->netstat.text, s->netstat.len, "TcpExt:", lost_names, LOST,
				     values);
	for (size_t i = 0; i < LOST; i++)
		if (found >> i & 1)
			rate_update(&s->lost[i], values[i], now_ms);
		else
			rate_absent(&s->lost[i]);
}

static int sockets_read(void *state, int64_t now_ms)
{
	struct sockets *s = state;
	int err = procfile_read(&s->sockstat);

	s->found = err ? 0 : parse_sockstat(s->sockstat.text, s->sockstat.len, s->values);
	read_limits(s);
	read_tracked(s);
	read_lost(s, now_ms);
	return err ? err : s->found ? 0 : -EINVAL;
}

static void report_part(struct sample *out, enum metric metric, uint64_t part, uint64_t all)
{
	if (all)
		sample_add(out, metric, -1, 100.0 * (double)part / (double)all);
}

static void sockets_report(const void *state, struct sample *out)
{
	static const struct {
		enum parse_sockstat value;
		enum metric metric;
	} rows[] = {
		{SOCKSTAT_USED, METRIC_NET_SOCKETS_USED},
		{SOCKSTAT_TCP_INUSE, METRIC_NET_TCP_INUSE},
		{SOCKSTAT_TCP_TW, METRIC_NET_TCP_TIME_WAIT},
		{SOCKSTAT_TCP_ORPHAN, METRIC_NET_TCP_ORPHANS},
	};
	const struct sockets *s = state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (s->found >> rows[i].value & 1)
			sample_add(out, rows[i].metric, -1, (double)s->values[rows[i].value]);
	if (s->found >> SOCKSTAT_TCP_ORPHAN & 1)
		report_part(out, METRIC_NET_TCP_ORPHANS_PERC, s->values[SOCKSTAT_TCP_ORPHAN],
			    s->limit_values[LIMIT_ORPHANS]);
	if (s->found >> SOCKSTAT_TCP_MEM & 1)
		report_part(out, METRIC_NET_TCP_MEM_PERC, s->values[SOCKSTAT_TCP_MEM],
			    s->limit_values[LIMIT_TCP_MEM]);
	if (s->lost[LOST_OVERFLOWS].valid)
		sample_add(out, METRIC_NET_LISTEN_OVERFLOWS_SEC, -1, s->lost[LOST_OVERFLOWS].per_s);
	if (s->lost[LOST_DROPS].valid)
		sample_add(out, METRIC_NET_LISTEN_DROPS_SEC, -1, s->lost[LOST_DROPS].per_s);
	if (!s->has_tracked)
		return;
	sample_add(out, METRIC_NET_CONNTRACK_COUNT, -1, (double)s->n_tracked);
	report_part(out, METRIC_NET_CONNTRACK_PERC, s->n_tracked, s->n_tracked_max);
}

static void sockets_explain(const void *state, struct problems *problems)
{
	const struct sockets *s = state;

	if (!s->has_tracked)
		problems_add(problems, PROBLEM_OK, "probe-conntrack", "none needed",
			     "no metrics of tracked connections: no firewall rule asks the kernel "
			     "to track any");
}

static void sockets_close(void *state)
{
	close_files(state);
	free(state);
}

const struct probe_ops probe_sockets = {
	.name = "sockets",
	.source = "/proc/net/sockstat",
	.pace = PROBE_MINUTE,
	.open = sockets_open,
	.read = sockets_read,
	.report = sockets_report,
	.close = sockets_close,
	.explain = sockets_explain,
};
