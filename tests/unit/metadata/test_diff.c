/* SPDX-License-Identifier: Apache-2.0 */
/* What counts as a change, and that the summary names paths and never values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/json.h"
#include "metadata/diff.h"

static json_t *tree(const char *text)
{
	json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(j);
	return j;
}

struct pair {
	const char *old, *new_value; /* NULL = absent */
	enum change_kind kind;
};

/* Absence, null, numbers and key order are judged as the header says. */
static void kinds(void **state)
{
	static const struct pair pairs[] = {
		{NULL, NULL, CHANGE_NONE},
		{NULL, "null", CHANGE_ADDED},
		{"null", NULL, CHANGE_REMOVED},
		{"null", "null", CHANGE_NONE},
		{"1", "1.0", CHANGE_UPDATED},
		{"1.5", "1.5", CHANGE_NONE},
		{"{\"a\":1,\"b\":[1,2]}", "{\"b\":[1,2],\"a\":1}", CHANGE_NONE},
		{"[1,2]", "[2,1]", CHANGE_UPDATED},
		{"{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":{\"c\":2}}}", CHANGE_UPDATED},
		{"\"\"", "null", CHANGE_UPDATED},
		{"false", "0", CHANGE_UPDATED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		json_t *old = pairs[i].old ? tree(pairs[i].old) : NULL;
		json_t *new_value = pairs[i].new_value ? tree(pairs[i].new_value) : NULL;

		assert_int_equal(diff_value(old, new_value), pairs[i].kind);
		json_decref(old);
		json_decref(new_value);
	}
}

static void check_summary(const char *old_text, const char *new_text, unsigned max,
			  const char *want)
{
	json_t *old = old_text ? tree(old_text) : NULL,
	       *new_value = new_text ? tree(new_text) : NULL;
	struct buf out = BUF_INIT(65536);

	diff_summary(old, new_value, max, &out);
	assert_string_equal(buf_str(&out), want);
	buf_deinit(&out);
	json_decref(old);
	json_decref(new_value);
}

/* Each changed path once, at the deepest object; what is over the limit is counted. */
static void summaries(void **state)
{
	(void)state;
	check_summary("{\"a\":1}", "{\"a\":1}", 5, "");
	check_summary("{\"a\":{\"b\":1,\"x\":[1]},\"c\":2}", "{\"a\":{\"b\":2,\"x\":[2]},\"d\":3}",
		      9, "a.b: updated, a.x: updated, d: added, c: removed");
	check_summary("{\"a\":1,\"b\":1,\"c\":1}", "{\"a\":2,\"b\":2,\"c\":2}", 1,
		      "a: updated, 2 more");
	check_summary("{}", "{\"AWS::X\":{\"k.k\":1}}", 5, "AWS::X: added");
	check_summary("{\"x\":{\"k.k\":1}}", "{\"x\":{\"k.k\":2}}", 5, "x.k\\.k: updated");
	check_summary(NULL, "{}", 5, "(all): added");
	check_summary("{}", NULL, 5, "(all): removed");
	check_summary("[1]", "{}", 5, "(all): updated");
	check_summary("{\"a\":1}", "{\"a\":2}", 0, "1 more");
}

/* Names chosen by others are escaped and cut, and values never appear. */
static void summaries_are_safe(void **state)
{
	struct buf out = BUF_INIT(65536);
	json_t *old = tree("{}"), *new_value = json_object();
	char key[301];

	(void)state;
	memset(key, 'k', 300);
	key[300] = '\0';
	json_object_set_new(new_value, key, json_string("hidden-value"));
	json_object_set_new(new_value, "a\nb\033[2J", json_string("hidden-value"));
	diff_summary(old, new_value, 9, &out);
	assert_null(strstr(buf_str(&out), "hidden-value"));
	assert_null(strchr(buf_str(&out), '\n'));
	assert_null(strchr(buf_str(&out), '\033'));
	assert_non_null(strstr(buf_str(&out), "kkkk..."));
	assert_true(out.len < 200);
	buf_deinit(&out);
	json_decref(old);
	json_decref(new_value);
}

/* A tree deeper than the walk's own stack is reported where the stack ends, not walked out of
 * bounds. */
static void deep_trees(void **state)
{
	struct buf out = BUF_INIT(65536);
	json_t *old = json_integer(1), *new_value = json_integer(2);

	(void)state;
	for (int i = 0; i < 100; i++) {
		json_t *outer_old = json_object(), *outer_new = json_object();

		json_object_set_new(outer_old, "d", old);
		json_object_set_new(outer_new, "d", new_value);
		old = outer_old;
		new_value = outer_new;
	}
	diff_summary(old, new_value, 5, &out);
	assert_non_null(strstr(buf_str(&out), "d.d.d"));
	assert_non_null(strstr(buf_str(&out), ": updated"));
	buf_deinit(&out);
	json_decref(old);
	json_decref(new_value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(summaries),
		cmocka_unit_test(summaries_are_safe),
		cmocka_unit_test(deep_trees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
