/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How unusual a whole guest is: what several of its metrics say at the same time. One metric alone
 * never makes an alarm.
 */
#pragma once

#include "core/macro.h"

#define HOST_METRICS_MAX 512
#define HOST_BUCKETS     64
#define HOST_TOP         3 /* so many metrics must agree */

/* One metric: how far it is from its mean, how far it jumped, both ranked among its own past. */
struct host_metric {
	double mean, variance, jump_square, last;
	uint32_t samples;
	uint16_t far[HOST_BUCKETS], jump[HOST_BUCKETS];
	uint32_t far_total, jump_total;
};
struct host {
	size_t n;
	uint32_t samples, since_alarm;
	double first_s, last_s;
	uint32_t combined[HOST_BUCKETS]; /* how often the score was how high */
	struct host_metric metrics[];
};

/** host_new() - the only allocation. Return: 0, -EINVAL (no metric or too many) or -ENOMEM. */
int host_new(size_t n, struct host **ret) _must_check_;
struct host *host_free(struct host *h);
DEFINE_CLEANUP(struct host, host_free)
/**
 * host_feed() - one sample of all metrics; missing ones are NaN
 * @t_s: its time in seconds
 * @ret_score: grows as several metrics are less like their past; 0 .. about 10
 *
 * Return: true on an alarm: a score that was seen about once a day, at most one in 60 samples.
 */
bool host_feed(struct host *h, double t_s, const double *values, double *ret_score);
/** host_clock_set() - the clock was set by that much: what was fed was fed then, in its time. */
void host_clock_set(struct host *h, double by_s);
