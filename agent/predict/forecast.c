/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forecast's memory: six fits, a week of daily highs, the floor of the last hours, yesterday's
 * hours. What is concluded from it is in forecast_rules.c.
 */
#include "predict/forecast.h"

#include <math.h>
#include <string.h>

#include "predict/forecast_private.h"

#define TIME_MAX     1e12 /* seconds; beyond, differences lose their seconds */
#define DAY_MIN      1440.0
#define FLOOR_MIN    120.0
#define BLOCK_MIN    10.0
#define HOUR_MIN     60.0
#define SMOOTH_MIN   2.41 /* half-life of u: a gain of 1/4 a minute */
#define STEP_GAP     10   /* a step this many times the usual is a gap: persistence starts anew */
#define LIMIT_MOVED  1e-9
#define LIMIT_OTHER  1e4
#define CHANGE_HOURS 8 /* over which the change from day to day is averaged */
#define ERROR_HOURS  24
#define FORTNIGHT    14 /* days */

/* Minutes. The first follows the spacing where samples come faster, see scale_half_life(). */
/* Of the highs: the first is fed each 10 min, the others each hour. */
static const float high_half_lives[FORECAST_HIGHS] = {60, 180, 960};
#define USUAL_MIN 1440.0f

static const float half_lives[FORECAST_SCALES] = {3, 10, 30, 120, 720, 2880};

void forecast_init(struct forecast *f)
{
	*f = (struct forecast){.eta_min = -1,
			       .day = -1,
			       .floor = -1,
			       .hour = -1,
			       .hour_fed = -1,
			       .block = -1,
			       .block_fed = -1};
	for (size_t i = 0; i < FORECAST_HOURS; i++)
		f->hour_high[i] = -1;
	for (size_t i = 0; i < FORECAST_FLOORS; i++)
		f->floor_low[i] = 1;
}

float forecast_high_half_life(size_t scale)
{
	return high_half_lives[scale];
}

/* At one sample a minute the shortest fit spans 3 samples' half-life; it does at faster rates, too.
 * At slower ones it needs more than one sample to have a slope. */
float forecast_half_life(const struct forecast *f, size_t scale)
{
	if (scale > 0)
		return half_lives[scale];
	return fmaxf(fmaxf(fminf(half_lives[0], 3 * f->step), f->step), 0.1f);
}

static void fit(struct forecast_scale *s, double y)
{
	double det = s->s0 * s->s2 - s->s1 * s->s1, mean = s->y0 / s->s0, age = s->s1 / s->s0,
	       b = 0, rest;

	if (s->s0 > 1.5 && det > 1e-9 * s->s0 * s->s0)
		b = -(s->s0 * s->y1 - s->s1 * s->y0) / det;
	rest = s->yy / s->s0 - mean * mean - b * b * (s->s2 / s->s0 - age * age);
	s->slope = (float)b;
	s->level = (float)(mean + b * age);
	s->deviation = rest > 1e-12 ? sqrtf((float)rest) : 1e-6f;
	s->peak *= (double)s->keep;
	if (y - (double)s->level > s->peak)
		s->peak = y - (double)s->level;
}

static void scale_feed(struct forecast_scale *s, double dt, double y)
{
	double l = (double)s->keep;

	s->s2 = l * (s->s2 + dt * (2 * s->s1 + dt * s->s0));
	s->s1 = l * (s->s1 + dt * s->s0);
	s->s0 = l * s->s0 + 1;
	s->y1 = l * (s->y1 + dt * s->y0);
	s->y0 = l * s->y0 + y;
	s->yy = l * s->yy + y * y;
	fit(s, y);
}

/* What forgets at a rate of its own has its factors renewed when the spacing changes. */
static void renew_factors(struct forecast *f, float dt)
{
	f->dt = dt;
	f->factors_step = f->step;
	for (size_t i = 0; i < FORECAST_SCALES; i++)
		f->scales[i].keep = exp2f(-dt / forecast_half_life(f, i));
	f->u_keep = exp2f(-dt / ((float)SMOOTH_MIN * fminf(fmaxf(f->step, 0.02f), 1)));
}

/* All that was measured, as part of another limit. */
static void restate(struct forecast *f, double ratio)
{
	float r = (float)ratio;

	for (size_t i = 0; i < FORECAST_SCALES; i++) {
		struct forecast_scale *s = &f->scales[i];

		s->y0 *= ratio;
		s->y1 *= ratio;
		s->yy *= ratio * ratio;
		s->peak *= ratio;
	}
	for (size_t i = 0; i < FORECAST_DAYS; i++)
		f->day_high[i] *= r;
	for (size_t i = 0; i < FORECAST_FLOORS; i++)
		f->floor_low[i] = fminf(1, f->floor_low[i] * r);
	for (size_t i = 0; i < FORECAST_HOURS; i++)
		f->hour_high[i] *= r;
	f->u *= r;
	f->y *= r;
	f->rate *= r;
	f->rate_before *= r;
	for (size_t i = 0; i < FORECAST_HIGHS; i++) {
		f->highs[i].y0 *= ratio;
		f->highs[i].y1 *= ratio;
		f->highs[i].yy *= ratio * ratio;
	}
	for (size_t i = 0; i < FORECAST_SCALES; i++)
		f->usual_slope[i] *= r * r;
	for (size_t i = 0; i < 2; i++) {
		f->late_high[i] *= r;
		f->fortnight_high[i] *= r;
	}
	f->alarm_high *= r;
	f->alarm_low *= r;
	f->hour_now *= r;
	f->block_now *= r;
	f->change *= r;
	f->change_error *= r;
}

/* Slots between the last and this sample had none: their content is of another time. */
static bool next_slot(int32_t *slot, double minutes, double length, float *values, size_t n,
		      float empty)
{
	int32_t now = (int32_t)fmin(minutes / length, 2e9);
	bool moved = now != *slot;

	for (size_t skipped = 0; *slot < now && skipped < n; skipped++)
		values[(size_t)++ * slot % n] = empty;
	*slot = now;
	return moved;
}

static void high_feed(struct forecast *f, size_t i, float dt, float high)
{
	f->highs[i].keep = exp2f(-dt / high_half_lives[i]);
	scale_feed(&f->highs[i], (double)dt, (double)high);
}

static void blocks(struct forecast *f, double minutes)
{
	int32_t now = (int32_t)fmin(minutes / BLOCK_MIN, 2e9);

	if (f->block >= 0 && now != f->block) {
		high_feed(f, 0, (float)(f->block - f->block_fed) * (float)BLOCK_MIN, f->block_now);
		f->block_fed = f->block;
		f->block_now = 0;
	}
	f->block = now;
	f->block_now = fmaxf(f->block_now, f->y);
}

/* An hour is over: how it differs from the same hour of the day before. */
static void hour_over(struct forecast *f, size_t hour, int32_t hours)
{
	float before = f->hour_high[hour], diff = f->hour_now - before;
	float n = f->days_changed + 1;

	f->hour_high[hour] = f->hour_now;
	f->rose = f->rising;
	for (size_t i = 1; i < FORECAST_HIGHS; i++)
		high_feed(f, i, 60.0f * (float)hours, f->hour_now);
	if (before < 0)
		return;
	f->days_changed = fminf(n, 1000);
	f->change += (diff - f->change) * fmaxf(1 / n, 1.0f / CHANGE_HOURS);
	f->change_error +=
		(fabsf(diff - f->change) - f->change_error) * fmaxf(1 / n, 1.0f / ERROR_HOURS);
}

static void hours(struct forecast *f, double minutes)
{
	int32_t now = (int32_t)fmin(minutes / HOUR_MIN, 2e9);

	if (f->hour >= 0 && now != f->hour) {
		hour_over(f, (size_t)f->hour % FORECAST_HOURS, f->hour - f->hour_fed);
		f->hour_fed = f->hour;
		for (int32_t missed = f->hour + 1;
		     missed < now && missed < f->hour + FORECAST_HOURS; missed++)
			f->hour_high[missed % FORECAST_HOURS] = -1;
		f->hour_now = 0;
	}
	f->hour = now;
	f->hour_now = fmaxf(f->hour_now, f->y);
}

/* A day is over. One that filled the resource was a failure: its like is to be told again. */
static void day_over(struct forecast *f, int32_t now)
{
	float high = f->day_high[(size_t)f->day % FORECAST_DAYS];

	if (high < FORECAST_FULL)
		f->fortnight_high[0] = fmaxf(f->fortnight_high[0], high);
	if (now / FORTNIGHT == f->day / FORTNIGHT)
		return;
	f->fortnight_high[1] = f->fortnight_high[0];
	f->fortnight_high[0] = 0;
}

/* The high of an hour is known territory one to two hours later: a rise that is under way at
 * midnight would else be compared with itself. */
static void day_highs(struct forecast *f, double minutes)
{
	int32_t now = (int32_t)fmin(minutes / DAY_MIN, 2e9);
	float *day;

	if (f->day >= 0 && now != f->day)
		day_over(f, now);
	next_slot(&f->day, minutes, DAY_MIN, f->day_high, FORECAST_DAYS, 0);
	day = &f->day_high[(size_t)f->day % FORECAST_DAYS];
	if (f->hour != (int32_t)fmin(minutes / HOUR_MIN, 2e9)) {
		*day = fmaxf(*day, f->late_high[1]);
		f->late_high[1] = f->late_high[0];
		f->late_high[0] = 0;
	}
	f->late_high[0] = fmaxf(f->late_high[0], f->u);
}

static void remember(struct forecast *f)
{
	double minutes = (f->t - f->t0) / 60;
	float *low;

	day_highs(f, minutes);
	next_slot(&f->floor, minutes, FLOOR_MIN, f->floor_low, FORECAST_FLOORS, 1);
	low = &f->floor_low[(size_t)f->floor % FORECAST_FLOORS];
	*low = fminf(*low, f->u);
	hours(f, minutes);
	blocks(f, minutes);
}

static void usual_slopes(struct forecast *f)
{
	float age = (float)((f->t - f->t0) / 60),
	      gain = fmaxf(f->dt * 0.69f / USUAL_MIN, f->dt / fmaxf(age, 1));

	gain = fminf(gain, 0.5f);
	for (size_t i = 0; i < 3; i++) {
		float b = f->scales[i].slope;

		f->usual_slope[i] += (b * b - f->usual_slope[i]) * gain;
	}
}

static void step_on(struct forecast *f, float dt)
{
	bool gap = f->samples > 2 && dt > STEP_GAP * f->step;

	if (gap)
		f->slow_count = f->fast_count = f->notice_count = f->steady_count = 0;
	else if (f->samples == 1)
		f->step = dt;
	else
		f->step += (dt - f->step) * (dt < f->step ? 0.5f : 0.05f);
	if (fabsf(dt - f->dt) > 1e-3f * dt || fabsf(f->step - f->factors_step) > 0.01f * f->step)
		renew_factors(f, dt);
}

void forecast_feed(struct forecast *f, double t_s, double used, double limit)
{
	double dt = f->samples ? (t_s - f->t) / 60 : 0;
	double y;

	if (!isfinite(t_s) || fabs(t_s) > TIME_MAX || !isfinite(used) || !(limit > 0) ||
	    !isfinite(limit) || (f->samples && !(dt > 0)))
		return;
	if (f->samples && (limit > LIMIT_OTHER * f->limit || f->limit > LIMIT_OTHER * limit)) {
		forecast_init(f); /* another thing altogether */
		dt = 0;
	}
	y = fmin(fmax(used / limit, -1), 2);
	if (!f->samples) {
		f->t0 = t_s;
		f->u = (float)y;
		f->limit = limit;
	} else {
		step_on(f, (float)fmin(dt, 1e6));
	}
	if (fabs(limit - f->limit) > LIMIT_MOVED * limit) {
		restate(f, f->limit / limit);
		f->limit = limit;
	}
	f->t = t_s;
	f->rate_before = f->rate;
	f->rate = f->samples ? ((float)y - f->y) / (float)dt : 0;
	f->y = (float)y;
	f->u = f->u_keep * f->u + (1 - f->u_keep) * (float)y;
	if (f->samples < UINT32_MAX)
		f->samples++;
	if (f->samples == 1)
		f->u = (float)y;
	for (size_t i = 0; i < FORECAST_SCALES; i++)
		scale_feed(&f->scales[i], dt, y);
	usual_slopes(f);
	remember(f);
	f->rising = f->scales[0].slope > FORECAST_BURSTS;
	forecast_judge(f);
}

void forecast_clock_set(struct forecast *f, double by_s)
{
	f->t0 += by_s;
	f->t += by_s;
}

void forecast_view(const struct forecast *f, struct forecast_view *ret)
{
	*ret = (struct forecast_view){
		.open = f->level > 0,
		.level = f->level ? (enum finding_level)(f->level - 1) : FINDING_NOTICE,
		.reason = f->level ? (enum forecast_reason)f->reason : FORECAST_NOTHING,
		.eta_s = f->eta_min < 0 ? -1 : f->eta_min * 60,
		.eta_low_s = f->eta_min < 0 ? -1 : (double)f->eta_low_min * 60,
		.eta_high_s = f->eta_min < 0 ? -1 : (double)f->eta_high_min * 60,
		.used = (double)f->u,
		.per_hour = (double)f->scales[3].slope * 60,
	};
}
