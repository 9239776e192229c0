/* SPDX-License-Identifier: Apache-2.0 */
/* Who is named when memory runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "predict/blame.h"

#define MIB_TOTAL 1000.0
#define S	  1000

static struct sample sample;
static struct blame blame;
static const struct forecast_view fast = {
	.open = true, .reason = FORECAST_BURST, .eta_s = 20, .used = 0.7};
static const struct forecast_view slow = {
	.open = true, .reason = FORECAST_STEADY, .eta_s = 7200, .used = 0.8, .per_hour = 0.1};

static struct sample *begin(int64_t now_ms)
{
	sample_reset(&sample, now_ms, now_ms);
	sample_add(&sample, METRIC_MEM_TOTAL_MB, -1, MIB_TOTAL);
	return &sample;
}

static void process(enum metric metric, const char *name, double value)
{
	sample_add(&sample, metric, sample_entity(&sample, "process", name, NULL), value);
}

static void group(const char *name, double mib)
{
	sample_add(&sample, METRIC_CGROUP_MEMORY, sample_entity(&sample, "cgroup", name, NULL),
		   mib);
}

static void workers_rise(void)
{
	char name[16];

	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "worker[%d]", i);
		process(METRIC_PROCESS_RISE_MB, name, 10);
	}
}

static void assert_named(const struct forecast_view *v, const char *name)
{
	char out[BLAME_NAME];

	blame_sample(&blame, &sample);
	blame_name(&blame, &sample, v, out);
	assert_string_equal(out, name);
}

static int forget(void **state)
{
	(void)state;
	memset(&blame, 0, sizeof(blame));
	return 0;
}

/* In a leak of seconds only what was gained within the last minute counts, not who has been growing
 * by a little for an hour, as our own roles do when they begin. */
static void fast_leak(void **state)
{
	(void)state;
	begin(60 * S);
	process(METRIC_PROCESS_GROWTH_MB_H, "pulse: agent[50]", 12);
	process(METRIC_PROCESS_RISE_MB, "pulse: agent[50]", 2.1);
	process(METRIC_PROCESS_RISE_MB, "leak[70]", 50);
	assert_named(&fast, "leak[70]");
	begin(70 * S);
	process(METRIC_PROCESS_GROWTH_MB_H, "pulse: agent[50]", 12);
	process(METRIC_PROCESS_RISE_MB, "pulse: agent[50]", 2.1);
	assert_named(&fast, "");
	begin(80 * S);
	process(METRIC_PROCESS_RISE_MB, "pulse: agent[50]", 60); /* if it truly grows */
	assert_named(&fast, "pulse: agent[50]");
}

/* In a leak of hours a job that has just begun is not the culprit, nor is who grows by far less than
 * what is used up: 100 MiB an hour here. */
static void slow_leak(void **state)
{
	(void)state;
	begin(60 * S);
	process(METRIC_PROCESS_RISE_MB, "job[80]", 90);
	process(METRIC_PROCESS_GROWTH_MB_H, "java[412]", 95);
	process(METRIC_PROCESS_GROWTH_MB_H, "pulse: agent[50]", 1.5);
	assert_named(&slow, "java[412]");
	begin(70 * S);
	process(METRIC_PROCESS_GROWTH_MB_H, "pulse: agent[50]", 1.5);
	assert_named(&slow, "");
}

/* Among many that rise alike nobody is the culprit, but their control group is: the service, not
 * the slice above it, and not for its caches alone. */
static void group_of_many(void **state)
{
	(void)state;
	begin(10 * S);
	workers_rise();
	assert_named(&fast, "");
	for (int i = 0; i <= 10; i++) {
		begin((60 + i * 10) * S);
		group("/", 500 + 10.0 * i);
		group("system.slice", 300 + 10.0 * i);
		group("system.slice/web.service", 200 + 10.0 * i);
		group("user.slice", 100);
		assert_named(&fast, "");
	}
	workers_rise();
	assert_named(&fast, "system.slice/web.service");
}

/* Files in tmpfs belong to no process. */
static void tmpfs_fills(void **state)
{
	(void)state;
	for (int i = 0; i <= 40; i++) {
		begin((60 + i * 10) * S);
		sample_add(&sample, METRIC_MEM_USED_SHARED, -1, 20 + 5.0 * i);
		sample_add(&sample, METRIC_MEM_SLAB_UNRECLAIMABLE_MB, -1, 30);
		process(METRIC_PROCESS_RISE_MB, "cp[9]", 3);
		blame_sample(&blame, &sample);
	}
	assert_named(&fast, "tmpfs and shared memory");
	assert_named(&slow, "tmpfs and shared memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(fast_leak, forget),
		cmocka_unit_test_setup(slow_leak, forget),
		cmocka_unit_test_setup(group_of_many, forget),
		cmocka_unit_test_setup(tmpfs_fills, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
