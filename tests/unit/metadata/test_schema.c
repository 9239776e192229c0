/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata/heat-pulse.schema.json and the table of settings say the same: the same keys, the same words,
 * the same verdict on each line of fixtures/settings. The system ring asks a real JSON Schema validator
 * about the same lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/failure_class.h"
#include "core/json.h"
#include "metadata/settings.h"

static char path_text[512];

static const char *path(const char *name)
{
	const char *fixtures = getenv("HEAT_PULSE_FIXTURES");

	snprintf(path_text, sizeof(path_text), "%s/%s", fixtures ? fixtures : "tests/fixtures", name);
	return path_text;
}

static json_t *schema(void)
{
	json_t *o = json_load_file(path("../../metadata/heat-pulse.schema.json"), 0, NULL);

	assert_non_null(o);
	return o;
}

static size_t walk_keys(const json_t *properties, const char *inside)
{
	const char *key;
	json_t *value;
	size_t n = 0;

	json_object_foreach((json_t *)(uintptr_t)properties, key, value)
	{
		struct setting_key k;
		bool known = false;

		for (size_t i = 0; settings_key(i, &k); i++)
			known |= !strcmp(k.key, key) && !k.refused &&
				 (inside ? k.inside && !strcmp(k.inside, inside) : !k.inside);
		if (!known)
			fail_msg("the schema has %s, the table has not", key);
		n++;
	}
	return n;
}

/* Each key of the schema is a row, each row that metadata may set is a key of the schema. */
static void same_keys(void **state)
{
	_cleanup_json_ json_t *o = schema();
	const json_t *top = json_obj(o, "properties");
	struct setting_key k;
	size_t rows = 0, keys = walk_keys(top, NULL);

	(void)state;
	keys += walk_keys(json_obj(json_obj(top, "watch"), "properties"), "watch");
	keys += walk_keys(json_obj(json_obj(top, "predict"), "properties"), "predict");
	for (size_t i = 0; settings_key(i, &k); i++)
		rows += !k.refused;
	assert_int_equal(keys, rows);
}

/* The classes that may be switched off are those there are. */
static void same_classes(void **state)
{
	_cleanup_json_ json_t *o = schema();
	const json_t *predict = json_obj(json_obj(o, "properties"), "predict");
	const json_t *words = json_object_get(
		json_obj(json_obj(json_obj(predict, "properties"), "disable"), "items"), "enum");

	(void)state;
	assert_int_equal(json_array_size(words), FAILURE_CLASS_NAMES);
	for (size_t i = 0; i < json_array_size(words); i++)
		assert_string_equal(json_string_value(json_array_get(words, i)), failure_class_names[i]);
}

static size_t judge(const char *file, bool want_good)
{
	char line[8192];
	FILE *f = fopen(path(file), "r");
	size_t n = 0;

	assert_non_null(f);
	for (; fgets(line, sizeof(line), f); n++) {
		_cleanup_json_ json_t *section = json_loads(line, 0, NULL);
		_cleanup_json_ json_t *metadata = json_pack("{s:O}", "heat-pulse", section);
		struct problems p = {0};
		struct settings s;

		assert_int_equal(settings_from_metadata(metadata, false, &s, &p), 0);
		if (want_good != (p.n == 0))
			fail_msg("%s%s", line, p.n ? p.list[0].text : "was taken");
		settings_deinit(&s);
		problems_deinit(&p);
	}
	fclose(f);
	return n;
}

static void same_verdicts(void **state)
{
	(void)state;
	assert_true(judge("settings/good.jsonl", true) >= 15);
	assert_true(judge("settings/bad.jsonl", false) >= 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_keys),
		cmocka_unit_test(same_classes),
		cmocka_unit_test(same_verdicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
