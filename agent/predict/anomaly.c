/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One anomaly score. Running means that begin as plain means; a codebook of state vectors stored
 * as small steps of a reference frame, which moves when the series leaves it; tails of features
 * against their own history. No allocation, no clock; about 1.7 KB a series.
 */
#include "predict/anomaly.h"

#include <math.h>
#include <string.h>

#define LONG_GAIN     (1.0 / 3000)
#define STEPS         16.0 /* of a reference deviation */
#define FINE          8    /* of a step, while distances are measured */
#define VOLATILITY    0.6  /* weight of the volatility components */
#define NEW_PROTOTYPE 0.22
#define REPLACE       0.9
#define PULL          0.02f
#define USE_HALVES    1400
#define TAIL_HALVES   3500
#define TAIL_UNIT     8 /* counts go in eights, so that halving keeps fractions */
#define TAIL_MAX      3.0
#define FIRST_VECTOR  24
#define SLOT_GAIN     0.12f
#define SLOT_SECONDS  1800
#define RESIDUAL_GAIN 0.125f
#define SUPPORT_GAIN  (1.0 / 1000)
#define SUPPORT_MIN   0.5
#define SUPPORT_AFTER 600
#define VALUE_MAX     1e30 /* what is larger is no measurement, and its square no float */
#define SILENCE       120
#define BOOK_WEIGHT   1.3
#define LEVEL_FAST    3 /* p3, faded into p4 */
#define FADE_FROM     3000
#define FADE_TO       6000

void anomaly_init(struct anomaly *a)
{
	*a = (struct anomaly){.since_alarm = SILENCE, .dither = 1};
}

static double gain(const struct anomaly *a, double least)
{
	double young = 1.0 / a->samples;

	return young > least ? young : least;
}

static double deviation(const struct anomaly *a)
{
	double floor = 1e-7 * fabs(a->mean) + 1e-12, s = sqrt(a->variance);

	return s > floor ? s : floor;
}

static void running(struct anomaly *a, double x)
{
	static const double gains[] = {1.0 / 12, 1.0 / 48, 1.0 / 192, 1.0 / 1000};
	double g = gain(a, LONG_GAIN), off = x - a->mean, step = a->samples > 1 ? x - a->last : 0;

	a->mean += g * off;
	a->variance += g * (off * (x - a->mean) - a->variance);
	for (size_t i = 0; i < ANOMALY_MEANS; i++)
		a->means[i] += gain(a, 1.0 / (2 << i)) * (x - a->means[i]);
	for (size_t i = 0; i < ARRAY_SIZE(gains) && a->samples > 1; i++) {
		double young = 1.0 / (a->samples - 1);

		a->squares[i] +=
			(step * step - a->squares[i]) * (young > gains[i] ? young : gains[i]);
	}
	a->last = x;
}

static float volatility(const struct anomaly *a, size_t i)
{
	double ratio = a->squares[3] > 0 ? a->squares[i] / a->squares[3] : 1;

	return logf((sqrtf((float)ratio) + 0.05f) / 1.05f);
}

/* ---- tails ---- */

static size_t bucket(double v)
{
	float at = v > 1e-9 ? 3 * log2f((float)v) + ANOMALY_BUCKETS / 2 : 0;

	return at < 0 ? 0 : at >= ANOMALY_BUCKETS ? ANOMALY_BUCKETS - 1 : (size_t)at;
}

static void halve(struct anomaly_histogram *h)
{
	h->total = 0;
	for (size_t i = 0; i < ANOMALY_BUCKETS; i++) {
		h->counts[i] /= 2;
		h->total += h->counts[i];
	}
}

/* -log10 of the share of earlier values that were as large; then the value is one of them. */
static double tail(struct anomaly_histogram *h, double v)
{
	size_t own = bucket(v);
	uint32_t above = 0;
	float p;

	for (size_t i = own + 1; i < ANOMALY_BUCKETS; i++)
		above += h->counts[i];
	p = ((float)above + 0.5f * h->counts[own] + 0.5f * TAIL_UNIT) /
	    (float)(h->total + TAIL_UNIT);
	h->counts[own] = (uint16_t)(h->counts[own] + TAIL_UNIT);
	h->total += TAIL_UNIT;
	return fmin((double)-log10f(p), TAIL_MAX);
}

/* ---- the codebook ---- */

static int8_t clamp8(double v)
{
	return (int8_t)(v > 127 ? 127 : v < -127 ? -127 : v);
}

/* The frame follows the series: what is stored is restated in the new one. */
static void move_frame(struct anomaly *a)
{
	double s = deviation(a), scale, shift;

	if (a->ref_deviation > 0 && s < 2 * a->ref_deviation && s > 0.5 * a->ref_deviation &&
	    fabs(a->mean - a->ref_mean) < 16 * a->ref_deviation)
		return;
	scale = a->ref_deviation / s;
	shift = (a->ref_mean - a->mean) / s * STEPS;
	for (size_t b = 0; b < ANOMALY_BOOKS; b++)
		for (size_t i = 0; i < a->books[b].n; i++)
			for (size_t j = 0; j < ANOMALY_LEVELS; j++)
				a->books[b].at[j][i] =
					clamp8(round(a->books[b].at[j][i] * scale + shift));
	a->ref_mean = a->mean;
	a->ref_deviation = s;
}

/* The first book sees the six fastest means and volatilities, the second the six slowest. */
static void state_vector(const struct anomaly *a, size_t book, float v[static ANOMALY_DIMENSIONS])
{
	size_t skip = book * (ANOMALY_MEANS - ANOMALY_LEVELS);

	for (size_t i = 0; i < ANOMALY_LEVELS; i++)
		v[i] = (float)((a->means[i + skip] - a->ref_mean) / a->ref_deviation * STEPS);
	v[ANOMALY_LEVELS] = (float)(VOLATILITY * STEPS) * volatility(a, book);
	v[ANOMALY_LEVELS + 1] = (float)(VOLATILITY * STEPS) * volatility(a, book + 1);
	for (size_t i = 0; i < ANOMALY_DIMENSIONS; i++)
		v[i] = v[i] > 127 ? 127 : v[i] < -127 ? -127 : v[i];
}

/* Adds the squared distance in one dimension, in FINE parts of a step, to that of each prototype.
 * Integers and a fixed count: compilers make a few wide instructions of it. */
static void add_distance(const int8_t *at, int16_t v, int32_t *sums)
{
	for (size_t i = 0; i < ANOMALY_PROTOTYPES; i++) {
		int16_t d = (int16_t)(v - at[i] * FINE);

		sums[i] += d * d;
	}
}

static size_t find_nearest(const struct anomaly_book *book, const float *v, float unit,
			   float *ret_square)
{
	int32_t levels[ANOMALY_PROTOTYPES] = {0}, volatilities[ANOMALY_PROTOTYPES] = {0};
	size_t nearest = 0;

	for (size_t j = 0; j < ANOMALY_DIMENSIONS; j++)
		add_distance(book->at[j], (int16_t)lrintf(v[j] * FINE),
			     j < ANOMALY_LEVELS ? levels : volatilities);
	*ret_square = INFINITY;
	for (size_t i = 0; i < book->n; i++) {
		float d = (float)levels[i] * unit * unit + (float)volatilities[i];

		if (d < *ret_square) {
			*ret_square = d;
			nearest = i;
		}
	}
	return nearest;
}

/* Steps smaller than a unit are taken by chance, so that they are not lost. */
static void pull(struct anomaly *a, struct anomaly_book *book, size_t which, const float *v)
{
	for (size_t j = 0; j < ANOMALY_DIMENSIONS; j++) {
		int8_t *at = &book->at[j][which];
		float by = PULL * (v[j] - (float)*at), chance;

		a->dither = a->dither * 1664525u + 1013904223u;
		chance = (float)(a->dither >> 8) / (float)(1 << 24);
		*at = clamp8((double)((float)*at + floorf(by + chance)));
	}
}

static void store(struct anomaly_book *book, size_t at, const float *v)
{
	for (size_t j = 0; j < ANOMALY_DIMENSIONS; j++)
		book->at[j][at] = clamp8((double)roundf(v[j]));
	book->use[at] = 1;
}

static size_t least_used(const struct anomaly_book *book)
{
	size_t least = 0;

	for (size_t i = 1; i < book->n; i++)
		if (book->use[i] < book->use[least])
			least = i;
	return least;
}

static void learn(struct anomaly *a, struct anomaly_book *book, size_t nearest, double far,
		  const float *v)
{
	if (!book->n || (book->n < ANOMALY_PROTOTYPES && far > NEW_PROTOTYPE)) {
		store(book, book->n++, v);
	} else if (book->n == ANOMALY_PROTOTYPES && far > REPLACE) {
		store(book, least_used(book), v);
	} else {
		pull(a, book, nearest, v);
		if (book->use[nearest] < UINT8_MAX)
			book->use[nearest]++;
	}
	if (a->samples % USE_HALVES == 0)
		for (size_t i = 0; i < book->n; i++)
			book->use[i] /= 2;
}

/* Root mean square distance to the nearest known state, in deviations; and the state is learnt. */
static double novelty(struct anomaly *a, size_t which)
{
	struct anomaly_book *book = &a->books[which];
	float v[ANOMALY_DIMENSIONS], square;
	size_t nearest;
	double far;

	state_vector(a, which, v);
	nearest = find_nearest(book, v, (float)(a->ref_deviation / deviation(a)), &square);
	far = book->n ? sqrt((double)square / ANOMALY_DIMENSIONS) / (STEPS * FINE) : 0;
	learn(a, book, nearest, far, v);
	return far;
}

/* ---- the shape of the day ---- */

/* The smoothed residual in units of its usual size; negative when days are not alike. */
static double daily(struct anomaly *a, double t_s, double x)
{
	double of_day = fmod(t_s, 86400), off = x - a->mean, g;
	size_t slot;
	float r;

	if (of_day < 0)
		of_day += 86400;
	slot = (size_t)(of_day / SLOT_SECONDS) % ANOMALY_SLOTS;
	if (a->samples == 1)
		a->slot_base = x;
	r = a->visits[slot] ? (float)(x - a->slot_base) - a->slots[slot] : 0;
	if (a->visits[slot] < UINT8_MAX)
		a->visits[slot]++;
	g = 1.0 / a->visits[slot];
	a->slots[slot] +=
		(float)fmax(g, (double)SLOT_GAIN) * ((float)(x - a->slot_base) - a->slots[slot]);
	a->residual += RESIDUAL_GAIN * (r - a->residual);
	g = gain(a, SUPPORT_GAIN);
	a->residual_square += g * ((double)r * (double)r - a->residual_square);
	a->spread_square += g * (off * off - a->spread_square);
	if (a->samples < SUPPORT_AFTER ||
	    a->residual_square >= (1 - SUPPORT_MIN) * a->spread_square)
		return -1;
	return fabs((double)a->residual) / (sqrt(a->residual_square) + 1e-12);
}

static double level_shift(const struct anomaly *a, double *ret_fade)
{
	double s = deviation(a);
	double fast = fabs(a->means[LEVEL_FAST] - a->mean) / s,
	       slow = fabs(a->means[LEVEL_FAST + 1] - a->mean) / s;
	double fade = fmin(fmax((double)a->samples - FADE_FROM, 0) / (FADE_TO - FADE_FROM), 1);

	*ret_fade = fade;
	return fast * (1 - fade / 2) + slow * fade / 2;
}

double anomaly_score(struct anomaly *a, double t_s, double value)
{
	double fast, slow, shift, fade, score, r;

	if (!isfinite(value) || !isfinite(t_s) || fabs(value) > VALUE_MAX)
		return 0;
	a->samples += a->samples < UINT32_MAX;
	running(a, value);
	r = daily(a, t_s, value);
	if (a->samples < FIRST_VECTOR)
		return 0;
	move_frame(a);
	fast = tail(&a->tails[0], novelty(a, 0));
	slow = tail(&a->tails[3], novelty(a, 1));
	shift = level_shift(a, &fade);
	score = BOOK_WEIGHT * (fast * (1 - fade / 2) + slow * fade / 2) + tail(&a->tails[1], shift);
	if (r >= 0)
		score += tail(&a->tails[2], r);
	if (a->samples % TAIL_HALVES == 0)
		for (size_t i = 0; i < ANOMALY_FEATURES; i++)
			halve(&a->tails[i]);
	return score;
}

double anomaly_feed(struct anomaly *a, double t_s, double value, double threshold)
{
	double score = anomaly_score(a, t_s, value);

	if (a->since_alarm < SILENCE)
		a->since_alarm++;
	if (a->since_alarm < SILENCE)
		return 0;
	if (score >= threshold)
		a->since_alarm = 0;
	return score;
}
