/* SPDX-License-Identifier: Apache-2.0 */
/* Pure parsers of what the kernel says of its network: (pointer, length) in, numbers out. */
#pragma once

#include <stdbool.h>
#include "core/macro.h"

/* ---- /proc/net/dev ---- */
enum parse_net_count {
	NET_IN_BYTES,
	NET_IN_PACKETS,
	NET_IN_ERRORS,
	NET_IN_DROPPED,
	NET_OUT_BYTES,
	NET_OUT_PACKETS,
	NET_OUT_ERRORS,
	NET_OUT_DROPPED,
	NET_COUNTS
};
#define NET_NAME_MAX 16 /* IFNAMSIZ */
struct parse_net_dev {
	char name[NET_NAME_MAX];
	uint64_t counts[NET_COUNTS];
};
/** parse_net_dev() - the next interface; walks @p, @n on. Lines that are none are stepped over, so
 * are names that could be no file name. Return: false at the end. */
bool parse_net_dev(const char **p, size_t *n, struct parse_net_dev *ret);

/* ---- /proc/net/sockstat ---- */
enum parse_sockstat {
	SOCKSTAT_USED,
	SOCKSTAT_TCP_INUSE,
	SOCKSTAT_TCP_ORPHAN,
	SOCKSTAT_TCP_TW,
	SOCKSTAT_TCP_MEM, /* pages */
	SOCKSTATS
};
/** parse_sockstat() - Return: a bit for each number found. */
unsigned parse_sockstat(const char *p, size_t n, uint64_t values[static SOCKSTATS]);

/**
 * parse_paired() - /proc/net/netstat and snmp: a line "TcpExt: names..." and below it its numbers
 * @group: "TcpExt:"
 *
 * Return: a bit for each of @names (at most 64) found with a number.
 */
uint64_t parse_paired(const char *p, size_t n, const char *group, const char *const *names,
		      size_t n_names, uint64_t *values);

/** parse_numbers() - the first @want numbers of the first line ("906\t0\t2466177"). -EINVAL when
 * there are fewer. */
int parse_numbers(const char *p, size_t n, uint64_t *values, size_t want) _must_check_;
