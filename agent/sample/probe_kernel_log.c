/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much the kernel had to say: records since boot by level, from the reader that the sampler
 * keeps, and how well that reader fares. What a record means is decided elsewhere.
 */
#include "sample/probe.h"

#include <errno.h>

struct kernel_log {
	const struct kmsg_reader *reader;
};

static int kernel_log_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	struct kernel_log *k;

	if (!setup->kmsg)
		return err_set(e, -EACCES, "/dev/kmsg cannot be read");
	k = calloc(1, sizeof(*k));
	if (!k)
		return err_set(e, -ENOMEM, "no memory");
	k->reader = setup->kmsg;
	*ret = k;
	return 0;
}

static int kernel_log_read(void *state, int64_t now_ms)
{
	const struct kernel_log *k = state;

	(void)now_ms;
	return kmsg_reader_error(k->reader);
}

static void kernel_log_report(const void *state, struct sample *out)
{
	static const enum metric levels[] = {METRIC_KERNEL_LOG_EMERG, METRIC_KERNEL_LOG_ALERT,
					     METRIC_KERNEL_LOG_CRIT, METRIC_KERNEL_LOG_ERR,
					     METRIC_KERNEL_LOG_WARNING};
	const struct kernel_log *k = state;
	const struct kmsg_stats *stats = kmsg_reader_stats(k->reader);

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		sample_add(out, levels[i], -1, (double)stats->level[i]);
	sample_add(out, METRIC_AGENT_KMSG_LOST, -1, (double)stats->lost);
	sample_add(out, METRIC_AGENT_KMSG_FOREIGN, -1, (double)stats->foreign);
	sample_add(out, METRIC_AGENT_KMSG_BAD, -1, (double)stats->bad);
}

static bool kernel_log_busy(const void *state)
{
	const struct kernel_log *k = state;

	return !kmsg_reader_live(k->reader);
}

const struct probe_ops probe_kernel_log = {
	.name = "kernel-log",
	.source = "/dev/kmsg",
	.pace = PROBE_EACH,
	.open = kernel_log_open,
	.read = kernel_log_read,
	.report = kernel_log_report,
	.close = free,
	.busy = kernel_log_busy,
};
