/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodings: escapes for names that others chose, percent, hex and base64. Encoders append to a buf
 * and leave its error to stick; decoders refuse what the encoder would not have written.
 */
#include "core/text.h"

#include <errno.h>
#include <string.h>

static const char text_digits_upper[] = "0123456789ABCDEF";
static const char text_digits_lower[] = "0123456789abcdef";
static const char text_base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_escape(struct buf *out, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c >= 0x20 && c < 0x7f && c != '\\') {
			buf_putc(out, (char)c);
			continue;
		}
		buf_put(out, "\\x", 2);
		buf_putc(out, text_digits_lower[c >> 4]);
		buf_putc(out, text_digits_lower[c & 15]);
	}
}

static bool text_is_unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_' || c == '.' || c == '~';
}

void text_percent_encode(struct buf *out, const char *p, size_t n, const char *keep)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (text_is_unreserved(p[i]) || (keep && c && strchr(keep, c))) {
			buf_putc(out, p[i]);
			continue;
		}
		buf_putc(out, '%');
		buf_putc(out, text_digits_upper[c >> 4]);
		buf_putc(out, text_digits_upper[c & 15]);
	}
}

int text_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int text_percent_decode(struct buf *out, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int high, low;

		if (p[i] == '\0')
			return -EINVAL;
		if (p[i] != '%') {
			buf_putc(out, p[i]);
			continue;
		}
		if (n - i < 3)
			return -EINVAL;
		high = text_hex_digit(p[i + 1]);
		low = text_hex_digit(p[i + 2]);
		if (high < 0 || low < 0 || (high == 0 && low == 0))
			return -EINVAL;
		buf_putc(out, (char)(high << 4 | low));
		i += 2;
	}
	return buf_error(out);
}

void text_hex(struct buf *out, const void *p, size_t n)
{
	const unsigned char *c = p;

	for (size_t i = 0; i < n; i++) {
		buf_putc(out, text_digits_lower[c[i] >> 4]);
		buf_putc(out, text_digits_lower[c[i] & 15]);
	}
}

void text_base64(struct buf *out, const void *p, size_t n)
{
	const unsigned char *c = p;

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		unsigned bits = (unsigned)c[i] << 16 | (left > 1 ? (unsigned)c[i + 1] << 8 : 0) |
				(left > 2 ? (unsigned)c[i + 2] : 0);

		buf_putc(out, text_base64_digits[bits >> 18 & 63]);
		buf_putc(out, text_base64_digits[bits >> 12 & 63]);
		buf_putc(out, left > 1 ? text_base64_digits[bits >> 6 & 63] : '=');
		buf_putc(out, left > 2 ? text_base64_digits[bits & 63] : '=');
	}
}

static int text_base64_value(char c)
{
	const char *at = c ? strchr(text_base64_digits, c) : NULL;

	return at ? (int)(at - text_base64_digits) : -1;
}

/* @n: digits in this group, 2 to 4. Bits beyond the last byte must be 0, or two texts would mean
 * one value. */
static int text_base64_group(struct buf *out, const char *p, size_t n)
{
	unsigned bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < n ? text_base64_value(p[i]) : 0;

		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (unsigned)value;
	}
	if ((n == 2 && (bits & 0xffff)) || (n == 3 && (bits & 0xff)))
		return -EINVAL;
	for (size_t i = 0; i + 1 < n; i++)
		buf_putc(out, (char)(bits >> (16 - 8 * i) & 0xff));
	return 0;
}

int text_base64_decode(struct buf *out, const char *p, size_t n)
{
	size_t padding = 0;

	if (n % 4)
		return -EINVAL;
	while (padding < 2 && padding < n && p[n - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < n; i += 4) {
		size_t digits = i + 4 == n ? 4 - padding : 4;

		if (text_base64_group(out, p + i, digits) < 0)
			return -EINVAL;
	}
	return buf_error(out);
}

int text_put_valid(struct buf *out, const char *p, size_t n, const char *instead)
{
	while (n > 0) {
		size_t good = text_utf8_valid(p, n);
		const char *nul = memchr(p, '\0', good);

		if (nul)
			good = (size_t)(nul - p);
		buf_put(out, p, good);
		if (good < n && instead)
			buf_puts(out, instead);
		else if (good < n)
			buf_printf(out, "\\x%02x", (unsigned)(unsigned char)p[good]);
		good += good < n;
		p += good;
		n -= good;
	}
	return buf_error(out);
}
