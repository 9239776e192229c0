/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slope of a value whose readings come at uneven times: linear regression in which a reading's
 * weight halves every GROWTH_HALF_LIFE_MIN minutes; and its rise of late, for which two readings are
 * enough. Fixed memory, pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GROWTH_HALF_LIFE_MIN 30.0
#define GROWTH_READINGS_MIN  4
#define GROWTH_NOISE_SIGMAS  2.0

struct growth {
	unsigned n;
	int64_t first_ms, last_ms;
	double base; /* the first value: sums are of differences to it, which keeps them exact */
	double s0, s1, s2, y0, y1,
		yy; /* of weights, ages and values; ages count back from last_ms */
};
/** growth_add() - a reading; one not later than the last is left out. */
void growth_add(struct growth *g, double value, int64_t now_ms);
/**
 * growth_slope() - per minute
 *
 * Return: true when there are enough readings and the rise over them stands out of the noise around
 * the line. A fall is a slope below 0.
 */
bool growth_slope(const struct growth *g, double *ret);

/* What a value was half a minute to a minute ago. */
#define RISE_MS 30000
struct rise {
	int64_t mark_ms;
	double old, mark;
};
/** rise_begin() - what is known of the value from before its first reading. */
void rise_begin(struct rise *r, double value, int64_t then_ms);
/** rise_add() - a reading. Return: how much more that is than the reading of RISE_MS to twice that
 * ago, or the one before where they come more rarely. */
double rise_add(struct rise *r, double value, int64_t now_ms);
