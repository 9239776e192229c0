/* SPDX-License-Identifier: Apache-2.0 */
/* See parse_net.h. Kernels add columns and lines at the end; what is not known is stepped over. */
#include "sample/parse_net.h"

#include <errno.h>

#include "sample/scan.h"

/* ---- net/dev ---- */

/* bytes packets errs drop fifo frame compressed multicast, then the same for the other way. */
static const struct {
	unsigned column;
	enum parse_net_count count;
} net_columns[NET_COUNTS] = {
	{0, NET_IN_BYTES},  {1, NET_IN_PACKETS},  {2, NET_IN_ERRORS},   {3, NET_IN_DROPPED},
	{8, NET_OUT_BYTES}, {9, NET_OUT_PACKETS}, {10, NET_OUT_ERRORS}, {11, NET_OUT_DROPPED},
};
#define NET_LAST_COLUMN 11

static bool net_name(struct span *line, char ret[static NET_NAME_MAX])
{
	const char *colon;
	size_t n;

	while (line->n && scan_is_blank(*line->p)) {
		line->p++;
		line->n--;
	}
	/* names may hold a colon themselves (aliases of old); numbers do not */
	colon = line->n ? memrchr(line->p, ':', line->n) : NULL;
	n = colon ? (size_t)(colon - line->p) : 0;
	if (!n || n >= NET_NAME_MAX || line->p[0] == '.' || memchr(line->p, '/', n) ||
	    memchr(line->p, '\0', n))
		return false;
	memcpy(ret, line->p, n);
	ret[n] = '\0';
	line->p += n + 1;
	line->n -= n + 1;
	return true;
}

static bool net_counts(struct span *line, uint64_t counts[static NET_COUNTS])
{
	size_t next = 0;

	for (unsigned column = 0; column <= NET_LAST_COLUMN; column++) {
		uint64_t value;

		if (!scan_u64(line, &value))
			return false;
		if (net_columns[next].column == column)
			counts[net_columns[next++].count] = value;
	}
	return true;
}

bool parse_net_dev(const char **p, size_t *n, struct parse_net_dev *ret)
{
	struct span in = {*p, *n}, line;
	bool found = false;

	while (!found && scan_line(&in, &line))
		found = net_name(&line, ret->name) && net_counts(&line, ret->counts);
	*p = in.p;
	*n = in.n;
	return found;
}

/* ---- sockstat ---- */

static const struct {
	const char *group, *key;
} sockstat_rows[SOCKSTATS] = {
	[SOCKSTAT_USED] = {"sockets:", "used"},     [SOCKSTAT_TCP_INUSE] = {"TCP:", "inuse"},
	[SOCKSTAT_TCP_ORPHAN] = {"TCP:", "orphan"}, [SOCKSTAT_TCP_TW] = {"TCP:", "tw"},
	[SOCKSTAT_TCP_MEM] = {"TCP:", "mem"},
};

static unsigned sockstat_pair(const struct span *group, const struct span *key, uint64_t value,
			      uint64_t values[static SOCKSTATS])
{
	for (unsigned i = 0; i < SOCKSTATS; i++)
		if (scan_is(group, sockstat_rows[i].group) && scan_is(key, sockstat_rows[i].key)) {
			values[i] = value;
			return 1u << i;
		}
	return 0;
}

unsigned parse_sockstat(const char *p, size_t n, uint64_t values[static SOCKSTATS])
{
	struct span in = {p, n}, line, group, key;
	unsigned found = 0;
	uint64_t value;

	while (scan_line(&in, &line)) {
		if (!scan_word(&line, &group))
			continue;
		while (scan_word(&line, &key) && scan_u64(&line, &value))
			found |= sockstat_pair(&group, &key, value, values);
	}
	return found;
}

/* ---- netstat ---- */

static uint64_t pair_up(struct span *keys, struct span *numbers, const char *const *names,
			size_t n_names, uint64_t *values)
{
	struct span key, number;
	uint64_t found = 0;

	while (scan_word(keys, &key) && scan_word(numbers, &number))
		for (size_t i = 0; i < n_names; i++)
			if (scan_is(&key, names[i]) &&
			    text_u64(number.p, number.n, &values[i]) == 0)
				found |= UINT64_C(1) << i;
	return found;
}

uint64_t parse_paired(const char *p, size_t n, const char *group, const char *const *names,
		      size_t n_names, uint64_t *values)
{
	struct span in = {p, n}, keys, numbers, word;

	while (scan_line(&in, &keys)) {
		if (!scan_word(&keys, &word) || !scan_is(&word, group))
			continue;
		if (!scan_line(&in, &numbers) || !scan_word(&numbers, &word) ||
		    !scan_is(&word, group))
			return 0;
		return pair_up(&keys, &numbers, names, n_names, values);
	}
	return 0;
}

int parse_numbers(const char *p, size_t n, uint64_t *values, size_t want)
{
	struct span in = {p, n}, line;

	if (!scan_line(&in, &line))
		return -EINVAL;
	for (size_t i = 0; i < want; i++)
		if (!scan_u64(&line, &values[i]))
			return -EINVAL;
	return 0;
}
