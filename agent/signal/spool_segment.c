/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the metric spool: encode, decode, and a walk over a whole segment. */
#include "signal/spool_segment.h"

#include <errno.h>
#include <string.h>

static const char magic[4] = {'H', 'P', 'F', '1'};

/* CRC-32C (Castagnoli), four bits at a time: a table of 64 bytes is as fast as we need. */
static const uint32_t crc_table[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
	0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t spool_crc32c(uint32_t crc, const void *p, size_t n)
{
	const uint8_t *b = p;

	crc = ~crc;
	for (size_t i = 0; i < n; i++) {
		crc ^= b[i];
		crc = (crc >> 4) ^ crc_table[crc & 15];
		crc = (crc >> 4) ^ crc_table[crc & 15];
	}
	return ~crc;
}

static void put_le(uint8_t *at, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *at, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)at[i] << (8 * i);
	return v;
}

static uint32_t crc_of(const uint8_t head[static SPOOL_FRAME_HEAD], const char *p, size_t n)
{
	uint32_t crc = spool_crc32c(0, head, 12);

	crc = spool_crc32c(crc, head + 16, 8);
	return spool_crc32c(crc, p, n);
}

int spool_frame_encode(const struct spool_frame *f, struct buf *out)
{
	uint8_t head[SPOOL_FRAME_HEAD];

	if (f->n > SPOOL_FRAME_MAX)
		return -EFBIG;
	memcpy(head, magic, sizeof(magic));
	put_le(head + 4, f->kind, 4);
	put_le(head + 8, f->n, 4);
	put_le(head + 16, f->number, 8);
	put_le(head + 12, crc_of(head, f->p, f->n), 4);
	buf_put(out, head, sizeof(head));
	if (f->n)
		buf_put(out, f->p, f->n);
	return buf_error(out);
}

ssize_t spool_frame_decode(const char *p, size_t n, struct spool_frame *ret)
{
	uint8_t head[SPOOL_FRAME_HEAD];
	size_t len;

	if (n == 0)
		return 0;
	if (memcmp(p, magic, n < sizeof(magic) ? n : sizeof(magic)) != 0)
		return -EBADMSG;
	if (n < SPOOL_FRAME_HEAD)
		return -EAGAIN;
	memcpy(head, p, sizeof(head));
	len = (size_t)get_le(head + 8, 4);
	if (len > SPOOL_FRAME_MAX)
		return -EBADMSG;
	if (len > n - SPOOL_FRAME_HEAD)
		return -EAGAIN;
	if (crc_of(head, p + SPOOL_FRAME_HEAD, len) != get_le(head + 12, 4))
		return -EBADMSG;
	*ret = (struct spool_frame){.kind = (uint32_t)get_le(head + 4, 4),
				    .number = get_le(head + 16, 8),
				    .p = p + SPOOL_FRAME_HEAD,
				    .n = len};
	return (ssize_t)(SPOOL_FRAME_HEAD + len);
}

void spool_scan(const char *p, size_t n, struct spool_scan *ret)
{
	struct spool_frame f;
	ssize_t used;

	*ret = (struct spool_scan){0};
	while ((used = spool_frame_decode(p + ret->good, n - ret->good, &f)) > 0) {
		if (f.kind == SPOOL_PREAMBLE) {
			ret->preamble = f;
		} else if (ret->batches && f.number <= ret->last) {
			used = -EBADMSG;
			break;
		} else {
			ret->first = ret->batches ? ret->first : f.number;
			ret->last = f.number;
			ret->batches++;
		}
		ret->good += (size_t)used;
	}
	ret->end = used < 0 ? (int)used : 0;
}
