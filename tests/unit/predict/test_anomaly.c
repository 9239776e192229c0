/* SPDX-License-Identifier: Apache-2.0 */
/* The anomaly score: what it must see, what must leave it cold, how much memory it may take. */
#include "fixture.h"

#include "predict/anomaly.h"

_Static_assert(sizeof(struct anomaly) <= 2048, "an anomaly score has 2 KiB");

static double feed(struct anomaly *a, int i, double v)
{
	return anomaly_feed(a, i * 300.0, v, ANOMALY_THRESHOLD);
}

static double high_of(struct anomaly *a, int from, int n, uint32_t *seed, double level)
{
	double high = 0;

	for (int i = from; i < from + n; i++)
		high = fmax(high, feed(a, i, level + noise(seed)));
	return high;
}

/* Nothing changes: no alarm, whether the series is constant or steady noise. */
static void cold(void **state)
{
	struct anomaly a;
	uint32_t seed = 1;

	(void)state;
	anomaly_init(&a);
	for (int i = 0; i < 3000; i++)
		assert_true(feed(&a, i, 42) < ANOMALY_THRESHOLD);
	anomaly_init(&a);
	high_of(&a, 0, 2000, &seed, 100);
	assert_true(high_of(&a, 2000, 2000, &seed, 100) < ANOMALY_MAX / 2 + 1);
}

/* The level shifts by some deviations: an alarm within an hour, then silence. */
static void shift(void **state)
{
	struct anomaly a;
	uint32_t seed = 2;
	int found = -1, again = 0;

	(void)state;
	anomaly_init(&a);
	high_of(&a, 0, 3000, &seed, 100);
	for (int i = 3000; i < 3060; i++) {
		double s = feed(&a, i, 107 + noise(&seed));

		if (s >= ANOMALY_THRESHOLD && found < 0)
			found = i;
		else if (found >= 0)
			again += s > 0;
	}
	assert_in_range(found, 3000, 3012);
	assert_int_equal(again, 0);
}

/* A night that stays as busy as the day is seen, though its values are ordinary. */
static void daily(void **state)
{
	struct anomaly a;
	uint32_t seed = 3;
	double high = 0;

	(void)state;
	anomaly_init(&a);
	for (int i = 0; i < 288 * 14; i++)
		feed(&a, i, 100 + 20 * sin(i * 6.2831853 / 288) + noise(&seed));
	for (int i = 288 * 14; i < 288 * 15; i++)
		high = fmax(high, feed(&a, i,
				       (i % 288 > 144 ? 115 : 100 + 20 * sin(i * 6.2831853 / 288)) +
					       noise(&seed)));
	assert_true(high >= ANOMALY_THRESHOLD);
}

/* Unit and offset of a metric do not matter. */
static void any_unit(void **state)
{
	struct anomaly a, b;
	uint32_t seed = 4;
	double off = 0;

	(void)state;
	anomaly_init(&a);
	anomaly_init(&b);
	for (int i = 0; i < 3000; i++) {
		double v = noise(&seed) + (i > 2500 ? 4 : 0);

		off += fabs(anomaly_score(&a, i * 300.0, v) -
			    anomaly_score(&b, i * 300.0, v * 1024 + 4096));
	}
	assert_true(off / 3000 < 0.01);
}

/* What is no number is skipped, and does no harm. */
static void broken(void **state)
{
	struct anomaly a;

	(void)state;
	anomaly_init(&a);
	for (int i = 0; i < 500; i++) {
		double v = i % 7 == 0 ? NAN : i % 11 == 0 ? INFINITY : i % 13 == 0 ? -1e300 : i;
		double s = feed(&a, i, v);

		assert_true(s >= 0 && s <= ANOMALY_MAX);
	}
	assert_true(isfinite(a.mean));
	for (int i = 0; i < 200; i++)
		assert_true(isfinite(feed(&a, -i, i % 2 ? 1e29 : -1e29)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cold),     cmocka_unit_test(shift),  cmocka_unit_test(daily),
		cmocka_unit_test(any_unit), cmocka_unit_test(broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
