/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox over several lives: what a killed store or a killed agent leaves, and what the next life makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "life.h"

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

/* Before an end nothing is tried any more and what is under way is waited for: the next life tells
 * only the rest. */
static void left_in_peace(void **state)
{
	char dir[32];
	struct life l;

	(void)state;
	begin(&l, new_dir(dir));
	l.answer_ms = 1500;
	add(&l, SIGNAL_CUSTOM, "custom-1", "c");
	add(&l, SIGNAL_CUSTOM, "custom-2", "c");
	until_tried(&l, 1);
	assert_true(outbox_leave(l.outbox));
	while (outbox_leave(l.outbox) || store_pending(l.store))
		(void)run(&l, 5);
	(void)run(&l, 500);
	assert_int_equal(l.n_tried, 1);
	assert_int_equal(outbox_depth(l.outbox), 1);
	end(&l);

	begin(&l, dir);
	l.quit_when_empty = true;
	assert_int_equal(outbox_load(l.outbox), 0);
	until_tried(&l, 1);
	assert_string_equal(l.tried[0], "custom-2:c");
	while (outbox_depth(l.outbox) > 0)
		(void)run(&l, 5);
	assert_int_equal(l.n_tried, 1);
	end(&l);
	remove_dir(dir);
}

/* A life whose health is on disk and never delivered. */
static void live_and_leave_health(struct life *l, const char *dir)
{
	begin(l, dir);
	l->answer_ms = 1000000; /* never */
	l->quit_after_accepted = 1;
	add(l, SIGNAL_HEALTH, "health", "old");
	assert_int_equal(run(l, 60000), 0);
	end(l);
}

/* Health as usual of an earlier life may be older than what that life told last: this life's own goes instead, or it
 * goes after a minute. Urgent health goes at once. */
static void old_health(void **state)
{
	char dir[32];
	struct life l;

	(void)state;
	live_and_leave_health(&l, new_dir(dir));

	for (unsigned life = 0; life < 2; life++) {
		begin(&l, dir);
		l.answer_ms = 1000000;
		l.quit_when_loaded = true;
		assert_int_equal(outbox_load(l.outbox), 0);
		assert_int_equal(run(&l, 20000), 0);
		assert_int_equal(outbox_depth(l.outbox), 1);
		assert_int_equal(run(&l, 100), -ETIME);
		assert_int_equal(l.n_tried, 0);
		if (life == 0)
			clock_offset_ms += 60000;
		else
			add_urgent(&l, "new");
		until_tried(&l, 1);
		assert_string_equal(l.tried[0], life == 0 ? "health:old" : "health:new");
		end(&l);
	}

	begin(&l, dir);
	assert_int_equal(outbox_load(l.outbox), 0);
	until_tried(&l, 1);
	assert_string_equal(l.tried[0], "health:new");
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
	live_and_leave_health(&l, new_dir(dir));

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_life),     cmocka_unit_test(left_in_peace),
		cmocka_unit_test(old_health),    cmocka_unit_test(told_while_loading),
		cmocka_unit_test(foreign_files), cmocka_unit_test(killed_at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
