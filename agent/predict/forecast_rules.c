/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a forecast concludes. Three rules open it, each for its own speed; each asks for territory
 * the resource has not been in during the last week. README.md has the reason of each constant.
 */
#include <math.h>

#include "predict/forecast_private.h"

#define SLOW_LEVEL         0.90f
#define SLOW_MARGIN        0.02f
#define SLOW_HORIZON       (24 * 60.0f)
#define SLOW_PERSIST       6
#define FULL_AGAIN         0.98f /* so full before is no reason to be silent */
#define FULL_SLACK         0.005f
#define FULL_HORIZON       (5 * 60.0f)
#define NOTICE_LEVEL       0.80f
#define NOTICE_LOW         0.75f
#define NOTICE_HORIZON     (36 * 60.0f)
#define NOTICE_PERSIST     20
#define FAST_LEVEL         0.70f
#define FAST_HEADROOM      0.68f
#define FAST_HORIZON       100.0f
#define FAST_PERSIST       2
#define FAST_LONG          60.0f /* from here on too slow for a job that comes and goes */
#define FAST_LONG_HORIZON  95.0f
#define FAST_LONG_HEADROOM 0.55f
#define FAST_BENT          0.25f /* deviations of the newest fit below the line: it levels off */
#define FAST_STILL         0.5f  /* of its slope, in the next shorter fit */
#define SIGNIFICANT        1.7f
#define NEW_SHARE          0.3f /* of what was free at the best time of the last week */
#define BURST_HORIZON      25.0f
#define BURST_BOTH         0.4f /* of its slope, in each of the last two steps */
#define BURST_LAG          0.6f /* of what u stays behind on a straight rise */
#define STEP_SEEN          1.5f /* minutes between samples; below, a step is told from a rise */
#define RUSH_STEP          0.1f
#define RUSH_ETA           1.0f
#define RUSH_HEADROOM      0.4f
#define HOLD_MIN           30.0f
#define HOLD_MAX           (12 * 60.0f)
#define HOLD_HIGH          (6 * 60.0f)
#define UNRELEASED         0.02f
#define RELEASED           0.25f /* more than a saw-tooth gives back */
#define HOLD_PAST          1.5f  /* stays until this many times the predicted time has gone by */
#define HOLD_LEVEL         0.765f
#define TYPICAL_ETA        132.0f /* the scale whose answer is nearest is believed */
#define WALK_DAYS          3
#define ALIKE_ABOVE        0.02f
#define ALIKE_BELOW        0.08f /* an hour that has begun may still rise by so much */
#define HIGHS_ERROR        0.3f
#define HIGHS_ABOVE        1.25f /* deviations: the highest highs meet the limit */
#define LATEST_HOURS       2
#define STEADY_HIGH        0.86f
#define STEADY_HORIZON     150.0f
#define STEADY_PERSIST     5
#define KNOWN_MIN          30 /* before, what is usual is not known */
#define DEPARTS            1.0f
#define UNUSUAL_BURST      3.5f /* times the slope usual for the last day */
#define UNUSUAL_FAST       2.0f
#define RESUME_DROP        0.09f
#define RESUME_RISE        0.08f
#define RESUME_LOW         0.5f
#define RESUME_LEVEL       0.75f
#define RESUME_HORIZON     130.0f
#define RESUME_WITHIN      (48 * 60.0f)
#define RESUME_HOURS       1

static float week_high(const struct forecast *f)
{
	float high = 0;

	for (int32_t back = 1; back < FORECAST_DAYS && back <= f->day; back++)
		high = fmaxf(high, f->day_high[(size_t)(f->day - back) % FORECAST_DAYS]);
	return high;
}

/* Of the hours of the last day that are over: a burst that went so high an hour ago is nothing new.
 * One that is still on the way up when its hour ends is not compared with itself. */
static float day_high(const struct forecast *f)
{
	float high = 0;

	for (int32_t back = f->rose ? 2 : 1; back <= FORECAST_HOURS && back <= f->hour; back++)
		high = fmaxf(high, f->hour_high[(f->hour - back) % FORECAST_HOURS]);
	return high;
}

static float recent_low(const struct forecast *f)
{
	float low = 1;

	for (size_t i = 0; i < FORECAST_FLOORS; i++)
		low = fminf(low, f->floor_low[i]);
	return low;
}

static float scale_eta(const struct forecast_scale *s)
{
	float free = 1 - s->level - (float)s->peak;

	if (s->slope <= 0)
		return INFINITY;
	return fmaxf(free, 0) / s->slope;
}

/* The answer of the scale that is nearest, in ratio, to what the resource usually has left when
 * somebody asks. */
static float best_eta(const struct forecast *f)
{
	float best = INFINITY, best_off = INFINITY;

	for (size_t i = 0; i < FORECAST_SCALES; i++) {
		float eta = scale_eta(&f->scales[i]), off;

		if (!isfinite(eta) || 2 * forecast_half_life(f, i) * f->scales[i].slope <
					      SIGNIFICANT * f->scales[i].deviation)
			continue;
		off = fabsf(logf(fmaxf(eta, 1) / TYPICAL_ETA));
		if (off < best_off) {
			best_off = off;
			best = eta;
		}
	}
	return best;
}

/* Highest sample of this hour and the @n before. */
static float latest_high(const struct forecast *f, int32_t n)
{
	float high = f->hour_now;

	for (int32_t back = 1; back <= n && back <= f->hour; back++)
		high = fmaxf(high, f->hour_high[(f->hour - back) % FORECAST_HOURS]);
	return high;
}

/* By the hourly highs, which saw-teeth and noise do not move: of the two fits the one whose slope
 * is better known. */
static float highs_eta(const struct forecast *f, float *ret_level, float *ret_top)
{
	float best = HIGHS_ERROR, eta = INFINITY, latest = latest_high(f, LATEST_HOURS);

	for (size_t i = 0; i < FORECAST_HIGHS; i++) {
		const struct forecast_scale *s = &f->highs[i];
		float block = i ? 60 : 10, n = forecast_high_half_life(i) / block, error;
		float into = (float)fmod((f->t - f->t0) / 60, (double)block);

		if (s->s0 < 2.5 || s->slope <= 0)
			continue;
		n = fminf(n, (float)s->s0 * 0.7f);
		error = (s->deviation + 0.002f) / (s->slope * block * n * sqrtf(n));
		if (error >= best)
			continue;
		best = error;
		*ret_level = s->level + s->slope * into;
		*ret_top =
			fminf(*ret_level + HIGHS_ABOVE * s->deviation, fmaxf(*ret_level, latest));
		eta = fmaxf(1 - *ret_top, 0) / s->slope;
	}
	return eta;
}

/* Where each day is like the day before plus a change: the first hour in which yesterday's high
 * plus that change meets the limit. Minutes; infinite when the days are not alike. */
static float walk_days(const struct forecast *f)
{
	float into = (float)(fmod((f->t - f->t0) / 60, 60));
	float today = f->hour_high[f->hour % FORECAST_HOURS] + f->change;

	if (f->days_changed < FORECAST_HOURS || f->change <= 0 ||
	    f->change_error > 0.4f * f->scales[4].deviation)
		return INFINITY;
	if (f->u > today + 2 * f->change_error + ALIKE_ABOVE ||
	    fmaxf(f->hour_now, f->u) < today - 2 * f->change_error - ALIKE_BELOW)
		return INFINITY; /* today is not like the days before */
	for (int32_t ahead = 0; ahead < WALK_DAYS * FORECAST_HOURS; ahead++) {
		float high = f->hour_high[(f->hour + ahead) % FORECAST_HOURS];
		float days = (float)(ahead / FORECAST_HOURS + 1);

		if (high >= 0 && high + f->change * days >= 1)
			return fmaxf((float)ahead * 60 + 30 - into, 1);
	}
	return INFINITY;
}

const char *const forecast_reasons[] = {"nothing",       "growing",          "nearly full",
					"steady growth", "grows day by day", "fast growth",
					"burst"};

struct judgement {
	float high, new_level, headroom, eta, highs_eta, highs_level, highs_top, walk_eta;
};

static bool count(float *counter, bool yes, float dt, float persist)
{
	*counter = yes ? fminf(*counter + dt, 2 * persist) : fmaxf(*counter - dt, 0);
	return *counter >= persist;
}

static bool is_known(const struct forecast *f)
{
	return f->t - f->t0 >= KNOWN_MIN * 60;
}

/* Above what a garbage collector, noise or work of each hour does all day. */
static bool unusual(const struct forecast *f, size_t scale, float slope, float times)
{
	return slope * slope > times * times * f->usual_slope[scale];
}

/* Above the line that the hourly highs have been on: something new, which the short fits may judge.
 */
static bool departs(const struct forecast *f, float now)
{
	const struct forecast_scale *s = &f->highs[1];
	float into = (float)(fmod((f->t - f->t0) / 60, 60));

	if (s->s0 < 2.5)
		return true;
	return now > s->level + fmaxf(s->slope, 0) * into + DEPARTS * s->deviation + 0.01f;
}

static bool steady(const struct judgement *j)
{
	return j->highs_eta < STEADY_HORIZON && j->highs_level > j->high + SLOW_MARGIN &&
	       j->highs_top > STEADY_HIGH;
}

/* It was to be full, gave something back, and rises again: that it was as high before says nothing.
 */
static bool resumes(const struct forecast *f, const struct judgement *j)
{
	return f->alarm_high > f->alarm_low + RESUME_DROP && f->alarm_low > RESUME_LOW &&
	       f->u > f->alarm_low + RESUME_RISE && f->u > RESUME_LEVEL &&
	       j->eta < RESUME_HORIZON && f->alarm_age < RESUME_WITHIN;
}

/* How much of what was free must be gone. Jobs that end by themselves are quick. */
static float fast_headroom(float eta)
{
	return eta > FAST_LONG && eta < FAST_LONG_HORIZON ? FAST_LONG_HEADROOM : FAST_HEADROOM;
}

/* A single step bends the fits for as long as they remember it, but the newest samples do not
 * follow. Sampled more rarely than each minute or so, there is no telling. */
static bool goes_on(const struct forecast *f, size_t i)
{
	const struct forecast_scale *s = &f->scales[i], *shorter = &f->scales[i - 1];

	return f->dt >= STEP_SEEN || (shorter->slope > FAST_STILL * s->slope &&
				      f->scales[0].level > s->level - FAST_BENT * s->deviation);
}

/* Until the fitted line meets the limit. */
static float line_eta(const struct forecast_scale *s)
{
	return s->slope > 0 ? (1 - s->level) / s->slope : INFINITY;
}

static bool fast_by(const struct forecast *f, const struct judgement *j, size_t i)
{
	const struct forecast_scale *s = &f->scales[i];
	float eta = line_eta(s);

	/* A fit that began before the rise makes it look slow: the shorter one says what it is. */
	return eta < FAST_HORIZON &&
	       j->headroom > fast_headroom(fminf(eta, line_eta(&f->scales[1]))) &&
	       2 * forecast_half_life(f, i) * s->slope > SIGNIFICANT * s->deviation &&
	       (!is_known(f) || unusual(f, i, s->slope, UNUSUAL_FAST)) && goes_on(f, i);
}

static bool fast(const struct forecast *f, const struct judgement *j, float *ret_eta)
{
	if (f->u <= FAST_LEVEL || f->u <= j->new_level || !departs(f, f->u))
		return false;
	for (size_t i = 1; i <= 2; i++) {
		if (!fast_by(f, j, i))
			continue;
		*ret_eta = fminf(scale_eta(&f->scales[i]), j->eta);
		return true;
	}
	return false;
}

/* Per minute. Two steps that agree say more than a fit with older samples in it. */
static float latest_slope(const struct forecast *f)
{
	float lower = fminf(f->rate, f->rate_before);

	if (f->dt < STEP_SEEN && lower > 0 && 2 * lower > fmaxf(f->rate, f->rate_before))
		return fmaxf(lower, f->scales[0].slope);
	return f->scales[0].slope;
}

/* Sampled each minute: one step after which nothing moves, as a program that starts makes it. */
static bool is_step(const struct forecast *f, float slope)
{
	if (f->dt < RUSH_STEP || f->dt >= STEP_SEEN)
		return false;
	return fminf(f->rate, f->rate_before) < BURST_BOTH * slope ||
	       (f->y - f->u) * (1 - f->u_keep) < BURST_LAG * f->dt * f->u_keep * slope;
}

static bool bursts(const struct forecast *f, float slope)
{
	const struct forecast_scale *s = &f->scales[0];

	if (f->samples < 4 || slope <= FORECAST_BURSTS || 1 - f->y >= BURST_HORIZON * slope ||
	    is_step(f, slope))
		return false;
	return is_known(f) ? unusual(f, 0, slope, UNUSUAL_BURST)
			   : 2 * forecast_half_life(f, 0) * slope > SIGNIFICANT * s->deviation;
}

static float new_level(float high)
{
	return high + SLOW_MARGIN + NEW_SHARE * (1 - high);
}

static bool burst(const struct forecast *f, const struct judgement *j, float low, float *ret_eta)
{
	float free = 1 - f->y, latest = latest_slope(f);
	float slope = f->dt < RUSH_STEP ? latest : f->scales[0].slope;
	/* Sampled each few seconds and full in less than a minute: there is no time for more. */
	float needed = f->dt < RUSH_STEP && free < RUSH_ETA * slope ? RUSH_HEADROOM : FAST_HEADROOM;

	if (!bursts(f, slope) || !departs(f, f->y) || f->y - low <= needed * (1 - low) ||
	    f->y <= FAST_LEVEL || f->y <= fmaxf(j->new_level, new_level(day_high(f))))
		return false;
	*ret_eta = fmaxf(free, 0) / latest;
	return true;
}

static bool slow(const struct forecast *f, const struct judgement *j, float level)
{
	return (f->u > FORECAST_FULL &&
		(f->u > fminf(j->high, FULL_AGAIN) - FULL_SLACK || j->highs_eta < FULL_HORIZON)) ||
	       (f->u > level && f->u > j->high + SLOW_MARGIN && j->eta < SLOW_HORIZON);
}

static bool noticeable(const struct forecast *f, const struct judgement *j)
{
	if (slow(f, j, NOTICE_LEVEL) || j->walk_eta < NOTICE_HORIZON)
		return true;
	return f->day >= 2 && f->u > NOTICE_LOW && j->highs_eta < NOTICE_HORIZON &&
	       j->highs_level > j->high + SLOW_MARGIN && f->highs[2].slope > 0 && !departs(f, f->u);
}

static void open_at(struct forecast *f, enum finding_level level, float eta)
{
	f->level = (uint8_t)(1 + level);
	f->eta_min = isfinite(eta) ? (double)eta : -1;
}

static float slow_date(const struct judgement *j)
{
	if (isfinite(j->walk_eta))
		return j->walk_eta;
	return isfinite(j->highs_eta) ? j->highs_eta : j->eta;
}

/* What was foreseen is disproved by time, or by the level. */
static void hold(const struct forecast *f, float *left, bool yes, float eta)
{
	if (yes)
		*left = fmaxf(*left - f->dt, fminf(fmaxf(HOLD_PAST * eta, HOLD_MIN), HOLD_MAX));
	else if (fmaxf(fmaxf(f->u, f->y), f->highs[0].level) <= HOLD_LEVEL)
		*left = 0;
	else if (*left > HOLD_MIN || f->since_bad > HOLD_HIGH || f->u < f->open_high - RELEASED ||
		 latest_high(f, LATEST_HOURS) < f->open_high - UNRELEASED)
		*left = fmaxf(*left - f->dt, 0);
}

/* What the last warning had seen, and what was given back since. */
static void note_alarm(struct forecast *f)
{
	if (f->hold <= 0) {
		f->alarm_age = fminf(f->alarm_age + f->dt, RESUME_WITHIN);
		f->alarm_low = fminf(f->alarm_low, latest_high(f, RESUME_HOURS));
		return;
	}
	f->alarm_high = f->level ? fmaxf(f->alarm_high, f->u) : f->u;
	f->alarm_low = 1;
	f->alarm_age = 0;
}

void forecast_judge(struct forecast *f)
{
	float low = recent_low(f), dt = f->dt, eta = 0, slow_eta;
	struct judgement j = {.high = week_high(f), .eta = best_eta(f)};
	bool is_slow, is_fast, is_burst, is_notice, is_steady, is_daily;

	if (f->samples < 3)
		return;
	j.headroom = low < 1 ? (f->u - low) / (1 - low) : 0;
	j.new_level = new_level(fmaxf(j.high, fmaxf(f->fortnight_high[0], f->fortnight_high[1])));
	j.highs_eta = highs_eta(f, &j.highs_level, &j.highs_top);
	j.walk_eta = walk_days(f);
	is_steady = count(&f->steady_count, steady(&j) || resumes(f, &j), dt, STEADY_PERSIST);
	is_daily = j.walk_eta < STEADY_HORIZON;
	is_slow = count(&f->slow_count, slow(f, &j, SLOW_LEVEL), dt, SLOW_PERSIST);
	is_notice = count(&f->notice_count, noticeable(f, &j), dt, NOTICE_PERSIST);
	is_fast = count(&f->fast_count, fast(f, &j, &eta), dt, FAST_PERSIST) && eta > 0;
	is_burst = burst(f, &j, low, &eta);
	slow_eta = slow_date(&j);
	f->since_bad = is_slow || is_steady || is_daily || is_fast || is_burst || is_notice
			       ? 0
			       : f->since_bad + dt;
	f->open_high = f->level ? fmaxf(f->open_high, f->u) : f->u;
	hold(f, &f->hold, is_slow || is_steady || is_daily || is_fast || is_burst,
	     is_fast || is_burst ? eta : slow_eta);
	hold(f, &f->notice_hold, is_notice, slow_eta);
	note_alarm(f);
	f->level = 0;
	if (f->hold <= 0 && f->notice_hold <= 0) {
		f->reason = FORECAST_NOTHING;
		return;
	}
	f->reason = is_burst    ? FORECAST_BURST
		    : is_fast   ? FORECAST_FAST
		    : is_daily  ? FORECAST_DAILY
		    : is_steady ? FORECAST_STEADY
		    : is_slow   ? FORECAST_SLOW
		    : f->reason ? f->reason
				: FORECAST_NOTICED;
	open_at(f, f->hold > 0 ? FINDING_WARNING : FINDING_NOTICE,
		is_burst || is_fast ? eta : slow_eta);
	f->eta_low_min = (float)f->eta_min / 2;
	f->eta_high_min = (float)f->eta_min * 2;
}
