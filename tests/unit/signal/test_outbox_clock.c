/* SPDX-License-Identifier: Apache-2.0 */
/* Signals that wait while wall-clock time is set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "life.h"

static int64_t real_shift_ms;
static int64_t shifted_real_ms(void)
{
	return clock_real_ms() + real_shift_ms;
}

/* A clock that is set ahead by days, as at the first word from a time server, ends no signal that waits; the wait itself does. */
static void deadline_and_clock(void **state)
{
	char dir[32];
	struct life l;
	struct signal s;

	(void)state;
	real_shift_ms = 0;
	begin(&l, new_dir(dir));
	l.env.real_ms = shifted_real_ms;
	l.plan[0] = l.plan[1] = CARRY_NO_ROUTE;
	l.n_plan = 2;
	s = make(SIGNAL_CUSTOM, "custom-1", "early");
	s.deadline_real_ms = shifted_real_ms() + 6000;
	assert_int_equal(outbox_add(l.outbox, &s, NULL, NULL), 0);
	until_tried(&l, 1);
	real_shift_ms = 3 * 86400000LL;
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(outbox_depth(l.outbox), 1);
	for (int i = 0; i < 200 && outbox_depth(l.outbox); i++)
		(void)run(&l, 100);
	assert_string_equal(l.told[l.n_told - 1], "custom-1:refused");
	end(&l);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadline_and_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
