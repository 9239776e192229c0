/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of each process, between walks. A process that slept through two minutes, took no
 * processor and has the memory it had is settled: most of a guest's processes are, most of the
 * time. What is said of them stays true without another look, so only each tenth walk looks at
 * them; the others look at the rest.
 */
#pragma once

#include "sample/process_view.h"

#define PROCESS_SETTLED_MS INT64_C(120000)
#define PROCESS_NAME_MAX   32 /* the kernel's own threads have more than 15 characters */

/* A guest has hundreds of them, so this is as short as the kernel's numbers allow. */
struct process_known {
	uint64_t start_ticks, cpu_ticks;
	int64_t since_ms; /* as it is now */
	int pid, ppid, threads;
	uint32_t rss_pages; /* at most 16 TiB are told */
	char state;
	bool seen, followed;
	char name[PROCESS_NAME_MAX];
};
struct process_table {
	struct process_known *list; /* by pid */
	size_t n, room;
};

/** process_table_begin() - a walk: whoever is neither kept nor put until process_table_end() has
 * ended. */
void process_table_begin(struct process_table *t);
/** process_table_keep() - the process is still there. Return: false when it has to be looked at,
 * and put. */
bool process_table_keep(struct process_table *t, int pid, int64_t now_ms);
/** process_table_put() - a process just looked at; @followed: it never settles. Return: -ENOMEM, and
 * it is left out. */
int process_table_put(struct process_table *t, const struct process_row *row, bool followed,
		      int64_t now_ms) _must_check_;
void process_table_end(struct process_table *t);
/** process_table_row() - the @i-th of n; its name is borrowed until the next walk. */
struct process_row process_table_row(const struct process_table *t, size_t i);
void process_table_free(struct process_table *t);
