/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/loadavg, divided by the processors that are online as monasca-agent does. Their number is
 * read each time, as processors can be plugged; without /sys the load is absent rather than a
 * number of another meaning. Many tasks made within the last minute are a hint to look at those who
 * may have a limit of them.
 */
#include "sample/probe.h"

#include <errno.h>

#include "sample/growth.h"
#include "sample/parse.h"

#define MANY_TASKS 32
#define TENTH	   0.1

struct load {
	struct procfile file, online;
	struct parse_loadavg last;
	unsigned cpus; /* 0: not known */
	struct sampler *sampler;
	struct probe_hints *hints;
	struct rise made;
};

static int load_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	_cleanup_free_ struct load *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return err_set(e, -ENOMEM, "no memory");
	err = procfile_open(&l->file, setup, "/proc/loadavg", 256, true, e);
	if (err)
		return err;
	err = procfile_open(&l->online, setup, "/sys/devices/system/cpu/online", 4096, true,
			    e);
	if (err) {
		procfile_close(&l->file);
		return err;
	}
	l->sampler = setup->sampler;
	l->hints = setup->hints;
	*ret = take_ptr(l);
	return 0;
}

static void follow_tasks(struct load *l, int64_t now_ms)
{
	double tasks = (double)l->last.total, risen;

	if (!l->made.mark_ms)
		rise_begin(&l->made, tasks, now_ms);
	risen = rise_add(&l->made, tasks, now_ms);
	if (risen < MANY_TASKS || risen < TENTH * tasks || !l->hints)
		return;
	l->hints->groups = true;
	probe_want(l->sampler, &probe_cgroup);
	probe_want(l->sampler, &probe_limits);
}

static int load_read(void *state, int64_t now_ms)
{
	struct load *l = state;
	int err = procfile_read(&l->file);

	if (!err)
		err = parse_loadavg(l->file.text, l->file.len, &l->last);
	if (err)
		return err;
	follow_tasks(l, now_ms);
	l->cpus = 0;
	err = procfile_read(&l->online);
	return err ? err : parse_cpu_list(l->online.text, l->online.len, &l->cpus);
}

static double thousandths(double v)
{
	return (double)(uint64_t)(1000.0 * v + 0.5) / 1000.0;
}

static void load_report(const void *state, struct sample *out)
{
	static const enum metric metrics[] = {METRIC_LOAD_1, METRIC_LOAD_5, METRIC_LOAD_15};
	const struct load *l = state;

	for (size_t i = 0; i < ARRAY_SIZE(metrics) && l->cpus; i++)
		sample_add(out, metrics[i], -1, thousandths(l->last.avg[i] / l->cpus));
	if (l->cpus)
		sample_add(out, METRIC_CPU_TOTAL_LOGICAL_CORES, -1, l->cpus);
	sample_add(out, METRIC_TASKS_RUNNABLE, -1, (double)l->last.runnable);
	sample_add(out, METRIC_TASKS_TOTAL, -1, (double)l->last.total);
}

static void load_close(void *state)
{
	struct load *l = state;

	procfile_close(&l->file);
	procfile_close(&l->online);
	free(l);
}

const struct probe_ops probe_load = {
	.name = "load",
	.source = "/proc/loadavg",
	.pace = PROBE_EACH,
	.open = load_open,
	.read = load_read,
	.report = load_report,
	.close = load_close,
};
