/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How unusual a series is now, against its own past only: novelty of a small state vector, shift
 * of the level, residual of the daily shape. Advisory: see README.md for what it is good for.
 * Sample-based: feed it at a steady spacing, minutes rather than seconds.
 */
#pragma once

#include "core/macro.h"

#define ANOMALY_BOOKS      2 /* what is fast, what is slow */
#define ANOMALY_LEVELS     6
#define ANOMALY_MEANS      8 /* gains 1/2 .. 1/256 */
#define ANOMALY_DIMENSIONS 8 /* the means and two volatilities */
#define ANOMALY_PROTOTYPES 48
#define ANOMALY_BUCKETS    48
#define ANOMALY_SLOTS      48 /* half hours of a day */
#define ANOMALY_FEATURES   4
#define ANOMALY_MAX        9.0  /* three features of at most 3 */
#define ANOMALY_THRESHOLD  4.15 /* for benchmarks: about two alarms a month; findings use more */

/* Shares of earlier values, by size: log-spaced counts that are forgotten. */
struct anomaly_histogram {
	uint16_t counts[ANOMALY_BUCKETS];
	uint32_t total;
};

/* States the series has been in, in 1/16 of the reference deviation, within 8 of it. */
struct anomaly_book {
	int8_t at[ANOMALY_DIMENSIONS]
		 [ANOMALY_PROTOTYPES]; /* so that one step does all prototypes */
	uint8_t use[ANOMALY_PROTOTYPES];
	uint8_t n;
};

struct anomaly {
	uint32_t samples, since_alarm;
	struct anomaly_book books[ANOMALY_BOOKS];
	double ref_mean, ref_deviation;
	double mean, variance; /* gain 1/3000 */
	double means[ANOMALY_MEANS];
	double squares[4]; /* of first differences: gains 1/12, 1/48, 1/192, 1/1000 */
	double last;
	float slots[ANOMALY_SLOTS]; /* relative to slot_base */
	uint8_t visits[ANOMALY_SLOTS];
	double slot_base;
	float residual;
	double residual_square, spread_square;
	struct anomaly_histogram tails[ANOMALY_FEATURES];
	uint32_t dither;
};

void anomaly_init(struct anomaly *a);
/**
 * anomaly_feed() - one sample
 * @t_s: its time in seconds: for the time of the day only
 * @value: not finite: missing, the answer is 0
 * @threshold: after an answer at or above it, the next 120 are 0
 *
 * Return: 0 .. ANOMALY_MAX; grows as the present is less like the past.
 */
double anomaly_feed(struct anomaly *a, double t_s, double value, double threshold);
/** anomaly_score() - the same without the silence after an alarm. */
double anomaly_score(struct anomaly *a, double t_s, double value);
