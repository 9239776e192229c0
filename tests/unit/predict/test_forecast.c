/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forecasts by scenario: what must be foreseen, and with what date; what must not be; gaps, uneven
 * steps, limits that move; leaks of seconds. Each scenario runs with several noises.
 */
#include "fixture.h"

#include "predict/forecast.h"
#include "sample/trend.h"

_Static_assert(sizeof(struct forecast) <= 1024, "a forecast has 1 KiB");

#define DAY   1440.0 /* all times are minutes */
#define SEEDS 4

struct scenario {
	double (*level)(double t, double a); /* without noise */
	double a, days, deviation, step;
};
struct outcome {
	double alarm, notice, full, eta; /* minutes; -1 never; eta at the alarm */
	double last;                     /* when it was opened last at warning level */
	int alarms;                      /* times it was opened at warning level */
};

static struct outcome run(const struct scenario *s, uint32_t seed)
{
	struct outcome o = {-1, -1, -1, -1, -1, 0};
	struct forecast_view v = {0};
	struct forecast f;
	bool was = false;

	forecast_init(&f);
	for (double t = 0; t < s->days * DAY; t += s->step) {
		double y = s->level(t, s->a) + s->deviation * noise(&seed);

		if (s->level(t, s->a) >= 1) {
			o.full = t;
			break;
		}
		forecast_feed(&f, 60 * t, fmin(y, 1), 1);
		forecast_view(&f, &v);
		if (v.open && o.notice < 0)
			o.notice = t;
		if (v.open && v.level >= FINDING_WARNING) {
			o.alarms += !was;
			o.last = was ? o.last : t;
			if (o.alarm < 0) {
				o.alarm = t;
				o.eta = v.eta_s / 60;
			}
		}
		was = v.open && v.level >= FINDING_WARNING;
	}
	if (o.full >= 0 && !was)
		o.alarm = -1; /* it must stand at the end */
	return o;
}

/* Foreseen: at least @lead minutes before, the date right within @factor. */
static void must_see(struct scenario s, double lead, double factor)
{
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		struct outcome o = run(&s, seed);
		double rest = o.full - o.alarm;

		assert_true(o.full >= 0);
		if (o.alarm < 0 || rest < lead)
			fail_msg("seed %u: alarm at %.0f, full at %.0f", seed, o.alarm, o.full);
		if (o.eta < rest / factor - 2 || o.eta > rest * factor + 2)
			fail_msg("seed %u: %.0f min said, %.0f were left", seed, o.eta, rest);
		assert_in_range(o.alarms, 1, 3);
	}
}

static void must_not(struct scenario s)
{
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		struct outcome o = run(&s, seed);

		assert_true(o.full < 0);
		if (o.alarm >= 0)
			fail_msg("seed %u: alarm at %.0f", seed, o.alarm);
	}
}

static double ramp(double t, double from, double length)
{
	return t < from ? 0 : t < from + length ? (t - from) / length : 1;
}

static double leak(double t, double hours)
{
	return 0.3 + 0.75 * ramp(t, 2 * DAY, hours * 60 * 1.07);
}

/* The warning that stands at the end was opened in time. */
static void must_stand(struct scenario s, double lead)
{
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		struct outcome o = run(&s, seed);

		if (o.alarm < 0 || o.full - o.last < lead)
			fail_msg("seed %u: alarm at %.0f, full at %.0f", seed, o.last, o.full);
	}
}

/* Straight leaks of 8 hours to 8 days. */
static void leaks(void **state)
{
	(void)state;
	must_see((struct scenario){leak, 8, 4, 0.004, 1}, 60, 2);
	must_see((struct scenario){leak, 30, 5, 0.004, 1}, 60, 2);
	must_see((struct scenario){leak, 190, 12, 0.004, 1}, 600, 1.6);
}

static double accelerating(double t, double hours)
{
	double r = ramp(t, 2 * DAY, hours * 60);

	return 0.3 + 0.71 * r * r;
}

static void accelerating_growth(void **state)
{
	(void)state;
	must_see((struct scenario){accelerating, 24, 4, 0.004, 1}, 60, 2);
	must_see((struct scenario){accelerating, 120, 8, 0.004, 1}, 60, 2.5);
	must_see((struct scenario){accelerating, 5.5, 3, 0.004, 1}, 60, 2);
}

static double burst(double t, double minutes)
{
	return 0.35 + 0.66 * ramp(t, 2 * DAY, minutes);
}

/* Full within the hour, from nothing. */
static void bursts(void **state)
{
	(void)state;
	must_see((struct scenario){burst, 12, 3, 0.003, 1}, 3, 2);
	must_see((struct scenario){burst, 40, 3, 0.003, 1}, 10, 2);
	must_see((struct scenario){burst, 60, 3, 0.003, 1}, 15, 2);
}

static double midnight(double t, double before)
{
	return 0.35 + 0.66 * ramp(t, 2 * DAY - before, 40);
}

/* What rose before the hour or the day was over is not yet what the guest is used to. */
static void bursts_over_midnight(void **state)
{
	(void)state;
	for (double before = 16; before <= 26; before += 2)
		must_see((struct scenario){midnight, before, 3, 0.003, 1}, 12, 2);
}

static double releasing(double t, double gives)
{
	double grown = 0.7 * ramp(t, 2 * DAY, 30 * 60) * 30 * 60;

	grown = t > 3.25 * DAY ? 0.7 * (t - 2 * DAY) : grown;
	return 0.3 + grown / (30 * 60) - gives * (t > 3.2 * DAY);
}

/* A leak that gives something back when it is nearly at the limit, and goes on. */
static void partial_release(void **state)
{
	(void)state;
	must_stand((struct scenario){releasing, 0.15, 6, 0.004, 1}, 60);
	must_stand((struct scenario){releasing, 0.25, 6, 0.004, 1}, 60);
	must_stand((struct scenario){releasing, 0.25, 6, 0.01, 1}, 60);
}

static double sawtooth(double t, double grows)
{
	return 0.35 + 0.15 * fmod(t, 50) / 50 + grows * 0.55 * ramp(t, 2 * DAY, 4 * DAY);
}

/* A garbage collector alone is none; on top of a leak it hides nothing. */
static void sawteeth(void **state)
{
	(void)state;
	must_not((struct scenario){sawtooth, 0, 20, 0.003, 1});
	must_see((struct scenario){sawtooth, 1, 8, 0.003, 1}, 60, 3);
}

static double cache(double t, double top)
{
	return 0.3 + (top - 0.3) * (t < 3 * DAY ? 0 : 1 - exp(-(t - 3 * DAY) / 600));
}

static void saturating_caches(void **state)
{
	(void)state;
	must_not((struct scenario){cache, 0.7, 20, 0.004, 1});
	must_not((struct scenario){cache, 0.82, 20, 0.004, 1});
}

static double seasonal(double t, double grows)
{
	return 0.45 + 0.15 * sin(t * 6.2831853 / DAY) + grows * 0.47 * ramp(t, 4 * DAY, 6 * DAY);
}

static void day_and_night(void **state)
{
	(void)state;
	must_not((struct scenario){seasonal, 0, 25, 0.005, 1});
	must_see((struct scenario){seasonal, 1, 12, 0.005, 1}, 60, 2);
}

static double rotated(double t, double grows)
{
	return 0.3 + 0.35 * fmod(t, DAY) / DAY + grows * 0.5 * ramp(t, 3 * DAY, 9 * DAY);
}

static void log_rotation(void **state)
{
	(void)state;
	must_not((struct scenario){rotated, 0, 25, 0.004, 1});
	must_see((struct scenario){rotated, 1, 14, 0.004, 1}, 60, 3);
}

static double stops(double t, double top)
{
	return 0.2 + (top - 0.2) * ramp(t, 3 * DAY, 2 * DAY);
}

static void leak_that_stops(void **state)
{
	(void)state;
	must_not((struct scenario){stops, 0.75, 20, 0.004, 1});
	must_not((struct scenario){stops, 0.86, 20, 0.004, 1});
}

static double deploys(double t, double unused)
{
	(void)unused;
	return 0.3 + 0.1 * floor(t / (4 * DAY));
}

static double temporary(double t, double height)
{
	double at = fmod(t, 2000);

	return 0.3 + height * ramp(at, 1000, 20) * (at < 1100);
}

static double every_ten_days(double t, double height)
{
	return 0.3 +
	       height * ramp(fmod(t, 10 * DAY), 3 * DAY, 40) * (fmod(t, 10 * DAY) < 3 * DAY + 100);
}

/* A job is a surprise once, not each time that a week has gone by. */
static void rare_jobs(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		struct scenario s = {every_ten_days, 0.52, 29, 0.004, 1};

		assert_in_range(run(&s, seed).alarms, 0, 1);
	}
}

static void harmless_steps(void **state)
{
	(void)state;
	must_not((struct scenario){deploys, 0, 22, 0.004, 1});
	must_not((struct scenario){temporary, 0.35, 20, 0.004, 1});
}

/* The same leak at other rates of sampling: the windows are times, not samples. */
static void other_steps(void **state)
{
	(void)state;
	must_see((struct scenario){leak, 30, 5, 0.004, 1.0 / 6}, 60, 2);
	must_see((struct scenario){leak, 30, 5, 0.004, 5}, 60, 2);
	must_not((struct scenario){sawtooth, 0, 6, 0.003, 0.5});
}

/* Samples at irregular times, with hours missing. */
static void gaps(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		struct forecast_view v = {0};
		struct forecast f;
		uint32_t s = seed;
		double t = 0, alarm = -1;

		forecast_init(&f);
		while (leak(t, 60) < 1) {
			t += fmax(0.1, 1 + 0.5 * noise(&s));
			if (fmod(t, 700) < 130)
				t += 130;
			forecast_feed(&f, 60 * t, leak(t, 60) + 0.004 * noise(&s), 1);
			forecast_view(&f, &v);
			if (v.open && v.level >= FINDING_WARNING && alarm < 0)
				alarm = t;
		}
		assert_true(v.open);
		assert_true(alarm > 2.5 * DAY && t - alarm >= 60);
	}
}

/* The limit moves: more memory ends the danger, less brings it near, and history is not lost. */
static void moving_limit(void **state)
{
	struct forecast_view v;
	struct forecast f;
	uint32_t seed = 3;

	(void)state;
	forecast_init(&f);
	for (int t = 0; t < 5000; t++)
		forecast_feed(&f, 60.0 * t, 400 + 2 * noise(&seed), 1000);
	for (int t = 5000; t < 9000; t++) {
		/* the disk grows: nothing happens */
		forecast_feed(&f, 60.0 * t, 400 + 2 * noise(&seed), 2000);
		forecast_view(&f, &v);
		assert_false(v.open);
		assert_true(v.used < 0.41 && (t > 5000 || v.used > 0.19));
	}
	for (int t = 9000; t < 12000; t++) {
		/* it shrinks to a tenth above what is used: nothing grows, so no date */
		forecast_feed(&f, 60.0 * t, 400 + 2 * noise(&seed), 480);
		forecast_view(&f, &v);
		assert_false(v.open);
	}
}

/* 256 MiB, a leak of 1 and 5 MiB a second; the sampler looks each second once its trend says so. */
static double lead_of(double mib_per_s, double history_s)
{
	const double total = 230, base = 0.42;
	struct forecast_view v;
	struct trend trend = {0};
	struct forecast f;
	double t = 0, y = base;

	forecast_init(&f);
	for (; t < history_s; t += 10)
		forecast_feed(&f, t, base + 0.0005 * fmod(t, 7), 1);
	for (double begin = t; y < 1; t += trend_stress(&trend) == STRESS_RAISE ? 1 : 10) {
		y = base + mib_per_s * (t - begin) / total;
		trend_add(&trend, y, (int64_t)(1000 * t));
		forecast_feed(&f, t, y, 1);
		forecast_view(&f, &v);
		if (v.open && v.level >= FINDING_WARNING)
			return (1 - y) * total / mib_per_s;
	}
	return -1;
}

static void leaks_of_seconds(void **state)
{
	(void)state;
	assert_true(lead_of(1, 3600) >= 30);
	assert_true(lead_of(5, 3600) >= 10);
	assert_true(lead_of(1, 86400) >= 30);
	assert_true(lead_of(5, 86400) >= 10);
}

/* Numbers that are none, times that do not move, limits of nothing: ignored. */
static void broken(void **state)
{
	struct forecast f, before;
	struct forecast_view v;

	(void)state;
	forecast_init(&f);
	for (int t = 0; t < 100; t++)
		forecast_feed(&f, t * 60.0, 0.5, 1);
	before = f;
	forecast_feed(&f, 99 * 60.0, 0.9, 1);
	forecast_feed(&f, 50, 0.9, 1);
	forecast_feed(&f, 1e5, NAN, 1);
	forecast_feed(&f, 1e5, 0.5, 0);
	forecast_feed(&f, 1e5, 0.5, -1);
	forecast_feed(&f, INFINITY, 0.5, 1);
	assert_memory_equal(&f, &before, sizeof(f));
	forecast_feed(&f, 1e18, 1e300, 1e-300);
	forecast_feed(&f, 2e18, -1e300, 1);
	forecast_view(&f, &v);
	assert_true(isfinite(v.used) && isfinite(v.per_hour) && isfinite(v.eta_s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaks),
		cmocka_unit_test(accelerating_growth),
		cmocka_unit_test(bursts_over_midnight),
		cmocka_unit_test(partial_release),
		cmocka_unit_test(rare_jobs),
		cmocka_unit_test(bursts),
		cmocka_unit_test(sawteeth),
		cmocka_unit_test(saturating_caches),
		cmocka_unit_test(day_and_night),
		cmocka_unit_test(log_rotation),
		cmocka_unit_test(leak_that_stops),
		cmocka_unit_test(harmless_steps),
		cmocka_unit_test(other_steps),
		cmocka_unit_test(gaps),
		cmocka_unit_test(moving_limit),
		cmocka_unit_test(leaks_of_seconds),
		cmocka_unit_test(broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
