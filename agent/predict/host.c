/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's anomaly: the mean over the three most unusual metrics of two tail scores each, the
 * distance from the long mean and the jump from the last sample. Ranks among a metric's own past
 * need no scale, so metrics of any unit can be compared. Faster and slower views of each metric
 * were tried and found less on the labelled servers.
 */
#include "predict/host.h"

#include <errno.h>
#include <math.h>

#define LONG_GAIN   (1.0 / 5000)
#define HALVES      20000
#define PER_OCTAVE  4
#define ALARM_LEAST 2.5
#define ALARM_STEP  0.15 /* of the scores that are counted */
#define ALARM_A_DAY 2.0  /* samples so high; they come in clusters */
#define ALONE       1.0  /* what one metric may add over the second: alone it says nothing */
#define SILENCE     60
#define WARM_UP     1000

int host_new(size_t n, struct host **ret)
{
	struct host *h;

	if (n < 1 || n > HOST_METRICS_MAX)
		return -EINVAL;
	h = calloc(1, sizeof(*h) + n * sizeof(h->metrics[0]));
	if (!h)
		return -ENOMEM;
	h->n = n;
	h->since_alarm = SILENCE;
	*ret = h;
	return 0;
}

struct host *host_free(struct host *h)
{
	free(h);
	return NULL;
}

static void halve(uint16_t *counts, uint32_t *total)
{
	*total = 0;
	for (size_t i = 0; i < HOST_BUCKETS; i++) {
		counts[i] /= 2;
		*total += counts[i];
	}
}

/* -log10 of the share of earlier values that were as large; then the value is one of them. */
static double tail(uint16_t *counts, uint32_t *total, double v)
{
	double at = v > 1e-9 ? floor(PER_OCTAVE * log2(v)) + HOST_BUCKETS / 2 : 0, as_large;
	size_t own = at < 0 ? 0 : at >= HOST_BUCKETS ? HOST_BUCKETS - 1 : (size_t)at;

	as_large = 0.5 * counts[own] + 0.5;
	for (size_t i = own + 1; i < HOST_BUCKETS; i++)
		as_large += counts[i];
	as_large /= *total + 1;
	counts[own]++;
	++*total;
	if (*total >= 2 * HALVES)
		halve(counts, total);
	return -log10(as_large);
}

static double unusual(struct host_metric *m, double x)
{
	double floor_of = 1e-4 * fabs(m->mean) + 1e-9, off, jump, g, score;

	if (!isfinite(x) || fabs(x) > 1e150)
		return 0;
	m->samples += m->samples < UINT32_MAX;
	g = 1.0 / m->samples > LONG_GAIN ? 1.0 / m->samples : LONG_GAIN;
	jump = m->samples > 1 ? x - m->last : 0;
	off = x - m->mean;
	score = tail(m->far, &m->far_total, fabs(off) / (sqrt(m->variance) + floor_of)) +
		tail(m->jump, &m->jump_total, fabs(jump) / (sqrt(m->jump_square) + floor_of));
	m->mean += g * off;
	m->variance += g * (off * (x - m->mean) - m->variance);
	m->jump_square += g * (jump * jump - m->jump_square);
	m->last = x;
	return score;
}

/* The score that is met ALARM_A_DAY times a day, by what was met so far. */
static double threshold(const struct host *h)
{
	double days = (h->last_s - h->first_s) / 86400, seen = 0;
	size_t i = HOST_BUCKETS;

	while (i > 0 && seen + h->combined[i - 1] <= ALARM_A_DAY * days)
		seen += h->combined[--i];
	return fmax((double)i * ALARM_STEP, ALARM_LEAST);
}

bool host_feed(struct host *h, double t_s, const double *values, double *ret_score)
{
	double top[HOST_TOP] = {0}, sum = 0, limit;
	size_t bucket;

	for (size_t i = 0; i < h->n; i++) {
		double v = unusual(&h->metrics[i], values[i]);

		for (size_t j = 0; j < HOST_TOP; j++)
			if (v > top[j]) {
				double moved = top[j];

				top[j] = v;
				v = moved;
			}
	}
	top[0] = fmin(top[0], top[1] + ALONE);
	for (size_t j = 0; j < HOST_TOP; j++)
		sum += top[j];
	*ret_score = sum / HOST_TOP;
	if (!h->samples)
		h->first_s = t_s;
	h->last_s = t_s;
	h->samples += h->samples < UINT32_MAX;
	limit = threshold(h);
	bucket = (size_t)fmin(*ret_score / ALARM_STEP, HOST_BUCKETS - 1);
	h->combined[bucket]++;
	if (h->since_alarm < SILENCE)
		h->since_alarm++;
	if (*ret_score < limit || h->samples < WARM_UP || h->since_alarm < SILENCE)
		return false;
	h->since_alarm = 0;
	return true;
}

void host_clock_set(struct host *h, double by_s)
{
	h->first_s += by_s;
	h->last_s += by_s;
}
