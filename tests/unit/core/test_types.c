/* SPDX-License-Identifier: Apache-2.0 */
/* The plain values: copies are whole and independent, problems are one per code and text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "core/text.h"
#include "core/types.h"

/* A repeat of code and text replaces level and remedy and does not add; other texts add. */
static void test_problems_replace(void **state)
{
	struct problems p = {0};

	(void)state;
	problems_add(&p, PROBLEM_WARN, "clock", NULL, "off by %d s", 9);
	problems_add(&p, PROBLEM_WARN, "clock", NULL, "off by %d s", 10);
	problems_add(&p, PROBLEM_ERROR, "clock", "set it", "off by %d s", 9);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.list[0].level, PROBLEM_ERROR);
	assert_string_equal(p.list[0].text, "off by 9 s");
	assert_string_equal(p.list[0].remedy, "set it");
	assert_null(p.list[1].remedy);
	problems_add(&p, PROBLEM_WARN, "other", NULL, "x");
	problems_remove(&p, "clock");
	assert_int_equal(p.n, 1);
	assert_string_equal(p.list[0].code, "other");
	problems_remove(&p, "absent");
	assert_int_equal(p.n, 1);
	problems_deinit(&p);
	assert_int_equal(p.n, 0);
}

/* The list is bounded; one more is dropped, a repeat still replaces. */
static void test_problems_bound(void **state)
{
	struct problems p = {0};

	(void)state;
	for (int i = 0; i < PROBLEMS_MAX + 10; i++)
		problems_add(&p, PROBLEM_WARN, "many", NULL, "number %d", i);
	assert_int_equal(p.n, PROBLEMS_MAX);
	problems_add(&p, PROBLEM_ERROR, "many", NULL, "number 0");
	assert_int_equal(p.list[0].level, PROBLEM_ERROR);
	problems_deinit(&p);
}

/* A problem longer than its line is cut between letters, as JSON would refuse half of one. */
static void test_problems_long_text(void **state)
{
	char name[2048] = "";

	(void)state;
	for (size_t i = 0; i + 3 < sizeof(name); i += 2)
		memcpy(name + i, "\xc3\xa9", 3);
	for (int pad = 0; pad < 2; pad++) {
		struct problems p = {0};

		problems_add(&p, PROBLEM_WARN, "code", NULL, "%*s%s", pad, "", name);
		assert_int_equal(text_utf8_valid(p.list[0].text, strlen(p.list[0].text)),
				 strlen(p.list[0].text));
		assert_true(strlen(p.list[0].text) > 1000);
		problems_deinit(&p);
	}
}

/* A code longer than its field is cut, and the cut code still finds its problem. */
static void test_problems_long_code(void **state)
{
	static const char code[] = "a-code-that-is-longer-than-its-thirty-one-bytes";
	struct problems p = {0};

	(void)state;
	problems_add(&p, PROBLEM_WARN, code, NULL, "x");
	problems_add(&p, PROBLEM_WARN, code, NULL, "x");
	assert_int_equal(p.n, 1);
	problems_remove(&p, code);
	assert_int_equal(p.n, 0);
	problems_deinit(&p);
}

/* A copy lives on when its original is gone; metadata is shared by reference. */
static void test_document_copy(void **state)
{
	struct document doc = {.source = "cfn",
			       .stack = strdup("s"),
			       .stack_id = strdup("id"),
			       .resource = strdup("r"),
			       .physical_id = strdup("p"),
			       .status = strdup("st"),
			       .updated = strdup("u"),
			       .metadata = json_pack("{s:i}", "a", 1),
			       .in_progress = true};
	struct document copy;

	(void)state;
	assert_int_equal(document_copy(&copy, &doc), 0);
	assert_ptr_equal(copy.metadata, doc.metadata);
	document_deinit(&doc);
	assert_null(doc.metadata);
	assert_string_equal(copy.source, "cfn");
	assert_string_equal(copy.stack, "s");
	assert_string_equal(copy.stack_id, "id");
	assert_string_equal(copy.resource, "r");
	assert_string_equal(copy.physical_id, "p");
	assert_string_equal(copy.status, "st");
	assert_string_equal(copy.updated, "u");
	assert_true(copy.in_progress);
	assert_int_equal(json_integer_value(json_object_get(copy.metadata, "a")), 1);
	document_deinit(&copy);
	document_deinit(&copy);
}

/* Absent metadata stay absent: never JSON null. */
static void test_document_empty(void **state)
{
	struct document doc = {0}, copy;

	(void)state;
	assert_int_equal(document_copy(&copy, &doc), 0);
	assert_null(copy.metadata);
	assert_null(copy.stack);
	document_deinit(&copy);
}

/* Every string of credentials is copied: each field is found by its place in the struct. */
static void test_credentials_copy(void **state)
{
	char *fields[15];
	struct credentials c = {.kind = CREDENTIALS_PASSWORD, .insecure = true}, copy;
	char **const at[] = {
		&c.origin,   &c.metadata_url, &c.access_key,	    &c.secret_key,
		&c.auth_url, &c.user_id,      &c.username,	    &c.user_domain_id,
		&c.password, &c.project_id,   &c.app_credential_id, &c.app_credential_secret,
		&c.region,   &c.stack,	      &c.resource};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		fields[i] = malloc(16);
		snprintf(fields[i], 16, "field %zu", i);
		*at[i] = fields[i];
	}
	assert_int_equal(credentials_copy(&copy, &c), 0);
	assert_int_equal(copy.kind, CREDENTIALS_PASSWORD);
	assert_true(copy.insecure);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		size_t offset = (size_t)((char *)at[i] - (char *)&c);
		char *got = *(char **)(void *)((char *)&copy + offset);

		assert_ptr_not_equal(got, fields[i]);
		assert_string_equal(got, fields[i]);
	}
	credentials_deinit(&c);
	credentials_deinit(&copy);
	assert_null(copy.origin);
	assert_int_equal(copy.kind, CREDENTIALS_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_problems_replace),
		cmocka_unit_test(test_problems_bound),
		cmocka_unit_test(test_problems_long_code),
		cmocka_unit_test(test_problems_long_text),
		cmocka_unit_test(test_document_copy),
		cmocka_unit_test(test_document_empty),
		cmocka_unit_test(test_credentials_copy),
	};

	return cmocka_run_group_tests_name("types", tests, NULL, NULL);
}
