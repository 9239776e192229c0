/* SPDX-License-Identifier: Apache-2.0 */
/* Dates on the wire beside the C library's own calendar, env's paths, and waiting times. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <cmocka.h>
#include "build_info.h"
#include "core/backoff.h"
#include "core/env.h"
#include "tests/unit/skip.h"

/* Every day from 1970 to 9999 is written as gmtime(3) has it and read back. */
static void test_iso_every_day(void **state)
{
	const int64_t step = under_valgrind() ? 97 * 86400 : 86400;

	(void)state;
	for (int64_t s = 86399; s < 253402300800LL; s += step) {
		char got[24], want[32], basic[20];
		struct tm tm;
		time_t t = s;
		int64_t back = 0;

		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%SZ", &tm);
		clock_iso(s, got);
		assert_string_equal(got, want);
		assert_int_equal(clock_parse_iso(got, strlen(got), &back), 0);
		assert_int_equal(back, s);
		strftime(want, sizeof(want), "%Y%m%dT%H%M%SZ", &tm);
		clock_iso_basic(s, basic);
		assert_string_equal(basic, want);
	}
}

/* What is written outside the range is its end, never a broken text. */
static void test_iso_range(void **state)
{
	char out[24];

	(void)state;
	clock_iso(-5, out);
	assert_string_equal(out, "1970-01-01T00:00:00Z");
	clock_iso(INT64_MAX, out);
	assert_string_equal(out, "9999-12-31T23:59:59Z");
}

/* Fraction and +00:00 are read; other zones, missing parts and impossible days are refused. */
static void test_parse_iso(void **state)
{
	static const char *const bad[] = {
		"",
		"2026-01-02",
		"2026-01-02T03:04:05",
		"2026-01-02 03:04:05Z",
		"2026-01-02T03:04:05+01:00",
		"2026-02-29T00:00:00Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"2026-01-02T24:00:00Z",
		"2026-01-02T03:60:05Z",
		"1969-12-31T23:59:59Z",
		"2026-01-02T03:04:05.Z",
		"2026-01-02T03:04:05Zx",
		"2026-1-02T03:04:05Z",
	};
	int64_t s = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(clock_parse_iso(bad[i], strlen(bad[i]), &s), -EINVAL);
	assert_int_equal(s, 7);
	assert_int_equal(clock_parse_iso("2026-01-02T03:04:05.999999Z", 27, &s), 0);
	assert_int_equal(s, 1767323045);
	assert_int_equal(clock_parse_iso("2026-01-02T03:04:05+00:00", 25, &s), 0);
	assert_int_equal(s, 1767323045);
}

/* The one HTTP date form that servers must send. */
static void test_http_date(void **state)
{
	static const char *const bad[] = {
		"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
		"Sun, 06 Nov 1994 08:49:37 UTC",  "Sun, 06 Foo 1994 08:49:37 GMT",
		"Xxx, 06 Nov 1994 08:49:37 GMT",  "Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 GMT ", "",
	};
	int64_t s = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(clock_parse_http_date(bad[i], strlen(bad[i]), &s), -EINVAL);
	assert_int_equal(s, 7);
	assert_int_equal(clock_parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT", 29, &s), 0);
	assert_int_equal(s, 784111777);
}

/* A clock at 1970 is before the build, the one that built us is not. */
static void test_before_build(void **state)
{
	(void)state;
	assert_true(clock_is_before_build(0));
	assert_true(clock_is_before_build((HEAT_PULSE_BUILD_EPOCH - 25 * 3600) * 1000));
	assert_false(clock_is_before_build((HEAT_PULSE_BUILD_EPOCH - 23 * 3600) *
					   1000)); /* of another clock */
	assert_false(clock_is_before_build(clock_real_ms()));
	assert_true(clock_boot_ms() > 0);
}

/* The prefix goes before every path; the kernel's folders only where the prefix has them. */
static void test_env_path(void **state)
{
	char dir[] = "/tmp/hp-test-env-XXXXXX", want[ENV_PATH_MAX], out[ENV_PATH_MAX], proc[64],
	     longest[2000];
	struct env env;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(env_init(&env, dir), 0);
	snprintf(want, sizeof(want), "%s/etc/x", dir);
	assert_string_equal(env_path(&env, "/etc/x", out), want);
	assert_string_equal(env_path(&env, "/proc/self", out), "/proc/self");
	snprintf(want, sizeof(want), "%s/process", dir);
	assert_string_equal(env_path(&env, "/process", out), want);
	snprintf(proc, sizeof(proc), "%s/proc", dir);
	assert_int_equal(mkdir(proc, 0700), 0);
	snprintf(want, sizeof(want), "%s/proc/self", dir);
	assert_string_equal(env_path(&env, "/proc/self", out), want);
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	assert_string_equal(env_path(&env, longest, out), "/nonexistent/too-long");
	rmdir(proc);
	rmdir(dir);
}

/* --root before HEAT_PULSE_ROOT before none; only absolute prefixes; slashes at the end do not count. */
static void test_env_init(void **state)
{
	struct env env;
	char out[ENV_PATH_MAX];

	(void)state;
	assert_int_equal(env_init(&env, "relative"), -EINVAL);
	assert_int_equal(env_init(&env, "/x//"), 0);
	assert_string_equal(env.root, "/x");
	assert_int_equal(env_init(&env, "/"), 0);
	assert_string_equal(env_path(&env, "/etc", out), "/etc");
	setenv("HEAT_PULSE_ROOT", "/from/env", 1);
	assert_int_equal(env_init(&env, NULL), 0);
	assert_string_equal(env.root, "/from/env");
	assert_int_equal(env_init(&env, "/x"), 0);
	assert_string_equal(env.root, "/x");
	unsetenv("HEAT_PULSE_ROOT");
	assert_int_equal(env_init(&env, NULL), 0);
	assert_string_equal(env.root, "");
}

/* Each wait lies between base and three times the last, never above the cap, and starts over after
 * a success. */
static void test_backoff(void **state)
{
	struct backoff b = {.base_ms = 1000, .cap_ms = 900000};
	int64_t last = 1000;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		int64_t next = backoff_next(&b, random_unit());

		assert_in_range(next, 1000, last * 3 < 900000 ? last * 3 : 900000);
		last = next;
	}
	for (int i = 0; i < 20; i++)
		last = backoff_next(&b, 0.999);
	assert_int_equal(last, 900000);
	backoff_reset(&b);
	assert_in_range(backoff_next(&b, 0.999), 1000, 3000);
	assert_int_equal(backoff_next(&b, 0.0), 1000);
}

/* Jitter stays within a fifth and above zero; the random unit stays in [0,1) and is not constant. */
static void test_jitter(void **state)
{
	double first = random_unit();
	int same = 0;

	(void)state;
	assert_int_equal(jitter_ms(1000, 0.0), 800);
	assert_in_range(jitter_ms(1000, 0.999999), 1199, 1200);
	assert_int_equal(jitter_ms(0, 0.5), 1);
	for (int i = 0; i < 100; i++) {
		double x = random_unit();

		assert_true(x >= 0 && x < 1);
		same += x == first;
	}
	assert_int_equal(same, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iso_every_day), cmocka_unit_test(test_iso_range),
		cmocka_unit_test(test_parse_iso),     cmocka_unit_test(test_http_date),
		cmocka_unit_test(test_before_build),  cmocka_unit_test(test_env_path),
		cmocka_unit_test(test_env_init),      cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_jitter),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
