/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the findings. */
#pragma once

#include "predict/findings.h"

#define SLOTS FINDINGS_MAX
#define QUEUE 32
#define BADS  6 /* the largest enter_n of the table, or more */

/* Long before any time, with room for clocks that are set. */
#define NEVER_MS         (INT64_MIN / 2)
#define FINDINGS_HOUR_MS (3600 * INT64_C(1000)) /* between two words of one finding, at least */

enum slot_state { SLOT_FREE, SLOT_CLOSED, SLOT_PENDING, SLOT_OPEN };
struct slot {
	enum slot_state state;
	enum failure_class class;
	struct finding finding;
	unsigned history; /* a bit for each observation, the newest lowest: 1 = bad */
	int64_t bad_ms[BADS];
	int64_t last_bad_ms, level_ms, told_ms;
	int told_level; /* -1: never */
	bool sampled;
	int64_t missing_ms; /* since when it stands in no sample; 0: it does */
	int quiet_s;
};
struct findings {
	struct slot slots[SLOTS];
	bool off[FAILURE_CLASSES];
	double critical_eta_s, horizon_s;
	unsigned budget, told_today, untold_today;
	int64_t day_ms; /* when the day of the budget began */
	struct findings_news queue[QUEUE];
	size_t queued;
};

/* How much is lost when the slot is given to another. */
static inline unsigned slot_weight(const struct slot *s)
{
	return s->state == SLOT_OPEN ? 3 + (unsigned)s->finding.level : (unsigned)s->state;
}
/** findings_slot() - of that class and entity, made if new. */
struct slot *findings_slot(struct findings *f, enum failure_class class, const char *entity);
/** findings_told_lately() - told within the hour: so it is not told again at that level. */
bool findings_told_lately(const struct slot *s, int64_t now_ms);
/** findings_is_day() - the day of the budget that was begun is not over. */
bool findings_is_day(const struct findings *f, int64_t now_ms);
