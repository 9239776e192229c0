/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parsers against kernel text of several ages and against text no kernel prints. */
#include "fixture.h"

#include <errno.h>
#include <math.h>

#include "sample/parse.h"
#include "sample/parse_block.h"

enum { TOTAL, FREE, AVAILABLE, CACHED, SLAB, BUFFERS, SWAP, N };
static const char *const names[N] = {"MemTotal", "MemFree", "MemAvailable", "Cached",
				     "Slab",	 "Buffers", "SwapTotal"};
static const struct parse_keys keys = {names, N};

static void assert_double(double got, double want)
{
	if (fabs(got - want) > 1e-9)
		fail_msg("%.12g is not %.12g", got, want);
}

/* Each key is found by its whole name (Cached is not SwapCached) with the number of its line. */
static void keyed_reads_numbers(void **state)
{
	uint64_t v[N] = {0};
	size_t n;
	char *p = fixture_read("proc-linux-6.1", "/proc/meminfo", &n);

	(void)state;
	assert_int_equal(parse_keyed(p, n, &keys, v), (1 << N) - 1);
	assert_int_equal(v[TOTAL], 2097152);
	assert_int_equal(v[FREE], 102400);
	assert_int_equal(v[AVAILABLE], 524288);
	assert_int_equal(v[CACHED], 409600);
	assert_int_equal(v[SLAB], 92160);
	free(p);
}

/* What an old kernel does not print is not found, and its value is left alone. */
static void keyed_absent_is_not_zero(void **state)
{
	uint64_t v[N] = {[AVAILABLE] = 77};
	size_t n;
	char *p = fixture_read("proc-linux-3.10", "/proc/meminfo", &n);

	(void)state;
	assert_int_equal(parse_keyed(p, n, &keys, v) >> AVAILABLE & 1, 0);
	assert_int_equal(v[AVAILABLE], 77);
	assert_int_equal(v[TOTAL], 1048576);
	free(p);
}

/* Signs, overflow, words, missing numbers and a line cut at the end give nothing; a good line after
 * bad ones counts. */
static void keyed_refuses_broken_lines(void **state)
{
	uint64_t v[N] = {0};
	size_t n;
	char *p = fixture_read("proc-broken", "/proc/meminfo", &n);

	(void)state;
	assert_int_equal(parse_keyed(p, n, &keys, v), 1 << CACHED);
	assert_int_equal(v[CACHED], 2048);
	free(p);
}

/* All three averages and the total come out as printed. */
static void pressure_reads_both_lines(void **state)
{
	struct parse_pressure r;
	size_t n;
	char *p = fixture_read("proc-linux-6.1", "/proc/pressure/memory", &n);

	(void)state;
	assert_int_equal(parse_pressure(p, n, &r), 0);
	assert_true(r.some.present && r.full.present);
	assert_double(r.some.avg10, 12.34);
	assert_double(r.some.avg60, 5.0);
	assert_double(r.full.avg300, 0.5);
	assert_int_equal(r.full.total_us, 23456789);
	free(p);
}

/* A line with a missing or non-numeric field is no line; one whole line is enough. */
static void pressure_refuses_broken_lines(void **state)
{
	static const char no_full[] = "some avg10=0.50 avg60=0.10 avg300=0.00 total=77\nfull\n";
	static const char *const bad[] = {
		"",
		"some\n",
		"some avg10=1.00 avg60=2.00\n",
		"full avg10=a avg60=b avg300=c total=d\n",
		"some avg10= avg60=0.1 avg300=0.1 total=1\n",
		"some avg10=1. avg60=0.1 avg300=0.1 total=1\n",
		"some avg10=.5 avg60=0.1 avg300=0.1 total=1\n",
		"some avg10=0.50 avg60=0.10 avg300=0.00 total=77",
		"some avg10=-1.00 avg60=0.10 avg300=0.00 total=77\n",
	};
	struct parse_pressure r;

	(void)state;
	assert_int_equal(parse_pressure(no_full, sizeof(no_full) - 1, &r), 0);
	assert_true(r.some.present);
	assert_false(r.full.present);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_pressure(bad[i], strlen(bad[i]), &r), -EINVAL);
}

/* The line of all processors, not that of one; blocked tasks from behind the interrupts. */
static void stat_reads_cpu_line(void **state)
{
	struct parse_stat r;
	size_t n;
	char *p = fixture_read("proc-linux-6.1", "/proc/stat", &n);

	(void)state;
	assert_int_equal(parse_stat(p, n, &r), 0);
	assert_int_equal(r.times[CPU_USER], 1000);
	assert_int_equal(r.times[CPU_IOWAIT], 300);
	assert_int_equal(r.times[CPU_STEAL], 100);
	assert_true(r.has_blocked);
	assert_int_equal(r.blocked, 3);
	free(p);
	p = fixture_read("proc-broken", "/proc/stat", &n);
	assert_int_equal(parse_stat(p, n, &r), -EINVAL);
	assert_false(r.has_blocked);
	free(p);
}

static void loadavg_table(void **state)
{
	static const char *const bad[] = {"",
					  "0.1 0.2\n",
					  "0.1 0.2 0.3\n",
					  "0.1 0.2 0.3 4 5\n",
					  "0.1 0.2 0.3 /4 5\n",
					  "0.1 0.2 0.3 4/ 5\n",
					  "a b c 1/2 3\n"};
	static const char good[] = "1.50 0.75 0.10 2/345 6789\n";
	struct parse_loadavg r;

	(void)state;
	assert_int_equal(parse_loadavg(good, sizeof(good) - 1, &r), 0);
	assert_double(r.avg[0], 1.5);
	assert_double(r.avg[2], 0.1);
	assert_int_equal(r.runnable, 2);
	assert_int_equal(r.total, 345);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_loadavg(bad[i], strlen(bad[i]), &r), -EINVAL);
}

static void cpu_list_table(void **state)
{
	static const struct {
		const char *text;
		unsigned n;
	} good[] = {{"0\n", 1}, {"0-1\n", 2}, {"0-3,8,10-11\n", 7}, {"5", 1}, {"0-65535", 65536}};
	static const char *const bad[] = {"",	"\n", "-",	 "0-", "-1",  "3-1",
					  "0,", ",0", "0-99999", "a",  "0 1", "0-65535,7"};
	unsigned n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(parse_cpu_list(good[i].text, strlen(good[i].text), &n), 0);
		assert_int_equal(n, good[i].n);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_cpu_list(bad[i], strlen(bad[i]), &n), -EINVAL);
}

/* Escaped blanks are undone, optional fields skipped, and the mount on top wins. */
static void mountinfo_finds_device(void **state)
{
	static const char p[] =
		"22 27 0:21 / /proc rw,relatime - proc proc rw\n"
		"27 1 254:0 / / rw,relatime - ext4 /dev/vda1 rw\n"
		"31 27 254:17 / /srv/with\\040space rw shared:3 - xfs /dev/mapper/vg-data rw\n"
		"40 27 0:30 / /covered rw - tmpfs tmpfs rw\n"
		"41 27 254:33 /sub /covered rw master:1 propagate_from:2 - ext4 /dev/vdc1 rw\n";
	const size_t n = strlen(p);
	char dev[64];

	(void)state;
	assert_int_equal(parse_mountinfo(p, n, "/", dev, sizeof(dev)), 0);
	assert_string_equal(dev, "vda1");
	assert_int_equal(parse_mountinfo(p, n, "/srv/with space", dev, sizeof(dev)), 0);
	assert_string_equal(dev, "vg-data");
	assert_int_equal(parse_mountinfo(p, n, "/covered", dev, sizeof(dev)), 0);
	assert_string_equal(dev, "vdc1");
	assert_int_equal(parse_mountinfo(p, n, "/srv", dev, sizeof(dev)), -ENOENT);
	assert_int_equal(parse_mountinfo(p, n, "/srv/with space/", dev, sizeof(dev)), -ENOENT);
	assert_int_equal(parse_mountinfo("1 2 3 4 / rw -\n", 15, "/", dev, sizeof(dev)), -ENOENT);
}

/* The first reading gives no rate; a counter that went back, or no time passed, gives none either.
 */
static void rate_needs_two_points(void **state)
{
	struct rate r = {0};

	(void)state;
	rate_update(&r, 100, 1000);
	assert_false(r.valid);
	rate_update(&r, 150, 11000);
	assert_true(r.valid);
	assert_double(r.per_s, 5.0);
	rate_update(&r, 150, 11000);
	assert_false(r.valid);
	rate_update(&r, 170, 13000);
	assert_true(r.valid);
	assert_double(r.per_s, 10.0);
	rate_update(&r, 3, 14000);
	assert_false(r.valid);
	rate_update(&r, 4, 15000);
	assert_true(r.valid);
	assert_double(r.per_s, 1.0);
	rate_absent(&r);
	rate_update(&r, 9, 16000);
	assert_false(r.valid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keyed_reads_numbers),
		cmocka_unit_test(keyed_absent_is_not_zero),
		cmocka_unit_test(keyed_refuses_broken_lines),
		cmocka_unit_test(pressure_reads_both_lines),
		cmocka_unit_test(pressure_refuses_broken_lines),
		cmocka_unit_test(stat_reads_cpu_line),
		cmocka_unit_test(loadavg_table),
		cmocka_unit_test(cpu_list_table),
		cmocka_unit_test(mountinfo_finds_device),
		cmocka_unit_test(rate_needs_two_points),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
