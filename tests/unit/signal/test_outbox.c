/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox on a real store process: order, replacement, waits. What the next life finds is
 * test_outbox_next.c. Time is the test's own: the boot clock is moved on, so that 15 minutes pass at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "life.h"

/* Boot before action before custom before health, custom in their order; all are gone from disk afterwards. */
static void order(void **state)
{
	char dir[32];
	struct life l;

	(void)state;
	begin(&l, new_dir(dir));
	l.quit_after_accepted = 2;
	add(&l, SIGNAL_BOOT, "boot-x", "b"); /* these two leave only when they are on disk */
	add(&l, SIGNAL_ACTION, "action", "a");
	assert_int_equal(run(&l, 20000), 0);
	l.quit_after_accepted = 0;
	l.quit_when_empty = true;
	add(&l, SIGNAL_HEALTH, "health", "h");
	add(&l, SIGNAL_CUSTOM, "custom-2", "c2");
	add(&l, SIGNAL_CUSTOM, "custom-1", "c1");
	assert_int_equal(run(&l, 20000), 0);
	assert_int_equal(l.n_tried, 5);
	assert_string_equal(l.tried[0], "boot-x:b");
	assert_string_equal(l.tried[1], "action:a");
	assert_string_equal(l.tried[2], "custom-2:c2");
	assert_string_equal(l.tried[3], "custom-1:c1");
	assert_string_equal(l.tried[4], "health:h");
	assert_string_equal(l.told[4], "health:delivered");
	l.quit_after_accepted = 1;
	add(&l, SIGNAL_CUSTOM, "custom-flush", "f"); /* on the store's queue behind the removals */
	l.n_accepted = 0;
	assert_int_equal(run(&l, 20000), 0);
	end(&l);
	assert_true(spooled(dir) <= 1);
	remove_dir(dir);
}

/* A boot result is judged once: it leaves when it is on disk, or when the disk had its time. Health does not wait. */
static void boot_waits_for_disk(void **state)
{
	char dir[32];
	struct life l;

	(void)state;
	begin(&l, new_dir(dir));
	l.quit_when_loaded = true;
	assert_int_equal(outbox_load(l.outbox), 0);
	assert_int_equal(run(&l, 20000), 0);
	assert_int_equal(kill(l.store_pid, SIGSTOP), 0);
	add(&l, SIGNAL_BOOT, "boot-x", "b");
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 0);
	l.plan[1] = CARRY_RETRY; /* tried once, it waits as all do and not for the disk */
	l.n_plan = 2;
	l.plan[0] = CARRY_DELIVERED;
	add(&l, SIGNAL_HEALTH, "health", "h");
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 1);
	assert_string_equal(l.tried[0], "health:h");
	clock_offset_ms += OUTBOX_ACCEPT_MS;
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 2);
	assert_string_equal(l.tried[1], "boot-x:b");
	clock_offset_ms += 900000;
	l.quit_when_empty = true;
	assert_int_equal(run(&l, 20000), 0);
	assert_int_equal(l.n_tried, 3);
	assert_int_equal(kill(l.store_pid, SIGCONT), 0);
	end(&l);
	remove_dir(dir);
}

/* The newest health replaces one that waits, and follows one that is under way; what is under way is not sent
 * twice. */
static void replacement(void **state)
{
	char dir[32];
	struct life l;

	(void)state;
	begin(&l, new_dir(dir));
	l.answer_ms = 50;
	l.quit_after_accepted = 1;
	add(&l, SIGNAL_HEALTH, "health", "1");
	assert_int_equal(run(&l, 20000), 0);
	for (int i = 0; i < 100 && l.n_tried == 0; i++)
		(void)run(&l, 5);
	assert_int_equal(l.n_tried, 1); /* under way */
	add(&l, SIGNAL_HEALTH, "health", "2");
	add(&l, SIGNAL_HEALTH, "health", "3");
	assert_int_equal(outbox_depth(l.outbox), 1);
	l.quit_after_accepted = 0;
	l.quit_when_empty = true;
	assert_int_equal(run(&l, 20000), 0);
	assert_int_equal(l.n_tried, 2);
	assert_string_equal(l.tried[0], "health:1");
	assert_string_equal(l.tried[1], "health:3");
	end(&l);
	remove_dir(dir);
}

/* A server that is away is asked again after 5 s or more, one signal at a time; a new signal does not wait
 * for that. */
static void waits(void **state)
{
	char dir[32];
	struct life l;

	(void)state;
	begin(&l, new_dir(dir));
	l.plan[0] = l.plan[1] = CARRY_RETRY;
	l.n_plan = 2;
	add(&l, SIGNAL_CUSTOM, "custom-1", "a");
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 1);
	add(&l, SIGNAL_CUSTOM, "custom-2", "b");
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 2);
	assert_string_equal(l.tried[1], "custom-2:b");
	clock_offset_ms += 4000;
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 2);
	clock_offset_ms += 900000;
	l.quit_when_empty = true;
	assert_int_equal(run(&l, 5000), 0);
	assert_int_equal(l.n_tried, 4);
	end(&l);
	remove_dir(dir);
}

/* Each new health is tried once; what a refusal taught of waiting is not forgotten with the one before. */
static void replacement_waits_on(void **state)
{
	char dir[32];
	struct life l;

	(void)state;
	begin(&l, new_dir(dir));
	for (int i = 0; i < LOG_MAX_; i++)
		l.plan[i] = CARRY_SLOWLY;
	l.n_plan = LOG_MAX_;
	for (int i = 0; i < 30; i++) {
		add(&l, SIGNAL_HEALTH, "health", "h");
		assert_int_equal(run(&l, 20), -ETIME);
		clock_offset_ms += 300000; /* more than three times the first wait: without memory each is tried twice */
		assert_int_equal(run(&l, 20), -ETIME);
	}
	assert_in_range(l.n_tried, 30, 55);
	end(&l);
	remove_dir(dir);
}

/* A successful poll ends the wait for a server that was away, but neither for one that refused nor
 * for one that said how long: whoever answers polls (another service, often) knows nothing of when
 * signals are taken again. What was never tried does not wait for that. */
static void retry_after_and_route(void **state)
{
	char dir[32];
	struct life l;

	(void)state;
	begin(&l, new_dir(dir));
	l.plan[0] = CARRY_RETRY;
	l.plan[1] = CARRY_RETRY;
	l.plan[2] = CARRY_SLOWLY;
	l.n_plan = 3;
	l.retry_after_s = 600;
	add(&l, SIGNAL_BOOT, "boot-x", "b");
	while (l.n_told < 1) /* it was answered */
		(void)run(&l, 5);
	clock_offset_ms += 500000;
	assert_int_equal(run(&l, 300), -ETIME);
	outbox_route_changed(l.outbox);
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 1);
	l.retry_after_s = -1;
	clock_offset_ms += 100000;
	while (l.n_told < 2) /* away: seconds to be waited */
		(void)run(&l, 5);
	outbox_route_changed(l.outbox);
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 3);
	outbox_route_changed(l.outbox); /* refused: asking at each poll would be noise */
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 3);
	clock_offset_ms += 1000000;
	l.quit_when_empty = true;
	assert_int_equal(run(&l, 5000), 0);
	end(&l);
	remove_dir(dir);
}

/* A signal without a route does not hold up the others, and goes when there is one. */
static void no_route(void **state)
{
	char dir[32];
	struct life l;
	json_t *status;

	(void)state;
	begin(&l, new_dir(dir));
	l.plan[0] = CARRY_NO_ROUTE;
	l.n_plan = 1;
	add(&l, SIGNAL_BOOT, "boot-x", "b");
	until_tried(&l, 1);
	add(&l, SIGNAL_HEALTH, "health", "h");
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 2);
	assert_int_equal(outbox_depth(l.outbox), 1);
	clock_offset_ms += 3600000;
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 2);
	status = outbox_status(l.outbox);
	assert_int_equal(json_integer_value(json_object_get(status, "no_route")), 1);
	assert_int_equal(json_integer_value(json_object_get(status, "depth")), 1);
	assert_true(json_is_false(json_object_get(status, "memory_only")));
	json_decref(status);
	l.quit_when_empty = true;
	outbox_route_changed(l.outbox);
	assert_int_equal(run(&l, 5000), 0);
	assert_string_equal(l.tried[2], "boot-x:b");
	end(&l);
	remove_dir(dir);
}

/* Refused for good: told and removed. A custom signal past its deadline: likewise, without a try. */
static void final_refusals(void **state)
{
	char dir[32];
	struct life l;
	struct signal s;

	(void)state;
	begin(&l, new_dir(dir));
	l.plan[0] = CARRY_REFUSED;
	l.n_plan = 1;
	add(&l, SIGNAL_CUSTOM, "custom-1", "a");
	assert_int_equal(run(&l, 300), -ETIME);
	s = make(SIGNAL_CUSTOM, "custom-2", "late");
	s.deadline_real_ms = 1000;
	assert_int_equal(outbox_add(l.outbox, &s, NULL, NULL), 0);
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(outbox_depth(l.outbox), 0);
	assert_int_equal(l.n_tried, 1);
	assert_string_equal(l.told[0], "custom-1:refused");
	assert_string_equal(l.told[1], "custom-2:refused");
	end(&l);
	assert_int_equal(spooled(dir), 0);
	remove_dir(dir);
}

/* Custom signals are bounded; a boot result always finds room. */
static void bounded(void **state)
{
	char dir[32], key[64];
	struct life l;
	struct signal s;

	(void)state;
	begin(&l, new_dir(dir));
	for (int i = 0; i < OUTBOX_CUSTOM_MAX; i++) {
		snprintf(key, sizeof(key), "custom-%d", i);
		s = make(SIGNAL_CUSTOM, key, "x");
		assert_int_equal(outbox_add(l.outbox, &s, NULL, NULL), 0);
	}
	s = make(SIGNAL_CUSTOM, "custom-more", "x");
	assert_int_equal(outbox_add(l.outbox, &s, NULL, NULL), -ENOSPC);
	assert_non_null(s.target); /* still the caller's */
	signal_deinit(&s);
	s = make(SIGNAL_CUSTOM, "../escape", "x");
	assert_int_equal(outbox_add(l.outbox, &s, NULL, NULL), -EINVAL);
	signal_deinit(&s);
	add(&l, SIGNAL_BOOT, "boot-x", "b");
	end(&l);
	remove_dir(dir);
}

/* A frozen disk: the signal goes out all the same, and after 5 s it is said that it is kept in memory only.
 */
static void frozen_disk(void **state)
{
	char dir[32];
	struct life l;
	json_t *status;

	(void)state;
	begin(&l, new_dir(dir));
	kill(l.store_pid, SIGSTOP);
	l.plan[0] = CARRY_NO_ROUTE;
	l.n_plan = 1;
	add(&l, SIGNAL_HEALTH, "health", "h");
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 1); /* sent without waiting */
	clock_offset_ms += OUTBOX_ACCEPT_MS;
	l.quit_after_accepted = 1;
	assert_int_equal(run(&l, 2000), 0);
	assert_int_equal(l.accepted[0], -ETIMEDOUT);
	status = outbox_status(l.outbox);
	assert_string_equal(json_str(status, "last_error"), "because");
	json_decref(status);
	kill(l.store_pid, SIGCONT);
	end(&l);
	remove_dir(dir);
}

/* What is withdrawn is not told and not left on disk, also for the next life; one under way is not told of. */
static void withdrawn(void **state)
{
	char dir[32];
	struct life l;

	(void)state;
	begin(&l, new_dir(dir));
	l.plan[0] = CARRY_SLOWLY;
	l.n_plan = 1;
	l.quit_after_accepted = 1;
	add(&l, SIGNAL_ACTION, "action", "1");
	assert_int_equal(run(&l, 20000), 0);
	assert_string_equal(outbox_peek(l.outbox, "action")->reason, "1");
	outbox_withdraw(l.outbox, "action");
	outbox_withdraw(l.outbox, "action"); /* nothing there: nothing happens */
	assert_null(outbox_peek(l.outbox, "action"));
	assert_int_equal(outbox_depth(l.outbox), 0);
	clock_offset_ms += 900000;
	l.n_accepted = 0;
	add(&l, SIGNAL_CUSTOM, "custom-flush", "f"); /* on the store's queue behind the removal */
	assert_int_equal(run(&l, 20000), 0);
	end(&l);
	assert_true(spooled(dir) <= 1);
	for (unsigned i = 1; i < l.n_tried; i++)
		assert_string_equal(l.tried[i], "custom-flush:f");
	remove_dir(dir);
}

/* News of trouble go ahead of what waits, and what is under way makes way for them within a moment: it is sent
 * again afterwards. An action is not sent twice, and what cannot be given up is waited for. */
static void urgent(void **state)
{
	char dir[32];
	struct life l;
	int64_t began, noise;

	(void)state;
	begin(&l, new_dir(dir));
	l.answer_ms = 3600000;
	add(&l, SIGNAL_CUSTOM, "custom-1", "a");
	add(&l, SIGNAL_CUSTOM, "custom-2", "b");
	until_tried(&l, 1);
	began = loop_now(l.loop);
	noise = machine_run_delay_ms();
	add_urgent(&l, "u");
	until_tried(&l, 2);
	noise = machine_run_delay_ms() - noise;
	assert_string_equal(l.tried[1], "health:u");
	assert_true(l.tried_at[1] - began < 700 + noise);
	assert_int_equal(l.n_dropped, 1);
	l.answer_ms = 1;
	l.quit_when_empty = true;
	loop_timer_arm(l.answer, 1);
	assert_int_equal(run(&l, 20000), 0);
	assert_int_equal(l.n_tried, 4);
	assert_string_equal(l.tried[2], "custom-1:a");
	assert_string_equal(l.tried[3], "custom-2:b");
	l.quit_when_empty = false;
	l.answer_ms = 1000;
	add(&l, SIGNAL_ACTION, "action", "x");
	until_tried(&l, 5);
	add_urgent(&l, "v");
	assert_int_equal(run(&l, 600), -ETIME);
	assert_int_equal(l.n_dropped, 1); /* not asked for */
	l.quit_when_empty = true;
	assert_int_equal(run(&l, 20000), 0);
	assert_string_equal(l.tried[5], "health:v");
	l.drop_answer = -EBUSY;
	l.answer_ms = 3000;
	add(&l, SIGNAL_CUSTOM, "custom-3", "c");
	l.quit_when_empty = false;
	until_tried(&l, 7);
	add_urgent(&l, "w");
	assert_int_equal(run(&l, 600), -ETIME);
	assert_int_equal(l.n_dropped, 2); /* asked once */
	l.quit_when_empty = true;
	assert_int_equal(run(&l, 20000), 0);
	assert_string_equal(l.tried[7], "health:w");
	end(&l);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order),	 cmocka_unit_test(replacement),
		cmocka_unit_test(boot_waits_for_disk), cmocka_unit_test(replacement_waits_on),
		cmocka_unit_test(waits),	 cmocka_unit_test(retry_after_and_route),
		cmocka_unit_test(no_route),	 cmocka_unit_test(final_refusals),
		cmocka_unit_test(bounded),	 cmocka_unit_test(frozen_disk),
		cmocka_unit_test(withdrawn),	 cmocka_unit_test(urgent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
