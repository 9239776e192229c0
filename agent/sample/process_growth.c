/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leak suspects: the slope of resident memory of the largest processes, kept in a fixed table. A
 * process gets a place by size; a larger one takes the place of the smallest. Reported are those
 * whose growth stands out of its own noise, with their part in the growth of all. Beside that, who
 * rose most within the last minute: a leak that fills a small guest in half a minute is over before a
 * slope is known. A process that was not there at the last walk rose from nothing.
 */
#include "sample/process_view.h"

#include "sample/growth.h"

#define PLACES 64
#define PLACE_NAME_MAX                                                                             \
	16 /* with memory of their own: none of the kernel's threads, whose names are longer */
#define SHOWN       5
#define LEAST_MIB_H 1.0
#define LEAST_MIB   2.0 /* within a minute */

struct place {
	int pid; /* 0 = free */
	uint64_t start_ticks, rss_pages;
	bool seen;
	char name[PLACE_NAME_MAX];
	struct growth growth;
	struct rise rise; /* of pages */
	double risen_mib;
};
struct suspect {
	const struct place *place;
	double amount;
};
struct ranking { /* descending */
	struct suspect of[SHOWN];
	size_t n;
};
struct suspects {
	double mib_per_page;
	int64_t now_ms, last_ms; /* last_ms: of the walk before; 0: none */
	struct place places[PLACES];
	struct ranking growing, risen;
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

	s->last_ms = s->now_ms;
	s->now_ms = now_ms;
	for (size_t i = 0; i < PLACES; i++)
		s->places[i].seen = false;
}

/* The place of that process, else the free or smallest one that it may take, else NULL. */
static struct place *place_of(struct suspects *s, const struct process_row *row)
{
	struct place *least = &s->places[0];
	uint64_t before;

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
	/* Had it been larger than the one that goes, it would have had a place. */
	before = s->last_ms ? least->rss_pages : row->rss_pages;
	*least = (struct place){.pid = row->pid, .start_ticks = row->start_ticks};
	rise_begin(&least->rise, (double)before, s->last_ms ? s->last_ms : s->now_ms);
	snprintf(least->name, sizeof(least->name), "%s", row->name);
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
	p->risen_mib = rise_add(&p->rise, (double)row->rss_pages, s->now_ms) * s->mib_per_page;
}

static void consider(struct ranking *r, const struct place *p, double amount)
{
	size_t at = r->n;

	while (at && r->of[at - 1].amount < amount)
		at--;
	if (at == SHOWN)
		return;
	if (r->n < SHOWN)
		r->n++;
	for (size_t i = r->n - 1; i > at; i--)
		r->of[i] = r->of[i - 1];
	r->of[at] = (struct suspect){p, amount};
}

static void growth_end(void *state)
{
	struct suspects *s = state;
	double slope;

	s->growing.n = s->risen.n = 0;
	s->all_mib_h = 0;
	for (size_t i = 0; i < PLACES; i++) {
		struct place *p = &s->places[i];

		if (!p->seen)
			p->pid = 0;
		if (p->pid && p->risen_mib >= LEAST_MIB)
			consider(&s->risen, p, p->risen_mib);
		if (!p->pid || !growth_slope(&p->growth, &slope) || slope * 60 < LEAST_MIB_H)
			continue;
		s->all_mib_h += slope * 60;
		consider(&s->growing, p, slope * 60);
	}
}

static int entity_of(const struct place *p, struct sample *out)
{
	const struct process_row row = {.pid = p->pid, .name = p->name};
	char shown[PROCESS_SHOWN_MAX];

	process_shown(&row, shown);
	return sample_entity(out, "process", shown, NULL);
}

static void growth_report(const void *state, struct sample *out)
{
	const struct suspects *s = state;

	for (size_t i = 0; i < s->growing.n; i++) {
		const struct suspect *of = &s->growing.of[i];
		int entity = entity_of(of->place, out);

		probe_add_of(out, METRIC_PROCESS_GROWTH_MB_H, entity, of->amount);
		probe_add_of(out, METRIC_PROCESS_GROWTH_SHARE, entity,
			     100 * of->amount / s->all_mib_h);
	}
	for (size_t i = 0; i < s->risen.n; i++) {
		const struct suspect *of = &s->risen.of[i];

		probe_add_of(out, METRIC_PROCESS_RISE_MB, entity_of(of->place, out), of->amount);
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
