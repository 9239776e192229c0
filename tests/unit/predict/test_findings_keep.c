/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of findings outlives the agent: what was told, what ended within the hour, and how
 * much of the day's budget is used; whatever was done to the clock meanwhile. */
#include "findings_fixture.h"

#include <errno.h>

#define UP (3 * H) /* how long the guest has been up then */

/* The next life, at T0 + @after_ms of real time, when the wall clock was set by @set_ms meanwhile.
 */
static struct findings *next_life(struct findings *f, bool same_boot, int64_t after_ms,
				  int64_t set_ms)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1 << 16);
	struct findings *g = NULL;

	assert_int_equal(findings_save(f, T0, UP, &text), 0);
	assert_int_equal(findings_new(0, &g), 0);
	assert_int_equal(findings_restore(g, text.data, text.len, same_boot, T0 + after_ms + set_ms,
					  same_boot ? UP + after_ms : 20 * S),
			 0);
	return g;
}

/* Saved and restored: the same open findings, nothing told again; a reboot ends what it ends. */
static void outlives_the_agent(void **state)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1 << 16);
	_cleanup_buf_ struct buf again = BUF_INIT(1 << 16);
	struct findings *f = *state, *g = NULL;
	struct finding a, b;
	char t[64];

	bad(f, T0, FAILURE_DISK_EXHAUSTION, "/srv", FINDING_WARNING);
	bad(f, T0 + S, FAILURE_HUNG_TASK, "dd[1]", FINDING_CRITICAL);
	assert_int_equal(findings_save(f, T0 + S, UP + S, &text), 0);
	assert_int_equal(findings_new(0, &g), 0);
	assert_int_equal(findings_restore(g, text.data, text.len, true, T0 + MIN, UP + MIN), 0);
	assert_int_equal(findings_count(g), 2);
	for (size_t i = 0; i < 2; i++) {
		assert_true(findings_get(f, i, &a) && findings_get(g, i, &b));
		assert_string_equal(a.entity, b.entity);
		assert_string_equal(a.evidence, b.evidence);
		assert_true(a.since_real_ms == b.since_real_ms && a.level == b.level &&
			    a.risk == b.risk);
	}
	assert_int_equal(findings_save(g, T0 + S, UP + S, &again), 0);
	assert_int_equal(text.len, again.len);
	bad(g, T0 + 2 * MIN, FAILURE_DISK_EXHAUSTION, "/srv", FINDING_WARNING);
	assert_string_equal(told(g, t), "");
	findings_free(g);
	assert_int_equal(findings_new(0, &g), 0);
	assert_int_equal(findings_restore(g, text.data, text.len, false, T0 + MIN, S), 0);
	assert_int_equal(findings_count(g), 1);
	findings_free(g);
}

/* Broken or newer text: refused as a whole or skipped by the line. */
static void broken_text(void **state)
{
	static const char lines[] = "heat-pulse-findings 1\n"
				    "no_such_class\tx\twarning\t1\t1\t1\t1\t-1\te\n"
				    "hung_task\tx\tloud\t1\t1\t1\t1\t-1\te\n"
				    "hung_task\tx\twarning\t1\t1\t1\t9\t-1\te\n"
				    "anomaly\tx\tcritical\t1\t1\t1\t1\t-1\te\n"
				    "hung_task\tx\twarning\t1\t1\t1\n"
				    "hung_task\tx\x01\twarning\t1\t1\t1\t1\t-1\te\n"
				    "hung_task\tx\twarning\t1\t1\t1\t1\t-1\tcut";
	struct findings *f = *state;

	assert_int_equal(findings_restore(f, "heat-pulse-findings 3\n", 22, true, T0, UP), -EINVAL);
	assert_int_equal(findings_restore(f, "", 0, true, T0, UP), -EINVAL);
	assert_int_equal(findings_restore(f, lines, sizeof(lines) - 1, true, T0, UP), 0);
	assert_int_equal(findings_count(f), 0);
}

/* What was seen and never told has no time of telling that a clock could move, nor is it lost when
 * the agent begins anew. */
static void never_told(void **state)
{
	_cleanup_buf_ struct buf text = BUF_INIT(8192);
	struct findings *f = *state;
	char name[16];

	for (int i = 0; i < FINDINGS_BUDGET + 2; i++) { /* two beyond the budget */
		snprintf(name, sizeof(name), "vd%d", i);
		bad(f, T0, FAILURE_DISK_FAILING, name, FINDING_WARNING);
	}
	findings_clock_set(f, -H);
	findings_clock_set(f, H);
	assert_int_equal(findings_save(f, T0, UP, &text), 0);
	findings_switch(f, FAILURE_DISK_FAILING, false);
	findings_switch(f, FAILURE_DISK_FAILING, true);
	assert_int_equal(findings_restore(f, text.data, text.len, true, T0, UP), 0);
	assert_int_equal(findings_count(f), FINDINGS_BUDGET + 2);
}

/* What ended within the hour and comes back is not told again, as without the restart; raised or
 * after the hour it is. */
static void silence_is_kept(void **state)
{
	struct findings *f = *state, *g;
	char t[64];

	bad(f, T0 - 20 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest", FINDING_WARNING);
	findings_good(f, T0 - 5 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest");
	assert_string_equal(told(f, t), "OC");
	assert_true(findings_are_worth(f, T0));
	g = next_life(f, true, MIN, 0);
	assert_int_equal(findings_count(g), 0);
	bad(g, T0 + 2 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest", FINDING_WARNING);
	assert_string_equal(told(g, t), "");
	assert_int_equal(findings_count(g), 1);
	bad(g, T0 + 3 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest", FINDING_CRITICAL);
	assert_string_equal(told(g, t), "R");
	findings_free(g);
	g = next_life(f, true, 56 * MIN, 0);
	bad(g, T0 + 56 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest", FINDING_WARNING);
	assert_string_equal(told(g, t), "O");
	findings_free(g);
}

/* A reboot ends what it ends: silence about that, too; about a full disk not. */
static void silence_over_a_reboot(void **state)
{
	struct findings *f = *state, *g;
	char t[64];

	for (int class = 0; class < FAILURE_CLASSES; class ++)
		if (class == FAILURE_MEMORY_EXHAUSTION || class == FAILURE_DISK_EXHAUSTION)
			bad(f, T0 - 40 * MIN, (enum failure_class) class, "x", FINDING_WARNING);
	findings_good(f, T0 - MIN, FAILURE_MEMORY_EXHAUSTION, "x");
	findings_good(f, T0 - MIN, FAILURE_DISK_EXHAUSTION, "x");
	assert_string_equal(told(f, t), "OOCC");
	g = next_life(f, false, MIN, 0);
	bad(g, T0 + MIN, FAILURE_DISK_EXHAUSTION, "x", FINDING_WARNING);
	assert_string_equal(told(g, t), "");
	bad(g, T0 + MIN, FAILURE_MEMORY_EXHAUSTION, "x", FINDING_WARNING);
	assert_string_equal(told(g, t), "O");
	findings_free(g);
}

static unsigned tell_of(struct findings *f, int64_t now, unsigned from, unsigned n,
			char out[static 64])
{
	unsigned opened = 0;
	char name[16];

	for (unsigned i = from; i < from + n; i++) {
		snprintf(name, sizeof(name), "vd%u", i);
		bad(f, now, FAILURE_DISK_FAILING, name, FINDING_WARNING);
	}
	told(f, out);
	for (const char *p = out; *p; p++)
		opened += *p == 'O';
	return opened;
}

/* An agent that begins anew after each finding, in the same boot or with the guest, tells no more
 * in a day than one that lives on, and says once that it does not. */
static void budget_is_of_all_lives(void **state)
{
	for (int same_boot = 0; same_boot < 2; same_boot++) {
		struct findings *f = NULL, *g;
		unsigned opened = 0, summed = 0;
		char t[64];

		assert_int_equal(findings_new(0, &f), 0);
		for (unsigned life = 0; life < 40; life++) {
			opened += tell_of(f, T0, life, 1, t);
			summed += strchr(t, 'S') != NULL;
			g = next_life(f, same_boot, 0, 0);
			findings_free(f);
			f = g;
		}
		assert_int_equal(opened, FINDINGS_BUDGET);
		assert_int_equal(summed, 1);
		assert_int_equal(tell_of(f, T0 + DAY, 50, 1, t), 1);
		findings_free(f);
	}
	(void)state;
}

/* The wall clock is set while no agent runs, ahead or back by years: in the same boot the other
 * clock says what passed. Neither is the gate open, nor is it shut for longer than a day and an
 * hour. */
static void clock_set_between_lives(void **state)
{
	static const int64_t by[] = {-20000 * DAY, -2 * DAY, -H, H, 2 * DAY, 20000 * DAY};
	struct findings *f = *state, *g;
	char t[64];

	bad(f, T0 - 40 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest", FINDING_WARNING);
	findings_good(f, T0 - 10 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest");
	assert_string_equal(told(f, t), "OC");
	assert_int_equal(tell_of(f, T0, 0, 40, t), FINDINGS_BUDGET - 1);
	for (size_t i = 0; i < ARRAY_SIZE(by); i++) {
		g = next_life(f, true, MIN, by[i]);
		assert_int_equal(tell_of(g, T0 + by[i] + MIN, 50, 40, t), 0);
		bad(g, T0 + by[i] + MIN, FAILURE_MEMORY_EXHAUSTION, "guest", FINDING_CRITICAL);
		assert_string_equal(told(g, t), "O"); /* critical ones have as many again */
		findings_free(g);
		g = next_life(f, true, MIN, by[i]);
		bad(g, T0 + by[i] + 45 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest", FINDING_WARNING);
		assert_string_equal(told(g, t), "");
		assert_int_equal(tell_of(g, T0 + by[i] + DAY - 41 * MIN, 90, 2, t), 0);
		assert_int_equal(tell_of(g, T0 + by[i] + DAY - 39 * MIN, 92, 2, t), 2);
		findings_free(g);
	}
}

/* A guest without a clock of its own comes up in 1970, and is told the time a minute later: the
 * budget goes on from where it was, and what was told is not told again for that. */
static void reboot_without_a_clock(void **state)
{
	struct findings *f = *state, *g;
	char t[64];

	bad(f, T0 - 20 * H, FAILURE_DISK_EXHAUSTION, "/srv", FINDING_WARNING);
	assert_string_equal(told(f, t), "O");
	assert_int_equal(tell_of(f, T0, 0, 40, t), FINDINGS_BUDGET - 1);
	g = next_life(f, false, -T0 + 20 * S, 0);
	assert_int_equal(tell_of(g, 40 * S, 50, 2, t), 0);
	findings_clock_set(g, T0);
	assert_int_equal(tell_of(g, T0 + 2 * MIN, 60, 2, t), 0);
	assert_int_equal(tell_of(g, T0 + 4 * H - MIN, 70, 1, t), 0);
	assert_int_equal(tell_of(g, T0 + 4 * H + MIN, 80, 1, t), 1);
	findings_free(g);
}

static bool never_stands(const char *entity, const void *ctx)
{
	(void)entity;
	(void)ctx;
	return false;
}

/* How a finding ends is kept: a record of the kernel by the quiet time of its own class, a control
 * group that is gone after minutes. */
static void how_it_ends_is_kept(void **state)
{
	struct klog_hit hit = {
		.class = KLOG_ALLOC_FAIL, .level = FINDING_WARNING, .entity = "nginx"};
	const struct observation o = {.class = FAILURE_MEMORY_EXHAUSTION,
				      .entity = "web",
				      .level = FINDING_WARNING,
				      .evidence = "",
				      .eta_s = -1,
				      .sampled = true};
	struct findings *f = *state, *g;
	char t[64];

	findings_klog(f, T0, &hit);
	findings_bad(f, T0, &o);
	told(f, t);
	g = next_life(f, true, MIN, 0);
	assert_int_equal(findings_count(g), 2);
	for (int64_t at = 5 * MIN; at <= 11 * MIN; at += MIN)
		findings_missing(g, T0 + at, never_stands, NULL);
	assert_int_equal(findings_count(g), 1);
	findings_tick(g, T0 + 29 * MIN);
	assert_int_equal(findings_count(g), 1);
	findings_tick(g, T0 + 31 * MIN);
	assert_int_equal(findings_count(g), 0);
	assert_string_equal(told(g, t), "CC");
	findings_free(g);
}

/* What an agent before this one wrote is read, too. */
static void earlier_form(void **state)
{
	static const char lines[] =
		"heat-pulse-findings 1\n"
		"disk_exhaustion\t/srv\twarning\t1000\t2000\t1000\t1\t900\tspace\n";
	struct findings *f = *state;
	struct finding got;

	assert_int_equal(findings_restore(f, lines, sizeof(lines) - 1, false, T0, UP), 0);
	assert_int_equal(findings_count(f), 1);
	assert_true(findings_get(f, 0, &got));
	assert_string_equal(got.entity, "/srv");
	assert_int_equal(got.since_real_ms, 1000);
}

/* Nothing to say is nothing to write. */
static void worth(void **state)
{
	struct findings *f = *state;

	assert_false(findings_are_worth(f, T0));
	bad(f, T0, FAILURE_MEMORY_EXHAUSTION, "guest", FINDING_WARNING);
	findings_good(f, T0 + 20 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest");
	assert_true(findings_are_worth(f, T0 + 20 * MIN));
	assert_false(findings_are_worth(f, T0 + DAY));
}

#define LIFE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(outlives_the_agent),
		LIFE(broken_text),
		LIFE(never_told),
		LIFE(silence_is_kept),
		LIFE(silence_over_a_reboot),
		LIFE(budget_is_of_all_lives),
		LIFE(clock_set_between_lives),
		LIFE(reboot_without_a_clock),
		LIFE(how_it_ends_is_kept),
		LIFE(earlier_form),
		LIFE(worth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
