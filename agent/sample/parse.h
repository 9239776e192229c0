/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pure one-pass parsers of kernel text: (pointer, length) in, numbers out. They skip what they do
 * not know, as kernels add lines, and report only what was really there. No allocation, no files.
 */
#pragma once

#include <stdbool.h>
#include "core/macro.h"

/* ---- lines "Key:   123 kB" and "key 123" (meminfo, vmstat) ---- */
struct parse_keys {
	const char *const *keys; /* borrowed; at most 64: each has a bit of the result */
	size_t n;
};
/** parse_keyed() - @values[i] and bit i of the result for each key found with a number. The first
 * line of a key counts. */
uint64_t parse_keyed(const char *p, size_t n, const struct parse_keys *keys, uint64_t *values);

/* ---- /proc/pressure/X ---- */
struct parse_pressure_line {
	bool present;
	double avg10, avg60, avg300;
	uint64_t total_us;
};
struct parse_pressure {
	struct parse_pressure_line some, full;
};
/** parse_pressure() - Return: 0, or -EINVAL when there is no whole "some" or "full" line. */
int parse_pressure(const char *p, size_t n, struct parse_pressure *ret) _must_check_;

/* ---- /proc/stat ---- */
enum parse_cpu {
	CPU_USER,
	CPU_NICE,
	CPU_SYSTEM,
	CPU_IDLE,
	CPU_IOWAIT,
	CPU_IRQ,
	CPU_SOFTIRQ,
	CPU_STEAL,
	CPU_TIMES
};
struct parse_stat {
	uint64_t times[CPU_TIMES]; /* all processors, ticks; guest time is inside user and nice */
	bool has_blocked;
	uint64_t blocked; /* procs_blocked */
	bool has_forks;
	uint64_t forks; /* "processes": started since boot */
};
/** parse_stat() - -EINVAL without a whole "cpu" line. */
int parse_stat(const char *p, size_t n, struct parse_stat *ret) _must_check_;

/* ---- /proc/loadavg ---- */
struct parse_loadavg {
	double avg[3];
	uint64_t runnable, total;
};
int parse_loadavg(const char *p, size_t n, struct parse_loadavg *ret) _must_check_;

/** parse_cpu_list() - how many processors "0-3,8,10-11" names; -EINVAL for anything else, also for
 * none. */
int parse_cpu_list(const char *p, size_t n, unsigned *ret) _must_check_;

/* ---- counters to rates ---- */
struct rate {
	bool primed;
	uint64_t last;
	int64_t last_ms;
	double per_s;
	bool valid;
};
/** rate_update() - @r->per_s is valid from the second reading on; a counter that went back starts
 * anew. */
void rate_update(struct rate *r, uint64_t value, int64_t now_ms);
/** rate_absent() - the source did not have the counter this time. */
void rate_absent(struct rate *r);
