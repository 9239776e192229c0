/* SPDX-License-Identifier: Apache-2.0 */
/* The format of state files, and their names. What lies on disk is in test_store.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "core/fs.h"
#include "core/store_file.h"
#include "core/store_log.h"
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

/* ---- what is on disk for good ---- */

static char synced[4][64];
static unsigned n_synced;

/* In the place of the C library's: it notes which file or folder was meant. */
int fsync(int fd)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, synced[n_synced % 4], sizeof(synced[0]) - 1);
	synced[n_synced++ % 4][n < 0 ? 0 : n] = 0;
	return (int)syscall(SYS_fsync, fd);
}

static bool was_synced(const char *path)
{
	bool found = false;

	for (unsigned i = 0; i < 4 && i < n_synced; i++)
		found |= strcmp(synced[i], path) == 0;
	return found;
}

/* A new folder is in its parent for good, or a power cut takes all that is synced inside; one that
 * is there already costs no disk access. */
static void test_new_folder(void **state)
{
	char dir[] = "/tmp/test_store.XXXXXX";
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	n_synced = 0;
	assert_int_equal(store_file_write(NULL, dir, "spool/a", "u1", "x", 1, &e), 0);
	assert_true(was_synced(dir));
	n_synced = 0;
	assert_int_equal(store_file_write(NULL, dir, "spool/b", "u1", "x", 1, &e), 0);
	assert_int_not_equal(n_synced, 0);
	assert_false(was_synced(dir));
	n_synced = 0;
	assert_int_equal(store_log_append(dir, "metrics/1", "u1", 0, "x", 1), 0);
	assert_true(was_synced(dir));
	n_synced = 0;
	assert_int_equal(store_log_append(dir, "metrics/2", "u1", 0, "x", 1), 0);
	assert_false(was_synced(dir));
	fs_remove_tree(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_new_folder),
	};

	return cmocka_run_group_tests_name("store_file", tests, NULL, NULL);
}
