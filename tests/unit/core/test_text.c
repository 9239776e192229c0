/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that are the whole text or nothing, units, encodings, escapes, UTF-8. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "core/text.h"

/* A number is the whole text: no blanks, signs, bases or overflow; the output stays on failure. */
static void test_numbers(void **state)
{
	static const char *const bad[] = {"", " 1", "1 ", "+1", "0x10", "1a", "-", "--1", "1.0"};
	uint64_t u = 7;
	int64_t i = 7;

	(void)state;
	for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
		assert_int_equal(text_u64(bad[n], strlen(bad[n]), &u), -EINVAL);
		assert_int_equal(text_i64(bad[n], strlen(bad[n]), &i), -EINVAL);
	}
	assert_int_equal(text_u64("-1", 2, &u), -EINVAL);
	assert_int_equal(text_u64("18446744073709551616", 20, &u), -ERANGE);
	assert_int_equal(text_i64("9223372036854775808", 19, &i), -ERANGE);
	assert_int_equal(text_i64("-9223372036854775809", 20, &i), -ERANGE);
	assert_int_equal(u, 7);
	assert_int_equal(i, 7);
	assert_int_equal(text_u64("18446744073709551615", 20, &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(text_i64("-9223372036854775808", 20, &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(text_u64("12345", 2, &u), 0);
	assert_int_equal(u, 12);
}

/* Decimal fractions only: no hex, inf, nan or blanks, whatever strtod(3) would take. */
static void test_doubles(void **state)
{
	static const char *const bad[] = {"",	 ".",	  "-",	"1e", "1e+", "inf",
					  "nan", "0x1p3", " 1", "1 ", "1,5", "e5"};
	double d = 7;

	(void)state;
	for (size_t n = 0; n < ARRAY_SIZE(bad); n++)
		assert_int_equal(text_double(bad[n], strlen(bad[n]), &d), -EINVAL);
	assert_int_equal(text_double("1e999", 5, &d), -ERANGE);
	assert_true(d == 7);
	assert_int_equal(text_double("-12.5e-1x", 8, &d), 0);
	assert_true(d == -1.25);
	assert_int_equal(text_double(".5", 2, &d), 0);
	assert_true(d == 0.5);
}

/* The eight words of either truth, any case, and no others. */
static void test_bools(void **state)
{
	bool b = false;

	(void)state;
	assert_int_equal(text_bool("YeS", 3, &b), 0);
	assert_true(b);
	assert_int_equal(text_bool("off", 3, &b), 0);
	assert_false(b);
	assert_int_equal(text_bool("yes ", 4, &b), -EINVAL);
	assert_int_equal(text_bool("2", 1, &b), -EINVAL);
	assert_int_equal(text_bool("", 0, &b), -EINVAL);
}

/* Units are exact, overflow is an error, and the shortest form reads back to the same value. */
static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
		const char *shortest;
	} rows[] = {
		{"500ms", 500, "500ms"}, {"90", 90000, "90s"}, {"30s", 30000, "30s"}, {"600s", 600000, "10m"},
		{"120m", 7200000, "2h"}, {"48h", 172800000, "2d"}, {"36h", 129600000, "36h"}, {"0", 0, "0s"},
		{"1500ms", 1500, "1500ms"}, {"1D", 86400000, "1d"},
	};
	static const char *const bad[] = {"", "s", "1.5s", "-1s", "1 s", "1w", "1sx"};
	int64_t ms = 7;
	char out[24];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(text_duration_ms(rows[i].text, strlen(rows[i].text), &ms), 0);
		assert_int_equal(ms, rows[i].ms);
		text_duration_str(ms, out);
		assert_string_equal(out, rows[i].shortest);
	}
	ms = 7;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(text_duration_ms(bad[i], strlen(bad[i]), &ms), -EINVAL);
	assert_int_equal(text_duration_ms("106751991168d", 13, &ms), -ERANGE);
	assert_int_equal(ms, 7);
}

/* Sizes count in 1024. */
static void test_sizes(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_int_equal(text_size("64KiB", 5, &n), 0);
	assert_int_equal(n, 65536);
	assert_int_equal(text_size("64k", 3, &n), 0);
	assert_int_equal(n, 65536);
	assert_int_equal(text_size("8M", 2, &n), 0);
	assert_int_equal(n, 8 << 20);
	assert_int_equal(text_size("17", 2, &n), 0);
	assert_int_equal(n, 17);
	assert_int_equal(text_size("1kb", 3, &n), -EINVAL);
	assert_int_equal(text_size("18446744073709551615k", 21, &n), -ERANGE);
	assert_int_equal(n, 17);
}

/* Names chosen by others cannot carry control characters, escapes or bytes that are no ASCII. */
static void test_escape(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(100);

	(void)state;
	text_escape(&b, "a b\n\x1b[0m\\\xc3\xa4\0z", 13);
	assert_string_equal(buf_str(&b), "a b\\x0a\\x1b[0m\\x5c\\xc3\\xa4\\x00z");
}

/* Percent encoding as the signatures need it, and decoding that refuses half an escape and NUL. */
static void test_percent(void **state)
{
	static const char *const bad[] = {"%", "%4", "%zz", "%00", "a%2"};
	_cleanup_buf_ struct buf b = BUF_INIT(100);

	(void)state;
	text_percent_encode(&b, "a/b c~-_.\xc3\xa4+*'", 14, "/");
	assert_string_equal(buf_str(&b), "a/b%20c~-_.%C3%A4%2B%2A%27");
	buf_reset(&b);
	text_percent_encode(&b, "/\0", 2, NULL);
	assert_string_equal(buf_str(&b), "%2F%00");
	buf_reset(&b);
	assert_int_equal(text_percent_decode(&b, "a%2fb+%C3%a4", 12), 0);
	assert_string_equal(buf_str(&b), "a/b+\xc3\xa4");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(text_percent_decode(&b, bad[i], strlen(bad[i])), -EINVAL);
	assert_int_equal(text_percent_decode(&b, "a\0", 2), -EINVAL);
}

/* RFC 4648's vectors both ways; whatever no encoder writes is refused. */
static void test_base64(void **state)
{
	static const char *const rows[][2] = {{"", ""},
					      {"f", "Zg=="},
					      {"fo", "Zm8="},
					      {"foo", "Zm9v"},
					      {"foob", "Zm9vYg=="},
					      {"fooba", "Zm9vYmE="},
					      {"foobar", "Zm9vYmFy"}};
	static const char *const bad[] = {"Z",	      "Zg",   "Zg=", "Zh==",   "Zm9=", "Zm 9v",
					  "Zg==Zg==", "====", "=",   "Zm9v\n", "Zm-_"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf b = BUF_INIT(100), back = BUF_INIT(100);

		text_base64(&b, rows[i][0], strlen(rows[i][0]));
		assert_string_equal(buf_str(&b), rows[i][1]);
		assert_int_equal(text_base64_decode(&back, buf_str(&b), b.len), 0);
		assert_string_equal(buf_str(&back), rows[i][0]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_buf_ struct buf b = BUF_INIT(100);

		if (text_base64_decode(&b, bad[i], strlen(bad[i])) != -EINVAL)
			fail_msg("%s was taken", bad[i]);
	}
}

/* The prefix that is UTF-8 ends before overlong forms, surrogates, cut sequences and U+110000. */
static void test_utf8(void **state)
{
	static const struct {
		const char *text;
		size_t valid;
	} rows[] = {
		{"abc", 3},
		{"\xc3\xa4", 2},
		{"\xe2\x82\xac", 3},
		{"\xf0\x9f\x98\x80", 4},
		{"a\x80", 1},
		{"\xc0\x80", 0},
		{"\xc1\xbf", 0},
		{"\xe0\x9f\xbf", 0},
		{"\xed\xa0\x80", 0},
		{"\xef\xbf\xbf", 3},
		{"\xf0\x8f\xbf\xbf", 0},
		{"\xf4\x8f\xbf\xbf", 4},
		{"\xf4\x90\x80\x80", 0},
		{"\xf5\x80\x80\x80", 0},
		{"a\xe2\x82", 1},
		{"\xe2\x28\xa1", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(text_utf8_valid(rows[i].text, strlen(rows[i].text)), rows[i].valid);
}

/* Lists skip empty items and blanks and end. */
static void test_list(void **state)
{
	const char *p;
	size_t pos = 0, n;

	(void)state;
	assert_true(text_list_next(" a , ,b c,", ',', &pos, &p, &n));
	assert_int_equal(n, 1);
	assert_memory_equal(p, "a", 1);
	assert_true(text_list_next(" a , ,b c,", ',', &pos, &p, &n));
	assert_int_equal(n, 3);
	assert_memory_equal(p, "b c", 3);
	assert_false(text_list_next(" a , ,b c,", ',', &pos, &p, &n));
	pos = 0;
	assert_false(text_list_next(NULL, ',', &pos, &p, &n));
}

/* FIPS 180 vector; equality in which NULL equals only NULL. */
static void test_small_ones(void **state)
{
	const char *p = " \t x y\n";
	size_t n = 7;
	char out[65];

	(void)state;
	for (int c = 0; c < 256; c++) {
		const char *digits = "0123456789abcdef",
			   *at = c ? strchr(digits, tolower(c)) : NULL;

		assert_int_equal(text_hex_digit((char)c), at ? at - digits : -1);
	}
	text_sha256_hex("abc", 3, out);
	assert_string_equal(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_true(text_equal(NULL, NULL));
	assert_false(text_equal(NULL, ""));
	assert_true(text_equal("a", "a"));
	assert_true(text_starts("abc", "ab"));
	assert_false(text_starts("ab", "abc"));
	text_trim(&p, &n);
	assert_int_equal(n, 3);
	assert_memory_equal(p, "x y", 3);
}

/* What must be cut is cut between two letters, of two to four bytes, wherever the array ends; bytes
 * that were no letters before stay. */
static void test_print_cuts_between_letters(void **state)
{
	static const char *const letters[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(letters); i++) {
		const char *l = letters[i];
		size_t n = strlen(l);

		for (size_t size = 1; size < 20; size++) {
			char out[20];

			text_print(out, size, "%s%s%s%s%s%s", l, l, l, l, l, l);
			assert_int_equal(strlen(out),
					 (size - 1) / n < 6 ? (size - 1) / n * n : 6 * n);
			assert_int_equal(text_utf8_valid(out, strlen(out)), strlen(out));
		}
	}
	char out[8];

	text_print(out, sizeof(out), "%s", "\xe9t\xe9 passe");
	assert_string_equal(out, "\xe9t\xe9 pas");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_doubles),
		cmocka_unit_test(test_bools),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_percent),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_small_ones),
		cmocka_unit_test(test_print_cuts_between_letters),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
