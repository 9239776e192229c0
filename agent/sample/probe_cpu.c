/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/stat: where the processors' time went between two readings, and how many tasks wait for
 * block I/O. Guest time is inside user and nice already. idle and iowait may step back a little on
 * tickless kernels: such a step counts as no time.
 */
#include "sample/probe.h"

#include <errno.h>

#include "sample/parse.h"
#include "sample/waiters.h"

struct cpu {
	struct procfile file;
	struct parse_stat now;
	uint64_t last[CPU_TIMES], delta[CPU_TIMES], total;
	bool primed;
	struct rate forks;
	double ticks_per_s;
	struct worked worked;
	struct probe_hints *hints;
};
#define FOR_TASKS (1 << CPU_USER | 1 << CPU_NICE | 1 << CPU_SYSTEM)

/* Which times make up which metric. */
static const struct {
	enum metric metric;
	unsigned times;
} shares[] = {
	{METRIC_CPU_PERCENT, 1 << CPU_USER | 1 << CPU_NICE | 1 << CPU_SYSTEM | 1 << CPU_IRQ |
				     1 << CPU_SOFTIRQ | 1 << CPU_STEAL},
	{METRIC_CPU_USER_PERC, 1 << CPU_USER | 1 << CPU_NICE},
	{METRIC_CPU_SYSTEM_PERC, 1 << CPU_SYSTEM | 1 << CPU_IRQ | 1 << CPU_SOFTIRQ},
	{METRIC_CPU_WAIT_PERC, 1 << CPU_IOWAIT},
	{METRIC_CPU_IDLE_PERC, 1 << CPU_IDLE},
	{METRIC_CPU_STOLEN_PERC, 1 << CPU_STEAL},
};

/* The same as seconds since boot. */
static const struct {
	enum metric metric;
	unsigned times;
} sums[] = {
	{METRIC_CPU_USER_TIME, 1 << CPU_USER | 1 << CPU_NICE},
	{METRIC_CPU_SYSTEM_TIME, 1 << CPU_SYSTEM | 1 << CPU_IRQ | 1 << CPU_SOFTIRQ},
	{METRIC_CPU_WAIT_TIME, 1 << CPU_IOWAIT},
	{METRIC_CPU_IDLE_TIME, 1 << CPU_IDLE},
};

static int cpu_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	_cleanup_free_ struct cpu *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return err_set(e, -ENOMEM, "no memory");
	c->ticks_per_s = (double)sysconf(_SC_CLK_TCK);
	c->hints = setup->hints;
	/* untouched room costs nothing: a guest with many interrupts fills it, others a page */
	err = procfile_open(&c->file, setup, "/proc/stat", 256 * 1024, true, e);
	if (err)
		return err;
	*ret = take_ptr(c);
	return 0;
}

static double sum_of(const uint64_t times[static CPU_TIMES], unsigned which)
{
	uint64_t sum = 0;

	for (size_t t = 0; t < CPU_TIMES; t++)
		sum += which >> t & 1 ? times[t] : 0;
	return (double)sum;
}

static int cpu_read(void *state, int64_t now_ms)
{
	struct cpu *c = state;
	int err = procfile_read(&c->file);

	if (!err)
		err = parse_stat(c->file.text, c->file.len, &c->now);
	if (err)
		return err;
	c->total = 0;
	for (size_t i = 0; i < CPU_TIMES; i++) {
		c->delta[i] = c->primed && c->now.times[i] > c->last[i]
				      ? c->now.times[i] - c->last[i]
				      : 0;
		c->total += c->delta[i];
		c->last[i] = c->now.times[i];
	}
	c->primed = true;
	if (c->now.has_forks)
		rate_update(&c->forks, c->now.forks, now_ms);
	else
		rate_absent(&c->forks);
	if (c->hints)
		c->hints->worked = worked_add(
			&c->worked, sum_of(c->now.times, FOR_TASKS) / c->ticks_per_s, now_ms);
	return 0;
}

static void cpu_report(const void *state, struct sample *out)
{
	const struct cpu *c = state;

	for (size_t i = 0; i < ARRAY_SIZE(shares) && c->total; i++)
		sample_add(out, shares[i].metric, -1,
			   100.0 * sum_of(c->delta, shares[i].times) / (double)c->total);
	for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
		sample_add(out, sums[i].metric, -1,
			   sum_of(c->now.times, sums[i].times) / c->ticks_per_s);
	if (c->forks.valid)
		sample_add(out, METRIC_TASKS_FORKS, -1, c->forks.per_s);
	if (c->now.has_blocked)
		sample_add(out, METRIC_TASKS_BLOCKED, -1, (double)c->now.blocked);
}

static void cpu_close(void *state)
{
	struct cpu *c = state;

	procfile_close(&c->file);
	free(c);
}

const struct probe_ops probe_cpu = {
	.name = "cpu",
	.source = "/proc/stat",
	.pace = PROBE_EACH,
	.open = cpu_open,
	.read = cpu_read,
	.report = cpu_report,
	.close = cpu_close,
};
