/* SPDX-License-Identifier: Apache-2.0 */
/* Output of hooks: lines for the log, a bounded tail of valid UTF-8. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/text.h"
#include "hooks/hook_output.h"

struct seen {
	struct buf lines;
	unsigned n, dropped;
};

static void on_line(const char *line, size_t n, unsigned dropped, void *ctx)
{
	struct seen *s = ctx;

	buf_put(&s->lines, line, n);
	buf_putc(&s->lines, '|');
	s->n++;
	s->dropped += dropped;
}

static void check_tail(const struct hook_output *o, const char *expected)
{
	char *tail = hook_output_tail(o);

	assert_non_null(tail);
	assert_string_equal(tail, expected);
	free(tail);
}

/* Lines are whole however the bytes arrive; the last needs no newline; empty ones stay. */
static void test_lines(void **state)
{
	static const char text[] = "one\n\ntwo\nthree";
	struct seen s = {.lines = BUF_INIT(4096)};
	struct hook_output o;

	(void)state;
	assert_int_equal(hook_output_init(&o, 100, on_line, &s), 0);
	for (const char *p = text; *p; p++)
		hook_output_put(&o, p, 1, 1000);
	hook_output_end(&o, 1000);
	assert_string_equal(buf_str(&s.lines), "one||two|three|");
	check_tail(&o, text);
	hook_output_deinit(&o);
	buf_deinit(&s.lines);
}

/* A line has a longest length and a hook a highest rate; what is not shown is counted. */
static void test_bounds(void **state)
{
	struct seen s = {.lines = BUF_INIT(1 << 20)};
	struct hook_output o;
	char longest[5000];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(hook_output_init(&o, 10, on_line, &s), 0);
	hook_output_put(&o, longest, sizeof(longest), 1000);
	hook_output_put(&o, "\n", 1, 1000);
	assert_int_equal(s.lines.len, HOOK_OUTPUT_LINE_MAX + 1);
	assert_non_null(strstr(buf_str(&s.lines), "x...|"));
	for (int i = 0; i < 1000; i++)
		hook_output_put(&o, "l\n", 2, 1000);
	assert_int_equal(s.n, HOOK_OUTPUT_LINES_BURST);
	hook_output_put(&o, "later\n", 6, 2000);
	assert_int_equal(s.n, HOOK_OUTPUT_LINES_BURST + 1);
	assert_int_equal(s.dropped, 1001 - HOOK_OUTPUT_LINES_BURST);
	hook_output_deinit(&o);
	buf_deinit(&s.lines);
}

/* The tail is the end of the output, begins with a whole character and is valid UTF-8 within its
 * limit. */
static void test_tail(void **state)
{
	struct seen s = {.lines = BUF_INIT(1 << 20)};
	struct hook_output o;

	(void)state;
	assert_int_equal(hook_output_init(&o, 8, on_line, &s), 0);
	assert_null(hook_output_tail(&o));
	hook_output_put(&o, "0123456789abcdef", 16, 1000);
	check_tail(&o, "89abcdef");
	hook_output_put(&o, "xyz", 3, 1000);
	check_tail(&o, "bcdefxyz");
	hook_output_put(&o, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9!", 9, 1000);
	check_tail(&o, "\xc3\xa9\xc3\xa9\xc3\xa9!");
	hook_output_put(&o, "ab\xff\0zzzz", 8, 1000);
	check_tail(&o, "\\x00zzzz");
	hook_output_deinit(&o);
	buf_deinit(&s.lines);
}

/* Any bytes, any chunks: always valid, never over the limit. */
static void test_random(void **state)
{
	struct seen s = {.lines = BUF_INIT(1 << 20)};
	struct hook_output o;
	unsigned seed = 7;

	(void)state;
	assert_int_equal(hook_output_init(&o, 61, on_line, &s), 0);
	for (int i = 0; i < 3000; i++) {
		char chunk[97];
		size_t n = (size_t)rand_r(&seed) % sizeof(chunk);
		char *tail;

		for (size_t j = 0; j < n; j++)
			chunk[j] = (char)rand_r(&seed);
		hook_output_put(&o, chunk, n, 1000 + i);
		tail = hook_output_tail(&o);
		if (tail) {
			assert_true(strlen(tail) <= 61);
			assert_int_equal(text_utf8_valid(tail, strlen(tail)), strlen(tail));
		}
		free(tail);
		buf_reset(&s.lines);
	}
	hook_output_deinit(&o);
	buf_deinit(&s.lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
