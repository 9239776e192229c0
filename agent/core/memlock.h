/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps this process in memory when the guest runs out of it: what says so must not wait for the
 * disk it was paged out to. What is mapped now is locked, never what comes (on glibc each resolver
 * thread maps 64 MiB ahead of need): the program and its data, heap and stacks first, then the
 * pages of libraries as they are used.
 */
#pragma once

#include <stdint.h>
#include "core/macro.h"

/* One line of /proc/self/maps. */
struct memlock_range {
	uint64_t start, end;
	char rights[5];   /* "r-xp" */
	const char *path; /* into the line; n_path 0: none */
	size_t n_path;
};
/** memlock_parse() - (@p, @n) is one line without its newline. Return: 0 or -EINVAL. */
int memlock_parse(const char *p, size_t n, struct memlock_range *ret) _must_check_;

struct memlock_result {
	uint64_t locked;   /* bytes, counted as the kernel counts against RLIMIT_MEMLOCK */
	uint64_t left_out; /* bytes that did not fit the limit; of libraries those that matter */
	uint64_t limit;    /* RLIMIT_MEMLOCK of this process */
};
/**
 * memlock_apply() - locks what is mapped now; again later takes in what was mapped since. Within
 * RLIMIT_MEMLOCK, and within 5 MiB where the program is one static file
 *
 * Return: 0; 1 when the limit left something out; -errno when /proc cannot be read or nothing may
 * be locked.
 */
int memlock_apply(struct memlock_result *ret) _must_check_;
/** memlock_oom_score() - oom_score_adj of this process; 0 when it cannot be read */
int memlock_oom_score(void);
