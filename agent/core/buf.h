/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer with a ceiling. A failed append (ceiling or no memory) sticks: later
 * appends do nothing and buf_error() tells, so a builder can be written without a check on each
 * line. The data are always followed by a NUL that len does not count.
 */
#pragma once

#include <stdarg.h>
#include "core/macro.h"

struct buf {
	char *data; /* NULL until the first append; NUL-terminated otherwise */
	size_t len;
	size_t cap;
	size_t max; /* ceiling for len in bytes */
	int error;  /* 0, -ENOMEM or -EFBIG */
};

#define BUF_INIT(ceiling) ((struct buf){.max = (ceiling)})
#define _cleanup_buf_     _cleanup_(buf_deinit)

void buf_deinit(struct buf *b); /* may be called twice */
void buf_reset(struct buf *b);  /* forgets content and error, keeps the memory */
int buf_put(struct buf *b, const void *p, size_t n);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) _printf_(2, 3);
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) _printf_(2, 0);
/** buf_reserve() - make room for @n more bytes; fill at data + len, then add to len. */
int buf_reserve(struct buf *b, size_t n) _must_check_;
int buf_error(const struct buf *b);
/** buf_str() - the text so far, "" when nothing was appended; borrowed. */
const char *buf_str(const struct buf *b);
/** buf_take() - hands the (NUL-terminated) memory over; NULL on a stuck error or no memory. */
char *buf_take(struct buf *b);
