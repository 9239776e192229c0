/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and boots: steps, suspension and pauses told apart; the mark that says how the last boot
 * ended; last words of earlier kernels. */
#include "fixture.h"

#include <errno.h>
#include <math.h>
#include <sys/timex.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/loop.h"
#include "sample/clock_keeper.h"
#include "sample/clock_watch.h"
#include "sample/lastboot.h"
#include "sample/probe.h"
#include "sample/prober.h"

#define BOOT_A "11111111-2222-4333-8444-555555555555"
#define BOOT_B "99999999-2222-4333-8444-555555555555"

/* ---- clocks ---- */

/* Each row: what the clocks moved by since the row before, and what that says. */
static void clocks_told_apart(void **state)
{
	static const struct {
		int64_t boot, monotonic, real, late;
		int64_t jump, suspend, pause;
	} rows[] = {
		{10000, 10000, 10000, 0, 0, 0, 0},
		{10000, 10000, 10499, 0, 0, 0, 0},   /* rounding and slewing */
		{10000, 10000, 10500, 0, 500, 0, 0}, /* set forward */
		{10000, 10000, -3600000, 0, -3610000, 0,
		 0}, /* back by an hour and the time passed */
		{3610000, 10000, 3610000, 3599000, 0, 3600000,
		 0},                                         /* asleep; timers were late by it */
		{25000, 25000, 25000, 15000, 0, 0, 15000},   /* stopped by its hypervisor */
		{25000, 25000, 25000, 999, 0, 0, 0},         /* only busy */
		{15000, 15000, 75000, 5000, 60000, 0, 5000}, /* migrated, then set right */
	};
	struct clock_watch w = {0};
	struct clock_reading now = {.boot_ms = 500, .monotonic_ms = 400, .real_ms = 1767225600000};

	(void)state;
	clock_watch_see(&w, &now);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct clock_facts f;

		now.boot_ms += rows[i].boot;
		now.monotonic_ms += rows[i].monotonic;
		now.real_ms += rows[i].real;
		now.late_ms += rows[i].late;
		f = clock_watch_see(&w, &now);
		assert_int_equal(f.jump_ms, rows[i].jump);
		assert_int_equal(f.suspend_ms, rows[i].suspend);
		assert_int_equal(f.pause_ms, rows[i].pause);
	}
	assert_int_equal(w.jumps, 3);
	assert_int_equal(w.jump_last_ms, 60000);
	assert_int_equal(w.pauses, 2);
}

/* What kernels answer, and what that is in milliseconds. */
static void clock_keepers(void **state)
{
	static const struct {
		int status;
		long offset, maxerror;
		bool kept;
		double offset_ms, error_max_ms;
	} rows[] = {
		{STA_UNSYNC, 0, 16000000, false, 0, 16000}, /* since boot */
		{STA_UNSYNC, 0, 15999999, true, 0, 15999.999},
		{STA_UNSYNC, 0, 1500, true, 0, 1.5},         /* chrony without rtcsync */
		{STA_PLL, -1000, 16000000, false, -1, 16000}, /* busybox for a moment */
		{STA_PLL | STA_NANO, 400000000, 0, true, 400, 0},
		{STA_PLL | STA_NANO, -500000000, 500, true, -500, 0.5},
		{STA_PLL | STA_NANO, 1500, 1024000, true, 0.0015, 1024},
		{STA_PLL, 500000, 0, true, 500, 0},
		{STA_PLL, -500000, 0, true, -500, 0},
		/* the same of kernels that cut it */
		{STA_PLL, 4294967, 0, true, -0.000296, 0},
		{STA_PLL, 4294967 - 1000, 0, true, -1.000296, 0},
		{STA_PLL, 3794967, 0, true, -500.000296, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct timex t = {.status = rows[i].status,
				  .offset = rows[i].offset,
				  .maxerror = rows[i].maxerror};
		struct clock_kept k = clock_kept_of(&t);

		assert_int_equal(k.kept, rows[i].kept);
		assert_true(fabs(k.offset_ms - rows[i].offset_ms) < 1e-6);
		assert_true(fabs(k.error_max_ms - rows[i].error_max_ms) < 1e-6);
	}
}

/* The probe on this machine: says whether the clock is kept, and counts from nothing. */
static void clock_of_this_machine(void **state)
{
	struct env env;
	struct loop *loop;
	struct probe_setup setup = {.env = &env};
	struct sample got;
	void *probe;
	double v = -1;

	(void)state;
	assert_int_equal(env_init(&env, ""), 0);
	assert_int_equal(loop_new(&env, &loop), 0);
	setup.loop = loop;
	assert_int_equal(probe_clock.open(&setup, &probe, NULL), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(probe_clock.read(probe, 0), 0);
	sample_reset(&got, 0, 0);
	probe_clock.report(probe, &got);
	assert_true(sample_get(&got, METRIC_CLOCK_SYNCHRONISED, &v) && (v == 0 || v == 1));
	assert_true(sample_get(&got, METRIC_CLOCK_ERROR_MAX_MS, &v) && v >= 0);
	assert_true(sample_get(&got, METRIC_CLOCK_JUMPS, &v) && v == 0);
	assert_true(sample_get(&got, METRIC_CLOCK_PAUSES, &v) && v == 0);
	assert_false(sample_get(&got, METRIC_CLOCK_JUMP_LAST_MS, &v));
	probe_clock.close(probe);
	loop_free(loop);
}

static void on_over(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, 0);
}

/* By a microsecond, and back the second time. A step makes the kernel forget that the clock is
 * kept, so it is only done where nothing keeps it. */
static bool may_step(void)
{
	struct timex look = {.modes = 0};

	return geteuid() == 0 && adjtimex(&look) >= 0 && look.status & STA_UNSYNC;
}

static int step(bool back)
{
	struct timex by = {.modes = ADJ_SETOFFSET | ADJ_NANO};

	by.time.tv_sec = back ? -1 : 0;
	by.time.tv_usec = back ? 999999000 : 1000;
	return adjtimex(&by) < 0 ? -errno : 0;
}

/* A step of wall-clock time wakes the loop at once, and each step once. */
static void step_wakes(void **state)
{
	struct probe_setup setup = {0};
	struct loop_timer *over;
	struct loop *loop;
	struct env env;
	uint64_t quiet;
	void *probe;
	int err = 0;

	(void)state;
	if (!may_step()) {
		print_message("# SKIP the clock is kept by somebody, or may not be set by us\n");
		skip();
	}
	assert_int_equal(env_init(&env, ""), 0);
	assert_int_equal(loop_new(&env, &loop), 0);
	setup.env = &env;
	setup.loop = loop;
	assert_int_equal(loop_timer_new(loop, 0, on_over, NULL, &over), 0);
	assert_int_equal(probe_clock.open(&setup, &probe, NULL), 0);
	loop_timer_arm(over, 50);
	assert_int_equal(loop_run(loop), 0);
	quiet = loop_get_stats(loop)->wakeups;
	for (unsigned i = 1; i <= 2 && !err; i++) {
		err = step(i == 2);
		loop_timer_arm(over, 50);
		assert_int_equal(loop_run(loop), 0);
		/* the step's and the timer's; others may set the clock meanwhile */
		if (!err)
			assert_in_range(loop_get_stats(loop)->wakeups - quiet, 2 * i, 2 * i + 2);
	}
	probe_clock.close(probe);
	loop_timer_free(over);
	loop_free(loop);
	if (err) {
		print_message("# SKIP the clock may not be set: %s\n", strerror(-err));
		skip();
	}
}

/* ---- the mark ---- */

static void mark_is_read_as_written(void **state)
{
	const struct boot_mark marks[] = {
		{BOOT_A, false, 0, 0},
		{BOOT_B, true, UINT64_MAX, 1767225600123},
		{BOOT_B, false, 77, -5},
	};
	char text[BOOT_MARK_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		size_t n = boot_mark_format(&marks[i], text);
		struct boot_mark back = {.boot_id = "x"};

		assert_int_equal(n, strlen(text));
		assert_int_equal(boot_mark_parse(text, n, &back), 0);
		assert_string_equal(back.boot_id, marks[i].boot_id);
		assert_int_equal(back.stopped, marks[i].stopped);
		assert_true(back.kmsg_seq == marks[i].kmsg_seq);
		assert_true(back.alive_ms == marks[i].alive_ms);
	}
	boot_mark_format(&marks[1], text);
	assert_string_equal(text, "1 " BOOT_B " stopped 18446744073709551615 1767225600123\n");
}

/* A mark cut at any byte, or of another make, is no mark; one of a later version is told apart. */
static void mark_that_is_none(void **state)
{
	static const char *const bad[] = {
		"1 " BOOT_A " resting 5 5\n",
		"1 " BOOT_A " running -5 5\n",
		"1 " BOOT_A " running 5 5 6\n",
		"0 " BOOT_A " running 5 5\n",
		"1 " BOOT_A " running 5 5\nx\n",
		"1 ABCDEFGH-2222-4333-8444-555555555555 running 5 5\n",
		"x " BOOT_A " running 5 5\n",
		"1\n",
	};
	static const char good[] = "1 " BOOT_A " running 5 5\n", later[] = "2 anything\n";
	struct boot_mark m;

	(void)state;
	for (size_t n = 0; n < sizeof(good) - 1; n++)
		assert_int_equal(boot_mark_parse(good, n, &m), -EINVAL);
	assert_int_equal(boot_mark_parse(good, sizeof(good) - 1, &m), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(boot_mark_parse(bad[i], strlen(bad[i]), &m), -EINVAL);
	assert_int_equal(boot_mark_parse(later, sizeof(later) - 1, &m), 1);
}

/* Only in the same boot do sequence numbers go on. */
static void records_go_on_in_the_same_boot(void **state)
{
	const struct boot_mark m = {BOOT_A, false, 1234, 0};

	(void)state;
	assert_int_equal(boot_mark_after_seq(&m, BOOT_A), 1234);
	assert_int_equal(boot_mark_after_seq(&m, BOOT_B), 0);
	assert_int_equal(boot_mark_after_seq(NULL, BOOT_A), 0);
	assert_int_equal(boot_mark_after_seq(&m, ""), 0);
}

static void verdicts(void **state)
{
	const struct boot_mark ran = {BOOT_A, false, 1, 1000000},
			       ended = {BOOT_A, true, 1, 1000000};
	const struct lastboot_pstore none = {.known = true}, unknown = {0};
	const struct lastboot_pstore old = {true, 3, 3, 0, 900}, fresh = {true, 1, 1, 0, 1200},
				     oops = {true, 1, 0, 1, 1200}, slack = {true, 1, 1, 0, 996};
	const struct {
		const struct boot_mark *mark;
		const char *boot_id;
		const struct lastboot_pstore *pstore;
		enum lastboot want;
	} rows[] = {
		{NULL, BOOT_B, &fresh, LASTBOOT_UNKNOWN},
		{&ran, "", &fresh, LASTBOOT_UNKNOWN},
		{&ran, BOOT_A, &fresh, LASTBOOT_SAME},
		{&ran, BOOT_B, &none, LASTBOOT_UNCLEAN},
		{&ran, BOOT_B, &unknown, LASTBOOT_UNCLEAN},
		{&ran, BOOT_B, NULL, LASTBOOT_UNCLEAN},
		{&ran, BOOT_B, &old, LASTBOOT_UNCLEAN},
		{&ran, BOOT_B, &fresh, LASTBOOT_PANIC},
		{&ran, BOOT_B, &slack, LASTBOOT_PANIC},
		{&ran, BOOT_B, &oops, LASTBOOT_UNCLEAN},
		{&ended, BOOT_B, &none, LASTBOOT_CLEAN},
		{&ended, BOOT_B, &old, LASTBOOT_CLEAN},
		/* the agent was ended, the guest went on and fell later */
		{&ended, BOOT_B, &fresh, LASTBOOT_PANIC},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum lastboot got = lastboot_judge(rows[i].mark, rows[i].boot_id, rows[i].pstore);

		assert_int_equal(got, rows[i].want);
		assert_non_null(lastboot_sentences[got]);
	}
}

/* ---- last words ---- */

static void put(const char *dir, const char *file, const char *text)
{
	char path[512], *slash;

	snprintf(path, sizeof(path), "%s%s", dir, file);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(fs_mkdirs(path, 0700), 0);
	*slash = '/';
	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0600, NULL), 0);
}

/* Found where the kernel keeps them and where systemd-pstore puts them; told apart by their first
 * line; other files and links do not count; without either place it is an error, not zero. */
static void last_words_are_counted(void **state)
{
	char dir[] = "/tmp/hp-pstore-XXXXXX", path[200];
	const struct prober_kind_info *kind = &prober_kinds[PROBER_PSTORE];
	struct prober_answer a = {0};
	struct env env;

	(void)state;
	assert_non_null(mkdtemp(dir));
	put(dir, "/sys/kernel", "x");
	put(dir, "/proc/x", "x");
	assert_int_equal(env_init(&env, dir), 0);
	assert_true(kind->legal("-"));
	assert_false(kind->legal("/etc/shadow"));
	assert_int_equal(kind->work(&env, "-", &a), -ENOENT);
	put(dir, "/sys/fs/pstore/dmesg-efi-1", "Panic#1 Part1\n<6>...\n");
	put(dir, "/sys/fs/pstore/dmesg-efi-2", "Oops#2 Part1\n<6>...\n");
	put(dir, "/sys/fs/pstore/console-ramoops-0", "Panic#1 no\n");
	put(dir, "/var/lib/systemd/pstore/17672256/dmesg-erst-7", "Panic#2 Part1\n");
	put(dir, "/var/lib/systemd/pstore/dmesg-erst-8", "");
	snprintf(path, sizeof(path), "%s/sys/fs/pstore/dmesg-link", dir);
	assert_int_equal(symlink("dmesg-efi-1", path), 0);
	memset(&a, 0, sizeof(a));
	assert_int_equal(kind->work(&env, "-", &a), 0);
	assert_int_equal(a.n[PSTORE_RECORDS], 4);
	assert_int_equal(a.n[PSTORE_PANICS], 2);
	assert_int_equal(a.n[PSTORE_OOPSES], 1);
	assert_true((int64_t)a.n[PSTORE_NEWEST_S] > env.real_ms() / 1000 - 60);
	fs_remove_tree(dir);
}

/* ---- the prober's other answers about processes ---- */

static void questions_about_processes(void **state)
{
	static const char *const legal[] = {"1", "1,22,333"};
	static const char *const illegal[] = {"",    "0",    "1, 2", "-1",
					      "1,x", "self", "../1", "99999999999"};
	const struct prober_kind_info *sums = &prober_kinds[PROBER_PROCESSES];
	const struct prober_kind_info *largest = &prober_kinds[PROBER_FD_LARGEST];
	struct prober_answer a = {0};
	char pids[64];
	struct env env;
	bool found = false;

	(void)state;
	assert_int_equal(env_init(&env, ""), 0);
	for (size_t i = 0; i < ARRAY_SIZE(legal); i++)
		assert_true(sums->legal(legal[i]));
	for (size_t i = 0; i < ARRAY_SIZE(illegal); i++)
		if (sums->legal(illegal[i]))
			fail_msg("'%s' is legal", illegal[i]);
	/* one that does not exist is left out of the sums */
	snprintf(pids, sizeof(pids), "%d,2147483647", getpid());
	assert_int_equal(sums->work(&env, pids, &a), 0);
	assert_int_equal(a.n[PROCESSES_FOUND], 1);
	assert_true(a.n[PROCESSES_FDS] >= 3 && a.n[PROCESSES_READS] > 0);
	memset(&a, 0, sizeof(a));
	assert_int_equal(largest->work(&env, "-", &a), 0);
	for (size_t i = 0; i < PROBER_NUMBERS; i++)
		found |= (uint32_t)a.n[i] > 0 && a.n[i] >> 32 > 0;
	assert_true(found);
	memset(&a, 0, sizeof(a));
	/* this one runs, so it sleeps nowhere */
	snprintf(pids, sizeof(pids), "%d", getpid());
	assert_int_equal(prober_kinds[PROBER_WCHAN].work(&env, pids, &a), -ENODATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks_told_apart),
		cmocka_unit_test(clock_keepers),
		cmocka_unit_test(clock_of_this_machine),
		cmocka_unit_test(step_wakes),
		cmocka_unit_test(mark_is_read_as_written),
		cmocka_unit_test(mark_that_is_none),
		cmocka_unit_test(records_go_on_in_the_same_boot),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(last_words_are_counted),
		cmocka_unit_test(questions_about_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
