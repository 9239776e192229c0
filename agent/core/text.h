/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text: checked numbers, durations, encodings, escaping. Everything takes (pointer, length) or a
 * counted string and never reads beyond it. No locale is consulted.
 */
#pragma once

#include <stdbool.h>
#include "core/buf.h"

/* Numbers. The whole text must be the number: no blanks, no sign for unsigned, no overflow.
 * Return: 0 or -EINVAL / -ERANGE; the output is untouched on failure. */
int text_u64(const char *p, size_t n, uint64_t *ret) _must_check_;
int text_i64(const char *p, size_t n, int64_t *ret) _must_check_;
int text_double(const char *p, size_t n, double *ret) _must_check_;
/* "1", "true", "yes", "on" / "0", "false", "no", "off", any case. */
int text_bool(const char *p, size_t n, bool *ret) _must_check_;
/** text_duration_ms() - "500ms", "30s", "10m", "2h", "1d"; a bare number is seconds. */
int text_duration_ms(const char *p, size_t n, int64_t *ret_ms) _must_check_;
/** text_size() - "64KiB"/"64k", "8MiB"/"8M", "1GiB"/"1G", "1TiB"/"1T" (1024-based); a bare number
 * is bytes. */
int text_size(const char *p, size_t n, uint64_t *ret_bytes) _must_check_;

/** text_duration_str() - shortest exact form ("90s", "10m") into @out of at least 24 bytes. */
void text_duration_str(int64_t ms, char out[static 24]);

/* Encodings append to a buf and stick to its error. */
/** text_escape() - names chosen by others: printable ASCII stays, the rest and '\\' become \xNN. */
void text_escape(struct buf *out, const char *p, size_t n);
/** text_percent_encode() - RFC 3986: A-Za-z0-9-_.~ and bytes in @keep raw, the rest %XX upper-case.
 */
void text_percent_encode(struct buf *out, const char *p, size_t n, const char *keep);
/** text_percent_decode() - -EINVAL on a broken escape or a NUL; "+" stays. */
int text_percent_decode(struct buf *out, const char *p, size_t n) _must_check_;
/** text_hex_digit() - value of a hex digit of either case, or -1. */
int text_hex_digit(char c);
void text_hex(struct buf *out, const void *p, size_t n);
void text_base64(struct buf *out, const void *p, size_t n);
/** text_base64_decode() - strict: alphabet, padding and length. -EINVAL else. */
int text_base64_decode(struct buf *out, const char *p, size_t n) _must_check_;

/** text_trim() - moves @p, @n past ASCII blanks on both sides. */
void text_trim(const char **p, size_t *n);
bool text_starts(const char *s, const char *prefix);
bool text_equal(const char *a, const char *b); /* NULL equals only NULL */
/** text_utf8_valid() - length of the valid UTF-8 prefix of (@p, @n); equals @n when all is valid.
 */
size_t text_utf8_valid(const char *p, size_t n);
/** text_put_valid() - appends (@p, @n) as valid UTF-8; each byte that is none, and NUL, becomes @instead
 * (NULL: \xNN). Return: buf_error() of @out. */
int text_put_valid(struct buf *out, const char *p, size_t n, const char *instead);
/** text_print() - snprintf() for words that others chose: cut, if it must be, between two UTF-8
 * letters. A letter cut in half would make all that stands beside it invalid. */
void text_print(char *out, size_t size, const char *fmt, ...) _printf_(3, 4);
void text_vprint(char *out, size_t size, const char *fmt, va_list ap) _printf_(3, 0);
/** text_list_next() - splits at @sep and trims; walk with *pos = 0. Return: true and the item, or
 * false. */
bool text_list_next(const char *list, char sep, size_t *pos, const char **ret_p, size_t *ret_n);
/** text_sha256_hex() - 64 lower-case hex digits and NUL. */
void text_sha256_hex(const void *p, size_t n, char out[static 65]);
