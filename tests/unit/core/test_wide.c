/* SPDX-License-Identifier: Apache-2.0 */
/* What is wide is zeros, costs the pages that are written to, and is gone when it is given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/wide.h"

#define SIZE ((size_t)8 << 20)

static size_t pages_there(const char *p, size_t n)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	static unsigned char there[SIZE / 1024 + 2];
	uintptr_t from = (uintptr_t)p & ~(page - 1),
		  to = ((uintptr_t)p + n + page - 1) & ~(page - 1);
	size_t count = 0;

	assert_int_equal(mincore((void *)from, to - from, there), 0);
	for (size_t i = 0; i < (to - from) / page; i++)
		count += there[i] & 1;
	return count;
}

static void wide_costs_what_is_written(void **state)
{
	char *p = wide_new(SIZE);

	(void)state;
	assert_non_null(p);
	assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
	assert_true(pages_there(p, SIZE) <= 2);
	p[SIZE / 2] = 'x';
	p[SIZE - 1] = 'y';
	assert_true(pages_there(p, SIZE) <= 4);
	for (size_t i = 0; i < SIZE; i++)
		if (p[i] != (i == SIZE / 2 ? 'x' : i == SIZE - 1 ? 'y' : 0))
			fail_msg("byte %zu is %d", i, p[i]);
	assert_null(wide_free(p));
}

static size_t address_space(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Sanitizers keep some of it for a while. */
static void wide_is_given_back(void **state)
{
	size_t before = address_space();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		_cleanup_wide_ char *p = wide_new(SIZE);

		assert_non_null(p);
		p[i] = 'x';
	}
	assert_true(address_space() < before + 100 * SIZE);
}

/* Else the sanitizer ends the program where there is no memory. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void wide_has_no_more_than_there_is(void **state)
{
	const volatile size_t too_much = SIZE_MAX / 2, most = SIZE_MAX;

	(void)state;
	assert_null(wide_new(too_much));
	assert_null(wide_new(most));
	assert_null(wide_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wide_costs_what_is_written),
		cmocka_unit_test(wide_is_given_back),
		cmocka_unit_test(wide_has_no_more_than_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
