/* SPDX-License-Identifier: Apache-2.0 */
/* What the start went through is given back, and nothing is lost of what is in use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/settle.h"

#define DEPTH (48u << 10)

static int constant(void)
{
	static const char text[] = "constants and code come back from the file";

	return (int)strlen(text);
}

/* Not where the address sanitizer keeps what it watches, but on the stack. */
static __attribute__((noinline, no_sanitize_address)) void go_deep(void)
{
	volatile char deep[DEPTH];

	for (size_t i = 0; i < sizeof(deep); i += 512)
		deep[i] = 1;
}

/* Return: whether a page of the stack as far below the caller as half of the way has memory. */
static __attribute__((noinline)) int deep_page_is_there(const char *caller)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	unsigned char there = 0;
	uintptr_t at = ((uintptr_t)caller - DEPTH / 2) & ~(page - 1);

	assert_int_equal(mincore((void *)at, page, &there), 0);
	return there & 1;
}

static void settle_gives_back_the_stack_below(void **state)
{
	const char *here = __builtin_frame_address(0);

	(void)state;
	go_deep();
	assert_int_equal(deep_page_is_there(here), 1);
	settle_memory();
	assert_int_equal(deep_page_is_there(here), 0);
}

static void settle_loses_nothing_in_use(void **state)
{
	volatile char mine[8192];
	static char table[4096] = "written to";
	int before = constant();

	(void)state;
	memset((char *)(uintptr_t)mine, 7, sizeof(mine));
	table[0] = 'W';
	settle_memory();
	settle_memory();
	for (size_t i = 0; i < sizeof(mine); i++)
		assert_int_equal(mine[i], 7);
	assert_string_equal(table, "Written to");
	assert_int_equal(constant(), before);
}

static const char *below; /* of what the stack is looked at */

/* Between the times, whoever goes deep again has the pages that were given back. */
static void on_look(struct loop *loop, void *ctx)
{
	unsigned *looks = ctx;

	(void)loop;
	assert_int_equal(deep_page_is_there(below), 0);
	go_deep();
	assert_int_equal(deep_page_is_there(below), 1);
	++*looks;
}

static void on_end(struct loop *loop, void *ctx)
{
	(void)ctx;
	assert_int_equal(deep_page_is_there(below), 0);
	loop_quit(loop, 0);
}

/* Time stands at the next moment as soon as somebody waits for it. */
static int64_t now_ms;
static int64_t boot_ms(void)
{
	return now_ms;
}
static int wait_is_over(int epoll_fd, struct epoll_event *events, int max, int64_t until_ms)
{
	(void)epoll_fd, (void)events, (void)max;
	now_ms = until_ms;
	return 0;
}

static void settle_start_does_so_twice(void **state)
{
	const struct env env = {.boot_ms = boot_ms, .real_ms = boot_ms, .wait = wait_is_over};
	struct settle settle = {0};
	struct loop *loop;
	struct loop_timer *look, *end;
	unsigned looks = 0;

	(void)state;
	below = __builtin_frame_address(0);
	assert_int_equal(loop_new(&env, &loop), 0);
	assert_int_equal(settle_start(loop, &settle), 0);
	assert_int_equal(loop_timer_new(loop, 0, on_look, &looks, &look), 0);
	assert_int_equal(loop_timer_new(loop, 0, on_end, NULL, &end), 0);
	loop_timer_arm(look, 2000);
	loop_timer_arm(end, 7000);
	go_deep();
	assert_int_equal(deep_page_is_there(below), 1);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(looks, 1);
	assert_int_equal(settle.done, 2);
	settle_stop(&settle);
	loop_timer_free(look);
	loop_timer_free(end);
	loop_free(loop);
}

static void on_dive(struct loop *loop, void *ctx)
{
	unsigned *dives = ctx;

	(void)loop;
	go_deep();
	assert_int_equal(deep_page_is_there(below), 1);
	++*dives;
}

/* At the end of the turn for which somebody woke, so after what that was for. */
static void settle_goes_on_and_wakes_nobody(void **state)
{
	const struct env env = {.boot_ms = boot_ms, .real_ms = boot_ms, .wait = wait_is_over};
	struct settle settle = {0};
	struct loop *loop;
	struct loop_timer *dive, *end;
	unsigned dives = 0;

	(void)state;
	below = __builtin_frame_address(0);
	assert_int_equal(loop_new(&env, &loop), 0);
	assert_int_equal(settle_start(loop, &settle), 0);
	assert_int_equal(loop_timer_new(loop, 0, on_dive, &dives, &dive), 0);
	assert_int_equal(loop_timer_new(loop, 0, on_end, NULL, &end), 0);
	for (int64_t start = now_ms; now_ms < start + 300000;) {
		dives = 0;
		loop_timer_arm(dive, 100000); /* the first moment at which somebody is awake */
		loop_timer_arm(end, 101000);
		assert_int_equal(loop_run(loop), 0);
		assert_int_equal(dives, 1);
	}
	settle_stop(&settle);
	loop_timer_free(dive);
	loop_timer_free(end);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settle_gives_back_the_stack_below),
		cmocka_unit_test(settle_loses_nothing_in_use),
		cmocka_unit_test(settle_start_does_so_twice),
		cmocka_unit_test(settle_goes_on_and_wakes_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
