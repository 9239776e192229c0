/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leak suspects: the slope of resident memory of the largest processes, kept in a fixed table. A
 * process gets a place by size; a larger one takes the place of the smallest. Reported are those
 * whose growth stands out of its own noise, with their part in the growth of all.
 */
#include "sample/process_view.h"

#include "sample/growth.h"

#define PLACES      64
#define SHOWN       5
#define LEAST_MIB_H 1.0

struct place {
	int pid; /* 0 = free */
	uint64_t start_ticks, rss_pages;
	bool seen;
	char name[PROCESS_SHOWN_MAX];
	struct growth growth;
};
struct suspect {
	const struct place *place;
	double mib_h;
};
struct suspects {
	double mib_per_page;
	int64_t now_ms;
	struct place places[PLACES];
	size_t n;
	struct suspect shown[SHOWN]; /* descending */
	double all_mib_h;
};

static void growth_open(void *state, const struct process_context *context)
{
	struct suspects *s = state;

	s->mib_per_page = context->mib_per_page;
}

static void growth_begin(void *state, int64_t now_ms)
{
	struct suspects *s = state;

	s->now_ms = now_ms;
	for (size_t i = 0; i < PLACES; i++)
		s->places[i].seen = false;
}

/* The place of that process, else the free or smallest one that it may take, else NULL. */
static struct place *place_of(struct suspects *s, const struct process_row *row)
{
	struct place *least = &s->places[0];

	for (size_t i = 0; i < PLACES; i++) {
		struct place *p = &s->places[i];

		if (p->pid == row->pid && p->start_ticks == row->start_ticks)
			return p;
		if (!p->pid)
			p->rss_pages = 0;
		if (p->rss_pages < least->rss_pages)
			least = p;
	}
	if (least->rss_pages >= row->rss_pages)
		return NULL;
	*least = (struct place){.pid = row->pid, .start_ticks = row->start_ticks};
	process_shown(row, least->name);
	return least;
}

static void growth_see(void *state, const struct process_row *row)
{
	struct suspects *s = state;
	struct place *p = row->rss_pages ? place_of(s, row) : NULL;

	if (!p)
		return;
	p->seen = true;
	p->rss_pages = row->rss_pages;
	growth_add(&p->growth, (double)row->rss_pages * s->mib_per_page, s->now_ms);
}

static void consider(struct suspects *s, const struct place *p, double mib_h)
{
	size_t at = s->n;

	while (at && s->shown[at - 1].mib_h < mib_h)
		at--;
	if (at == SHOWN)
		return;
	if (s->n < SHOWN)
		s->n++;
	for (size_t i = s->n - 1; i > at; i--)
		s->shown[i] = s->shown[i - 1];
	s->shown[at] = (struct suspect){p, mib_h};
}

static void growth_end(void *state)
{
	struct suspects *s = state;
	double slope;

	s->n = 0;
	s->all_mib_h = 0;
	for (size_t i = 0; i < PLACES; i++) {
		struct place *p = &s->places[i];

		if (!p->seen)
			p->pid = 0;
		if (!p->pid || !growth_slope(&p->growth, &slope) || slope * 60 < LEAST_MIB_H)
			continue;
		s->all_mib_h += slope * 60;
		consider(s, p, slope * 60);
	}
}

static void growth_report(const void *state, struct sample *out)
{
	const struct suspects *s = state;

	for (size_t i = 0; i < s->n; i++) {
		int entity = sample_entity(out, "process", s->shown[i].place->name, NULL);

		probe_add_of(out, METRIC_PROCESS_GROWTH_MB_H, entity, s->shown[i].mib_h);
		probe_add_of(out, METRIC_PROCESS_GROWTH_SHARE, entity,
			     100 * s->shown[i].mib_h / s->all_mib_h);
	}
}

const struct process_view process_growth = {
	.name = "growth",
	.size = sizeof(struct suspects),
	.open = growth_open,
	.begin = growth_begin,
	.see = growth_see,
	.end = growth_end,
	.report = growth_report,
};
