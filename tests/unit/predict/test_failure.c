/* SPDX-License-Identifier: Apache-2.0 */
/* The table of failure classes and the names that files of hooks may use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/failure_class.h"
#include "predict/failure.h"

/* A section finding.CLASS can be written for every class, and for no other word. */
static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAILURE_CLASSES; i++) {
		assert_string_equal(failures[i].name, failure_class_names[i]);
		assert_true(failure_class_known(failures[i].name, strlen(failures[i].name)));
	}
	assert_false(failure_class_known("", 0));
	assert_false(failure_class_known("oom_kil", 7));
	assert_false(failure_class_known("oom_kills", 9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
