/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/meminfo. Formulas and rounding are monasca-agent's, so that a dashboard shows the same
 * number whoever sent it: whole MiB, one decimal in percentages. MemAvailable is not guessed where
 * an old kernel lacks it.
 */
#include "sample/probe.h"

#include <errno.h>

#include "sample/growth.h"
#include "sample/parse.h"
#include "sample/trend.h"

#define MUCH 0.03 /* of all, within a minute */

enum key {
	TOTAL,
	FREE,
	AVAILABLE,
	BUFFERS,
	CACHED,
	SWAP_TOTAL,
	SWAP_FREE,
	SHMEM,
	SLAB,
	SRECLAIMABLE,
	SUNRECLAIM,
	COMMIT_LIMIT,
	COMMITTED,
	CORRUPTED,
	BALLOON,
	KEYS
};
static const char *const key_names[KEYS] = {
	[TOTAL] = "MemTotal",
	[FREE] = "MemFree",
	[AVAILABLE] = "MemAvailable",
	[BUFFERS] = "Buffers",
	[CACHED] = "Cached",
	[SWAP_TOTAL] = "SwapTotal",
	[SWAP_FREE] = "SwapFree",
	[SHMEM] = "Shmem",
	[SLAB] = "Slab",
	[SRECLAIMABLE] = "SReclaimable",
	[SUNRECLAIM] = "SUnreclaim",
	[COMMIT_LIMIT] = "CommitLimit",
	[COMMITTED] = "Committed_AS",
	[CORRUPTED] = "HardwareCorrupted",
	[BALLOON] = "Balloon",
};

/* Metrics that are one line of the file, in MiB. */
static const struct {
	enum metric metric;
	enum key key;
} plain[] = {
	{METRIC_MEM_TOTAL_MB, TOTAL},
	{METRIC_MEM_FREE_MB, FREE},
	{METRIC_MEM_USABLE_MB, AVAILABLE},
	{METRIC_MEM_USED_BUFFERS, BUFFERS},
	{METRIC_MEM_USED_SHARED, SHMEM},
	{METRIC_MEM_USED_SLAB_MB, SLAB},
	{METRIC_MEM_SWAP_TOTAL_MB, SWAP_TOTAL},
	{METRIC_MEM_SWAP_FREE_MB, SWAP_FREE},
	{METRIC_MEM_SLAB_UNRECLAIMABLE_MB, SUNRECLAIM},
	{METRIC_MEM_COMMIT_LIMIT_MB, COMMIT_LIMIT},
	{METRIC_MEM_COMMITTED_MB, COMMITTED},
	{METRIC_MEM_BALLOON_MB, BALLOON}, /* Linux 6.16; before: probe_vmstat, probe_vm */
};

struct memory {
	struct procfile file;
	uint64_t found, kib[KEYS];
	struct trend trend; /* of what is not available */
	struct rise taken;  /* KiB */
	struct sampler *sampler;
	struct probe_hints *hints;
};

static int read_file(struct memory *m)
{
	const struct parse_keys keys = {key_names, KEYS};
	int err = procfile_read(&m->file);

	if (err)
		return err;
	m->found = parse_keyed(m->file.text, m->file.len, &keys, m->kib);
	return m->found ? 0 : -EINVAL;
}

static int memory_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	_cleanup_free_ struct memory *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return err_set(e, -ENOMEM, "no memory");
	err = procfile_open(&m->file, setup, "/proc/meminfo", 8192, true, e);
	if (err)
		return err;
	m->sampler = setup->sampler;
	m->hints = setup->hints;
	(void)!read_file(m); /* at once, so that what is missing can be told */
	*ret = take_ptr(m);
	return 0;
}

#define BIT(key) (UINT64_C(1) << (key))

static bool has(const struct memory *m, uint64_t mask)
{
	return (m->found & mask) == mask;
}

/* Who takes much may have a limit of its own, which is nearer than the guest's. */
static void follow(struct memory *m, int64_t now_ms)
{
	double total = (double)m->kib[TOTAL], taken = total - (double)m->kib[AVAILABLE];

	if (!has(m, BIT(TOTAL) | BIT(AVAILABLE)) || total <= 0)
		return;
	trend_add(&m->trend, taken / total, now_ms);
	if (!m->taken.mark_ms)
		rise_begin(&m->taken, taken, now_ms);
	if (rise_add(&m->taken, taken, now_ms) < MUCH * total || !m->hints)
		return;
	m->hints->groups = true;
	probe_want(m->sampler, &probe_cgroup);
}

static int memory_read(void *state, int64_t now_ms)
{
	struct memory *m = state;
	int err = read_file(m);

	if (!err)
		follow(m, now_ms);
	return err;
}

static double mib(uint64_t kib)
{
	return (double)(kib / 1024);
}

static double percent(uint64_t part, uint64_t whole)
{
	return (double)(uint64_t)(1000.0 * (double)part / (double)whole + 0.5) / 10.0;
}

static void report_cache(const struct memory *m, struct sample *out)
{
	uint64_t cache = m->kib[CACHED] + m->kib[SRECLAIMABLE];
	uint64_t known = m->kib[FREE] + m->kib[BUFFERS] + cache;

	if (!has(m, BIT(CACHED) | BIT(SRECLAIMABLE)))
		return;
	sample_add(out, METRIC_MEM_USED_CACHE, -1, mib(cache));
	if (has(m, BIT(TOTAL) | BIT(FREE) | BIT(BUFFERS)) && m->kib[TOTAL] >= known)
		sample_add(out, METRIC_MEM_USED_REAL_MB, -1, mib(m->kib[TOTAL] - known));
}

static void report_swap(const struct memory *m, struct sample *out)
{
	if (!has(m, BIT(SWAP_TOTAL) | BIT(SWAP_FREE)) || m->kib[SWAP_FREE] > m->kib[SWAP_TOTAL])
		return;
	sample_add(out, METRIC_MEM_SWAP_USED_MB, -1, mib(m->kib[SWAP_TOTAL] - m->kib[SWAP_FREE]));
	sample_add(out, METRIC_MEM_SWAP_FREE_PERC, -1,
		   m->kib[SWAP_TOTAL] ? percent(m->kib[SWAP_FREE], m->kib[SWAP_TOTAL]) : 100.0);
}

/* As an agent beside the hypervisor names and counts them: unrounded GiB, caches are used. */
static void report_vm(const struct memory *m, struct sample *out)
{
	const double gib = 1048576.0;
	double total = (double)m->kib[TOTAL], free_ = (double)m->kib[FREE];

	if (!has(m, BIT(TOTAL) | BIT(FREE)) || !m->kib[TOTAL] || m->kib[FREE] > m->kib[TOTAL])
		return;
	sample_add(out, METRIC_MEM_TOTAL_GB, -1, total / gib);
	sample_add(out, METRIC_MEM_FREE_GB, -1, free_ / gib);
	sample_add(out, METRIC_MEM_USED_GB, -1, (total - free_) / gib);
	sample_add(out, METRIC_MEM_FREE_PERC, -1, 100.0 * free_ / total);
	if (has(m, BIT(SWAP_TOTAL) | BIT(SWAP_FREE)) && m->kib[SWAP_FREE] <= m->kib[SWAP_TOTAL])
		sample_add(out, METRIC_MEM_SWAP_USED_GB, -1,
			   (double)(m->kib[SWAP_TOTAL] - m->kib[SWAP_FREE]) / gib);
}

static void memory_report(const void *state, struct sample *out)
{
	const struct memory *m = state;

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (has(m, BIT(plain[i].key)))
			sample_add(out, plain[i].metric, -1, mib(m->kib[plain[i].key]));
	if (has(m, BIT(TOTAL) | BIT(AVAILABLE)) && m->kib[TOTAL])
		sample_add(out, METRIC_MEM_USABLE_PERC, -1,
			   percent(m->kib[AVAILABLE], m->kib[TOTAL]));
	if (has(m, BIT(CORRUPTED))) /* one bad page is news: not rounded away */
		sample_add(out, METRIC_MEM_CORRUPTED_KB, -1, (double)m->kib[CORRUPTED]);
	report_cache(m, out);
	report_swap(m, out);
	report_vm(m, out);
}

/* Little memory alone is how many guests live; little and falling, or gone within minutes, is not.
 */
static enum probe_stress memory_stress(const void *state)
{
	const struct memory *m = state;
	double available = (double)m->kib[AVAILABLE], total = (double)m->kib[TOTAL];
	enum probe_stress stress = trend_stress(&m->trend);

	if (!has(m, BIT(TOTAL) | BIT(AVAILABLE)))
		return STRESS_CALM;
	if (available < 0.03 * total)
		return STRESS_RAISE;
	return stress == STRESS_CALM && available < 0.05 * total ? STRESS_HOLD : stress;
}

static void memory_explain(const void *state, struct problems *problems)
{
	const struct memory *m = state;

	if (has(m, BIT(TOTAL)) && !has(m, BIT(AVAILABLE)))
		problems_add(problems, PROBLEM_WARN, "probe-memory",
			     "a kernel from Linux 3.14 on; limits of control groups and the "
			     "kernel's log still tell",
			     "that memory runs out is not foreseen: this kernel does not say how "
			     "much is available");
}

static void memory_close(void *state)
{
	struct memory *m = state;

	procfile_close(&m->file);
	free(m);
}

const struct probe_ops probe_memory = {
	.name = "memory",
	.source = "/proc/meminfo",
	.pace = PROBE_EACH,
	.open = memory_open,
	.read = memory_read,
	.report = memory_report,
	.close = memory_close,
	.stress = memory_stress,
	.explain = memory_explain,
};
