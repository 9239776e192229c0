/* SPDX-License-Identifier: Apache-2.0 */
/* See snappy.h. A literal's tag: its length less one in the upper six bits up to 60 bytes, else 60
 * or 61 there and one or two bytes of length less one, little endian. */
#include "sink/snappy.h"

#define LITERAL_MAX 65536u

static void put_varint(struct buf *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_putc(out, (char)(0x80 | (v & 0x7f)));
	buf_putc(out, (char)v);
}

static void put_tag(struct buf *out, size_t n)
{
	size_t less = n - 1;

	if (less < 60) {
		buf_putc(out, (char)(less << 2));
		return;
	}
	buf_putc(out, (char)(less < 256 ? 0xf0 : 0xf4));
	buf_putc(out, (char)(less & 0xff));
	if (less >= 256)
		buf_putc(out, (char)(less >> 8));
}

int snappy_literals(const void *p, size_t n, struct buf *out)
{
	const char *at = p;

	put_varint(out, n);
	while (n > 0) {
		size_t piece = n < LITERAL_MAX ? n : LITERAL_MAX;

		put_tag(out, piece);
		buf_put(out, at, piece);
		at += piece;
		n -= piece;
	}
	return buf_error(out);
}
