/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a used part is going: its pace, smoothed, and from it whether it deserves more effort. Two
 * looks are enough to see that a minute is too long to wait for the next. Pure, fixed memory; says
 * nothing to anybody but the sampler: what is foreseen is decided elsewhere.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sample/probe.h"

struct trend {
	bool known;
	int64_t at_ms;
	double used;  /* 0..1 of its limit, at the last look */
	double per_s; /* smoothed over about half a minute; negative: it falls */
};
/** trend_add() - one look; one that is not later than the last is left out. */
void trend_add(struct trend *t, double used, int64_t now_ms);
/** trend_left_s() - until the limit, at the present pace; infinite when it does not rise. */
double trend_left_s(const struct trend *t);
/** trend_stress() - RAISE: full within 2 minutes, or within 10 where three quarters are used; HOLD:
 * within 20. CALM in any case below 1.2 % a minute. */
enum probe_stress trend_stress(const struct trend *t);
