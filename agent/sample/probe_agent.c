/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's own health: is its loop on time, how often does it wake, what does it cost, what did
 * it fail to read. */
#include "sample/probe.h"

#include <errno.h>
#include <time.h>

struct agent {
	const struct loop *loop;
	const uint64_t *probe_errors;
	int64_t cpu_ms;
};

static int agent_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (!a)
		return err_set(e, -ENOMEM, "no memory");
	a->loop = setup->loop;
	a->probe_errors = setup->probe_errors;
	*ret = a;
	return 0;
}

static int agent_read(void *state, int64_t now_ms)
{
	struct agent *a = state;
	struct timespec t;

	(void)now_ms;
	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t))
		return -errno;
	a->cpu_ms = t.tv_sec * 1000 + t.tv_nsec / 1000000;
	return 0;
}

static void agent_report(const void *state, struct sample *out)
{
	const struct agent *a = state;
	const struct loop_stats *stats = loop_get_stats(a->loop);

	sample_add(out, METRIC_AGENT_LATE_TICKS, -1, (double)stats->late_ticks);
	sample_add(out, METRIC_AGENT_LATE_MAX_MS, -1, (double)stats->late_max_ms);
	sample_add(out, METRIC_AGENT_WAKEUPS, -1, (double)stats->wakeups);
	sample_add(out, METRIC_AGENT_CPU_MS, -1, (double)a->cpu_ms);
	sample_add(out, METRIC_AGENT_PROBE_ERRORS, -1, (double)*a->probe_errors);
	sample_add(out, METRIC_AGENT_SAMPLE_DROPPED, -1, out->dropped);
}

const struct probe_ops probe_agent = {
	.name = "agent",
	.source = "agent",
	.pace = PROBE_EACH,
	.open = agent_open,
	.read = agent_read,
	.report = agent_report,
	.close = free,
};
