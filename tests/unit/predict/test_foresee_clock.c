/* SPDX-License-Identifier: Apache-2.0 */
/* The clock's keeper: one that is lost is told after an hour; none that never was, none that comes back. */
#include <math.h>

#define STEP_MS 60000
#define HOUR    60 /* steps */
#define LOST_MS 16000.0
#define TEXT	8192

#include "written_guest.h"

struct guest { /* its life so far */
	struct foresee *f;
	int step;
	int64_t slept_ms, set_ms;
	int opened, closed, opened_at;
	struct finding last;
};

static void begin(struct guest *g)
{
	*g = (struct guest){.opened_at = -1};
	assert_int_equal(foresee_new(&g->f), 0);
}

static void look(struct guest *g, double error_ms, double offset_ms)
{
	struct sample *s = sample_at(g->step);
	struct findings_news news;

	s->boot_ms += g->slept_ms;
	s->real_ms += g->slept_ms + g->set_ms;
	sample_add(s, METRIC_CLOCK_ERROR_MAX_MS, -1, error_ms);
	sample_add(s, METRIC_CLOCK_OFFSET_MS, -1, offset_ms);
	foresee_sample(g->f, s);
	foresee_tick(g->f, s->real_ms, s->boot_ms * 1000);
	while (findings_take(foresee_findings(g->f), &news)) {
		assert_int_equal(news.class, FAILURE_CLOCK_UNSYNCHRONISED);
		if (news.event == FINDINGS_OPENED)
			g->opened_at = g->step;
		g->opened += news.event == FINDINGS_OPENED;
		g->closed += news.event == FINDINGS_CLOSED;
		g->last = news.finding;
	}
	g->step++;
}

/* A daemon that sets the clock each 2048 s, the longest that timesyncd waits. */
static void kept(struct guest *g, int steps)
{
	for (int i = 0; i < steps; i++)
		look(g, fmod(i * 60.0, 2048) / 2, 1.5);
}

static void unkept(struct guest *g, int steps)
{
	for (int i = 0; i < steps; i++)
		look(g, LOST_MS, 0);
}

static void is_quiet(struct guest *g)
{
	assert_int_equal(g->opened, 0);
	foresee_free(g->f);
}

/* From the last time on that it was set the error grows by 0.5 ms a second: beyond 8 s after 4 h 27 min, and told
 * an hour later, once, with what to do; over five minutes after it is set again. */
static void daemon_died(void **state)
{
	struct guest g;
	int died;

	(void)state;
	begin(&g);
	kept(&g, 3 * HOUR);
	died = g.step;
	while (g.step < died + 12 * HOUR)
		look(&g, fmin((g.step - died) * 30.0, LOST_MS), 0);
	assert_int_equal(g.opened, 1);
	assert_int_equal(g.opened_at - died, 267 + HOUR);
	assert_int_equal(g.last.level, FINDING_WARNING);
	assert_string_equal(g.last.entity, "clock");
	assert_non_null(strstr(g.last.evidence, "(off by up to 16000 ms): see to chrony"));
	assert_int_equal(g.closed, 0);
	kept(&g, 10);
	assert_int_equal(g.closed, 1);
	assert_int_equal(g.opened, 1);
	foresee_free(g.f);
}

/* Where no daemon runs, and where one runs that never reached a server (chrony sets 10 s then). */
static void never_kept(void **state)
{
	struct guest g;

	(void)state;
	begin(&g);
	unkept(&g, 72 * HOUR);
	is_quiet(&g);
	begin(&g);
	for (int i = 0; i < 24 * HOUR; i++)
		look(&g, fmin(10000 + i * 30, LOST_MS), 0);
	is_quiet(&g);
}

/* A boot, and each step or resume, until the daemon's next look. */
static void comes_back(void **state)
{
	struct guest g;

	(void)state;
	begin(&g);
	unkept(&g, 2 * HOUR);
	for (int i = 0; i < 20; i++) {
		kept(&g, 3);
		unkept(&g, 35);
	}
	kept(&g, 3);
	unkept(&g, HOUR); /* one look short of an hour */
	kept(&g, 3);
	assert_int_equal(g.opened, 0);
	unkept(&g, HOUR + 1);
	assert_int_equal(g.opened, 1);
	foresee_free(g.f);
}

/* Sleep is no hour without a daemon, whenever it begins; a clock that is set makes no hour either. */
static void sleeps_and_steps(void **state)
{
	struct guest g;

	(void)state;
	begin(&g);
	kept(&g, HOUR);
	unkept(&g, 5);
	g.slept_ms += 8 * 3600000;
	unkept(&g, 34);
	kept(&g, HOUR);
	unkept(&g, 5);
	g.set_ms += 3 * 86400000LL;
	unkept(&g, HOUR - 5);
	g.set_ms -= 5 * 86400000LL;
	assert_int_equal(g.opened, 0);
	unkept(&g, 1);
	assert_int_equal(g.opened, 1);
	foresee_free(g.f);
}

/* Looks that are an hour apart, the rarest there are, still find it. */
static void rare_looks(void **state)
{
	struct guest g;

	(void)state;
	begin(&g);
	for (int i = 0; i < 10; i++) {
		look(&g, i < 5 ? 300 : LOST_MS, 0);
		g.slept_ms += 3600000 - STEP_MS;
	}
	assert_int_equal(g.opened, 1);
	assert_int_equal(g.opened_at, 9);
	foresee_free(g.f);
}

/* Offsets of either sign. The slowest loop of the kernel, 4096 s, is within 250 ms before the hour is over. */
static void offsets(void **state)
{
	const double signs[] = {-1, 1};
	struct guest g;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		begin(&g);
		for (int k = 0; k < 6 * HOUR; k++)
			look(&g, 100, signs[i] * 500 * exp(-k * 60.0 / 4096));
		for (int k = 0; k < 6 * HOUR; k++)
			look(&g, 100, signs[i] * 249);
		assert_int_equal(g.opened, 0);
		for (int k = 0; k <= HOUR; k++)
			look(&g, 100, signs[i] * 250);
		assert_int_equal(g.opened, 1);
		assert_string_equal(g.last.entity, "clock-offset");
		assert_non_null(strstr(g.last.evidence, "now by 250 ms"));
		kept(&g, 10);
		assert_int_equal(g.closed, 1);
		foresee_free(g.f);
	}
}

/* Into another life of the agent. */
static void reborn(struct guest *g, bool same_boot)
{
	const struct sample *s = sample_at(g->step);
	char text[TEXT];
	struct buf saved = BUF_INIT(TEXT);

	assert_int_equal(findings_save(foresee_findings(g->f), s->real_ms, s->boot_ms, &saved), 0);
	assert_in_range(snprintf(text, sizeof(text), "%s", buf_str(&saved)), 1, TEXT - 1);
	buf_deinit(&saved);
	foresee_free(g->f);
	assert_int_equal(foresee_new(&g->f), 0);
	assert_int_equal(findings_restore(foresee_findings(g->f), text, strlen(text), same_boot,
					  s->real_ms, s->boot_ms), 0);
}

/* Told once, though the agent begins anew while it is so; a boot ends it. */
static void agent_begins_anew(void **state)
{
	struct guest g;

	(void)state;
	for (int same_boot = 0; same_boot < 2; same_boot++) {
		begin(&g);
		kept(&g, HOUR);
		unkept(&g, 2 * HOUR);
		assert_int_equal(g.opened, 1);
		reborn(&g, same_boot);
		unkept(&g, 5 * HOUR);
		assert_int_equal(g.opened, 1);
		assert_int_equal(findings_count(foresee_findings(g.f)), same_boot);
		kept(&g, 10);
		assert_int_equal(g.closed, same_boot);
		foresee_free(g.f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(daemon_died),	cmocka_unit_test(never_kept), cmocka_unit_test(comes_back),
		cmocka_unit_test(sleeps_and_steps), cmocka_unit_test(rare_looks), cmocka_unit_test(offsets),
		cmocka_unit_test(agent_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
