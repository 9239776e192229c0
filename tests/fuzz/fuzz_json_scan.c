/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the scan lets through, jansson must take: else a document would be refused without a path. Its
 * canonical form, read again, must be its own canonical form.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_canonical(const json_t *value)
{
	_cleanup_buf_ struct buf first = BUF_INIT(16u << 20), second = BUF_INIT(16u << 20);
	_cleanup_json_ json_t *again = NULL;

	if (json_canonical(value, &first) < 0)
		return; /* an integer beyond 2^53 */
	if (json_parse(first.data, first.len, &json_limits_default, &again, NULL) < 0) {
		/* 1e20 is written as an integer that has more than 64 bits. */
		return;
	}
	if (json_canonical(again, &second) < 0)
		return;
	if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *value = NULL;
	struct err e = ERR_INIT;
	int r = json_scan((const char *)data, size, &json_limits_default, &e);
	json_error_t why;

	if (r < 0 && (!e.text[0] || e.code != r || (r != -EINVAL && r != -EFBIG)))
		abort();
	if (r == -EFBIG)
		return 0;
	value = json_loadb((const char *)data, size, JSON_DECODE_ANY, &why);
	if (r == 0 && !value)
		abort();
	/* Stricter than jansson in two things only: the length of a fraction, and a NUL is not the text's end. */
	if (r < 0 && value && !strstr(e.text, "number too long") && !memchr(data, '\0', size))
		abort();
	if (r == 0)
		check_canonical(value);
	return 0;
}
