/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of hooks/init/plan.h: which configs a set means, and what is refused before anything is run. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "hooks/init/plan.h"

#define CONFIGS "\"config\":{},\"a\":{},\"b\":{},\"c\":{}"

struct row {
	const char *sets;  /* value of configSets, NULL: none */
	const char *asked; /* NULL: nothing */
	const char *want;  /* configs in order, or "!" and a part of the reason */
};

static void check(const struct row *row)
{
	char text[2000], got[2000] = "";
	struct err e = ERR_INIT;
	struct plan plan;
	json_t *init;
	int r;

	snprintf(text, sizeof(text), "{%s%s%s}", CONFIGS, row->sets ? ",\"configSets\":" : "",
		 row->sets ? row->sets : "");
	init = json_loads(text, 0, NULL);
	assert_non_null(init);
	r = plan_make(init, row->asked, &plan, &e);
	for (size_t i = 0; r == 0 && i < plan.n; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? " " : "", plan.configs[i]);
	if (row->want[0] == '!') {
		assert_true(r < 0);
		if (!strstr(e.text, row->want + 1))
			fail_msg("%s: \"%s\" does not say \"%s\"", text, e.text, row->want + 1);
	} else if (r < 0 || strcmp(got, row->want)) {
		fail_msg("%s asked %s: got \"%s\" (%s)", text, row->asked ? row->asked : "nothing", got, e.text);
	}
	json_decref(init);
}

static void test_order(void **state)
{
	static const struct row rows[] = {
		{NULL, NULL, "config"},
		{"{}", NULL, "config"},
		{NULL, "default", "config"},
		{NULL, "x", "!there are no configSets"},
		{"{\"default\":[\"b\",\"a\"]}", NULL, "b a"},
		{"{\"x\":[\"a\"]}", NULL, "!default: there is no such set"},
		{"{\"x\":[\"a\"],\"y\":[\"b\"]}", " y , x,y", "b a b"},
		{"{\"x\":\"a\"}", "x", "a"},
		{"{\"x\":[{\"ConfigSet\":\"y\"},\"c\"],\"y\":[\"a\",\"b\"]}", "x", "a b c"},
		{"{\"x\":{\"ConfigSet\":\"y\"},\"y\":[\"a\"]}", "x", "a"},
		{"{\"x\":[\"nope\"]}", "x", "!x > nope: there is no such config"},
		{"{\"x\":[\"configSets\"]}", "x", "!there is no such config"},
		{"{\"x\":[1]}", "x", "!neither a name"},
		{"{\"x\":[{\"ConfigSet\":\"y\",\"z\":1}],\"y\":\"a\"}", "x", "!neither a name"},
		{"{\"x\":[]}", "x", "!nothing in what was asked for"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(&rows[i]);
}

/* A cycle is refused with the way into it. */
static void test_cycles(void **state)
{
	static const struct row rows[] = {
		{"{\"x\":[{\"ConfigSet\":\"x\"}]}", "x", "!x > x: a cycle"},
		{"{\"x\":[\"a\",{\"ConfigSet\":\"y\"}],\"y\":[{\"ConfigSet\":\"z\"}],\"z\":[{\"ConfigSet\":\"x\"}]}", "x",
		 "!x > y > z > x: a cycle"},
		/* twice is no cycle */
		{"{\"x\":[{\"ConfigSet\":\"y\"},{\"ConfigSet\":\"y\"}],\"y\":[\"a\"]}", "x", "a a"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(&rows[i]);
}

/* Sets that double at each step are bounded, and so is depth. */
static void test_bounds(void **state)
{
	char sets[4000] = "{";
	struct row row = {sets, "s0", "!too many configs"};

	(void)state;
	for (int i = 0; i < 12; i++)
		snprintf(sets + strlen(sets), sizeof(sets) - strlen(sets),
			 "\"s%d\":[{\"ConfigSet\":\"s%d\"},{\"ConfigSet\":\"s%d\"}],", i, i + 1, i + 1);
	snprintf(sets + strlen(sets), sizeof(sets) - strlen(sets), "\"s12\":\"a\"}");
	check(&row);
	strcpy(sets, "{"); /* bounded above */
	for (int i = 0; i < 20; i++)
		snprintf(sets + strlen(sets), sizeof(sets) - strlen(sets), "\"s%d\":[{\"ConfigSet\":\"s%d\"}],", i, i + 1);
	snprintf(sets + strlen(sets), sizeof(sets) - strlen(sets), "\"s20\":\"a\"}");
	row.want = "!too deep";
	check(&row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_cycles),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
