/* SPDX-License-Identifier: Apache-2.0 */
/* Values as hooks get them: the text that Python's json.dumps() would have given them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "hooks/value_text.h"

static void check(const char *json, const char *expected)
{
	struct buf out = BUF_INIT(4096);
	json_t *v = json_loads(json, JSON_DECODE_ANY, NULL);

	assert_non_null(v);
	assert_int_equal(value_text(v, &out), 0);
	assert_string_equal(buf_str(&out), expected);
	buf_deinit(&out);
	json_decref(v);
}

/* The right column is the output of python3 -c 'print(json.dumps(json.loads(...)))'. */
static void test_like_python(void **state)
{
	static const char *const rows[][2] = {
		{"{\"b\":1,\"a\":[1,2,{}],\"c\":{\"x\":null}}",
		 "{\"b\": 1, \"a\": [1, 2, {}], \"c\": {\"x\": null}}"},
		{"[]", "[]"},
		{"[true,false,null,-5]", "[true, false, null, -5]"},
		{"[1.0,0.1,-2.5,1e15,1e16,123456789012345680.0]",
		 "[1.0, 0.1, -2.5, 1000000000000000.0, 1e+16, 1.2345678901234568e+17]"},
		{"[0.0001,0.00001,1.5e-7,3.141592653589793,5e-324,1.7976931348623157e308]",
		 "[0.0001, 1e-05, 1.5e-07, 3.141592653589793, 5e-324, 1.7976931348623157e+308]"},
		{"[0.0,-0.0,100.0,1234.5678]", "[0.0, -0.0, 100.0, 1234.5678]"},
		{"[\"\\u00e9\\ud83d\\ude00\"]", "[\"\\u00e9\\ud83d\\ude00\"]"},
		{"[\"a\\\"b\\\\c\\n\\r\\t\\f\\b/\\u0001\\u007f\"]",
		 "[\"a\\\"b\\\\c\\n\\r\\t\\f\\b/\\u0001\x7f\"]"},
		{"{\"k\\u00fc\":[[],[[]]]}", "{\"k\\u00fc\": [[], [[]]]}"},
		{"9223372036854775807", "9223372036854775807"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(rows[i][0], rows[i][1]);
}

/* A string alone is handed over raw, whatever is in it. */
static void test_raw_string(void **state)
{
	(void)state;
	check("\"a \\\"b\\\"\\n\\u00e9\"", "a \"b\"\n\xc3\xa9");
	check("\"\"", "");
}

/* Depth and size are bounded by errors, not by the stack. */
static void test_bounds(void **state)
{
	struct buf small = BUF_INIT(8), out = BUF_INIT(4096);
	json_t *deep = json_array(), *top = deep;

	(void)state;
	for (int i = 0; i < 64; i++) {
		json_t *next = json_array();

		json_array_append_new(deep, next);
		deep = next;
	}
	assert_int_equal(value_text(top, &out), -ELOOP);
	assert_int_equal(value_text(top, &small), -EFBIG);
	json_decref(top);
	buf_deinit(&out);
	buf_deinit(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_python),
		cmocka_unit_test(test_raw_string),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
