/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of hooks. A ring keeps the tail; a line buffer and a token bucket keep a chattering hook
 * from flooding the log (the tail is kept all the same).
 */
#include "hooks/hook_output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"

int hook_output_init(struct hook_output *o, size_t keep, hook_output_line_fn *fn, void *ctx)
{
	*o = (struct hook_output){
		.size = keep, .fn = fn, .ctx = ctx, .budget_milli = HOOK_OUTPUT_LINES_BURST * 1000};
	o->ring = keep ? malloc(keep) : NULL;
	return keep && !o->ring ? -ENOMEM : 0;
}

void hook_output_deinit(struct hook_output *o)
{
	free(o->ring);
	*o = (struct hook_output){0};
}

static void keep_tail(struct hook_output *o, const char *p, size_t n)
{
	if (o->size == 0)
		return;
	o->lost = o->lost || (n > 0 && o->wrapped) || n > o->size - o->pos;
	if (n > o->size) {
		p += n - o->size;
		n = o->size;
		o->wrapped = true;
	}
	while (n > 0) {
		size_t part = o->size - o->pos < n ? o->size - o->pos : n;

		memcpy(o->ring + o->pos, p, part);
		p += part;
		n -= part;
		o->pos += part;
		if (o->pos == o->size) {
			o->pos = 0;
			o->wrapped = true;
		}
	}
}

static bool may_show(struct hook_output *o, int64_t now_ms)
{
	if (o->last_ms)
		o->budget_milli += (now_ms - o->last_ms) * HOOK_OUTPUT_LINES_RATE;
	if (o->budget_milli > HOOK_OUTPUT_LINES_BURST * 1000)
		o->budget_milli = HOOK_OUTPUT_LINES_BURST * 1000;
	o->last_ms = now_ms;
	if (o->budget_milli < 1000)
		return false;
	o->budget_milli -= 1000;
	return true;
}

static void finish_line(struct hook_output *o, int64_t now_ms)
{
	if (may_show(o, now_ms)) {
		o->fn(o->line, o->line_len, o->dropped, o->ctx);
		o->dropped = 0;
	} else {
		o->dropped++;
	}
	o->line_len = 0;
	o->line_cut = false;
}

static void add_to_line(struct hook_output *o, const char *p, size_t n)
{
	size_t room = sizeof(o->line) - o->line_len;
	size_t part = n < room ? n : room;

	memcpy(o->line + o->line_len, p, part);
	o->line_len += part;
	if (part < n && !o->line_cut) {
		memcpy(o->line + sizeof(o->line) - 3, "...", 3);
		o->line_cut = true;
	}
}

void hook_output_put(struct hook_output *o, const char *p, size_t n, int64_t now_ms)
{
	keep_tail(o, p, n);
	while (n > 0) {
		const char *end = memchr(p, '\n', n);
		size_t part = end ? (size_t)(end - p) : n;

		add_to_line(o, p, part);
		if (!end)
			return;
		finish_line(o, now_ms);
		p = end + 1;
		n -= part + 1;
	}
}

void hook_output_end(struct hook_output *o, int64_t now_ms)
{
	if (o->line_len > 0)
		finish_line(o, now_ms);
	if (o->dropped > 0)
		o->fn("", 0, o->dropped, o->ctx);
	o->dropped = 0;
}

/* The ring may begin inside a character: its continuation bytes (10xxxxxx) are dropped. */
static size_t partial_start(const char *p, size_t n)
{
	size_t skip = 0;

	while (skip < n && skip < 3 && ((unsigned char)p[skip] & 0xc0) == 0x80)
		skip++;
	return skip;
}

static char *last_bytes(struct buf *text, size_t keep)
{
	const char *p = buf_str(text);
	size_t skip = text->len > keep ? text->len - keep : 0;

	while (skip < text->len && ((unsigned char)p[skip] & 0xc0) == 0x80)
		skip++;
	return strdup(p + skip);
}

bool hook_output_bytes(const struct hook_output *o, struct buf *out)
{
	if (o->wrapped)
		buf_put(out, o->ring + o->pos, o->size - o->pos);
	buf_put(out, o->ring, o->pos);
	return o->lost;
}

char *hook_output_tail(const struct hook_output *o)
{
	_cleanup_buf_ struct buf raw = BUF_INIT(o->size + 1);
	_cleanup_buf_ struct buf text = BUF_INIT(4 * o->size + 16);
	size_t skip;

	hook_output_bytes(o, &raw);
	if (buf_error(&raw) < 0 || raw.len == 0)
		return NULL;
	skip = o->wrapped ? partial_start(raw.data, raw.len) : 0;
	text_put_valid(&text, raw.data + skip, raw.len - skip, NULL);
	return buf_error(&text) < 0 ? NULL : last_bytes(&text, o->size);
}

int hook_stream_open(struct hook_stream *s, struct err *e)
{
	int pipes[2];

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	s->fd = pipes[0];
	if (fcntl(s->fd, F_SETFL, O_NONBLOCK) == 0)
		return pipes[1];
	close(pipes[1]);
	return err_sys(e, errno, "cannot set up a pipe");
}

void hook_stream_read(struct hook_stream *s, int64_t now_ms)
{
	char chunk[16384];
	ssize_t n;

	if (s->fd < 0)
		return;
	n = read(s->fd, chunk, sizeof(chunk));
	if (n > 0)
		hook_output_put(&s->output, chunk, (size_t)n, now_ms);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		hook_stream_close(s);
}

void hook_stream_close(struct hook_stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}
