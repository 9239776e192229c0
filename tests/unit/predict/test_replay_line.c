/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of numbers: what is read, what is refused, and that it is as exact as it says. */
#include "fixture.h"

#include <errno.h>

#include "predict/replay_line.h"

static int read_line(const char *line, double *out, size_t max, size_t *n)
{
	return replay_line(line, strlen(line), out, max, n);
}

/* Blanks and commas separate, comments and empty lines hold nothing, missing values are NaN. */
static void accepted(void **state)
{
	double v[4];
	size_t n;

	(void)state;
	assert_int_equal(read_line("60 0.25", v, 4, &n), 0);
	assert_int_equal(n, 2);
	assert_true(v[0] == 60 && v[1] == 0.25);
	assert_int_equal(read_line("  -1.5,\t2e3 \r\n", v, 4, &n), 0);
	assert_true(n == 2 && v[0] == -1.5 && v[1] == 2000);
	assert_int_equal(read_line("1 nan - 4", v, 4, &n), 0);
	assert_true(n == 4 && isnan(v[1]) && isnan(v[2]));
	assert_int_equal(read_line("", v, 4, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(read_line("# t value", v, 4, &n), 0);
	assert_int_equal(n, 0);
}

static void refused(void **state)
{
	static const char *const bad[] = {"x",       "1 2x", "1..2",    "--1",
					  "1 0x10 ", ".",    "1 1e999", "1 #2"};
	double v[4];
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (read_line(bad[i], v, 4, &n) != -EINVAL)
			fail_msg("'%s' was read", bad[i]);
	assert_int_equal(read_line("1 2 3 4 5", v, 4, &n), -E2BIG);
}

/* The fast way and strtod() differ by the last bit at most. */
static void exact(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		double want, got, scale = pow(10, (int)(noise(&seed) * 4));
		char text[64];
		size_t n;

		snprintf(text, sizeof(text), "%.*f", i % 9, noise(&seed) * scale);
		want = strtod(text, NULL);
		assert_int_equal(read_line(text, &got, 1, &n), 0);
		assert_true(fabs(got - want) <= 4e-16 * fabs(want));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(refused),
		cmocka_unit_test(exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
