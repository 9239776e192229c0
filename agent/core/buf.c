/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing buffer: doubles up to its ceiling, so that n appends cost O(n), and keeps one byte
 * beyond len for the NUL. It knows nothing of what it holds and wipes nothing.
 */
#include "core/buf.h"

#include <errno.h>
#include <string.h>

#define BUF_FIRST 128

void buf_deinit(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = 0;
	b->cap = 0;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->error = 0;
	if (b->data)
		b->data[0] = '\0';
}

static int buf_fail(struct buf *b, int error)
{
	b->error = error;
	return error;
}

/* cap counts the NUL's byte: a buffer with cap holds at most cap - 1 bytes of content. */
static int buf_grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST;
	char *data;

	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (cap - 1 > b->max)
		cap = b->max + 1;
	data = realloc(b->data, cap);
	if (!data)
		return buf_fail(b, -ENOMEM);
	b->data = data;
	b->cap = cap;
	b->data[b->len] = '\0';
	return 0;
}

int buf_reserve(struct buf *b, size_t n)
{
	if (b->error)
		return b->error;
	if (b->len > b->max || n > b->max - b->len || b->max == SIZE_MAX)
		return buf_fail(b, -EFBIG);
	if (b->len + n + 1 <= b->cap)
		return 0;
	return buf_grow(b, b->len + n + 1);
}

int buf_put(struct buf *b, const void *p, size_t n)
{
	int r = buf_reserve(b, n);

	if (r < 0)
		return r;
	if (n)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int buf_puts(struct buf *b, const char *s)
{
	return buf_put(b, s, strlen(s));
}

int buf_putc(struct buf *b, char c)
{
	return buf_put(b, &c, 1);
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n, r;

	if (b->error)
		return b->error;
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return buf_fail(b, -ENOMEM);
	r = buf_reserve(b, (size_t)n);
	if (r < 0)
		return r;
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
	return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return r;
}

int buf_error(const struct buf *b)
{
	return b->error;
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
	char *data;

	if (b->error || buf_reserve(b, 0) < 0)
		return NULL;
	data = take_ptr(b->data);
	b->len = 0;
	b->cap = 0;
	return data;
}
