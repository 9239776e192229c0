/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of signal/spool_segment.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include "signal/spool_segment.h"

static size_t put(struct buf *b, uint32_t kind, uint64_t number, const char *text)
{
	struct spool_frame f = {.kind = kind, .number = number, .p = text, .n = strlen(text)};

	assert_int_equal(spool_frame_encode(&f, b), 0);
	return b->len;
}

/* The checksum is CRC-32C as others compute it. */
static void test_crc(void **state)
{
	(void)state;
	assert_int_equal(spool_crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(spool_crc32c(spool_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

/* A frame comes back as it went in, the empty one and the largest too; a larger one is refused. */
static void test_round(void **state)
{
	struct buf b = BUF_INIT(1u << 20);
	static char big[SPOOL_FRAME_MAX + 1];
	struct spool_frame f = {.kind = SPOOL_BATCH,
				.number = 1ull << 60,
				.p = big,
				.n = SPOOL_FRAME_MAX},
			   got;

	(void)state;
	memset(big, 'z', sizeof(big));
	assert_int_equal(spool_frame_encode(&f, &b), 0);
	assert_int_equal(spool_frame_decode(b.data, b.len, &got),
			 SPOOL_FRAME_HEAD + SPOOL_FRAME_MAX);
	assert_int_equal(got.number, 1ull << 60);
	assert_int_equal(got.kind, SPOOL_BATCH);
	assert_memory_equal(got.p, big, SPOOL_FRAME_MAX);
	f.n++;
	assert_int_equal(spool_frame_encode(&f, &b), -EFBIG);
	buf_reset(&b);
	put(&b, SPOOL_BATCH, 7, "");
	assert_int_equal(spool_frame_decode(b.data, b.len, &got), SPOOL_FRAME_HEAD);
	assert_int_equal(got.n, 0);
	buf_deinit(&b);
}

/* Cut at each byte: what is whole is given, the rest is a torn tail, never a frame. */
static void test_torn(void **state)
{
	struct buf b = BUF_INIT(4096);
	struct spool_scan scan;
	size_t ends[3];

	(void)state;
	ends[0] = put(&b, SPOOL_PREAMBLE, 0, "names");
	ends[1] = put(&b, SPOOL_BATCH, 10, "first");
	ends[2] = put(&b, SPOOL_BATCH, 12, "second");
	for (size_t n = 0; n <= b.len; n++) {
		size_t whole = n >= ends[2]   ? ends[2]
			       : n >= ends[1] ? ends[1]
			       : n >= ends[0] ? ends[0]
					      : 0;

		spool_scan(b.data, n, &scan);
		assert_int_equal(scan.good, whole);
		assert_int_equal(scan.end, n == whole ? 0 : -EAGAIN);
		assert_int_equal(scan.batches, n >= ends[2] ? 2 : n >= ends[1] ? 1 : 0);
	}
	assert_int_equal(scan.first, 10);
	assert_int_equal(scan.last, 12);
	buf_deinit(&b);
}

/* Each bit of each frame is covered: one that flips is found, and what stood before it is kept. */
static void test_damaged(void **state)
{
	struct buf b = BUF_INIT(4096);
	struct spool_scan scan;
	size_t first;

	(void)state;
	first = put(&b, SPOOL_BATCH, 10, "first");
	put(&b, SPOOL_BATCH, 11, "second");
	put(&b, SPOOL_BATCH, 12, "third");
	for (size_t bit = first * 8; bit < 8 * (first + SPOOL_FRAME_HEAD + 6); bit++) {
		b.data[bit / 8] ^= (char)(1 << (bit % 8));
		spool_scan(b.data, b.len, &scan);
		assert_int_equal(scan.good, first);
		assert_int_not_equal(scan.end, 0);
		b.data[bit / 8] ^= (char)(1 << (bit % 8));
	}
	buf_deinit(&b);
}

/* Numbers that do not grow are damage: old data behind new ones. */
static void test_order(void **state)
{
	struct buf b = BUF_INIT(4096);
	struct spool_scan scan;
	size_t first;

	(void)state;
	first = put(&b, SPOOL_BATCH, 10, "x");
	put(&b, SPOOL_BATCH, 10, "y");
	spool_scan(b.data, b.len, &scan);
	assert_int_equal(scan.good, first);
	assert_int_equal(scan.end, -EBADMSG);
	buf_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc),   cmocka_unit_test(test_round),
		cmocka_unit_test(test_torn),  cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
