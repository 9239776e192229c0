/* SPDX-License-Identifier: Apache-2.0 */
/* See effort.h. */
#include "sample/effort.h"

void effort_note(struct effort *e, enum probe_stress stress, int64_t now_ms)
{
	if (stress == STRESS_RAISE && !e->raised) {
		e->raised = true;
		e->since_ms = now_ms;
	}
	if (stress != STRESS_CALM)
		e->stress_ms = now_ms;
	if (e->raised && now_ms - e->stress_ms >= EFFORT_HOLD_MS)
		e->raised = false;
}

int64_t effort_interval(const struct effort *e, int64_t now_ms)
{
	int64_t wanted = now_ms - e->since_ms < EFFORT_LONG_MS ? EFFORT_FAST_MS : EFFORT_SLOW_MS;

	return e->raised && wanted < e->base_ms ? wanted : e->base_ms;
}
