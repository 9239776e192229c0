/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hook prints, in pieces as a pipe hands them out: lines are bounded and have no newline, the bytes kept are
 * the last ones exactly, the tail is valid UTF-8 and within its size.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "hooks/hook_output.h"

#define KEEP 64

static void on_line(const char *line, size_t n, unsigned dropped, void *ctx)
{
	(void)dropped;
	(void)ctx;
	if (n > HOOK_OUTPUT_LINE_MAX || memchr(line, '\n', n))
		abort();
}

static void check_kept(const struct hook_output *o, const uint8_t *data, size_t size)
{
	struct buf kept = BUF_INIT(KEEP * 2);
	char *tail = hook_output_tail(o);
	bool lost = hook_output_bytes(o, &kept);
	size_t want = size < KEEP ? size : KEEP;

	if (lost != (size > KEEP) || kept.len != want || (want && memcmp(kept.data, data + size - want, want)))
		abort();
	if (tail && (strlen(tail) > KEEP || text_utf8_valid(tail, strlen(tail)) != strlen(tail)))
		abort();
	free(tail);
	buf_deinit(&kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hook_output o;
	size_t step = size ? (size_t)data[0] % 64 + 1 : 1;
	int64_t now = 0;

	if (hook_output_init(&o, KEEP, on_line, NULL))
		return 0;
	for (size_t at = 0; at < size; at += step)
		hook_output_put(&o, (const char *)data + at, size - at < step ? size - at : step, now += data[at]);
	hook_output_end(&o, now);
	check_kept(&o, data, size);
	hook_output_deinit(&o);
	return 0;
}
