/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time to exhaustion of one resource that has a limit. O(1) memory and time per sample, any spacing
 * of samples, gaps, limits that move. Warns late but in time: see README.md for what each number
 * is for and how it was chosen.
 */
#pragma once

#include "core/types.h"

#define FORECAST_SCALES 6
#define FORECAST_HIGHS  3
#define FORECAST_DAYS   8
#define FORECAST_FLOORS 8
#define FORECAST_HOURS  24

/* Regression over exponentially forgotten samples; ages in minutes, before the newest. */
struct forecast_scale {
	double s0, s1, s2, y0, y1, yy;
	double peak;        /* forgotten maximum of the sample above the fitted line */
	float level, slope; /* of the fit, now and per minute */
	float deviation;    /* of the samples around it */
	float keep;         /* factor of the last step; depends on dt alone */
};

/* Which rule spoke last. */
enum forecast_reason {
	FORECAST_NOTHING,
	FORECAST_NOTICED, /* the slow rule at its notice level */
	FORECAST_SLOW,    /* nearly full and growing */
	FORECAST_STEADY,  /* its hourly highs are on a line that meets the limit soon */
	FORECAST_DAILY,   /* each day is like the last plus a change */
	FORECAST_FAST,    /* a new and fast rise, minutes to hours */
	FORECAST_BURST,   /* a new and very fast rise */
};
extern const char *const forecast_reasons[];

/* One resource: all there is to know about its past. */
struct forecast {
	double t0, t, limit;
	float dt;   /* minutes of the last step */
	float step; /* usual spacing, minutes */
	float factors_step;
	float y, u;              /* last used fraction, smoothed */
	float rate, rate_before; /* between the last samples, per minute */
	float u_keep;
	struct forecast_scale scales[FORECAST_SCALES];
	struct forecast_scale highs[FORECAST_HIGHS]; /* of the highs of 10 min and of hours */
	float usual_slope[FORECAST_SCALES];          /* mean square, over the last day */
	float day_high[FORECAST_DAYS];               /* highest u of each day */
	float floor_low[FORECAST_FLOORS];            /* lowest u of each two hours */
	float hour_high[FORECAST_HOURS]; /* of the last such hour that is over; negative: none */
	float block_now, hour_now, change, change_error;
	int32_t day, floor, hour, hour_fed, block, block_fed;
	float days_changed; /* how many hours have been compared with the day before */
	float slow_count, fast_count, notice_count, steady_count;
	float hold, notice_hold; /* minutes left */
	float late_high[2];      /* highest u of this hour and the last: not yet in day_high */
	float fortnight_high[2]; /* highest day of this fortnight and the last that did not fill it
				  */
	float alarm_high;        /* highest u of the last warning */
	float alarm_low;         /* lowest of the highs since it ended; 1 while it stands */
	float alarm_age;         /* minutes since it ended */
	float since_bad;
	float open_high; /* highest u since it opened */
	double eta_min;  /* as reported, minutes; negative: none */
	float eta_low_min, eta_high_min;
	uint8_t reason;
	uint8_t level;     /* 0 none, 1 + enum finding_level */
	bool rising, rose; /* as fast as a burst: now; when the last hour ended */
	uint32_t samples;
};

struct forecast_view {
	bool open;
	enum finding_level level; /* when open */
	enum forecast_reason reason;
	double eta_s; /* negative: not to be said */
	double eta_low_s, eta_high_s;
	double used;     /* smoothed used fraction */
	double per_hour; /* growth of the used fraction */
};

void forecast_init(struct forecast *f);
/**
 * forecast_feed() - one sample
 * @t_s: its time, seconds; one that does not move on is ignored
 * @used: in the unit of @limit; not finite: missing
 * @limit: > 0; when it moves, the past is restated as part of the new limit
 */
void forecast_feed(struct forecast *f, double t_s, double used, double limit);
/** forecast_clock_set() - the clock was set by that much: what was fed was fed then, in its time. */
void forecast_clock_set(struct forecast *f, double by_s);
void forecast_view(const struct forecast *f, struct forecast_view *ret);
