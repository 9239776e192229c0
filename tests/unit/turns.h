/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of a test, turned for as long as the test wants. Include it after cmocka.h. */
#pragma once

#include "core/loop.h"

#define OUT_OF_TIME 42

static _unused_ void turns_over(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, OUT_OF_TIME);
}

/* Runs until something quits, at most @ms. Return: the code that it quit with, or OUT_OF_TIME. */
static _unused_ int run_loop(struct loop *loop, int64_t ms)
{
	struct loop_timer *t;
	int code;

	assert_int_equal(loop_timer_new(loop, 0, turns_over, NULL, &t), 0);
	loop_timer_arm(t, ms);
	code = loop_run(loop);
	loop_timer_free(t);
	return code;
}

/* Answers that are waited for. */
struct answers {
	struct loop *loop;
	unsigned n; /* that came */
	unsigned wanted;
};

/* One came: for the callback that gets it. */
static _unused_ void answers_count(struct answers *a)
{
	if (++a->n == a->wanted)
		loop_quit(a->loop, 0);
}

/* Until so many have come in all; ten seconds are for machines under load. */
static _unused_ void answers_until(struct answers *a, unsigned n)
{
	a->wanted = n;
	if (a->n < n)
		run_loop(a->loop, 10000);
	a->wanted = 0;
	assert_int_equal(a->n, n);
}
