/* SPDX-License-Identifier: Apache-2.0 */
/* When the action is signalled, and that no course of findings makes a loop of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "signal/action.h"

#define MIN	(60 * 1000LL)
#define DAY	(24 * 60 * MIN)
#define NOW	1767323045000LL
#define UP	(60 * MIN)

static struct finding found(const char *class_name, const char *entity, enum finding_level level, double risk)
{
	struct finding f = {.level = level, .risk = risk, .eta_s = -1};

	snprintf(f.class_name, sizeof(f.class_name), "%s", class_name);
	snprintf(f.entity, sizeof(f.entity), "%s", entity);
	return f;
}

static struct action_facts facts(const struct finding *open, size_t n)
{
	return (struct action_facts){.boot_id = "boot-1",
				     .uptime_ms = UP,
				     .real_ms = NOW,
				     .threshold = 0.9,
				     .least_uptime_ms = 5 * MIN,
				     .pause_ms = 10 * MIN,
				     .most_a_day = 4,
				     .open = open,
				     .n_open = n};
}

/* Risk is compared as it is told: the table's 0.9f is 0.9. What several findings make together counts. */
static void threshold(void **state)
{
	static const struct {
		double risk[3];
		enum finding_level level;
		double threshold;
		enum action_verdict want;
	} rows[] = {
		{{0.95}, FINDING_CRITICAL, 0.9, ACTION_TELL},
		{{0.9f}, FINDING_CRITICAL, 0.9, ACTION_TELL},
		{{0.899}, FINDING_CRITICAL, 0.9, ACTION_NONE},
		{{0.8, 0.5}, FINDING_WARNING, 0.9, ACTION_TELL},
		{{0.8, 0.4}, FINDING_WARNING, 0.9, ACTION_NONE},
		{{0.4, 0.4, 0.4}, FINDING_NOTICE, 0.6, ACTION_NONE}, /* notices make no more than 0.5 */
		{{0.4, 0.4, 0.4}, FINDING_NOTICE, 0.5, ACTION_TELL},
		{{0}, FINDING_NOTICE, 0.001, ACTION_NONE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct finding f[3];
		struct action a = {.n_told = 0};
		struct action_choice c;
		struct action_facts x = facts(f, 0);

		for (size_t k = 0; k < 3; k++) {
			char name[8];

			snprintf(name, sizeof(name), "c%zu", k);
			f[k] = found(name, "e", rows[i].level, rows[i].risk[k]);
			x.n_open += rows[i].risk[k] > 0;
		}
		x.threshold = rows[i].threshold;
		assert_int_equal(action_judge(&a, &x, &c), rows[i].want);
	}
}

/* Two entities of one class are one risk: the worse. */
static void one_class(void **state)
{
	const struct finding f[] = {found("disk_exhaustion", "/srv", FINDING_WARNING, 0.8),
				    found("disk_exhaustion", "/", FINDING_WARNING, 0.8)};
	struct action_facts x = facts(f, 2);
	struct action a = {.n_told = 0};
	struct action_choice c;

	(void)state;
	assert_int_equal(action_judge(&a, &x, &c), ACTION_NONE);
	assert_true(c.risk > 0.799 && c.risk < 0.801);
	assert_string_equal(c.finding->entity, "/srv");
}

/* Once while it is open; again when it ended and came back, after the pause; again in another boot. */
static void once(void **state)
{
	const struct finding f[] = {found("memory_exhaustion", "guest", FINDING_CRITICAL, 0.95)};
	struct action_facts x = facts(f, 1), none = facts(f, 0);
	struct action a = {.n_told = 0};
	struct action_choice c;

	(void)state;
	assert_int_equal(action_judge(&a, &x, &c), ACTION_TELL);
	assert_ptr_equal(c.finding, &f[0]);
	action_note(&a, &x);
	assert_true(action_knows(&a, "memory_exhaustion", "guest"));
	for (int i = 0; i < 300; i++) {
		x.real_ms += 10 * MIN;
		assert_int_equal(action_judge(&a, &x, &c), ACTION_NONE);
	}
	none.real_ms = x.real_ms;
	assert_int_equal(action_judge(&a, &none, &c), ACTION_NONE);
	assert_false(action_knows(&a, "memory_exhaustion", "guest"));
	assert_int_equal(action_judge(&a, &x, &c), ACTION_TELL);
	action_note(&a, &x);
	x.boot_id = "boot-2";
	assert_int_equal(action_judge(&a, &x, &c), ACTION_WAIT);
	assert_int_equal(c.wait_ms, 10 * MIN);
	x.real_ms += 10 * MIN;
	assert_int_equal(action_judge(&a, &x, &c), ACTION_TELL);
}

/* What was acted on is no reason to act again when something small joins it; something large is. */
static void more_comes(void **state)
{
	struct finding f[] = {found("memory_exhaustion", "guest", FINDING_CRITICAL, 0.95),
			      found("swap_thrash", "guest", FINDING_WARNING, 0.6),
			      found("disk_failing", "vda", FINDING_WARNING, 0.6)};
	struct action_facts x = facts(f, 2);
	struct action a = {.n_told = 0};
	struct action_choice c;

	(void)state;
	assert_int_equal(action_judge(&a, &x, &c), ACTION_TELL);
	action_note(&a, &x);
	x.n_open = 3;
	x.real_ms += 20 * MIN;
	assert_int_equal(action_judge(&a, &x, &c), ACTION_NONE);
	f[2] = found("filesystem_readonly", "/", FINDING_CRITICAL, 0.97);
	assert_int_equal(action_judge(&a, &x, &c), ACTION_TELL);
	assert_string_equal(c.finding->class_name, "filesystem_readonly");
}

/* Not before the guest was up for long enough, and not while the stack works on it. */
static void too_early(void **state)
{
	const struct finding f[] = {found("memory_exhaustion", "guest", FINDING_CRITICAL, 0.95)};
	struct action_facts x = facts(f, 1);
	struct action a = {.n_told = 0};
	struct action_choice c;

	(void)state;
	x.uptime_ms = 2 * MIN;
	assert_int_equal(action_judge(&a, &x, &c), ACTION_WAIT);
	assert_int_equal(c.wait_ms, 3 * MIN);
	x.uptime_ms = UP;
	x.in_progress = true;
	assert_int_equal(action_judge(&a, &x, &c), ACTION_WAIT);
	assert_int_equal(c.wait_ms, -1);
	x.in_progress = false;
	assert_int_equal(action_judge(&a, &x, &c), ACTION_TELL);
}

/* A finding that comes and goes each minute, a guest that reboots into its trouble, for five days: four a
 * day, ten minutes apart. */
static void never_a_loop(void **state)
{
	const struct finding f[] = {found("memory_exhaustion", "guest", FINDING_CRITICAL, 0.95)};
	struct action_facts x = facts(f, 1);
	struct action a = {.n_told = 0};
	struct action_choice c;
	int64_t last = 0;
	unsigned told = 0;

	(void)state;
	for (unsigned minute = 0; minute < 5 * 24 * 60; minute++) {
		char boot[16];

		snprintf(boot, sizeof(boot), "boot-%u", minute / 7);
		x.boot_id = boot;
		x.real_ms = NOW + minute * MIN;
		x.n_open = minute % 2;
		if (action_judge(&a, &x, &c) != ACTION_TELL)
			continue;
		assert_true(!last || x.real_ms - last >= 10 * MIN);
		last = x.real_ms;
		action_note(&a, &x);
		told++;
	}
	assert_int_equal(told, 5 * 4);
}

/* A clock that was set back does not silence it for longer than the pause and the day. */
static void clock_back(void **state)
{
	const struct finding f[] = {found("memory_exhaustion", "guest", FINDING_CRITICAL, 0.95)};
	struct action_facts x = facts(f, 1);
	struct action a = {.n_told = 0};
	struct action_choice c;

	(void)state;
	x.real_ms = NOW + 400 * DAY;
	action_note(&a, &x);
	x.real_ms = NOW;
	x.boot_id = "boot-2";
	assert_int_equal(action_judge(&a, &x, &c), ACTION_WAIT);
	assert_int_equal(c.wait_ms, 10 * MIN);
}

/* A guest without a clock of its own begins each boot in 1970 and hears of the time later: what was
 * told in the boots before counts all the same, or a restart that is its own cause would go on for
 * ever. */
static void clock_not_set_yet(void **state)
{
	const struct finding f[] = {found("memory_exhaustion", "guest", FINDING_CRITICAL, 0.95)};
	struct action_facts x = facts(f, 1);
	struct action a = {.n_told = 0};
	struct action_choice c;

	(void)state;
	for (int i = 0; i < x.most_a_day; i++)
		action_note(&a, &x);
	x.boot_id = "boot-2";
	x.clock_wrong = true;
	x.real_ms = x.uptime_ms;
	assert_int_equal(action_judge(&a, &x, &c), ACTION_WAIT);
	assert_int_equal(c.wait_ms, DAY - x.uptime_ms);
	x.clock_wrong = false;
	x.real_ms = NOW + 30 * MIN;
	assert_int_equal(action_judge(&a, &x, &c), ACTION_WAIT);
	assert_int_equal(c.wait_ms, DAY - 30 * MIN);
	x.clock_wrong = true; /* one that never is set does not forbid for ever */
	x.real_ms = x.uptime_ms = DAY + MIN;
	assert_int_equal(action_judge(&a, &x, &c), ACTION_TELL);
}

/* What an earlier life told may be read after this one told something, too. */
static void merged(void **state)
{
	const struct finding f[] = {found("memory_exhaustion", "guest", FINDING_CRITICAL, 0.95)};
	struct action_facts x = facts(f, 1);
	struct action a = {.n_told = 0}, earlier = {.n_told = 0};
	struct action_choice c;

	(void)state;
	action_note(&earlier, &x);
	action_merge(&a, &earlier);
	assert_int_equal(action_judge(&a, &x, &c), ACTION_NONE);
	x.real_ms += 5 * MIN;
	action_note(&a, &x);
	assert_int_equal(a.n_at, 2);
	action_merge(&a, &earlier);
	assert_int_equal(a.n_at, 3);
	assert_true(a.at_ms[0] <= a.at_ms[1] && a.at_ms[1] <= a.at_ms[2]);
	assert_int_equal(a.at_ms[1], NOW);
	x.boot_id = "boot-2";
	assert_int_equal(action_judge(&a, &x, &c),
			 ACTION_WAIT); /* its times count, its findings do not */
	action_merge(&a, &earlier);
	assert_int_equal(a.n_told, 0);
}

/* Withdrawn before it was told: it may ask again at once. */
static void undone(void **state)
{
	const struct finding f[] = {found("memory_exhaustion", "guest", FINDING_CRITICAL, 0.95)};
	struct action_facts x = facts(f, 1);
	struct action a = {.n_told = 0};
	struct action_choice c;

	(void)state;
	action_note(&a, &x);
	action_undo(&a, "memory_exhaustion", "guest");
	assert_int_equal(action_judge(&a, &x, &c), ACTION_TELL);
	action_undo(&a, "never", "told");
	assert_int_equal(a.n_at, 0);
}

#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9"

/* The next life knows what this one told; what is no such text is none. */
static void on_disk(void **state)
{
	static const struct {
		const char *text;
		int want;
	} bad[] = {{"", -EBADMSG},
		   {"[]", -EBADMSG},
		   {"{\"v\":2,\"boot\":\"x\"}", -EPROTONOSUPPORT},
		   {"{\"v\":1}", -EBADMSG},
		   {"{\"v\":1,\"boot\":\"b\",\"told\":7,\"at_ms\":[\"x\",{}]}", 0},
		   {"{\"v\":1,\"boot\":\"b\",\"told\":[7,[],[1,2],[\"a\"]]}", 0},
		   {"{\"v\":1,\"boot\":\"" LONG "\"}", -EBADMSG},
		   {"{\"v\":1,\"boot\":\"b\",\"told\":[[\"" LONG "\",\"guest\"],[\"hang\",\"" LONG
		    "\"]]}",
		    0}};
	const struct finding f[] = {found("memory_exhaustion", "guest \"\\x41\"", FINDING_CRITICAL, 0.95)};
	struct action_facts x = facts(f, 1);
	struct action a = {.n_told = 0}, b;
	struct action_choice c;
	struct buf out = BUF_INIT(65536);

	(void)state;
	for (unsigned i = 0; i < ACTION_DAY_MAX + 3; i++)
		action_note(&a, &x);
	assert_int_equal(a.n_at, ACTION_DAY_MAX);
	assert_int_equal(action_save(&a, &out), 0);
	assert_int_equal(action_load(out.data, out.len, &b), 0);
	assert_int_equal(b.n_at, ACTION_DAY_MAX);
	assert_int_equal(b.at_ms[0], NOW);
	assert_int_equal(action_judge(&b, &x, &c), ACTION_NONE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(action_load(bad[i].text, strlen(bad[i].text), &b), bad[i].want);
		assert_int_equal(b.n_told, 0);
	}
	buf_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threshold),
		cmocka_unit_test(one_class),
		cmocka_unit_test(once),
		cmocka_unit_test(more_comes),
		cmocka_unit_test(too_early),
		cmocka_unit_test(never_a_loop),
		cmocka_unit_test(clock_not_set_yet),
		cmocka_unit_test(merged),
		cmocka_unit_test(clock_back),
		cmocka_unit_test(undone),
		cmocka_unit_test(on_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
