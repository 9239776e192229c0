/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a finding: enters on N of M, leaves by its own rule, is told hourly, within
 * a budget. How it outlives the agent: test_findings_keep.c. */
#include "findings_fixture.h"

/* One observation opens where the row says 1 of 1; the same again is one finding; a higher level is
 * told. */
static void one_of_each(void **state)
{
	struct findings *f = *state;
	struct finding got;
	char t[64];

	bad(f, T0, FAILURE_DISK_FAILING, "vda", FINDING_WARNING);
	bad(f, T0 + S, FAILURE_DISK_FAILING, "vda", FINDING_WARNING);
	bad(f, T0 + S, FAILURE_DISK_FAILING, "vdb", FINDING_WARNING);
	assert_string_equal(told(f, t), "OO");
	assert_int_equal(findings_count(f), 2);
	bad(f, T0 + 2 * S, FAILURE_DISK_FAILING, "vdb", FINDING_CRITICAL);
	assert_string_equal(told(f, t), "R");
	assert_true(findings_get(f, 0, &got));
	assert_string_equal(got.entity, "vdb");
	assert_string_equal(got.class_name, "disk_failing");
	assert_string_equal(got.evidence, "seen?so");
	assert_int_equal(got.since_real_ms, T0 + S);
	assert_true(findings_get(f, 1, &got));
	assert_false(findings_get(f, 2, &got));
}

/* swap_thrash enters on 3 of 4 within 2 minutes: a good look between does not matter, two do; nor
 * do three in an hour. */
static void n_of_m(void **state)
{
	struct findings *f = *state;
	char t[64];

	bad(f, T0, FAILURE_SWAP_THRASH, "guest", FINDING_WARNING);
	bad(f, T0 + 10 * S, FAILURE_SWAP_THRASH, "guest", FINDING_WARNING);
	findings_good(f, T0 + 20 * S, FAILURE_SWAP_THRASH, "guest");
	findings_good(f, T0 + 30 * S, FAILURE_SWAP_THRASH, "guest");
	bad(f, T0 + 40 * S, FAILURE_SWAP_THRASH, "guest", FINDING_WARNING);
	assert_string_equal(told(f, t), "");
	bad(f, T0 + 30 * MIN, FAILURE_SWAP_THRASH, "guest", FINDING_WARNING);
	bad(f, T0 + 60 * MIN, FAILURE_SWAP_THRASH, "guest", FINDING_WARNING);
	assert_string_equal(told(f, t), "");
	bad(f, T0 + 60 * MIN + 10 * S, FAILURE_SWAP_THRASH, "guest", FINDING_WARNING);
	findings_good(f, T0 + 60 * MIN + 20 * S, FAILURE_SWAP_THRASH, "guest");
	bad(f, T0 + 60 * MIN + 30 * S, FAILURE_SWAP_THRASH, "guest", FINDING_WARNING);
	assert_string_equal(told(f, t), "O");
}

/* A state ends with a good look after its hold time; an event when it has been quiet. */
static void leaves(void **state)
{
	struct findings *f = *state;
	char t[64];

	bad(f, T0, FAILURE_MEMORY_EXHAUSTION, "guest", FINDING_WARNING);
	findings_good(f, T0 + 9 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest");
	assert_string_equal(told(f, t), "O");
	findings_good(f, T0 + 10 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest");
	assert_string_equal(told(f, t), "C");
	assert_int_equal(findings_count(f), 0);
	bad(f, T0 + H, FAILURE_HUNG_TASK, "dd[111]", FINDING_CRITICAL);
	findings_good(f, T0 + 2 * H, FAILURE_HUNG_TASK, "dd[111]"); /* does not ask again */
	assert_int_equal(findings_count(f), 1);
	findings_tick(f, T0 + H + 9 * MIN);
	assert_int_equal(findings_count(f), 1);
	findings_tick(f, T0 + H + 10 * MIN);
	assert_int_equal(findings_count(f), 0);
	assert_string_equal(told(f, t), "OC");
}

/* Still so after an hour: told again, not before; notices are not repeated. What comes back within
 * the hour is not told twice. */
static void repeats(void **state)
{
	struct findings *f = *state;
	char t[64];

	for (int64_t at = 0; at < 150 * MIN; at += MIN) {
		bad(f, T0 + at, FAILURE_MEMORY_EXHAUSTION, "guest", FINDING_WARNING);
		bad(f, T0 + at, FAILURE_CPU_STARVATION, "guest", FINDING_NOTICE);
		findings_tick(f, T0 + at);
	}
	assert_string_equal(told(f, t), "OOPP");
	findings_good(f, T0 + 165 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest");
	assert_string_equal(told(f, t), "C");
	bad(f, T0 + 170 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest", FINDING_WARNING);
	assert_string_equal(told(f, t), "");
	assert_int_equal(findings_count(f), 2);
	bad(f, T0 + 171 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest", FINDING_CRITICAL);
	assert_string_equal(told(f, t), "R");
}

/* Beyond the day's budget one summary; critical ones have a budget of their own; the next day
 * starts anew. */
static void budget(void **state)
{
	struct findings *f = NULL;
	char name[32], t[64];

	(void)state;
	assert_int_equal(findings_new(3, &f), 0);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "vd%c", 'a' + i);
		bad(f, T0 + i * S, FAILURE_DISK_FAILING, name, FINDING_WARNING);
	}
	assert_string_equal(told(f, t), "OOOS");
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "task[%d]", i);
		bad(f, T0 + MIN, FAILURE_HUNG_TASK, name, FINDING_CRITICAL);
	}
	assert_string_equal(told(f, t), "OOO");
	assert_int_equal(findings_count(f), 20);
	bad(f, T0 + DAY + MIN, FAILURE_KERNEL_OOPS, "kernel", FINDING_WARNING);
	assert_string_equal(told(f, t), "O");
	findings_free(f);
}

/* Never above the highest of its class; a class that is off is not seen. */
static void switched(void **state)
{
	struct findings *f = *state;
	struct finding got;
	char t[64];

	bad(f, T0, FAILURE_ANOMALY, "guest", FINDING_CRITICAL);
	assert_true(findings_get(f, 0, &got));
	assert_int_equal(got.level, FINDING_NOTICE);
	findings_switch(f, FAILURE_ANOMALY, false);
	assert_int_equal(findings_count(f), 0);
	bad(f, T0, FAILURE_ANOMALY, "guest", FINDING_NOTICE);
	assert_int_equal(findings_count(f), 0);
	findings_switch(f, FAILURE_ANOMALY, true);
	bad(f, T0, FAILURE_ANOMALY, "guest", FINDING_NOTICE);
	assert_int_equal(findings_count(f), 1);
	told(f, t);
}

/* The one number: nothing 0; grows with each class; notices alone stay at a half; the horizon is
 * the worst one's. */
static void risk(void **state)
{
	struct findings *f = *state;
	double one, two;
	int64_t horizon;

	assert_true(findings_risk(f, &horizon) == 0 && horizon == -1);
	for (int c = 0; c < FAILURE_CLASSES; c++)
		bad(f, T0, (enum failure_class)c, "guest", FINDING_NOTICE);
	assert_true(findings_risk(f, &horizon) <= 0.5);
	findings_tick(f, T0 + 30 * DAY);
	assert_int_equal(findings_count(f), 0);
	findings_bad(f, T0 + 40 * DAY,
		     &(struct observation){.class = FAILURE_MEMORY_EXHAUSTION,
					   .entity = "guest",
					   .evidence = "",
					   .level = FINDING_WARNING,
					   .eta_s = 900,
					   .eta_low_s = 600,
					   .eta_high_s = 1300});
	one = findings_risk(f, &horizon);
	assert_true(one > 0.7 && one < 0.9);
	assert_int_equal(horizon, 900);
	bad(f, T0 + 40 * DAY, FAILURE_KERNEL_OOPS, "kernel", FINDING_WARNING);
	two = findings_risk(f, &horizon);
	assert_true(two > one && two < 1);
	assert_int_equal(horizon, 900);
}

/* Kernel records: facts open at once, crashes of one program only when three came, whatever their
 * pids. */
static void from_the_log(void **state)
{
	struct klog_hit crash = {.class = KLOG_APP_CRASH,
				 .level = FINDING_WARNING,
				 .entity = "nginx[1]",
				 .evidence = "nginx[1]: segfault"};
	struct klog_hit slow = {.class = KLOG_IO_TIMEOUT,
				.level = FINDING_WARNING,
				.entity = "nvme0",
				.evidence = "nvme0: timeout"};
	struct findings *f = *state;
	struct finding got;
	char t[64];

	findings_klog(f, T0, &slow);
	assert_string_equal(told(f, t), "O");
	findings_klog(f, T0, &crash);
	snprintf(crash.entity, sizeof(crash.entity), "nginx[2]");
	findings_klog(f, T0 + 10 * S, &crash);
	assert_string_equal(told(f, t), "");
	snprintf(crash.entity, sizeof(crash.entity), "nginx[3]");
	findings_klog(f, T0 + 20 * S, &crash);
	assert_string_equal(told(f, t), "O");
	assert_true(findings_get(f, 1, &got));
	assert_string_equal(got.entity, "nginx");
	assert_string_equal(got.class_name, "crash_loop");
}

/* A control group is one entity, whoever speaks of it: the kernel's log says /web, metrics say web. */
static void group_has_one_name(void **state)
{
	struct klog_hit refused = {.class = KLOG_PID_LIMIT,
				   .level = FINDING_WARNING,
				   .entity = "/web",
				   .evidence = "cgroup: fork rejected by pids controller in /web"};
	struct findings *f = *state;
	struct finding got;
	char t[64];

	findings_klog(f, T0, &refused);
	bad(f, T0 + S, FAILURE_PID_EXHAUSTION, "web", FINDING_CRITICAL);
	assert_string_equal(told(f, t), "OR");
	assert_true(findings_get(f, 0, &got));
	assert_string_equal(got.entity, "web");
	assert_false(findings_get(f, 1, &got));
}

/* Forecasts: open is bad, closed is good, near is critical, and the sentence names the culprit. */
static void from_a_forecast(void **state)
{
	struct forecast_view v = {.open = true,
				  .level = FINDING_WARNING,
				  .reason = FORECAST_STEADY,
				  .eta_s = 7200,
				  .eta_low_s = 3600,
				  .eta_high_s = 14400,
				  .used = 0.84};
	struct findings *f = *state;
	struct finding got;
	char t[64];

	findings_forecast(f, T0, FAILURE_MEMORY_EXHAUSTION, "guest", "memory", "java[412]", false,
			  &v);
	assert_true(findings_get(f, 0, &got));
	assert_string_equal(
		got.evidence,
		"memory 84% used, steady growth, full in about 2 h, grown by java[412]");
	assert_int_equal(got.eta_s, 7200);
	assert_int_equal(got.level, FINDING_WARNING);
	v.eta_s = 300;
	findings_forecast(f, T0 + S, FAILURE_MEMORY_EXHAUSTION, "guest", "memory", "", false, &v);
	assert_true(findings_get(f, 0, &got));
	assert_int_equal(got.level, FINDING_CRITICAL);
	v.open = false;
	findings_forecast(f, T0 + 20 * MIN, FAILURE_MEMORY_EXHAUSTION, "guest", "memory", "", false,
			  &v);
	assert_string_equal(told(f, t), "ORC");
}

/* A copy onto a disk looks like its end and mostly stops: by its date alone it is a warning, which
 * starts no action, until nine tenths are used. Memory and descriptors have no such grace. */
static void copy_is_a_warning(void **state)
{
	struct forecast_view v = {.open = true, .level = FINDING_WARNING, .reason = FORECAST_BURST,
				  .eta_s = 300, .eta_low_s = 200, .eta_high_s = 400, .used = 0.85};
	struct findings *f = *state;
	struct finding got;
	int64_t horizon;

	findings_forecast(f, T0, FAILURE_DISK_EXHAUSTION, "/srv", "space", "", false, &v);
	assert_true(findings_get(f, 0, &got));
	assert_int_equal(got.level, FINDING_WARNING);
	assert_true(findings_risk(f, &horizon) < 0.9);
	assert_int_equal(horizon, 300);
	v.used = 0.91;
	findings_forecast(f, T0 + S, FAILURE_DISK_EXHAUSTION, "/srv", "space", "", false, &v);
	assert_true(findings_get(f, 0, &got));
	assert_int_equal(got.level, FINDING_CRITICAL);
	assert_true(findings_risk(f, &horizon) >= 0.9);
}

/* More entities than there is room for: the table stays bounded and keeps what is most severe. */
static void bounded(void **state)
{
	struct findings *f = *state;
	struct finding got;
	char name[32];

	bad(f, T0, FAILURE_KERNEL_PANIC, "kernel", FINDING_CRITICAL);
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "task[%d]", i);
		bad(f, T0 + i, FAILURE_HUNG_TASK, name, FINDING_WARNING);
	}
	assert_in_range(findings_count(f), FINDINGS_MAX / 2, FINDINGS_MAX);
	assert_true(findings_get(f, 0, &got));
	assert_string_equal(got.class_name, "kernel_panic");
}

/* The clock goes back a day: nothing is held open for that. */
static void clock_set_back(void **state)
{
	struct findings *f = *state;

	bad(f, T0 + DAY, FAILURE_HUNG_TASK, "x[1]", FINDING_WARNING);
	findings_tick(f, T0);
	findings_tick(f, T0 + 11 * MIN);
	assert_int_equal(findings_count(f), 0);
}

/* A record clears as its class of kernel messages does, where that is sooner: one page that could
 * not be had is no guest that fails for a day. What else keeps the finding open counts, too. */
static void record_clears_in_its_time(void **state)
{
	struct klog_hit hit = {
		.class = KLOG_ALLOC_FAIL, .level = FINDING_WARNING, .entity = "nginx"};
	struct findings *f = *state;
	char t[64];

	findings_klog(f, T0, &hit);
	findings_tick(f, T0 + 29 * MIN);
	assert_int_equal(findings_count(f), 1);
	findings_tick(f, T0 + 31 * MIN);
	assert_string_equal(told(f, t), "OC");
	findings_klog(f, T0 + DAY, &hit);
	bad(f, T0 + DAY, FAILURE_MEMORY_EXHAUSTION, "nginx", FINDING_WARNING);
	findings_tick(f, T0 + DAY + 31 * MIN);
	assert_int_equal(findings_count(f), 1);
}

#define LIFE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(one_of_each),     LIFE(record_clears_in_its_time),
		LIFE(n_of_m),          LIFE(leaves),
		LIFE(repeats),         LIFE(budget),
		LIFE(switched),        LIFE(risk),
		LIFE(from_the_log),    LIFE(group_has_one_name),
		LIFE(from_a_forecast), LIFE(copy_is_a_warning),
		LIFE(bounded),         LIFE(clock_set_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
