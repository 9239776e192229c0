/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox on a real store process: order, replacement, waits, what a killed store or a killed agent
 * leaves. Time is the test's own: the boot clock is moved on, so that 15 minutes pass at once.
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

/* Retry-After is obeyed, and a successful poll ends the wait for a server that was away, but not for one that
 * refused. */
static void retry_after_and_route(void **state)
{
	char dir[32];
	struct life l;

	(void)state;
	begin(&l, new_dir(dir));
	l.plan[0] = CARRY_RETRY;
	l.plan[1] = CARRY_SLOWLY;
	l.n_plan = 2;
	l.retry_after_s = 600;
	add(&l, SIGNAL_BOOT, "boot-x", "b");
	until_tried(&l, 1);
	clock_offset_ms += 500000;
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 1);
	outbox_route_changed(l.outbox);
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 2);
	outbox_route_changed(l.outbox); /* refused: asking at each poll would be noise */
	assert_int_equal(run(&l, 300), -ETIME);
	assert_int_equal(l.n_tried, 2);
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

/* What was accepted and not delivered is there in the next life; what was delivered is not; the newest health
 * of two lives wins. */
static void next_life(void **state)
{
	char dir[32];
	struct life l;

	(void)state;
	begin(&l, new_dir(dir));
	l.answer_ms = 1000000; /* never */
	l.quit_after_accepted = 3;
	add(&l, SIGNAL_BOOT, "boot-x", "b");
	add(&l, SIGNAL_CUSTOM, "custom-1", "c");
	add(&l, SIGNAL_HEALTH, "health", "old");
	assert_int_equal(run(&l, 20000), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(l.accepted[i], 0);
	end(&l);
	assert_int_equal(spooled(dir), 3);

	begin(&l, dir);
	l.quit_when_empty = true;
	assert_int_equal(outbox_load(l.outbox), 0);
	add(&l, SIGNAL_HEALTH, "health", "new");
	while (!l.loaded || outbox_depth(l.outbox) > 0)
		assert_int_equal(run(&l, 20000), 0);
	assert_int_equal(l.loaded_status, 0);
	for (unsigned i = 0; i < l.n_tried; i++)
		assert_string_not_equal(l.tried[i], "health:old");
	assert_int_equal(l.n_tried, 3);
	end(&l);
	remove_dir(dir);
}

/* A signal that is told while the files of an earlier life are being read is one of these files itself: it is not
 * told a second time. */
static void told_while_loading(void **state)
{
	char dir[32];
	struct life l;

	(void)state;
	begin(&l, new_dir(dir));
	l.answer_ms = 1000000; /* never */
	l.quit_after_accepted = 1;
	add(&l, SIGNAL_HEALTH, "health", "old");
	assert_int_equal(run(&l, 60000), 0);
	end(&l);

	be_between = true;
	begin(&l, dir);
	l.answer_ms = 1000000;
	add(&l, SIGNAL_HEALTH, "health", "new");
	for (unsigned i = 0; i < 4; i++)
		hand_on(&l, i % 2); /* whose state it is, the new signal */
	while (l.n_accepted == 0 || l.n_tried == 0)
		(void)run(&l, 5);
	assert_int_equal(outbox_load(l.outbox), 0);
	hand_on(&l, 0); /* the list */
	hand_on(&l, 1);
	hand_on(&l, 0); /* the one file there is */
	l.done(CARRY_DELIVERED, -1, "", l.done_ctx);
	hand_on(&l, 1);
	l.quit_when_loaded = true;
	while (!l.loaded)
		(void)run(&l, 60000);
	assert_int_equal(outbox_depth(l.outbox), 0);
	hand_on(&l, 0); /* the removal */
	hand_on(&l, 1);
	while (store_pending(l.store))
		(void)run(&l, 5);
	assert_int_equal(l.n_tried, 1);
	stop_between();
	end(&l);
	assert_int_equal(spooled(dir), 0);
	remove_dir(dir);
}

/* Files that are no signals stay where they are, are counted and stop nothing. */
static void foreign_files(void **state)
{
	static const char *const texts[] = {"not json", "{\"v\":9}", "{\"v\":1}"};
	char dir[32];
	struct life l;
	json_t *status;

	(void)state;
	begin(&l, new_dir(dir));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char name[64];

		snprintf(name, sizeof(name), "spool/odd-%zu", i);
		assert_int_equal(store_put(l.store, name, texts[i], strlen(texts[i]), accepted, &l), 0);
	}
	l.quit_after_accepted = 3;
	assert_int_equal(run(&l, 20000), 0);
	l.quit_when_loaded = true;
	assert_int_equal(outbox_load(l.outbox), 0);
	assert_int_equal(run(&l, 20000), 0);
	status = outbox_status(l.outbox);
	assert_int_equal(json_integer_value(json_object_get(status, "unreadable")), 3);
	assert_int_equal(json_integer_value(json_object_get(status, "depth")), 0);
	json_decref(status);
	end(&l);
	assert_int_equal(spooled(dir), 3);
	remove_dir(dir);
}

struct kept { /* one signal and what its sender was told */
	struct life *life;
	char key[64];
	int status;
};

static void note_kept(int status, void *ctx)
{
	struct kept *k = ctx;

	k->status = status;
	accepted(status, k->life);
}

static bool file_exists(const char *dir, const char *key)
{
	char path[256];

	snprintf(path, sizeof(path), "%s" STORE_DIR "/spool/%s", dir, key);
	return access(path, F_OK) == 0;
}

/* One life: some signals, the store killed in their midst and perhaps at the end. */
static void one_cut_life(struct life *l, const char *dir, unsigned round, struct kept *kept, unsigned want)
{
	begin(l, dir);
	l->answer_ms = 1000000; /* nothing is delivered, so everything accepted must stay */
	for (unsigned i = 0; i < want; i++) {
		struct signal s;

		kept[i] = (struct kept){.life = l, .status = 1};
		snprintf(kept[i].key, sizeof(kept[i].key), "custom-%u-%u", round, i);
		s = make(SIGNAL_CUSTOM, kept[i].key, "x");
		assert_int_equal(outbox_add(l->outbox, &s, note_kept, &kept[i]), 0);
		if (random_unit() < 0.5)
			(void)run(l, (int64_t)(random_unit() * 4));
		if (i == want / 2)
			kill(l->store_pid, SIGKILL);
	}
	l->quit_after_accepted = want;
	while (l->n_accepted < want)
		assert_int_equal(run(l, 30000), 0);
	if (round % 3 == 0)
		kill(l->store_pid, SIGKILL); /* and the agent with it, perhaps before the next write */
	end(l);
}

/* The store process is killed at random moments, again and again, then the agent too: what was accepted is
 * there in the next life. */
static void killed_at_random(void **state)
{
	enum { ROUNDS = 40, EACH_MAX = 8 };
	static struct kept kept[ROUNDS][EACH_MAX];
	unsigned accepted_total = 0;
	char dir[32];
	struct life l;

	(void)state;
	new_dir(dir);
	for (unsigned round = 0; round < ROUNDS; round++)
		one_cut_life(&l, dir, round, kept[round], 3 + round % 5);
	begin(&l, dir);
	l.quit_when_loaded = true;
	assert_int_equal(outbox_load(l.outbox), 0);
	assert_int_equal(run(&l, 30000), 0);
	for (unsigned i = 0; i < ROUNDS * EACH_MAX; i++) {
		const struct kept *k = &kept[i / EACH_MAX][i % EACH_MAX];

		if (!k->life || k->status != 0)
			continue;
		accepted_total++;
		assert_true(file_exists(dir, k->key));
		assert_true(outbox_holds(l.outbox, k->key));
	}
	assert_true(accepted_total > ROUNDS * 2);
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

static void add_urgent(struct life *l, const char *reason)
{
	struct signal s = make(SIGNAL_HEALTH, "health", reason);

	s.urgent = true;
	assert_int_equal(outbox_add(l->outbox, &s, NULL, NULL), 0);
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
		cmocka_unit_test(bounded),	 cmocka_unit_test(next_life),
		cmocka_unit_test(foreign_files), cmocka_unit_test(killed_at_random),
		cmocka_unit_test(frozen_disk),	 cmocka_unit_test(withdrawn),
		cmocka_unit_test(urgent),	 cmocka_unit_test(told_while_loading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
