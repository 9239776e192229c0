/* SPDX-License-Identifier: Apache-2.0 */
/* How many processes there are, in which state, and the largest by resident memory. */
#include "sample/process_view.h"

#include <string.h>

#define LARGEST 5

enum state { RUNNING, SLEEPING, BLOCKED, STOPPED, ZOMBIE, STATES };
static const struct {
	const char *letters; /* as /proc/PID/stat has them */
	enum metric metric;
} states[STATES] = {
	[RUNNING] = {"R", METRIC_PROCESS_RUNNING}, [SLEEPING] = {"SIPKW", METRIC_PROCESS_SLEEPING},
	[BLOCKED] = {"D", METRIC_PROCESS_BLOCKED}, [STOPPED] = {"Tt", METRIC_PROCESS_STOPPED},
	[ZOMBIE] = {"ZXx", METRIC_PROCESS_ZOMBIE},
};

/* ---- states ---- */

struct counts {
	uint64_t total, by_state[STATES];
};

static void states_begin(void *state, int64_t now_ms)
{
	(void)now_ms;
	*(struct counts *)state = (struct counts){0};
}

static void states_see(void *state, const struct process_row *row)
{
	struct counts *c = state;

	c->total++;
	for (size_t i = 0; row->state && i < STATES; i++)
		c->by_state[i] += strchr(states[i].letters, row->state) ? 1 : 0;
}

static void states_report(const void *state, struct sample *out)
{
	const struct counts *c = state;

	sample_add(out, METRIC_PROCESS_TOTAL, -1, (double)c->total);
	for (size_t i = 0; i < STATES; i++)
		sample_add(out, states[i].metric, -1, (double)c->by_state[i]);
}

const struct process_view process_states = {
	.name = "states",
	.size = sizeof(struct counts),
	.begin = states_begin,
	.see = states_see,
	.report = states_report,
};

/* ---- the largest ---- */

struct large {
	char name[PROCESS_SHOWN_MAX];
	uint64_t rss_pages;
	int threads;
};
struct largest {
	double mib_per_page;
	size_t n;
	struct large list[LARGEST]; /* descending */
};

static void largest_open(void *state, const struct process_context *context)
{
	struct largest *l = state;

	l->mib_per_page = context->mib_per_page;
}

static void largest_begin(void *state, int64_t now_ms)
{
	struct largest *l = state;

	(void)now_ms;
	l->n = 0;
}

static void largest_see(void *state, const struct process_row *row)
{
	struct largest *l = state;
	size_t at = l->n;

	while (at && l->list[at - 1].rss_pages < row->rss_pages)
		at--;
	if (!row->rss_pages || at == LARGEST)
		return;
	if (l->n < LARGEST)
		l->n++;
	for (size_t i = l->n - 1; i > at; i--)
		l->list[i] = l->list[i - 1];
	l->list[at].rss_pages = row->rss_pages;
	l->list[at].threads = row->threads;
	process_shown(row, l->list[at].name);
}

static void largest_report(const void *state, struct sample *out)
{
	const struct largest *l = state;

	for (size_t i = 0; i < l->n; i++) {
		int entity = sample_entity(out, "process", l->list[i].name, NULL);

		probe_add_of(out, METRIC_PROCESS_RSS_MB, entity,
			     (double)l->list[i].rss_pages * l->mib_per_page);
		probe_add_of(out, METRIC_PROCESS_THREADS, entity, l->list[i].threads);
	}
}

const struct process_view process_largest = {
	.name = "largest",
	.size = sizeof(struct largest),
	.open = largest_open,
	.begin = largest_begin,
	.see = largest_see,
	.report = largest_report,
};
