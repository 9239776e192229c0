/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an earlier life left is asked for until the store says something: a process that is not
 * there yet, stands still or dies is no answer before the patience is over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "core/store_log.h"
#include "tests/unit/store_child.h"
#include "tests/unit/turns.h"

#define UUID "11111111-2222-3333-4444-555555555555"

static int64_t boot_offset;

static int64_t shifted_boot_ms(void)
{
	return clock_boot_ms() + boot_offset;
}

static const struct env env = {.boot_ms = shifted_boot_ms, .real_ms = clock_real_ms};

struct answer {
	int told, status;
	char text[32];
};

struct fix {
	struct store_child role;
	struct answer value, names, piece;
};

static void take(struct answer *a, int status, const char *p, size_t n)
{
	a->told++;
	a->status = status;
	snprintf(a->text, sizeof(a->text), "%.*s", p ? (int)n : 0, p ? p : "");
}

static void on_got(int status, const char *p, size_t n, void *ctx)
{
	take(ctx, status, p, n);
}

static void on_read(int status, const char *p, size_t n, uint64_t size _unused_, void *ctx)
{
	take(ctx, status, p, n);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	boot_offset = 0;
	store_child_init(&f->role, &env);
	store_child_begin(&f->role, UUID);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	store_child_end(&f->role);
	fs_remove_tree(f->role.dir);
	free(f);
	return 0;
}

static void ask_all(struct fix *f)
{
	f->value = f->names = f->piece = (struct answer){0};
	assert_int_equal(store_get_patient(f->role.store, "a", on_got, &f->value), 0);
	assert_int_equal(store_list_patient(f->role.store, "", on_got, &f->names), 0);
	assert_int_equal(store_read_patient(f->role.store, "log", 0, 20, on_read, &f->piece), 0);
}

static int told(const struct fix *f)
{
	return f->value.told + f->names.told + f->piece.told;
}

static void run_until_told(struct fix *f)
{
	for (int i = 0; i < 300 && told(f) < 3; i++)
		run_loop(f->role.loop, 100);
	assert_int_equal(f->value.told, 1);
	assert_int_equal(f->names.told, 1);
	assert_int_equal(f->piece.told, 1);
}

/* An earlier life that has ended: one entry and one log. */
static void leave_something(struct fix *f)
{
	struct answer done = {0};

	store_child_start(&f->role);
	assert_int_equal(store_put(f->role.store, "a", "1", 1, NULL, NULL), 0);
	assert_int_equal(store_append(f->role.store, "log", 0, "piece", 5, NULL, NULL), 0);
	assert_int_equal(store_get_patient(f->role.store, "none", on_got, &done), 0);
	for (int i = 0; i < 300 && !(done.told && !store_pending(f->role.store)); i++)
		run_loop(f->role.loop, 100);
	assert_int_equal(done.status, -ENOENT); /* which is an answer */
	store_child_end(&f->role);
	store_child_begin(&f->role, UUID);
}

static void check_all(const struct fix *f)
{
	assert_int_equal(f->value.status, 0);
	assert_string_equal(f->value.text, "1");
	assert_int_equal(f->names.status, 0);
	assert_string_equal(f->names.text, "a\nlog\n");
	assert_int_equal(f->piece.status, 0);
	assert_string_equal(f->piece.text, "piece");
}

/* Asked before there is a process: the first one answers. */
static void test_not_there_yet(void **state)
{
	struct fix *f = *state;
	struct answer hasty = {0};

	leave_something(f);
	ask_all(f);
	assert_int_equal(store_get(f->role.store, "a", on_got, &hasty), 0);
	assert_int_equal(store_read(f->role.store, "log", 0, 20, on_read, &hasty), -ENOTCONN);
	run_loop(f->role.loop, 2500);
	assert_int_equal(hasty.status, -ENOTCONN);
	assert_int_equal(told(f), 0);
	store_child_start(&f->role);
	run_until_told(f);
	check_all(f);
}

/* One that stands still until the question is given up, and one that dies with it. */
static void test_still_and_dead(void **state)
{
	struct fix *f = *state;

	leave_something(f);
	store_child_start(&f->role);
	kill(f->role.pid, SIGSTOP);
	ask_all(f);
	run_loop(f->role.loop, 200);
	boot_offset += 11000; /* no call waits that long */
	run_loop(f->role.loop, 200);
	boot_offset += 3000;
	run_loop(f->role.loop, 200);
	kill(f->role.pid, SIGKILL);
	for (int i = 0; i < 300 && f->role.link; i++)
		run_loop(f->role.loop, 100);
	waitpid(f->role.pid, NULL, 0);
	assert_int_equal(told(f), 0);
	store_child_start(&f->role);
	run_until_told(f);
	check_all(f);
}

/* What was put in the meantime is the answer. */
static void test_put_while_waiting(void **state)
{
	struct fix *f = *state;

	ask_all(f);
	assert_int_equal(store_put(f->role.store, "a", "2", 1, NULL, NULL), 0);
	for (int i = 0; i < 300 && !f->value.told; i++)
		run_loop(f->role.loop, 100);
	assert_int_equal(f->value.status, 0);
	assert_string_equal(f->value.text, "2");
	assert_int_equal(told(f), 1);
}

/* Patience ends, and each is told why. */
static void test_patience_ends(void **state)
{
	struct fix *f = *state;

	ask_all(f);
	run_loop(f->role.loop, 200);
	boot_offset += STORE_PATIENCE_MS -
		       20000; /* which a busy machine may take for what it does meanwhile */
	run_loop(f->role.loop, 200);
	assert_int_equal(told(f), 0);
	boot_offset += 24000;
	run_until_told(f);
	assert_int_equal(f->value.status, -ENOTCONN);
	assert_int_equal(f->names.status, -ENOTCONN);
	assert_int_equal(f->piece.status, -ENOTCONN);
}

/* The store may end while somebody waits: nobody is told, nothing stays behind. */
static void test_end_while_waiting(void **state)
{
	struct fix *f = *state;

	ask_all(f);
	run_loop(f->role.loop, 200);
	f->role.store = store_free(f->role.store);
	run_loop(f->role.loop, 200);
	assert_int_equal(told(f), 0);
}

#define WITH_STORE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(test_not_there_yet),     WITH_STORE(test_still_and_dead),
		WITH_STORE(test_put_while_waiting), WITH_STORE(test_patience_ends),
		WITH_STORE(test_end_while_waiting),
	};

	log_setup(LOG_LEVEL_ERR, "test");
	return cmocka_run_group_tests_name("store_patient", tests, NULL, NULL);
}
