/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often to sample: the configured interval while all is calm, each second under stress, back
 * after a calm while. Stress that lasts is no news any more and gets each five seconds, so that a
 * guest that is always busy does not pay for it. Pure: times in, interval out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sample/probe.h"

#define EFFORT_FAST_MS 1000
#define EFFORT_LONG_MS 300000 /* stress that lasts longer ... */
#define EFFORT_SLOW_MS 5000   /* ... gets this */
#define EFFORT_HOLD_MS 30000  /* calm for so long before effort goes down */

struct effort {
	int64_t base_ms;
	bool raised;
	int64_t since_ms;  /* raised since */
	int64_t stress_ms; /* last time it was not calm */
};
/** effort_note() - the greatest stress of all probes at @now_ms. */
void effort_note(struct effort *e, enum probe_stress stress, int64_t now_ms);
int64_t effort_interval(const struct effort *e, int64_t now_ms);
