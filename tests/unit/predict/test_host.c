/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's anomaly: several metrics together make an alarm, one alone does not. */
#include "fixture.h"

#include <errno.h>

#include "predict/host.h"

#define METRICS 8

static size_t alarms(struct host *h, int from, int n, uint32_t *seed, int jumping, double by)
{
	size_t found = 0;

	for (int i = from; i < from + n; i++) {
		double v[METRICS], score;

		for (int j = 0; j < METRICS; j++)
			v[j] = 50 * j + noise(seed) + (j < jumping && i == from + n / 2 ? by : 0);
		found += host_feed(h, i * 60.0, v, &score);
		assert_true(score >= 0 && score < 12);
	}
	return found;
}

/* Three metrics jump at once: an alarm. One that jumps as far, again and again: none. */
static void together(void **state)
{
	struct host *h = NULL;
	uint32_t seed = 5;
	size_t one = 0;

	(void)state;
	assert_int_equal(host_new(METRICS, &h), 0);
	alarms(h, 0, 5000, &seed, 0, 0);
	for (int i = 0; i < 10; i++)
		one += alarms(h, 5000 + 70 * i, 70, &seed, 1, 30);
	assert_in_range(one, 0, 3); /* about one a day is what noise makes */
	assert_int_equal(alarms(h, 5700, 20, &seed, 4, 30), 1);
	host_free(h);
}

/* Missing values are no event, and sizes are checked. */
static void bounds(void **state)
{
	double v[METRICS], score;
	struct host *h = NULL;

	(void)state;
	assert_int_equal(host_new(0, &h), -EINVAL);
	assert_int_equal(host_new(HOST_METRICS_MAX + 1, &h), -EINVAL);
	assert_int_equal(host_new(METRICS, &h), 0);
	for (int i = 0; i < 3000; i++) {
		for (int j = 0; j < METRICS; j++)
			v[j] = j % 2 ? NAN : i % 100 ? 1 : INFINITY;
		assert_false(host_feed(h, i * 60.0, v, &score));
		assert_true(isfinite(score));
	}
	host_free(h);
	assert_null(host_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(together),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
