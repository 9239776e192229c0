/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/trend.h"

#include <math.h>

#define SMOOTH_S  30.0
#define SOON_S	  120.0
#define NEAR_S	  600.0
#define NEAR_USED 0.75
#define WATCH_S	  1200.0
#define LEAST	  0.0002 /* a second: what is slower is seen in time by looks each minute */

void trend_add(struct trend *t, double used, int64_t now_ms)
{
	double passed_s = (double)(now_ms - t->at_ms) / 1000.0;

	if (t->known && passed_s <= 0)
		return;
	if (t->known)
		t->per_s += passed_s / (passed_s + SMOOTH_S) *
			    ((used - t->used) / passed_s - t->per_s);
	t->known = true;
	t->used = used;
	t->at_ms = now_ms;
}

double trend_left_s(const struct trend *t)
{
	return t->per_s > 0 ? fmax(1 - t->used, 0) / t->per_s : HUGE_VAL;
}

enum probe_stress trend_stress(const struct trend *t)
{
	double left_s = trend_left_s(t);

	if (t->per_s < LEAST)
		return STRESS_CALM;
	if (left_s < SOON_S || (t->used > NEAR_USED && left_s < NEAR_S))
		return STRESS_RAISE;
	return left_s < WATCH_S ? STRESS_HOLD : STRESS_CALM;
}
