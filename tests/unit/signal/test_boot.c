/* SPDX-License-Identifier: Apache-2.0 */
/* When the boot result is told: one row per situation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "signal/boot.h"

#define QUIET	30000
#define TIMEOUT 600000
#define START	1000000

static const struct row {
	const char *what;
	struct boot_facts facts; /* now_boot_ms counts from START here */
	enum boot_verdict want;
	int64_t next_ms;
	const char *why;
} rows[] = {
	{"nothing yet", {.now_boot_ms = 0, .critical_last_boot_ms = -1}, BOOT_WAIT, QUIET, "no metadata"},
	{"no document, long quiet",
	 {.now_boot_ms = 100000, .critical_last_boot_ms = -1},
	 BOOT_WAIT,
	 500000,
	 "no metadata"},
	{"hooks run",
	 {.now_boot_ms = 40000, .document_seen = true, .critical_last_boot_ms = -1},
	 BOOT_WAIT,
	 560000,
	 "hooks"},
	{"done, not yet quiet",
	 {.now_boot_ms = 10000, .document_seen = true, .hooks_idle = true, .critical_last_boot_ms = -1},
	 BOOT_WAIT,
	 20000,
	 "quiet"},
	{"done and quiet",
	 {.now_boot_ms = 30000, .document_seen = true, .hooks_idle = true, .critical_last_boot_ms = -1},
	 BOOT_SUCCESS,
	 0,
	 "nothing critical"},
	{"critical a moment ago",
	 {.now_boot_ms = 60000,
	  .document_seen = true,
	  .hooks_idle = true,
	  .critical_last_boot_ms = START + 59000},
	 BOOT_WAIT,
	 29000,
	 "quiet"},
	{"critical long ago",
	 {.now_boot_ms = 90000,
	  .document_seen = true,
	  .hooks_idle = true,
	  .critical_last_boot_ms = START + 59000},
	 BOOT_SUCCESS,
	 0,
	 "nothing critical"},
	{"a hook gave up",
	 {.now_boot_ms = 1, .hooks_failed = 1, .failed_hook = "db", .critical_last_boot_ms = -1},
	 BOOT_FAILURE,
	 0,
	 "hook failed: db"},
	{"hooks gave up",
	 {.now_boot_ms = 1, .hooks_failed = 3, .failed_hook = "db", .critical_last_boot_ms = -1},
	 BOOT_FAILURE,
	 0,
	 "3 hooks failed"},
	{"nameless",
	 {.now_boot_ms = 1, .hooks_failed = 1, .critical_last_boot_ms = -1},
	 BOOT_FAILURE,
	 0,
	 "no name"},
	{"time is up, no document",
	 {.now_boot_ms = TIMEOUT, .critical_last_boot_ms = -1},
	 BOOT_FAILURE,
	 0,
	 "no metadata after 600 s"},
	{"time is up, hooks run",
	 {.now_boot_ms = TIMEOUT, .document_seen = true, .critical_last_boot_ms = -1},
	 BOOT_FAILURE,
	 0,
	 "hooks of the first"},
	{"time is up, critical",
	 {.now_boot_ms = TIMEOUT,
	  .document_seen = true,
	  .hooks_idle = true,
	  .critical_last_boot_ms = START + TIMEOUT - 1},
	 BOOT_FAILURE,
	 0,
	 "critical"},
	{"good in the last moment",
	 {.now_boot_ms = TIMEOUT, .document_seen = true, .hooks_idle = true, .critical_last_boot_ms = -1},
	 BOOT_SUCCESS,
	 0,
	 "nothing critical"},
	{"time-out comes before quiet",
	 {.now_boot_ms = TIMEOUT - 5000,
	  .document_seen = true,
	  .hooks_idle = true,
	  .critical_last_boot_ms = START + TIMEOUT - 6000},
	 BOOT_WAIT,
	 5000,
	 "quiet"},
};

/* Each situation has its verdict, its next look and its reason. */
static void judge_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct boot_facts f = rows[i].facts;
		char why[200] = "";
		int64_t next = -1;

		f.started_boot_ms = START;
		f.now_boot_ms += START;
		if (boot_judge(&f, QUIET, TIMEOUT, &next, why, sizeof(why)) != rows[i].want ||
		    next != rows[i].next_ms || !strstr(why, rows[i].why))
			fail_msg("%s: next %lld, why: %s", rows[i].what, (long long)next, why);
	}
}

/* Asked again after what it said, it comes to an end: no situation waits for ever. */
static void always_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct boot_facts f = rows[i].facts;
		enum boot_verdict v = BOOT_WAIT;
		int64_t next;
		char why[200];
		int steps = 0;

		f.started_boot_ms = START;
		for (f.now_boot_ms += START; v == BOOT_WAIT && steps < 10; steps++, f.now_boot_ms += next) {
			v = boot_judge(&f, QUIET, TIMEOUT, &next, why, sizeof(why));
			assert_true(v != BOOT_WAIT || next > 0);
		}
		assert_int_not_equal(v, BOOT_WAIT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judge_table),
		cmocka_unit_test(always_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
