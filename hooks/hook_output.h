/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hook's output: bounded lines for the log, and the last bytes kept as valid UTF-8. Bytes come in
 * as they are; memory is taken once.
 */
#pragma once

#include "core/buf.h"
#include "core/err.h"

#define HOOK_OUTPUT_LINE_MAX    1000 /* longer lines are cut in the log */
#define HOOK_OUTPUT_LINES_BURST 200  /* lines shown at once … */
#define HOOK_OUTPUT_LINES_RATE  20   /* … and per second after that */

/** one finished line, without newline; @dropped lines before it were not shown */
typedef void hook_output_line_fn(const char *line, size_t n, unsigned dropped, void *ctx);

struct hook_output {
	char *ring;
	size_t size, pos;
	bool wrapped; /* it was full once */
	bool lost;    /* and bytes were written over */
	char line[HOOK_OUTPUT_LINE_MAX];
	size_t line_len;
	bool line_cut;
	int64_t budget_milli; /* lines * 1000 that may still be shown */
	int64_t last_ms;
	unsigned dropped;
	hook_output_line_fn *fn;
	void *ctx;
};
/** hook_output_init() - @keep: bytes of the tail; 0 keeps none. */
int hook_output_init(struct hook_output *o, size_t keep, hook_output_line_fn *fn,
		     void *ctx) _must_check_;
void hook_output_deinit(struct hook_output *o);
void hook_output_put(struct hook_output *o, const char *p, size_t n, int64_t now_ms);
/** hook_output_end() - hands out a last line without newline, and the count of lines not shown (as
 * an empty line). */
void hook_output_end(struct hook_output *o, int64_t now_ms);
/** hook_output_bytes() - what is kept, as it came. Return: true when the beginning is lost. */
bool hook_output_bytes(const struct hook_output *o, struct buf *out);
/** hook_output_tail() - what is kept, at most @keep bytes: valid UTF-8, other bytes as \xNN. New
 * string; NULL when empty or no memory. */
char *hook_output_tail(const struct hook_output *o);

/* A pipe and what comes out of it. */
struct hook_stream {
	struct hook_output output;
	int fd; /* our end, not blocking; -1 after its end */
};
/** hook_stream_open() - Return: the other end, for the program; -errno. */
int hook_stream_open(struct hook_stream *s, struct err *e) _must_check_;
void hook_stream_read(struct hook_stream *s, int64_t now_ms); /* once, when there is something */
void hook_stream_close(struct hook_stream *s);                 /* the pipe; what is kept stays */
