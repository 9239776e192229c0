/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of hooks/init/mustache.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "hooks/init/mustache.h"

struct row {
	const char *text, *context, *want; /* want "!": refused, with a part of the reason */
};

static void check(const struct row *row)
{
	_cleanup_buf_ struct buf out = BUF_INIT(65536);
	struct err e = ERR_INIT;
	json_t *context = json_loads(row->context, 0, NULL);
	int r = mustache_render(row->text, strlen(row->text), context, &out, &e);

	assert_non_null(context);
	if (row->want[0] == '!') {
		if (r >= 0 || !strstr(e.text, row->want + 1))
			fail_msg("%s: %d \"%s\", not \"%s\"", row->text, r, e.text, row->want + 1);
	} else if (r < 0 || strcmp(buf_str(&out), row->want)) {
		fail_msg("%s: %d \"%s\", not \"%s\" (%s)", row->text, r, buf_str(&out), row->want, e.text);
	}
	json_decref(context);
}

static void test_values(void **state)
{
	static const struct row rows[] = {
		{"plain { } }} text", "{}", "plain { } }} text"},
		{"a {{x}} b", "{\"x\":\"<&>\\\"'\"}", "a &lt;&amp;&gt;&quot;&#39; b"},
		{"{{{x}}}{{&x}}{{& x }}", "{\"x\":\"<\"}", "<<<"},
		{"{{ x }}|{{none}}|{{n}}|{{f}}|{{t}}", "{\"x\":1,\"n\":null,\"f\":2.5,\"t\":true}", "1||"
												      "|2.5|true"},
		{"{{a.b.c}}{{a.x.c}}", "{\"a\":{\"b\":{\"c\":\"deep\"}}}", "deep"},
		{"{{o}}", "{\"o\":{\"a\":[1]}}", "{&quot;a&quot;: [1]}"},
		{"{{! nothing }}x", "{}", "x"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(&rows[i]);
}

static void test_sections(void **state)
{
	static const struct row rows[] = {
		{"{{#l}}<{{.}}>{{/l}}", "{\"l\":[1,\"b\"]}", "<1><b>"},
		{"{{#l}}{{n}}{{out}};{{/l}}", "{\"l\":[{\"n\":1},{\"n\":2}],\"out\":\"o\"}", "1o;2o;"},
		{"{{#t}}yes{{/t}}{{^t}}no{{/t}}", "{\"t\":true}", "yes"},
		{"{{#t}}yes{{/t}}{{^t}}no{{/t}}", "{\"t\":[]}", "no"},
		{"{{#t}}yes{{/t}}{{^t}}no{{/t}}", "{\"t\":\"\"}", "no"},
		{"{{^none}}x{{/none}}", "{}", "x"},
		{"{{#a}}{{#b}}{{c}}{{/b}}{{/a}}", "{\"a\":{\"b\":{\"c\":1}}}", "1"},
		{"{{#a}}{{#a}}x{{/a}}{{/a}}", "{\"a\":true}", "x"},
		/* lonely tags take their line with them */
		{"one\n  {{#l}}\n- {{.}}\n  {{/l}}\ntwo\n", "{\"l\":[1,2]}", "one\n- 1\n- 2\ntwo\n"},
		{"{{! c }}\nx\n", "{}", "x\n"},
		{"a {{#t}}\nb{{/t}}\n", "{\"t\":true}", "a \nb\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(&rows[i]);
}

static void test_refused(void **state)
{
	static const struct row rows[] = {
		{"x {{y", "{}", "!does not end at byte 2"},
		{"{{#a}}x", "{\"a\":true}", "!section that does not end"},
		{"{{#a}}x{{/b}}", "{\"a\":true}", "!another name"},
		{"{{/a}}", "{}", "!without its beginning"},
		{"{{}}", "{}", "!without a name"},
		{"{{> file}}", "{}", "!a partial"},
		{"{{=<% %>=}}", "{}", "!other delimiters"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(&rows[i]);
}

/* Lists within lists multiply: the work is bounded, and so is the text. */
static void test_bounds(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20), small = BUF_INIT(10);
	const char *text = "{{#l}}{{#l}}{{#l}}{{#l}}{{#l}}{{#l}}{{x}}{{/l}}{{/l}}{{/l}}{{/l}}{{/l}}{{/l}}";
	json_t *context = json_pack("{s:[iiiiiiiiiiiiiiiiiiii]}", "l", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
				    17, 18, 19, 20);

	(void)state;
	assert_int_equal(mustache_render(text, strlen(text), context, &out, NULL), -EFBIG);
	assert_int_equal(mustache_render("0123456789a", 11, context, &small, NULL), -EFBIG);
	json_decref(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
