/* SPDX-License-Identifier: Apache-2.0 */
/* Samples and records in, findings out: the way that the live agent goes, in simulated time. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "predict/foresee.h"

#define START_MS 1767323045000LL
#define STEP_MS  10000
#define HOUR     360 /* steps */

static struct sample sample;

static struct sample *sample_at(int step)
{
	sample_reset(&sample, START_MS - 1767000000000LL + (int64_t)step * STEP_MS,
		     START_MS + (int64_t)step * STEP_MS);
	return &sample;
}

static int setup(void **state)
{
	return foresee_new((struct foresee **)state);
}

static int teardown(void **state)
{
	foresee_free(*state);
	return 0;
}

/* The open finding of a class, or false. */
static bool find(struct foresee *f, const char *class, struct finding *ret)
{
	for (size_t i = 0; findings_get(foresee_findings(f), i, ret); i++)
		if (!strcmp(ret->class_name, class))
			return true;
	return false;
}

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
		sample_add(s, METRIC_PROCESS_GROWTH_SHARE, who, step < 24 * HOUR ? 3 : 95);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(leak_is_foreseen, setup, teardown),
		cmocka_unit_test_setup_teardown(quiet_guest, setup, teardown),
		cmocka_unit_test_setup_teardown(read_only_flip, setup, teardown),
		cmocka_unit_test_setup_teardown(counters_grow, setup, teardown),
		cmocka_unit_test_setup_teardown(pressure_lasts, setup, teardown),
		cmocka_unit_test_setup_teardown(record_opens, setup, teardown),
		cmocka_unit_test_setup_teardown(room_is_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
