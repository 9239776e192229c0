/* SPDX-License-Identifier: Apache-2.0 */
/* cfn-hup's path grammar and cfn-get-metadata's keys. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "core/path.h"

/* The three parts, words without case, "\." inside a key, other characters as they are. */
static void test_good_paths(void **state)
{
	static const struct {
		const char *text, *resource;
		enum path_part part;
		size_t n_keys;
		const char *keys[3];
	} rows[] = {
		{"Resources.R1", "R1", PATH_UPDATED_TIME, 0, {NULL}},
		{"resources.R1.METADATA", "R1", PATH_METADATA, 0, {NULL}},
		{"RESOURCES.r1.physicalResourceID", "r1", PATH_PHYSICAL_ID, 0, {NULL}},
		{"Resources.R1.Metadata.a.b", "R1", PATH_METADATA, 2, {"a", "b"}},
		{"Resources.R1.Metadata.AWS::CloudFormation::Init.x",
		 "R1",
		 PATH_METADATA,
		 2,
		 {"AWS::CloudFormation::Init", "x"}},
		{"Resources.R1.Metadata.a\\.b.c\\d", "R1", PATH_METADATA, 2, {"a.b", "c\\d"}},
		{"Resources.R1.Metadata.a\\.", "R1", PATH_METADATA, 1, {"a."}},
		{"Resources.R1.Metadata.it's.0", "R1", PATH_METADATA, 2, {"it's", "0"}},
		{"  Resources.R1.Metadata.a \n", "R1", PATH_METADATA, 1, {"a"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct path path;
		struct err e = ERR_INIT;

		if (path_parse(rows[i].text, strlen(rows[i].text), &path, &e) < 0)
			fail_msg("%s: %s", rows[i].text, e.text);
		assert_string_equal(path.resource, rows[i].resource);
		assert_int_equal(path.part, rows[i].part);
		assert_int_equal(path.n_keys, rows[i].n_keys);
		for (size_t k = 0; k < path.n_keys; k++)
			assert_string_equal(path.keys[k], rows[i].keys[k]);
		path_deinit(&path);
	}
}

/* Anything else is refused with a reason and leaves nothing behind. */
static void test_bad_paths(void **state)
{
	static const char *const bad[] = {
		"",
		"Resources",
		"Resources.",
		"Resource.R1",
		"Resources..Metadata",
		"Resources.R1.",
		"Resources.R1.Other",
		"Resources.R1.Metadata.",
		"Resources.R1.Metadata..a",
		"Resources.R1.Metadata.a.",
		"Resources.R1.PhysicalResourceId.x",
		"Resources.R1.PhysicalResourceId.",
		"Resources.R1.Metadata.\xff",
		"R1.Metadata",
		"Resources.R.Metadata.1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct path path;
		struct err e = ERR_INIT;

		if (path_parse(bad[i], strlen(bad[i]), &path, &e) != -EINVAL)
			fail_msg("%s was taken", bad[i]);
		assert_true(e.text[0] != '\0');
		assert_null(path.resource);
		assert_int_equal(path.n_keys, 0);
	}
}

/* Quotes keep dots together, a dot at the end is tolerated, an open quote is not. */
static void test_split_keys(void **state)
{
	char *keys[PATH_KEYS_MAX];
	const char *text = "a.b\\.c.'d.e'.\"f'g\".";
	static const char *const want[] = {"a", "b.c", "d.e", "f'g"};
	static const char *const bad[] = {"a..b", ".a", "'a", "a.'b'c", "."};
	size_t n = 99;

	(void)state;
	assert_int_equal(path_split_keys(text, strlen(text), keys, &n, NULL), 0);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(keys[i], want[i]);
		free(keys[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (path_split_keys(bad[i], strlen(bad[i]), keys, &n, NULL) != -EINVAL)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(n, 0);
	}
	assert_int_equal(path_split_keys("", 0, keys, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(path_split_keys("a.''", 4, keys, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_string_equal(keys[1], "");
	free(keys[0]);
	free(keys[1]);
}

/* A walk through objects only; JSON null is found, what lies below it is not. */
static void test_lookup(void **state)
{
	json_t *root = json_pack("{s:{s:n,s:[i]}}", "a", "null", "list", 1);
	char *keys[] = {(char[]){"a"}, (char[]){"null"}, (char[]){"x"}},
	     *list[] = {(char[]){"a"}, (char[]){"list"}, (char[]){"0"}};

	(void)state;
	assert_ptr_equal(path_lookup(root, keys, 0), root);
	assert_true(json_is_null(path_lookup(root, keys, 2)));
	assert_null(path_lookup(root, keys, 3));
	assert_null(path_lookup(root, list, 3));
	assert_null(path_lookup(NULL, keys, 0));
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_paths),
		cmocka_unit_test(test_bad_paths),
		cmocka_unit_test(test_split_keys),
		cmocka_unit_test(test_lookup),
	};

	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
