/* SPDX-License-Identifier: Apache-2.0 */
/* The trigger table, row by row. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hooks/config.h"
#include "hooks/match.h"

#define ABSENT  NULL
#define UNKNOWN "?"

struct row {
	const char *old, *value; /* JSON; ABSENT; old UNKNOWN: no state */
	unsigned triggers;
	bool heat;
	enum match_action action;
	unsigned trigger;
};

static json_t *parse(const char *text)
{
	json_t *v = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

	assert_true(v || !text);
	return v;
}

static void check(const struct row *row, size_t i)
{
	bool known = !row->old || row->old[0] != '?';
	json_t *old = known ? parse(row->old) : NULL, *value = parse(row->value);
	struct match_state state = {known, old};
	struct match_result m = match_decide(&state, value, row->triggers, row->heat);

	if (m.action != row->action || m.trigger != row->trigger)
		fail_msg("row %zu: action %d trigger %u", i, (int)m.action, m.trigger);
	json_decref(old);
	json_decref(value);
}

#define ALL (TRIGGER_ADD | TRIGGER_UPDATE | TRIGGER_REMOVE)

/* Each event fires its own trigger and no other; a hook without it takes the value silently. */
static void test_table(void **state)
{
	static const struct row rows[] = {
		/* no state, value present */
		{UNKNOWN, "{\"a\":1}", TRIGGER_ADD, false, MATCH_RUN, TRIGGER_ADD},
		{UNKNOWN, "{\"a\":1}", TRIGGER_UPDATE, false, MATCH_BASELINE, 0},
		{UNKNOWN, "{\"a\":1}", TRIGGER_REMOVE, false, MATCH_BASELINE, 0},
		{UNKNOWN, "{\"a\":1}", ALL, false, MATCH_RUN, TRIGGER_ADD},
		/* no state, no value */
		{UNKNOWN, ABSENT, ALL, false, MATCH_BASELINE, 0},
		{UNKNOWN, ABSENT, ALL, true, MATCH_BASELINE, 0},
		/* changed */
		{"1", "2", TRIGGER_UPDATE, false, MATCH_RUN, TRIGGER_UPDATE},
		{"1", "2", TRIGGER_ADD, false, MATCH_BASELINE, 0},
		{"1", "2", TRIGGER_REMOVE, false, MATCH_BASELINE, 0},
		{"1", "1.0", TRIGGER_UPDATE, false, MATCH_RUN, TRIGGER_UPDATE},
		{"{\"a\":{\"b\":[1]}}", "{\"a\":{\"b\":[2]}}", ALL, false, MATCH_RUN,
		 TRIGGER_UPDATE},
		/* gone */
		{"1", ABSENT, TRIGGER_REMOVE, false, MATCH_RUN, TRIGGER_REMOVE},
		{"1", ABSENT, TRIGGER_ADD | TRIGGER_UPDATE, false, MATCH_BASELINE, 0},
		/* back again */
		{ABSENT, "1", TRIGGER_ADD, false, MATCH_RUN, TRIGGER_ADD},
		{ABSENT, "1", TRIGGER_UPDATE, false, MATCH_BASELINE, 0},
		/* unchanged, key order irrelevant */
		{"1", "1", ALL, false, MATCH_NOTHING, 0},
		{"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", ALL, false, MATCH_NOTHING, 0},
		{ABSENT, ABSENT, ALL, false, MATCH_NOTHING, 0},
		/* a service event is nobody's value */
		{UNKNOWN, "1", TRIGGER_SERVICE_RESTARTED, false, MATCH_BASELINE, 0},
		{"1", "2", TRIGGER_SERVICE_RESTARTED, false, MATCH_BASELINE, 0},
		/* heat */
		{UNKNOWN, "1", TRIGGER_UPDATE, true, MATCH_RUN, TRIGGER_UPDATE},
		{UNKNOWN, "1", ALL, true, MATCH_RUN, TRIGGER_ADD},
		{ABSENT, "1", TRIGGER_UPDATE, true, MATCH_RUN, TRIGGER_UPDATE},
		{"1", "1", TRIGGER_UPDATE, true, MATCH_NOTHING, 0},
		{UNKNOWN, "1", TRIGGER_REMOVE, true, MATCH_BASELINE, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(&rows[i], i);
}

/* null, false, 0, "", [] and {} are values: they appear, change and go like any other. */
static void test_falsy_values(void **state)
{
	static const char *const falsy[] = {"null", "false", "0", "\"\"", "[]", "{}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(falsy); i++) {
		const struct row rows[] = {
			{UNKNOWN, falsy[i], ALL, false, MATCH_RUN, TRIGGER_ADD},
			{ABSENT, falsy[i], ALL, false, MATCH_RUN, TRIGGER_ADD},
			{falsy[i], ABSENT, ALL, false, MATCH_RUN, TRIGGER_REMOVE},
			{falsy[i], "7", ALL, false, MATCH_RUN, TRIGGER_UPDATE},
			{"7", falsy[i], ALL, false, MATCH_RUN, TRIGGER_UPDATE},
			{falsy[i], falsy[i], ALL, false, MATCH_NOTHING, 0},
			{falsy[i], falsy[(i + 1) % ARRAY_SIZE(falsy)], ALL, false, MATCH_RUN,
			 TRIGGER_UPDATE},
		};

		for (size_t j = 0; j < ARRAY_SIZE(rows); j++)
			check(&rows[j], i * 100 + j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_falsy_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
