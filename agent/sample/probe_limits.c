/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the whole guest may have at most: open files, tasks; and inodes in memory, which show a leak
 * of the kernel's. Entropy says something only where the pool can run low: since Linux 5.18 it is
 * always 256 of 256 bits, and since 5.6 nobody waits for it once it was filled. So a pool of 256
 * bits is not reported. A sysctl costs 2.7 us (Linux 6.18), so these are not read with every
 * sample. Many more files open than there were are a hint for those who know whose they are.
 */
#include "sample/probe.h"

#include <errno.h>

#include "sample/parse.h"
#include "sample/trend.h"
#include "sample/parse_net.h"

enum file { FILE_NR, INODE_NR, PID_MAX, THREADS_MAX, LOADAVG, ENTROPY, POOLSIZE, FILES };
static const char *const paths[FILES] = {
	[FILE_NR] = "/proc/sys/fs/file-nr",
	[INODE_NR] = "/proc/sys/fs/inode-nr",
	[PID_MAX] = "/proc/sys/kernel/pid_max",
	[THREADS_MAX] = "/proc/sys/kernel/threads-max",
	[LOADAVG] = "/proc/loadavg",
	[ENTROPY] = "/proc/sys/kernel/random/entropy_avail",
	[POOLSIZE] = "/proc/sys/kernel/random/poolsize",
};
#define CONSTANT_POOL 256
/* A process that fills 1,024 descriptors within two minutes opens 256 in half a minute, of which
 * the kernel, which counts for each processor and sums up later, has 64 not told yet on two. Half
 * as many come and go with the programs of a guest at work. */
#define MANY_FILES 192

struct limits {
	struct procfile files[FILES];
	bool known[FILES]; /* of the last reading */
	uint64_t file_nr[3], inode_nr[2], pid_max, threads_max, entropy, poolsize, tasks;
	struct sampler *sampler;
	struct probe_hints *hints;
	uint64_t least_open; /* since the last hint; 0 = not read yet */
	struct trend files_trend, tasks_trend;
};

static void limits_close(void *state)
{
	struct limits *l = state;

	for (size_t i = 0; i < FILES; i++)
		procfile_close(&l->files[i]);
	free(l);
}

static bool read_numbers(struct limits *l, enum file file, uint64_t *values, size_t want)
{
	struct procfile *f = &l->files[file];

	return f->fd >= 0 && procfile_read(f) == 0 &&
	       parse_numbers(f->text, f->len, values, want) == 0;
}

static bool read_tasks(struct limits *l)
{
	const struct procfile *f = &l->files[LOADAVG];
	struct parse_loadavg load;

	if (f->fd < 0 || procfile_read(&l->files[LOADAVG]) || parse_loadavg(f->text, f->len, &load))
		return false;
	l->tasks = load.total;
	return true;
}

static uint64_t most_tasks(const struct limits *l)
{
	uint64_t pids = l->known[PID_MAX] ? l->pid_max : UINT64_MAX;
	uint64_t threads = l->known[THREADS_MAX] ? l->threads_max : UINT64_MAX;
	uint64_t least = pids < threads ? pids : threads;

	return least == UINT64_MAX ? 0 : least;
}

static uint64_t open_files(const struct limits *l)
{
	/* the second number was that of free handles, and is 0 since Linux 2.6 */
	return l->file_nr[0] - l->file_nr[1] * (l->file_nr[1] <= l->file_nr[0]);
}

/* Whose they are, only a look at all processes tells. However slowly they became many. */
static void follow_files(struct limits *l, int64_t now_ms)
{
	uint64_t open = open_files(l);

	if (!l->known[FILE_NR] || !l->file_nr[2])
		return;
	trend_add(&l->files_trend, (double)open / (double)l->file_nr[2], now_ms);
	if (!l->least_open || open < l->least_open)
		l->least_open = open;
	if (open - l->least_open < MANY_FILES || !l->hints)
		return;
	l->least_open = open;
	l->hints->files = true;
	probe_want(l->sampler, &probe_process);
}

static enum probe_stress limits_stress(const void *state)
{
	const struct limits *l = state;
	enum probe_stress files = trend_stress(&l->files_trend);
	enum probe_stress tasks = trend_stress(&l->tasks_trend);

	return files > tasks ? files : tasks;
}

/* Where one of the files is missing the others still count. */
static int limits_read(void *state, int64_t now_ms)
{
	struct limits *l = state;
	bool any = false;

	l->known[FILE_NR] = read_numbers(l, FILE_NR, l->file_nr, 3);
	l->known[INODE_NR] = read_numbers(l, INODE_NR, l->inode_nr, 2);
	l->known[PID_MAX] = read_numbers(l, PID_MAX, &l->pid_max, 1);
	l->known[THREADS_MAX] = read_numbers(l, THREADS_MAX, &l->threads_max, 1);
	l->known[LOADAVG] = read_tasks(l);
	l->known[ENTROPY] = read_numbers(l, ENTROPY, &l->entropy, 1);
	l->known[POOLSIZE] = read_numbers(l, POOLSIZE, &l->poolsize, 1);
	for (size_t i = 0; i < FILES; i++)
		any |= l->known[i];
	follow_files(l, now_ms);
	if (most_tasks(l) && l->known[LOADAVG])
		trend_add(&l->tasks_trend, (double)l->tasks / (double)most_tasks(l), now_ms);
	return any ? 0 : -EINVAL;
}

static int limits_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	struct limits *l = calloc(1, sizeof(*l));
	struct err first = ERR_INIT;
	bool any = false;

	if (!l)
		return err_set(e, -ENOMEM, "no memory");
	for (size_t i = 0; i < FILES; i++)
		any |= procfile_open(&l->files[i], setup, paths[i], 256, true,
				     first.code ? NULL : &first) == 0;
	l->hints = setup->hints;
	l->sampler = setup->sampler;
	if (any && limits_read(l, 0) == 0) { /* at once, so that what is missing can be told */
		*ret = l;
		return 0;
	}
	limits_close(l);
	return first.code ? err_set(e, first.code, "%s", first.text)
			  : err_set(e, -EINVAL, "nothing there can be read");
}

static bool entropy_counts(const struct limits *l)
{
	return l->known[ENTROPY] && l->known[POOLSIZE] && l->poolsize > CONSTANT_POOL;
}

static void limits_report(const void *state, struct sample *out)
{
	const struct limits *l = state;
	uint64_t tasks_max = most_tasks(l);

	if (tasks_max)
		sample_add(out, METRIC_TASKS_MAX, -1, (double)tasks_max);
	if (tasks_max && l->known[LOADAVG])
		sample_add(out, METRIC_TASKS_USED_PERC, -1,
			   100.0 * (double)l->tasks / (double)tasks_max);
	if (l->known[FILE_NR]) {
		uint64_t open = open_files(l);

		sample_add(out, METRIC_FILES_OPEN, -1, (double)open);
		sample_add(out, METRIC_FILES_MAX, -1, (double)l->file_nr[2]);
		if (l->file_nr[2])
			sample_add(out, METRIC_FILES_USED_PERC, -1,
				   100.0 * (double)open / (double)l->file_nr[2]);
	}
	if (l->known[INODE_NR])
		sample_add(out, METRIC_INODES_CACHED, -1, (double)l->inode_nr[0]);
	if (entropy_counts(l))
		sample_add(out, METRIC_ENTROPY_BITS, -1, (double)l->entropy);
}

static void limits_explain(const void *state, struct problems *problems)
{
	const struct limits *l = state;

	if (!entropy_counts(l))
		problems_add(problems, PROBLEM_OK, "probe-entropy", "none needed",
			     "entropy is not measured: this kernel's pool cannot run low");
	for (size_t i = 0; i < FILES; i++)
		if (!l->known[i])
			problems_add(problems, PROBLEM_WARN, "probe-limits",
				     "none needed if this guest does without",
				     "no metrics from %s: it cannot be read", paths[i]);
}

const struct probe_ops probe_limits = {
	.name = "limits",
	.source = "/proc/sys",
	.pace = PROBE_PROCESS,
	.open = limits_open,
	.read = limits_read,
	.report = limits_report,
	.close = limits_close,
	.explain = limits_explain,
	.stress = limits_stress,
};
