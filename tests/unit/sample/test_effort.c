/* SPDX-License-Identifier: Apache-2.0 */
/* How often a sample is taken: the pure rule, and the sampler that follows it. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "core/loop.h"
#include "sample/effort.h"
#include "sample/sampler.h"
#include "sample/trend.h"
#include "sample/waiters.h"

/* Calm: the configured interval, whatever happened below the upper bound. */
static void calm_stays_calm(void **state)
{
	struct effort e = {.base_ms = 10000};

	(void)state;
	for (int64_t now = 0; now < 100000; now += 10000) {
		effort_note(&e, now % 20000 ? STRESS_HOLD : STRESS_CALM, now);
		assert_int_equal(effort_interval(&e, now), 10000);
	}
}

/* Up at once, and down only when it has been calm for 30 s: what stays between the bounds keeps it
 * up, a moment of calm does not bring it down. */
static void goes_up_at_once_and_down_late(void **state)
{
	struct effort e = {.base_ms = 10000};

	(void)state;
	effort_note(&e, STRESS_RAISE, 5000);
	assert_int_equal(effort_interval(&e, 5000), 1000);
	effort_note(&e, STRESS_CALM, 6000);
	effort_note(&e, STRESS_HOLD, 30000);
	effort_note(&e, STRESS_CALM, 59999);
	assert_int_equal(effort_interval(&e, 59999), 1000);
	effort_note(&e, STRESS_CALM, 60000);
	assert_int_equal(effort_interval(&e, 60000), 10000);
}

/* Stress that lasts five minutes is no news: five seconds, until it was calm and comes again. */
static void lasting_stress_gets_less(void **state)
{
	struct effort e = {.base_ms = 10000};

	(void)state;
	for (int64_t now = 0; now <= 400000; now += 1000) {
		effort_note(&e, STRESS_RAISE, now);
		assert_int_equal(effort_interval(&e, now), now < 300000 ? 1000 : 5000);
	}
	effort_note(&e, STRESS_CALM, 430000);
	assert_int_equal(effort_interval(&e, 430000), 10000);
	effort_note(&e, STRESS_RAISE, 440000);
	assert_int_equal(effort_interval(&e, 440000), 1000);
}

/* Who asked for a second or two gets that under stress, too. */
static void never_slower_than_configured(void **state)
{
	struct effort e = {.base_ms = 2000};

	(void)state;
	effort_note(&e, STRESS_RAISE, 0);
	assert_int_equal(effort_interval(&e, 0), 1000);
	effort_note(&e, STRESS_RAISE, 300000);
	assert_int_equal(effort_interval(&e, 300000), 2000);
	e = (struct effort){.base_ms = 1000};
	effort_note(&e, STRESS_RAISE, 0);
	assert_int_equal(effort_interval(&e, 0), 1000);
}

/* ---- trends ---- */

static enum probe_stress after_a_minute(double before, double now)
{
	struct trend t = {0};

	trend_add(&t, before, 1000);
	trend_add(&t, now, 61000);
	return trend_stress(&t);
}

/* Two looks a minute apart are enough for what fills in minutes; hours are no reason for haste. */
static void trends_ask_for_looks(void **state)
{
	struct trend once = {0};

	(void)state;
	assert_int_equal(after_a_minute(0.3, 0.65), STRESS_RAISE);
	assert_int_equal(after_a_minute(0.3, 0.4), STRESS_HOLD);
	assert_int_equal(after_a_minute(0.3, 0.32), STRESS_CALM);
	assert_int_equal(after_a_minute(0.8, 0.83), STRESS_RAISE);  /* little is left */
	assert_int_equal(after_a_minute(0.985, 0.99), STRESS_CALM); /* full, and slow */
	assert_int_equal(after_a_minute(0.9, 0.4), STRESS_CALM);
	trend_add(&once, 0.9, 1000);
	assert_int_equal(trend_stress(&once), STRESS_CALM);
}

/* A jump that ends is forgotten within minutes. */
static void a_jump_is_forgotten(void **state)
{
	struct trend t = {0};
	int64_t now = 0;

	(void)state;
	trend_add(&t, 0.1, now);
	trend_add(&t, 0.7, now += 30000);
	assert_int_equal(trend_stress(&t), STRESS_RAISE);
	while (now < 240000)
		trend_add(&t, 0.7, now += 1000);
	assert_int_equal(trend_stress(&t), STRESS_CALM);
	trend_add(&t, 0.9, now); /* not later: left out */
	assert_true(t.used == 0.7);
}

/* ---- the sampler ---- */

struct run {
	struct loop *loop;
	struct sampler *sampler;
	char dir[64];
	unsigned samples, extra, stop_after;
	bool relieve;
	int64_t times[32];
};

static void put(const char *dir, const char *file, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", dir, file);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char stalled[] =
	"some avg10=33.00 avg60=1.00 avg300=0.10 total=5\nfull avg10=20.00 avg60=1.00 avg300=0.10 "
	"total=5\n";

static int no_fd(int privpath, void *ctx)
{
	(void)privpath, (void)ctx;
	return -EACCES;
}

static void on_sample(const struct sample *s, void *ctx)
{
	struct run *r = ctx;

	r->times[r->samples++] = s->boot_ms;
	r->extra += s->extra;
	if (r->samples == r->stop_after)
		loop_quit(r->loop, 0);
}

static void start(struct run *r, struct env *env, struct conf *conf)
{
	const struct sampler_setup setup = {
		.loop = NULL, .conf = conf, .open_fd = no_fd, .sample = on_sample, .ctx = r};
	struct sampler_setup with_loop = setup;

	assert_int_equal(loop_new(env, &r->loop), 0);
	with_loop.loop = r->loop;
	assert_int_equal(sampler_new(&with_loop, &r->sampler, NULL), 0);
	assert_int_equal(sampler_start(r->sampler), 0);
}

static void make_tree(struct run *r, struct env *env, const char *memory_pressure)
{
	char path[128];

	snprintf(r->dir, sizeof(r->dir), "/tmp/hp-effort-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(path, sizeof(path), "%s/proc", r->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/proc/pressure", r->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/sys", r->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	put(r->dir, "/proc/pressure/memory", memory_pressure);
	assert_int_equal(env_init(env, r->dir), 0);
}

static void end(struct run *r)
{
	sampler_free(r->sampler);
	loop_free(r->loop);
	fs_remove_tree(r->dir);
}

/* Under pressure samples come each second though ten minutes are configured; those in between are
 * marked. */
static void pressure_brings_samples_nearer(void **state)
{
	struct run r = {.stop_after = 4};
	struct conf conf = {.sample_interval_ms = 600000, .process_interval_ms = 60000};
	struct env env;

	(void)state;
	make_tree(&r, &env, stalled);
	start(&r, &env, &conf);
	assert_int_equal(loop_run(r.loop), 0);
	assert_int_equal(sampler_interval(r.sampler), 1000);
	for (unsigned i = 1; i < r.samples; i++)
		assert_in_range(r.times[i] - r.times[i - 1], 800, 1900);
	assert_int_equal(r.extra, 3);
	end(&r);
}

/* Settings change the interval while it runs, within 1 s and 1 h; none means the configuration's. */
static void settings_change_the_interval(void **state)
{
	static const struct {
		int64_t asked, got;
	} rows[] = {{1, 1000}, {5000, 5000}, {INT64_C(7200000), 3600000}, {0, 20000}};
	struct run r = {.stop_after = 2};
	struct conf conf = {.sample_interval_ms = 20000, .process_interval_ms = 60000};
	struct env env;

	(void)state;
	make_tree(&r, &env, "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	start(&r, &env, &conf);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct sampler_settings settings = {.interval_ms = rows[i].asked};

		assert_int_equal(sampler_apply(r.sampler, &settings), 0);
		assert_int_equal(sampler_interval(r.sampler), rows[i].got);
	}
	assert_int_equal(
		sampler_apply(r.sampler, &(struct sampler_settings){.interval_ms = 1000}), 0);
	assert_int_equal(loop_run(r.loop), 0);
	assert_in_range(r.times[1] - r.times[0], 800, 1900);
	assert_int_equal(r.extra, 0);
	end(&r);
}

/* ---- load ---- */

/* A guest of some minutes: what the kernel makes of its tasks, and what is made of that. */
struct minutes {
	int64_t s;
	double load, worked_s;
	struct worked worked;
	struct waiters waiters;
};

/* @waits: on average; those that the kernel finds at its counts. Return: what the walk at the end
 * of the minute is told. */
static double pass_minute(struct minutes *m, double works, double waits)
{
	double worked = 0;

	for (int i = 0; i < 12; i++) {
		m->s += 5;
		m->load = m->load * exp(-5 / 60.0) + (works + waits) * (1 - exp(-5 / 60.0));
		m->worked_s += 5 * works;
		if (i % 2)
			worked = worked_add(&m->worked, m->worked_s, m->s * 1000);
	}
	return waiters_add(&m->waiters, floor(m->load * 100) / 100, worked, m->s * 1000);
}

/* Who works does not wait, and what ended is over; who hangs is seen within a minute, whatever else
 * there is. */
static void load_without_work(void **state)
{
	struct minutes m = {0};

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(fabs(pass_minute(&m, 0, 0)) < 0.1);
	for (int i = 0; i < 5; i++)
		assert_true(fabs(pass_minute(&m, 1, 0)) < 0.2);
	assert_true(pass_minute(&m, 1, 1) > 0.8);
	assert_true(fabs(pass_minute(&m, 1, 0)) < 0.2);
	for (int i = 0; i < 5; i++) /* more to do than processors */
		assert_true(pass_minute(&m, 2, 6) > 5);
	assert_true(m.load > 7);
	assert_true(fabs(pass_minute(&m, 0, 0)) < 0.5);
	assert_true(m.load > 2);
	assert_true(pass_minute(&m, 0, 1) > 0.8);
	assert_true(pass_minute(&m, 0, 1) > 0.8);
	assert_true(fabs(pass_minute(&m, 0, 0)) < 0.2);
	for (int i = 0; i < 5; i++) /* that many are not told apart */
		pass_minute(&m, 6, 0);
	assert_true(pass_minute(&m, 6, 0) > 5);
}

/* Without what the processors did all of the load counts, from the first reading on. */
static void load_alone(void **state)
{
	struct waiters w = {0};

	(void)state;
	assert_true(waiters_add(&w, 0.5, 0, 3600000) >= 0.5);
	assert_true(waiters_add(&w, 0.5, 0, 3660000) >= 0.499);
	assert_true(waiters_add(&w, 0.2, 0, 3720000) < 0.1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calm_stays_calm),
		cmocka_unit_test(goes_up_at_once_and_down_late),
		cmocka_unit_test(lasting_stress_gets_less),
		cmocka_unit_test(never_slower_than_configured),
		cmocka_unit_test(trends_ask_for_looks),
		cmocka_unit_test(a_jump_is_forgotten),
		cmocka_unit_test(pressure_brings_samples_nearer),
		cmocka_unit_test(settings_change_the_interval),
		cmocka_unit_test(load_without_work),
		cmocka_unit_test(load_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
