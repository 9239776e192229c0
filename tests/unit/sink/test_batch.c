/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of sink/batch.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include "sink/batch.h"

static struct sample sample;
static struct metric_point points[BATCH_POINTS_MAX];

static const struct metric_point own[] = {
	{.name = "guest.failure.risk",
	 .unit = "0..1",
	 .value = 0.93,
	 .dims = {{"class", "memory_exhaustion"}, {"entity", "java[412]"}},
	 .n_dims = 2,
	 .meta = "{\"reason\":\"+38 MiB/min\"}"},
	{.name = "guest.agent.heartbeat", .unit = "", .kind = METRIC_COUNTER, .value = 1},
};

static void fill(void)
{
	int e;

	sample_reset(&sample, 5000, 1767225600000);
	sample_add(&sample, METRIC_MEM_USABLE_PERC, -1, 7.5);
	e = sample_entity(&sample, "mount_point", "/srv", "vdb");
	sample_add(&sample, METRIC_DISK_SPACE_USED_PERC, e, 91.25);
}

static ssize_t round_trip(const struct batch_names *names, struct batch_head *head, size_t *unknown)
{
	static struct buf b;
	struct batch_head in = {.flags = BATCH_CLOCK_DOUBTFUL,
				.boot = batch_boot("b1"),
				.real_ms = 1767225600000,
				.boot_ms = 5000};

	buf_deinit(&b); /* points refer to it until the next one */
	b = BUF_INIT(BATCH_MAX);
	assert_int_equal(batch_encode(&in, &sample, own, 2, &b), 0);
	return batch_decode(b.data, b.len, names, head, points, BATCH_POINTS_MAX, unknown);
}

/* What goes in comes out: values, names, units, dimensions with their details, meta, the time. */
static void test_round(void **state)
{
	struct buf pre = BUF_INIT(65536);
	struct batch_names names = {0};
	struct batch_head head;
	size_t unknown = 0;

	(void)state;
	fill();
	assert_int_equal(batch_preamble(&pre), 0);
	assert_int_equal(batch_names_read(&names, pre.data, pre.len), 0);
	assert_int_equal(names.n, METRIC_COUNT);
	assert_int_equal(round_trip(&names, &head, &unknown), 4);
	assert_int_equal(unknown, 0);
	assert_int_equal(head.flags, BATCH_CLOCK_DOUBTFUL);
	assert_int_equal(head.boot, batch_boot("b1"));
	assert_int_not_equal(head.boot, batch_boot("b2"));
	assert_int_equal(head.real_ms, 1767225600000);
	assert_int_equal(head.boot_ms, 5000);
	assert_string_equal(points[0].name, "mem.usable_perc");
	assert_string_equal(points[0].unit, "%");
	assert_true(points[0].value == 7.5 && points[0].n_dims == 0 &&
		    points[0].real_ms == 1767225600000);
	assert_string_equal(points[1].name, "disk.space_used_perc");
	assert_int_equal(points[1].n_dims, 2);
	assert_string_equal(points[1].dims[0].key, "mount_point");
	assert_string_equal(points[1].dims[0].value, "/srv");
	assert_string_equal(points[1].dims[1].key, "device");
	assert_string_equal(points[1].dims[1].value, "vdb");
	assert_string_equal(points[2].name, "guest.failure.risk");
	assert_string_equal(points[2].meta, "{\"reason\":\"+38 MiB/min\"}");
	assert_string_equal(points[2].dims[1].value, "java[412]");
	assert_null(points[3].meta);
	assert_int_equal(points[3].kind, METRIC_COUNTER);
	assert_int_not_equal(points[2].key, points[3].key);
	batch_names_deinit(&names);
	buf_deinit(&pre);
}

/* A batch of another version, whose metrics stand in another order, is read by its own preamble;
 * what names no metric is counted and costs nothing else. */
static void test_other_version(void **state)
{
	static const char text[] = "old.first\tB\t0\nold.second\ts\t2\n";
	struct batch_names names = {0};
	struct batch_head head;
	size_t unknown = 0;

	(void)state;
	fill();
	sample.values[0].metric = 1;
	assert_int_equal(batch_names_read(&names, text, strlen(text)), 0);
	assert_int_equal(round_trip(&names, &head, &unknown), 3);
	assert_int_equal(unknown, 1);
	assert_string_equal(points[0].name, "old.second");
	assert_int_equal(points[0].kind, METRIC_COUNTER);
	batch_names_deinit(&names);
}

/* Cut anywhere, or with a byte changed, it is refused or read as something whole; a newer version
 * is named so. */
static void test_damaged(void **state)
{
	struct buf pre = BUF_INIT(65536), b = BUF_INIT(BATCH_MAX);
	struct batch_names names = {0};
	struct batch_head head = {0};
	size_t unknown = 0;

	(void)state;
	fill();
	assert_int_equal(batch_preamble(&pre), 0);
	assert_int_equal(batch_names_read(&names, pre.data, pre.len), 0);
	assert_int_equal(batch_encode(&head, &sample, own, 2, &b), 0);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(batch_decode(b.data, n, &names, &head, points, 16, &unknown),
				 -EBADMSG);
	b.data[0] = 2;
	assert_int_equal(batch_decode(b.data, b.len, &names, &head, points, 16, &unknown), -EPROTO);
	b.data[0] = 1;
	assert_int_equal(batch_decode(b.data, b.len, &names, &head, points, 2, &unknown), 2);
	assert_int_equal(batch_names_read(&names, "no tabs\n", 8), -EBADMSG);
	assert_int_equal(batch_names_read(&names, "", 0), -EBADMSG);
	assert_int_equal(batch_names_read(&names, "a\tb\t9\n", 6), -EBADMSG);
	batch_names_deinit(&names);
	buf_deinit(&pre);
	buf_deinit(&b);
}

/* A full sample fits, at about 12 bytes a value. */
static void test_size(void **state)
{
	struct buf b = BUF_INIT(BATCH_MAX);
	struct batch_head head = {0};

	(void)state;
	sample_reset(&sample, 0, 0);
	for (size_t i = 0; i < SAMPLE_VALUES_MAX; i++)
		sample_add(&sample, (enum metric)(i % METRIC_COUNT), -1, (double)i);
	assert_int_equal(batch_encode(&head, &sample, NULL, 0, &b), 0);
	assert_true(b.len < 12 * SAMPLE_VALUES_MAX + 64);
	buf_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_other_version),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
