/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What two looks at the clocks say: was wall-clock time stepped, was the guest suspended, did the
 * agent come late. Pure: readings in, facts out. Time that is slewed (NTP) moves all three clocks
 * alike and is no step.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_JUMP_MS    500
#define CLOCK_SUSPEND_MS 500
#define CLOCK_PAUSE_MS   1000

struct clock_reading {
	int64_t boot_ms;      /* CLOCK_BOOTTIME: counts suspension */
	int64_t monotonic_ms; /* CLOCK_MONOTONIC: does not */
	int64_t real_ms;
	int64_t late_ms; /* sum of all delays of the loop's timers */
};
struct clock_watch {
	bool primed;
	struct clock_reading last;
	uint64_t jumps, pauses;
	int64_t jump_last_ms;
};
struct clock_facts {
	int64_t jump_ms;    /* 0 = none; negative = back */
	int64_t suspend_ms; /* 0 = none */
	int64_t pause_ms;   /* 0 = none */
};
struct clock_facts clock_watch_see(struct clock_watch *w, const struct clock_reading *now);
