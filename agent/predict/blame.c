/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/blame.h"

#include <math.h>
#include <string.h>

#define SHARE	   0.3	  /* of what is used up that makes a culprit */
#define LEAST_RISE 0.0025 /* of all memory, within a minute */
#define FORGET_MS  (2 * 60 * 1000 + 10000) /* control groups are read each minute */

/* Guest-wide numbers that name themselves; the first places of the marks are theirs. */
static const struct {
	enum metric metric;
	const char *name;
} kinds[] = {
	{METRIC_MEM_USED_SHARED, "tmpfs and shared memory"},
	{METRIC_MEM_SLAB_UNRECLAIMABLE_MB, "the kernel (slab)"},
};
#define KINDS ARRAY_SIZE(kinds)

struct candidate {
	const char *name;
	double amount;
};

/* ---- what is remembered ---- */

static struct blame_mark *mark_for(struct blame *b, const char *entity)
{
	struct blame_mark *oldest = &b->marks[KINDS];

	for (size_t i = KINDS; i < ARRAY_SIZE(b->marks); i++) {
		struct blame_mark *m = &b->marks[i];

		if (!strncmp(m->entity, entity, sizeof(m->entity) - 1))
			return m;
		if (m->fed_ms < oldest->fed_ms)
			oldest = m;
	}
	*oldest = (struct blame_mark){.fed_ms = 0};
	return oldest;
}

static void feed(struct blame_mark *m, const char *name, double mib, int64_t now_ms)
{
	double slope = 0;

	if (!m->entity[0]) {
		snprintf(m->entity, sizeof(m->entity), "%s", name);
		rise_begin(&m->rise, mib, now_ms);
	}
	m->fed_ms = now_ms;
	m->risen = rise_add(&m->rise, mib, now_ms);
	growth_add(&m->growth, mib, now_ms);
	m->mib_h = growth_slope(&m->growth, &slope) ? 60 * slope : 0;
}

/* The root is everybody. */
static bool is_group(const struct sample *s, const struct sample_value *v)
{
	return v->metric == METRIC_CGROUP_MEMORY && v->entity >= 0 &&
	       strcmp(s->entities[v->entity].name, "/") != 0;
}

void blame_sample(struct blame *b, const struct sample *s)
{
	for (size_t i = 0; i < s->n_values; i++) {
		const struct sample_value *v = &s->values[i];

		if (v->stale)
			continue;
		for (size_t k = 0; k < KINDS; k++)
			if (v->metric == kinds[k].metric)
				feed(&b->marks[k], kinds[k].name, v->value, s->boot_ms);
		if (is_group(s, v))
			feed(mark_for(b, s->entities[v->entity].name),
			     s->entities[v->entity].name, v->value, s->boot_ms);
	}
}

/* ---- who stands out ---- */

/* The largest of a metric that processes have, with the sum of all that are reported. */
static struct candidate process_of(const struct sample *s, enum metric metric, double *ret_sum)
{
	struct candidate most = {NULL, 0};

	*ret_sum = 0;
	for (size_t i = 0; i < s->n_values; i++) {
		const struct sample_value *v = &s->values[i];

		if (v->metric != metric || v->entity < 0)
			continue;
		*ret_sum += v->value;
		if (v->value > most.amount)
			most = (struct candidate){s->entities[v->entity].name, v->value};
	}
	return most;
}

static struct candidate mark_of(const struct blame *b, int64_t now_ms, size_t from, size_t to,
				bool slow)
{
	struct candidate most = {NULL, 0};

	for (size_t i = from; i < to; i++) {
		const struct blame_mark *m = &b->marks[i];
		double amount = slow ? m->mib_h : m->risen;

		/* A slice rises as much as the service below it, whose name is longer and says more. */
		if (strchr(m->entity, '/'))
			amount *= 1.1;
		if (m->entity[0] && now_ms - m->fed_ms < FORGET_MS && amount > most.amount)
			most = (struct candidate){m->entity, amount};
	}
	return most;
}

/* What the forecast says is used up in an hour, MiB: by its slope, or by its date where that is
 * sooner. */
static double used_in_an_hour(const struct forecast_view *v, double total_mib)
{
	double by_date = v->eta_s > 0 ? (1 - v->used) * 3600 / v->eta_s : 0;

	return fmax(fmax(v->per_hour, by_date), 0) * total_mib;
}

void blame_name(const struct blame *b, const struct sample *s, const struct forecast_view *v,
		char out[static BLAME_NAME])
{
	bool slow = v->reason != FORECAST_BURST && v->reason != FORECAST_FAST;
	double total_mib = 0, sum, least;
	struct candidate process, kind, group;
	const char *name = "";

	process = process_of(s, slow ? METRIC_PROCESS_GROWTH_MB_H : METRIC_PROCESS_RISE_MB, &sum);
	kind = mark_of(b, s->boot_ms, 0, KINDS, slow);
	group = mark_of(b, s->boot_ms, KINDS, ARRAY_SIZE(b->marks), slow);
	sample_get(s, METRIC_MEM_TOTAL_MB, &total_mib);
	least = slow ? SHARE * used_in_an_hour(v, total_mib) : LEAST_RISE * total_mib;
	if (process.name && process.amount >= fmax(least, SHARE * fmax(sum, kind.amount)))
		name = process.name;
	else if (kind.name && kind.amount >= least)
		name = kind.name;
	else if (group.name && fmin(group.amount, sum) >= least)
		name = group.name; /* its caches alone say nothing: processes must have grown, too */
	snprintf(out, BLAME_NAME, "%s", name);
}
