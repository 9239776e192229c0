/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: the scan's refusals and bounds, agreement of scan and jansson, and the canonical form of RFC 8785. */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "core/json.h"
#include "tests/unit/skip.h"

static int scan(const char *text, struct err *e)
{
	return json_scan(text, strlen(text), &json_limits_default, e);
}

/* What is refused is named by its path and byte, and the value itself is never quoted. */
static void test_refusals_name_the_path(void **state)
{
	static const struct {
		const char *text, *what, *where;
	} rows[] = {
		{"{\"a\": {\"b\": [1, 9223372036854775808]}}", "integer outside 64 bits at byte 16",
		 "in a.b[1]"},
		{"{\"a\": NaN}", "NaN is not JSON at byte 6", "in a"},
		{"[Infinity]", "Infinity is not JSON at byte 1", "in [0]"},
		{"[1, -Infinity]", "-Infinity is not JSON", "in [1]"},
		{"{\"k\": \"secret\\u0000\"}", "\\u0000 cannot be held in text at byte 13", "in k"},
		{"{\"k\": \"\\ud800x\"}", "lone surrogate at byte 7", "in k"},
		{"{\"k\": \"\\udc00\"}", "lone surrogate", "in k"},
		{"{\"k\": \"\\ud800\\u0041\"}", "lone surrogate", "in k"},
		{"[1e999]", "number out of range at byte 1", "in [0]"},
		{"", "text ends where a value is expected at byte 0", "in the top"},
		{"{} x", "more text after the value at byte 3", "in the top"},
		{"{\"a\" 1}", "\":\" is expected", "in a"},
		{"{a:1}", "a key in quotes is expected", ""},
		{"[1 2]", "\",\" or \"]\" is expected", "in [0]"},
		{"[1,]", "a value is expected", "in [1]"},
		{"[\"\\x\"]", "unknown escape", ""},
		{"[\"\\u12g4\"]", "broken \\u escape", ""},
		{"[\"\t\"]", "control character in a string", ""},
		{"[\"abc", "text ends inside a string", ""},
		{"[01]", "\",\" or \"]\" is expected", ""},
		{"[1.]", "broken number", ""},
		{"[-]", "broken number", ""},
		{"[\"\xff\"]", "invalid UTF-8 at byte 2", ""},
		{"{\"a\xc3\xa4\": nul}", "a value is expected", "in a\\xc3\\xa4"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(scan(rows[i].text, &e), -EINVAL);
		assert_int_equal(e.code, -EINVAL);
		if (!strstr(e.text, rows[i].what) || !strstr(e.text, rows[i].where) ||
		    strstr(e.text, "secret"))
			fail_msg("%s: %s", rows[i].text, e.text);
	}
}

/* What passes the scan jansson takes, and the other way round but for what the scan alone refuses. */
static void test_scan_agrees_with_jansson(void **state)
{
	static const char *const good[] = {
		"{}", "[]", "null", " true ", "0", "-0", "1.5e-7", "\"\"", "\"\\ud83d\\ude00\"", "[[],{}]",
		"{\"a\":{\"b\":[null,1,\"x\"]}}", "9223372036854775807", "-9223372036854775808", "1e-999",
		"{\"a\":1,\"a\":2}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\r\n\t[ 1 , 2 ]\n", "\"\x7f\"",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct err e = ERR_INIT;
		_cleanup_json_ json_t *value = NULL;

		assert_int_equal(scan(good[i], &e), 0);
		assert_int_equal(json_parse(good[i], strlen(good[i]), &json_limits_default, &value, &e), 0);
		assert_non_null(value);
	}
}

/* Each text of up to five characters of this alphabet: the scan says what jansson says. */
static void test_scan_agrees_on_all_short_texts(void **state)
{
	static const char alphabet[] = "{}[],:\"1-0.e\\";
	const size_t base = sizeof(alphabet) - 1;
	char text[6];

	(void)state;
	for (size_t len = 1; len <= 5; len++) {
		size_t total = 1;

		for (size_t i = 0; i < len; i++)
			total *= base;
		for (size_t code = 0; code < total; code++) {
			size_t rest = code;
			json_error_t why;
			json_t *value;
			int r;

			for (size_t i = 0; i < len; i++, rest /= base)
				text[i] = alphabet[rest % base];
			text[len] = '\0';
			value = json_loadb(text, len, JSON_DECODE_ANY, &why);
			r = json_scan(text, len, &json_limits_default, NULL);
			if ((value != NULL) != (r == 0))
				fail_msg("%s: scan %d", text, r);
			json_decref(value);
		}
	}
}

/* The last of two members wins, as in Python. */
static void test_last_member_wins(void **state)
{
	_cleanup_json_ json_t *value = NULL;
	int64_t n = 0;

	(void)state;
	assert_int_equal(json_parse("{\"a\":1,\"a\":2}", 13, &json_limits_default, &value, NULL), 0);
	assert_true(json_int(value, "a", &n));
	assert_int_equal(n, 2);
}

static void repeat(struct buf *b, const char *text, size_t times)
{
	for (size_t i = 0; i < times; i++)
		buf_puts(b, text);
}

/* Depth, count, text and tree are bounded before jansson allocates anything. */
static void test_limits(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(16u << 20);
	struct err e = ERR_INIT;

	(void)state;
	repeat(&b, "[", 64);
	repeat(&b, "]", 64);
	assert_int_equal(scan(buf_str(&b), &e), 0);
	buf_reset(&b);
	repeat(&b, "[", 100000);
	assert_int_equal(scan(buf_str(&b), &e), -EFBIG);
	assert_non_null(strstr(e.text, "nested too deep at byte 64"));
	buf_reset(&b);
	buf_puts(&b, "[1");
	repeat(&b, ",1", 65534);
	buf_putc(&b, ']');
	assert_int_equal(scan(buf_str(&b), &e), 0);
	buf_reset(&b);
	buf_puts(&b, "[1");
	repeat(&b, ",1", 65535);
	buf_putc(&b, ']');
	assert_int_equal(scan(buf_str(&b), &e), -EFBIG);
	buf_reset(&b);
	repeat(&b, " ", (8u << 20) + 1);
	assert_int_equal(scan(buf_str(&b), &e), -EFBIG);
	buf_reset(&b);
	buf_puts(&b, "[{\"a\":{}}");
	repeat(&b, ",{\"a\":{}}", 30000);
	buf_putc(&b, ']');
	assert_int_equal(scan(buf_str(&b), &e), -EFBIG);
	assert_non_null(strstr(e.text, "too much memory"));
}

static size_t live, peak;

static void *count_malloc(size_t n)
{
	void *p = malloc(n);

	live += malloc_usable_size(p) + 8;
	peak = live > peak ? live : peak;
	return p;
}

static void count_free(void *p)
{
	live -= p ? malloc_usable_size(p) + 8 : 0;
	free(p);
}

/* The estimate is no less than what jansson really takes, for each kind of value. */
static void test_tree_estimate_is_an_upper_bound(void **state)
{
	static const char *const items[] = {
		"{}",
		"[]",
		"\"\"",
		"\"abcdefghijklmnopqrstuvwxyz\"",
		"1",
		"1.5",
		"{\"a\":1}",
		"{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9}",
		"[1,2,3]"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		_cleanup_buf_ struct buf b = BUF_INIT(1u << 20);
		struct json_limits limits = json_limits_default;
		json_t *value;
		json_malloc_t old_malloc;
		json_free_t old_free;

		buf_printf(&b, "[%s", items[i]);
		for (int n = 0; n < 1024; n++)
			buf_printf(&b, ",%s", items[i]);
		buf_putc(&b, ']');
		json_get_alloc_funcs(&old_malloc, &old_free);
		json_set_alloc_funcs(count_malloc, count_free);
		live = peak = 0;
		value = json_loadb(b.data, b.len, JSON_DECODE_ANY, NULL);
		json_decref(value);
		json_set_alloc_funcs(old_malloc, old_free);
		assert_int_equal(live, 0);
		limits.tree_bytes = peak;
		if (json_scan(b.data, b.len, &limits, NULL) != -EFBIG)
			fail_msg("%s: %zu bytes at most at a time", items[i], peak);
	}
}

static void expect_canonical(const char *text, const char *expect)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1u << 20);
	_cleanup_json_ json_t *value = NULL;
	struct err e = ERR_INIT;

	if (json_parse(text, strlen(text), &json_limits_default, &value, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	assert_int_equal(json_canonical(value, &out), 0);
	assert_string_equal(buf_str(&out), expect);
}

/* The examples of RFC 8785, sections 3.2.2 to 3.2.4. */
static void test_canonical_rfc_examples(void **state)
{
	(void)state;
	expect_canonical("{\"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3, "
			 "0.000000000000000000000000001],"
			 "\"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\","
			 "\"literals\": [null, true, false]}",
			 "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,"
			 "0.002,1e-27],"
			 "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
	expect_canonical("{\"\\u20ac\": \"Euro Sign\",\"\\r\": \"Carriage Return\",\"\\ufb33\": "
			 "\"Hebrew Letter Dalet With Dagesh\","
			 "\"1\": \"One\",\"\\ud83d\\ude00\": \"Emoji: Grinning Face\",\"\\u0080\": "
			 "\"Control\","
			 "\"\\u00f6\": \"Latin Small Letter O With Diaeresis\"}",
			 "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
			 "\"\xc3\xb6\":\"Latin Small Letter O With "
			 "Diaeresis\",\"\xe2\x82\xac\":\"Euro Sign\","
			 "\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\",\"\xef\xac\xb3\":\"Hebrew "
			 "Letter Dalet With Dagesh\"}");
	expect_canonical("[56, {\"d\": true, \"10\": null, \"1\": []}]",
			 "[56,{\"1\":[],\"10\":null,\"d\":true}]");
	expect_canonical("{\"\": {}, \"a\": -0, \"b\": -0.0, \"c\": 1.0}",
			 "{\"\":{},\"a\":0,\"b\":0,\"c\":1}");
}

/* Numbers by their bits, from RFC 8785 appendix B, and powers of two whose shortest text is not the
 * nearest one. */
static void test_canonical_numbers(void **state)
{
	static const struct {
		uint64_t bits;
		const char *text;
	} rows[] = {
		{0x0000000000000000, "0"}, {0x8000000000000000, "0"}, {0x0000000000000001, "5e-324"},
		{0x8000000000000001, "-5e-324"}, {0x7fefffffffffffff, "1.7976931348623157e+308"},
		{0xffefffffffffffff, "-1.7976931348623157e+308"}, {0x4340000000000000, "9007199254740992"},
		{0xc340000000000000, "-9007199254740992"}, {0x4430000000000000, "295147905179352830000"},
		{0x44b52d02c7e14af5, "9.999999999999997e+22"}, {0x44b52d02c7e14af6, "1e+23"},
		{0x44b52d02c7e14af7, "1.0000000000000001e+23"}, {0x444b1ae4d6e2ef4e, "999999999999999700000"},
		{0x444b1ae4d6e2ef4f, "999999999999999900000"}, {0x444b1ae4d6e2ef50, "1e+21"},
		{0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"}, {0x3eb0c6f7a0b5ed8d, "0.000001"},
		{0x41b3de4355555553, "333333333.3333332"}, {0x41b3de4355555554, "333333333.33333325"},
		{0x41b3de4355555555, "333333333.3333333"}, {0x41b3de4355555556, "333333333.3333334"},
		{0x41b3de4355555557, "333333333.33333343"}, {0xbecbf647612f3696, "-0.0000033333333333333333"},
		{0x43143ff3c1cb0959, "1424953923781206.2"}, {0x0060000000000000, "7.120236347223045e-307"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(64);
		_cleanup_json_ json_t *value = NULL;
		double real;

		memcpy(&real, &rows[i].bits, sizeof(real));
		value = json_real(real);
		assert_int_equal(json_canonical(value, &out), 0);
		assert_string_equal(buf_str(&out), rows[i].text);
	}
}

/* Numbers read back to the very same double, whatever their bits. */
static void test_canonical_numbers_round_trip(void **state)
{
	uint64_t bits = 88172645463325252u;

	(void)state;
	for (int i = 0; i < (under_valgrind() ? 500 : 20000); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(64);
		_cleanup_json_ json_t *value = NULL;
		double real;

		bits ^= bits << 13;
		bits ^= bits >> 7;
		bits ^= bits << 17;
		memcpy(&real, &bits, sizeof(real));
		value = json_real(real);
		if (!value)
			continue; /* NaN or infinite */
		assert_int_equal(json_canonical(value, &out), 0);
		assert_true(strtod(buf_str(&out), NULL) == real);
	}
}

/* What the form cannot hold is refused and not rounded: integers beyond 2^53, too deep a tree. */
static void test_canonical_refuses(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1024);
	json_t *value = json_integer((1LL << 53) + 1), *deep = json_array();

	(void)state;
	assert_int_equal(json_canonical(value, &out), -EINVAL);
	json_decref(value);
	buf_reset(&out);
	for (int i = 0; i < 64; i++) {
		json_t *outer = json_array();

		json_array_append_new(outer, deep);
		deep = outer;
	}
	assert_int_equal(json_canonical(deep, &out), -EINVAL);
	json_decref(deep);
	buf_reset(&out);
	value = json_stringn_nocheck("\xff", 1);
	assert_int_equal(json_canonical(value, &out), -EINVAL);
	json_decref(value);
	assert_int_equal(json_canonical(NULL, &out), -EINVAL);
}

/* A full buffer is an error, not half a text. */
static void test_canonical_full_buffer(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT(10);
	_cleanup_json_ json_t *value = json_pack("{s:s,s:[i,i]}", "key", "a value", "more", 1, 2);

	(void)state;
	assert_int_equal(json_canonical(value, &out), -EFBIG);
}

/* Lookups answer "nothing" for a missing member and for one of another type. */
static void test_lookups(void **state)
{
	_cleanup_json_ json_t *value = json_pack("{s:s,s:i,s:{}}", "s", "text", "i", 7, "o");
	char *text = json_compact(value);
	int64_t n = 1;

	(void)state;
	assert_string_equal(json_str(value, "s"), "text");
	assert_null(json_str(value, "i"));
	assert_null(json_str(NULL, "i"));
	assert_false(json_int(value, "s", &n));
	assert_int_equal(n, 1);
	assert_non_null(json_obj(value, "o"));
	assert_null(json_obj(value, "s"));
	assert_string_equal(text, "{\"i\":7,\"o\":{},\"s\":\"text\"}");
	free(text);
}

/* Any bytes become text: what is UTF-8 stays as it is, other bytes are shown, nothing is refused.
 */
static void test_any_text(void **state)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{"", ""},
		{"plain", "plain"},
		{"d\xc3\xa9j\xc3\xa0 \xe2\x82\xac \xf0\x9f\x98\x80",
		 "d\xc3\xa9j\xc3\xa0 \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"caf\xe9.conf", "caf\\xe9.conf"},     /* Latin-1 */
		{"d\xc3\xa9j\xc3", "d\xc3\xa9j\\xc3"}, /* cut within a letter */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},   /* a surrogate */
	};
	_cleanup_json_ json_t *none = json_text(NULL);

	(void)state;
	assert_true(json_is_null(none));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_json_ json_t *value = json_text(rows[i].from);

		assert_string_equal(json_string_value(value), rows[i].to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals_name_the_path),
		cmocka_unit_test(test_scan_agrees_with_jansson),
		cmocka_unit_test(test_scan_agrees_on_all_short_texts),
		cmocka_unit_test(test_last_member_wins),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_tree_estimate_is_an_upper_bound),
		cmocka_unit_test(test_canonical_rfc_examples),
		cmocka_unit_test(test_canonical_numbers),
		cmocka_unit_test(test_canonical_numbers_round_trip),
		cmocka_unit_test(test_canonical_refuses),
		cmocka_unit_test(test_canonical_full_buffer),
		cmocka_unit_test(test_lookups),
		cmocka_unit_test(test_any_text),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
