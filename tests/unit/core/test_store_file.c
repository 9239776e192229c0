/* SPDX-License-Identifier: Apache-2.0 */
/* The format of state files, and their names. What lies on disk is in test_store.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include "core/store_file.h"
#include "core/text.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static ssize_t decode(const char *text, const char *uuid)
{
	return store_file_decode(text, strlen(text), uuid);
}

/* The header line, field by field. */
static void test_decode(void **state)
{
	char good[256], sum[65];

	(void)state;
	text_sha256_hex("abc", 3, sum);
	snprintf(good, sizeof(good), "heat-pulse-state 1 u1 %s\nabc", sum);
	assert_int_equal(decode(good, "u1"), (ssize_t)strlen(good) - 3);
	assert_int_equal(decode(good, NULL), (ssize_t)strlen(good) - 3);
	assert_int_equal(decode(good, "u2"), -ESTALE);
	assert_int_equal(decode(good, "u"), -ESTALE);
	assert_int_equal(decode("", NULL), -EBADMSG);
	assert_int_equal(decode("heat-pulse-state 1", NULL), -EBADMSG);
	assert_int_equal(decode("heat-pulse-state 2 ", NULL), -EPROTO);
	assert_int_equal(decode("heat-pulse-state 0 u1 " HEX64 "\n", NULL), -EBADMSG);
	assert_int_equal(decode("heat-pulse-state -1 u1 " HEX64 "\n", NULL), -EBADMSG);
	assert_int_equal(decode("heat-pulse-state 1 u1 " HEX64, NULL), -EBADMSG);
	assert_int_equal(decode("heat-pulse-state 1 u1 short\n", NULL), -EBADMSG);
	good[strlen(good) - 1] = 'd';
	assert_int_equal(decode(good, "u1"), -EBADMSG);
}

/* Names: two words at most, no dots in front, nothing in the corner for what is set aside, a
 * bounded length. */
static void test_names(void **state)
{
	char name[STORE_NAME_MAX + 2];

	(void)state;
	memset(name, 'a', sizeof(name));
	name[STORE_NAME_MAX] = 0;
	assert_true(store_name_valid(name));
	name[STORE_NAME_MAX] = 'a';
	name[STORE_NAME_MAX + 1] = 0;
	assert_false(store_name_valid(name));
	assert_true(store_name_valid("spool/2-1767323045123.x"));
	assert_true(store_name_valid("set-aside-not"));
	assert_false(store_name_valid("set-aside/x"));
	assert_false(store_name_valid("a//b"));
	assert_false(store_name_valid("a/.b"));
	assert_true(store_uuid_valid("11111111-2222-3333-4444-555555555555"));
	assert_false(store_uuid_valid("a b"));
	assert_false(store_uuid_valid(""));
	assert_false(store_uuid_valid(HEX64));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("store_file", tests, NULL, NULL);
}
