/* SPDX-License-Identifier: Apache-2.0 */
/* The open findings as a list and as one risk. */
#include "predict/findings_private.h"

#define NOTICES_MOST 0.5

size_t findings_count(const struct findings *f)
{
	size_t n = 0;

	for (size_t i = 0; i < SLOTS; i++)
		n += f->slots[i].state == SLOT_OPEN;
	return n;
}

static bool before(const struct slot *a, const struct slot *b)
{
	if (a->finding.level != b->finding.level)
		return a->finding.level > b->finding.level;
	if (a->finding.since_real_ms != b->finding.since_real_ms)
		return a->finding.since_real_ms < b->finding.since_real_ms;
	return a < b;
}

/* The one with exactly @i open ones before it; few are open, so no order is kept. */
bool findings_get(const struct findings *f, size_t i, struct finding *ret)
{
	for (size_t at = 0; at < SLOTS; at++) {
		size_t ahead = 0;

		if (f->slots[at].state != SLOT_OPEN)
			continue;
		for (size_t other = 0; other < SLOTS; other++)
			ahead += f->slots[other].state == SLOT_OPEN && other != at &&
				 before(&f->slots[other], &f->slots[at]);
		if (ahead == i) {
			*ret = f->slots[at].finding;
			return true;
		}
	}
	return false;
}

double findings_risk(const struct findings *f, int64_t *ret_horizon_s)
{
	double worst[FAILURE_CLASSES] = {0}, safe = 1, safe_of_notices = 1, most = 0;
	bool told[FAILURE_CLASSES] = {false};

	*ret_horizon_s = -1;
	for (size_t i = 0; i < SLOTS; i++) {
		const struct slot *s = &f->slots[i];
		int64_t horizon =
			s->finding.eta_s >= 0 ? s->finding.eta_s : failures[s->class].horizon_s;

		if (s->state != SLOT_OPEN)
			continue;
		if (s->finding.risk > most ||
		    (s->finding.risk >= most && horizon < *ret_horizon_s)) {
			most = s->finding.risk;
			*ret_horizon_s = horizon;
		}
		if (s->finding.risk > worst[s->class]) {
			worst[s->class] = s->finding.risk;
			told[s->class] = s->finding.level > FINDING_NOTICE;
		}
	}
	for (size_t c = 0; c < FAILURE_CLASSES; c++)
		*(told[c] ? &safe : &safe_of_notices) *= 1 - worst[c];
	if (safe_of_notices < NOTICES_MOST)
		safe_of_notices = NOTICES_MOST;
	return 1 - safe * safe_of_notices;
}
