/* SPDX-License-Identifier: Apache-2.0 */
/* The buffer's ceiling and stuck error, and the sentences of struct err. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "core/buf.h"
#include "core/err.h"

/* The ceiling counts content, not the NUL; the first append that does not fit is dropped whole and sticks. */
static void test_ceiling(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(5);

	(void)state;
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_puts(&b, "123"), 0);
	assert_int_equal(buf_puts(&b, "45"), 0);
	assert_int_equal(buf_putc(&b, '6'), -EFBIG);
	assert_string_equal(buf_str(&b), "12345");
	assert_int_equal(buf_printf(&b, "%s", ""), -EFBIG);
	assert_int_equal(buf_error(&b), -EFBIG);
	assert_null(buf_take(&b));
	buf_reset(&b);
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(buf_printf(&b, "%d", 12345), 0);
	assert_int_equal(buf_printf(&b, "%d", 6), -EFBIG);
	assert_string_equal(buf_str(&b), "12345");
}

/* Content is followed by a NUL at every length on the way up. */
static void test_always_terminated(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(5000);

	(void)state;
	for (size_t i = 1; i <= 5000; i++) {
		assert_int_equal(buf_putc(&b, 'x'), 0);
		assert_int_equal(b.len, i);
		assert_int_equal(b.data[i], 0);
	}
	assert_int_equal(buf_reserve(&b, 1), -EFBIG);
}

/* Reserved room can be filled; a count near SIZE_MAX does not wrap. */
static void test_reserve(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(1000);

	(void)state;
	assert_int_equal(buf_puts(&b, "ab"), 0);
	assert_int_equal(buf_reserve(&b, 998), 0);
	memset(b.data + b.len, 'y', 998);
	assert_string_equal("ab", (b.data[b.len] = '\0', buf_str(&b)));
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 1), -EFBIG);
}

/* Taken memory is the taker's; the buffer starts anew. Nothing appended gives "". */
static void test_take(void **state)
{
	struct buf b = BUF_INIT(10);
	char *text = buf_take(&b);

	(void)state;
	assert_string_equal(text, "");
	free(text);
	buf_put(&b, "a\0b", 3);
	text = buf_take(&b);
	assert_memory_equal(text, "a\0b", 4);
	free(text);
	assert_int_equal(b.len, 0);
	buf_deinit(&b);
	buf_deinit(&b);
}

/* Each helper answers with the code to return, and NULL in place of the error is allowed. */
static void test_err_codes(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(err_set(&e, -EINVAL, "bad %d", 7), -EINVAL);
	assert_string_equal(e.text, "bad 7");
	assert_int_equal(err_prefix(&e, "file %s", "x"), -EINVAL);
	assert_string_equal(e.text, "file x: bad 7");
	assert_int_equal(err_sys(&e, ENOENT, "cannot open %s", "y"), -ENOENT);
	assert_string_equal(e.text, "cannot open y: No such file or directory");
	assert_int_equal(e.code, -ENOENT);
	assert_int_equal(err_sys(&e, 99999, "z"), -99999);
	assert_memory_equal(e.text, "z: ", 3); /* what follows is the libc's */
	assert_int_equal(err_set(NULL, 3, "x"), 3);
	assert_int_equal(err_sys(NULL, EPERM, "x"), -EPERM);
	assert_int_equal(err_prefix(NULL, "x"), 0);
}

/* What does not fit is cut between characters. */
static void test_err_cut(void **state)
{
	struct err e = ERR_INIT;
	char text[2 * ERR_TEXT_MAX];

	(void)state;
	for (size_t pad = 0; pad < 2; pad++) {
		memset(text, 'x', pad);
		for (size_t i = pad; i + 2 < sizeof(text); i += 2)
			memcpy(text + i, "\xc3\xa4", 3);
		err_set(&e, -EINVAL, "%s", text);
		assert_true(strlen(e.text) >= ERR_TEXT_MAX - 3);
		assert_int_equal((unsigned char)e.text[strlen(e.text) - 1], 0xa4);
		err_prefix(&e, "p");
		assert_int_equal((unsigned char)e.text[strlen(e.text) - 1], 0xa4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ceiling),	  cmocka_unit_test(test_always_terminated),
		cmocka_unit_test(test_reserve),	  cmocka_unit_test(test_take),
		cmocka_unit_test(test_err_codes), cmocka_unit_test(test_err_cut),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
