/* SPDX-License-Identifier: Apache-2.0 */
/* Samples and records in, findings out: the way that the live agent goes, in simulated time. */
#include <math.h>

#define STEP_MS  10000
#define HOUR     360 /* steps */

#include "written_guest.h"

/* Some noise that is the same in each run. */
static double noise(int step)
{
	return sin(step * 12.9898) + sin(step * 4.1414);
}

/* A leak is foreseen while there is time, and the process that grows is named. */
static void leak_is_foreseen(void **state)
{
	struct foresee *f = *state;
	struct finding found = {0};
	double used = 30;
	int step = 0, opened = -1;

	for (; step < 60 * HOUR && used < 99.5; step++) {
		struct sample *s = sample_at(step);
		int who = sample_entity(s, "process", "java[412]", "");

		used = step < 24 * HOUR ? 30 + noise(step)
					: 30 + (step - 24 * HOUR) * 0.01 + noise(step);
		sample_add(s, METRIC_MEM_USABLE_PERC, -1, 100 - used);
		sample_add(s, METRIC_MEM_TOTAL_MB, -1, 4096);
		sample_add(s, METRIC_PROCESS_GROWTH_MB_H, who, step < 24 * HOUR ? 3 : 147);
		foresee_sample(f, s);
		foresee_tick(f, s->real_ms, s->boot_ms * 1000);
		if (opened < 0 && find(f, "memory_exhaustion", &found))
			opened = step;
	}
	assert_true(opened > 24 * HOUR);
	/* 3.6 % an hour: the end is at about 43 h; ten minutes of warning at the least */
	assert_true(step - opened > 60);
	assert_true(find(f, "memory_exhaustion", &found));
	assert_non_null(strstr(found.evidence, "java[412]"));
}

/* A leak from the third hour on, and wall-clock time that is set by @by_ms at step @at. Return: the step at
 * which it is a warning, or -1; whatever is told twice or ends fails. */
static int leak_with_step(int at, int64_t by_ms)
{
	struct foresee *f = NULL;
	struct findings_news news;
	struct finding found;
	int warned = -1, opened = 0;

	assert_int_equal(foresee_new(&f), 0);
	for (int step = 0; step < 6 * HOUR; step++) {
		struct sample *s = sample_at(step);
		double leak = step < 3 * HOUR ? 0 : (step - 3 * HOUR) * 0.06;

		s->real_ms += step < at ? 0 : by_ms;
		sample_add(s, METRIC_MEM_USABLE_PERC, -1, 70 - leak + noise(step) / 4);
		foresee_clock(f, s->real_ms, s->boot_ms);
		foresee_tick(f, s->real_ms, s->boot_ms * 1000);
		foresee_sample(f, s);
		while (findings_take(foresee_findings(f), &news)) {
			opened += news.event == FINDINGS_OPENED;
			assert_int_not_equal(news.event, FINDINGS_CLOSED);
		}
		if (warned < 0 && find(f, "memory_exhaustion", &found) && found.level > FINDING_NOTICE)
			warned = step;
	}
	assert_int_equal(opened, 1);
	foresee_free(f);
	return warned;
}

/* A clock that is set, ahead or back, before or while a leak is open, changes nothing of what is foreseen. */
static void clock_is_set(void **state)
{
	const int64_t day_ms = 86400000;
	int calm = leak_with_step(0, 0);

	(void)state;
	assert_true(calm > 3 * HOUR);
	for (int at = calm - HOUR / 2; at <= calm + HOUR / 2; at += HOUR / 2) {
		assert_int_equal(leak_with_step(at, 3 * day_ms), calm);
		assert_int_equal(leak_with_step(at, -day_ms / 4), calm);
		assert_int_equal(leak_with_step(at, 90000), calm);
	}
}

/* A guest that just lives is left in peace for three days. */
static void quiet_guest(void **state)
{
	struct foresee *f = *state;
	struct findings_news news;
	int alarms = 0;

	for (int step = 0; step < 72 * HOUR; step++) {
		struct sample *s = sample_at(step);
		double day = sin(step * 2 * M_PI / (24 * HOUR));

		sample_add(s, METRIC_MEM_USABLE_PERC, -1, 60 - 15 * day + noise(step));
		sample_add(s, METRIC_CPU_STOLEN_PERC, -1, 2 + fabs(noise(step)));
		sample_add(s, METRIC_MEM_PRESSURE_FULL, -1, step % 500 == 0 ? 15 : 0);
		sample_add(s, METRIC_FS_READONLY, sample_entity(s, "mount_point", "/media", "sr0"),
			   1);
		foresee_sample(f, s);
		foresee_tick(f, s->real_ms, s->boot_ms * 1000);
		while (findings_take(foresee_findings(f), &news))
			alarms += news.finding.level != FINDING_NOTICE;
	}
	assert_int_equal(alarms, 0);
}

static void feed_state(struct foresee *f, int step, enum metric metric, const char *entity,
		       double value)
{
	struct sample *s = sample_at(step);

	sample_add(s, metric, entity ? sample_entity(s, "mount_point", entity, "vda1") : -1, value);
	foresee_sample(f, s);
	foresee_tick(f, s->real_ms, s->boot_ms * 1000);
}

/* A mount that becomes read-only is critical at once and well again when it is writable. */
static void read_only_flip(void **state)
{
	struct foresee *f = *state;
	struct finding found = {0};

	feed_state(f, 0, METRIC_FS_READONLY, "/", 0);
	assert_false(find(f, "filesystem_readonly", &found));
	feed_state(f, 1, METRIC_FS_READONLY, "/", 1);
	assert_true(find(f, "filesystem_readonly", &found));
	assert_int_equal(found.level, FINDING_CRITICAL);
	assert_string_equal(found.entity, "/");
	for (int step = 2; step < 30; step++)
		feed_state(f, step, METRIC_FS_READONLY, "/", 0);
	assert_false(find(f, "filesystem_readonly", &found));
}

/* Counters count from when they were first seen, and from nothing when they start anew. */
static void counters_grow(void **state)
{
	struct foresee *f = *state;
	struct finding found = {0};

	feed_state(f, 0, METRIC_FS_ERRORS, "/", 7);
	feed_state(f, 1, METRIC_FS_ERRORS, "/", 7);
	feed_state(f, 2, METRIC_FS_ERRORS, "/", 0);
	assert_false(find(f, "filesystem_error", &found));
	feed_state(f, 3, METRIC_FS_ERRORS, "/", 2);
	assert_true(find(f, "filesystem_error", &found));
	assert_non_null(strstr(found.evidence, "2 new errors"));
}

/* Pressure counts when it lasts. */
static void pressure_lasts(void **state)
{
	struct foresee *f = *state;
	struct finding found = {0};

	feed_state(f, 0, METRIC_MEM_PRESSURE_FULL, NULL, 50);
	feed_state(f, 1, METRIC_MEM_PRESSURE_FULL, NULL, 0);
	assert_false(find(f, "swap_thrash", &found));
	for (int step = 2; step < 8; step++)
		feed_state(f, step, METRIC_MEM_PRESSURE_FULL, NULL, 50);
	assert_true(find(f, "swap_thrash", &found));
	assert_int_equal(found.level, FINDING_CRITICAL);
}

/* A record of the kernel opens its finding with the entity in it; risk follows. */
static void record_opens(void **state)
{
	struct foresee *f = *state;
	struct kmsg_record r = {.level = 3, .usec = 5000000, .flag = '-'};
	struct finding found = {0};
	int64_t horizon;

	r.text_len = (size_t)snprintf(r.text, sizeof(r.text),
				      "EXT4-fs error (device vda1): ext4_lookup:1855: inode #2: "
				      "comm ls: deleted inode referenced: 12");
	foresee_record(f, &r, START_MS);
	foresee_tick(f, START_MS + 3000, 8000000);
	assert_true(find(f, "filesystem_error", &found));
	assert_string_equal(found.entity, "vda1");
	assert_true(findings_risk(foresee_findings(f), &horizon) > 0.3);
}

/* More entities than there is room for cost the oldest their place, nothing else. */
static void room_is_bounded(void **state)
{
	struct foresee *f = *state;
	struct foresee_line line;
	size_t known = 0;

	for (int step = 0; step < 400; step++) {
		char name[32];

		snprintf(name, sizeof(name), "/mnt/%d", step);
		feed_state(f, step, METRIC_DISK_SPACE_USED_PERC, name, 50);
	}
	for (size_t i = 0; foresee_forecast(f, i, &line); i++)
		known += line.what[0] != '\0';
	assert_int_equal(known, FORESEE_SERIES_MAX);
}

static struct sample *sample_of_groups(int step, double slice, double service)
{
	struct sample *s = sample_at(step);

	sample_add(s, METRIC_CGROUP_OOM_KILL, sample_entity(s, "cgroup", "system.slice", ""), slice);
	sample_add(s, METRIC_CGROUP_OOM_KILL,
		   sample_entity(s, "cgroup", "system.slice/db.service", ""), service);
	return s;
}

static void tell_kill(struct foresee *f, int64_t real_ms)
{
	struct kmsg_record r = {
		.level = 3, .usec = (uint64_t)(real_ms - START_MS + 5000) * 1000, .flag = '-'};

	r.text_len = (size_t)snprintf(r.text, sizeof(r.text),
				      "Memory cgroup out of memory: Killed process 107 (db) "
				      "total-vm:180kB, anon-rss:17kB");
	foresee_record(f, &r, real_ms);
}

static size_t kills_told(struct foresee *f)
{
	struct findings_news news;
	size_t n = 0;

	while (findings_take(foresee_findings(f), &news))
		n += news.class == FAILURE_OOM_KILL && news.event == FINDINGS_OPENED;
	return n;
}

/* One kill is one finding, of the process, whether the record comes before or after the groups were
 * looked at; who cannot read the kernel log is told of the group that is nearest to it. */
static void one_kill_one_finding(void **state)
{
	struct foresee *f = *state;
	struct finding found = {0};

	foresee_sample(f, sample_of_groups(0, 0, 0));
	tell_kill(f, START_MS + 3 * STEP_MS);
	foresee_sample(f, sample_of_groups(6, 1, 1)); /* looked at each minute */
	foresee_sample(f, sample_of_groups(7, 1, 1));
	assert_int_equal(kills_told(f), 1);
	assert_true(find(f, "oom_kill", &found));
	assert_string_equal(found.entity, "db[107]");

	foresee_sample(f, sample_of_groups(300, 2, 2));
	tell_kill(f, START_MS + 300 * STEP_MS + 1000);
	foresee_sample(f, sample_of_groups(301, 2, 2));
	assert_int_equal(kills_told(f), 0); /* the same process again, within the hour */
	assert_int_equal(findings_count(foresee_findings(f)), 1);

	foresee_sample(f, sample_of_groups(600, 3, 3));
	assert_int_equal(kills_told(f), 0); /* the record may yet come */
	foresee_sample(f, sample_of_groups(601, 3, 3));
	assert_int_equal(kills_told(f), 1);
	assert_true(findings_get(foresee_findings(f), 1, &found) ||
		    findings_get(foresee_findings(f), 0, &found));
	assert_string_equal(found.entity, "system.slice/db.service");
}

/* Numbers that are read each minute and stand in each sample are one reading a minute: what moves by
 * a step in between is no burst. */
static void stale_values_are_no_readings(void **state)
{
	struct foresee *f = *state;
	struct foresee_line line;

	for (int step = 0; step < 40; step++) {
		struct sample *s = sample_at(step);

		s->stale = step % 6 != 0;
		sample_add(s, METRIC_DISK_SPACE_USED_PERC,
			   sample_entity(s, "mount_point", "/srv", "vdb"), step < 36 ? 40 : 72);
		foresee_sample(f, s);
	}
	assert_true(foresee_forecast(f, 0, &line));
	assert_false(line.view.open);
	assert_int_equal(findings_count(foresee_findings(f)), 0);
}

/* Feeds space up to step @to: flat, then from 50 % to @top within ten minutes, then flat again. */
static bool copy_until(struct foresee *f, int *step, int to, double top, struct finding *ret)
{
	for (; *step < to; ++*step) {
		double part = fmin(fmax((*step - 2 * HOUR) / 60.0, 0), 1);

		feed_state(f, *step, METRIC_DISK_SPACE_USED_PERC, "/srv",
			   50 + (top - 50) * part + 0.02 * noise(*step));
	}
	return find(f, "disk_exhaustion", ret);
}

/* A date is said no more when nothing has come nearer to it for ten minutes, and after an hour and the
 * class's hold it is over; what grows again is told again. */
static void a_copy_that_ended(void **state)
{
	struct foresee *f = *state;
	struct finding found = {0};
	int step = 0;

	assert_false(copy_until(f, &step, 2 * HOUR, 86, &found));
	assert_true(copy_until(f, &step, 2 * HOUR + 58, 86, &found));
	assert_true(found.eta_s > 0 && found.level == FINDING_WARNING);
	assert_true(copy_until(f, &step, 2 * HOUR + 60 + 90, 86, &found));
	assert_int_equal(found.eta_s, -1);
	assert_null(strstr(found.evidence, "full in"));
	assert_false(copy_until(f, &step, 4 * HOUR, 86, &found));
	for (int i = 0; i < 40; i++, step++)
		feed_state(f, step, METRIC_DISK_SPACE_USED_PERC, "/srv", 86 + 0.3 * i);
	assert_true(find(f, "disk_exhaustion", &found));
	assert_int_equal(found.level, FINDING_CRITICAL);
}

static void feed_pressure(struct foresee *f, int from, double value)
{
	for (int step = from; step < from + 12; step++)
		feed_state(f, step, METRIC_MEM_PRESSURE_FULL, NULL, value);
}

/* Levels and classes as they are tuned; without a setting as the tables have them; unknown words are named. */
static void tuned(void **state)
{
	struct foresee *f = *state;
	struct predict_setting own, other = {.disabled = 0};
	const struct predict_setting *const all[] = {&own, &other};
	struct problems p = {0};
	struct finding found;

	foresee_settings("anomaly, nonsense",
			 "guest.mem.pressure_full_perc warning 3, guest.mem.pressure_full_perc critical off, "
			 "guest.cpu.percent warning 9, x y, guest.mem.pressure_full_perc severe 1",
			 &own, &p);
	assert_int_equal(p.n, 3);
	assert_int_equal(own.n_levels, 3);
	foresee_tune(f, all, 2, &p);
	assert_int_equal(p.n, 4); /* guest.cpu.percent has no levels */
	problems_deinit(&p);
	feed_pressure(f, 0, 5);
	assert_true(find(f, "swap_thrash", &found));
	assert_int_equal(found.level, FINDING_WARNING);
	feed_pressure(f, 12, 90);
	assert_true(find(f, "swap_thrash", &found));
	assert_int_equal(found.level, FINDING_WARNING); /* critical is off */
	other.disabled = 1u << FAILURE_SWAP_THRASH;
	foresee_tune(f, all, 2, NULL);
	assert_false(find(f, "swap_thrash", &found));
	feed_pressure(f, 24, 90);
	assert_false(find(f, "swap_thrash", &found));
	foresee_tune(f, NULL, 0, NULL);
	feed_pressure(f, 36, 5);
	assert_false(find(f, "swap_thrash", &found));
	feed_pressure(f, 48, 90);
	assert_true(find(f, "swap_thrash", &found));
	assert_int_equal(found.level, FINDING_CRITICAL);
}

/* Forecasts: critical from a time that can be set; what lies beyond the horizon is not told yet. */
static void limits(void **state)
{
	static const struct forecast_view view = {
		.open = true, .level = FINDING_WARNING, .eta_s = 3000, .eta_low_s = 2500, .eta_high_s = 3500, .used = 0.92};
	struct findings *f = foresee_findings(*state);
	struct finding found;

	findings_forecast(f, START_MS, FAILURE_DISK_EXHAUSTION, "/a", "space", "", false, &view);
	assert_true(find(*state, "disk_exhaustion", &found));
	assert_int_equal(found.level, FINDING_WARNING);
	findings_limits(f, 3600, INFINITY);
	findings_forecast(f, START_MS, FAILURE_INODE_EXHAUSTION, "/a", "inodes", "", false, &view);
	assert_true(find(*state, "inode_exhaustion", &found));
	assert_int_equal(found.level, FINDING_CRITICAL);
	findings_limits(f, 900, 1800);
	findings_forecast(f, START_MS, FAILURE_PID_EXHAUSTION, "tasks", "tasks", "", false, &view);
	assert_false(find(*state, "pid_exhaustion", &found));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(leak_is_foreseen, setup, teardown),
		cmocka_unit_test(clock_is_set),
		cmocka_unit_test_setup_teardown(quiet_guest, setup, teardown),
		cmocka_unit_test_setup_teardown(read_only_flip, setup, teardown),
		cmocka_unit_test_setup_teardown(counters_grow, setup, teardown),
		cmocka_unit_test_setup_teardown(pressure_lasts, setup, teardown),
		cmocka_unit_test_setup_teardown(record_opens, setup, teardown),
		cmocka_unit_test_setup_teardown(room_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(one_kill_one_finding, setup, teardown),
		cmocka_unit_test_setup_teardown(stale_values_are_no_readings, setup, teardown),
		cmocka_unit_test_setup_teardown(a_copy_that_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(tuned, setup, teardown),
		cmocka_unit_test_setup_teardown(limits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
