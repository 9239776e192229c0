/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk over the process table, several looks at it: one process_*.c each, one row each in
 * process_views[]. A view has fixed memory, gets every row, and reports what it made of them.
 */
#pragma once

#include "sample/probe.h"

struct process_row {
	int pid, ppid;
	char state; /* as /proc/PID/stat has it */
	int threads;
	uint64_t start_ticks; /* since boot; with pid it tells processes apart */
	uint64_t cpu_ticks;
	uint64_t rss_pages;
	const char *name; /* at most 15 characters, raw, borrowed */
	int64_t since_ms; /* as it is now, by all of the above; 0: not known */
};
/* A leader that ended before its other threads looks like a zombie, but its process goes on. */
static inline bool process_has_ended(const struct process_row *row)
{
	return (row->state == 'Z' || row->state == 'X') && row->threads <= 1;
}

struct process_context {
	struct loop *loop;
	const struct env *env;
	const struct conf *conf;
	struct prober *prober;
	struct probe_hints *hints; /* NULL in tests of one view, as is: */
	struct sampler *sampler;
	double mib_per_page, ticks_per_s;
};
struct process_view {
	const char *name;
	size_t size; /* of its state, which is zero at the start */
	void (*open)(void *state, const struct process_context *context);
	void (*begin)(void *state, int64_t now_ms);
	void (*see)(void *state, const struct process_row *row);
	/** follows() - this process is to be looked at in each walk, settled or not (see
	 * process_table.h). Optional. */
	bool (*follows)(const void *state, const struct process_row *row);
	/** see_again() - the second pass over the same rows, if wants_again(). */
	bool (*wants_again)(const void *state);
	void (*see_again)(void *state, const struct process_row *row);
	void (*end)(void *state);
	void (*report)(const void *state, struct sample *out);
	void (*close)(void *state);
	bool (*busy)(const void *state);
	enum probe_stress (*stress)(const void *state); /* of the last walk */
	void (*apply)(void *state, const struct sampler_settings *settings);
	void (*explain)(const void *state, struct problems *problems);
};
extern const struct process_view *const process_views[];
extern const size_t process_views_n;
#define PROCESS_VIEWS_MAX 8
extern const struct process_view process_blocked, process_states, process_largest, process_growth,
	process_zombies, process_fds, process_watch;

#define PROCESS_SHOWN_MAX 112
/** process_shown() - "name[pid]", escaped. */
void process_shown(const struct process_row *row, char out[static PROCESS_SHOWN_MAX]);
