/* SPDX-License-Identifier: Apache-2.0 */
/* Header lines as libcurl hands them over, one per line of the input; then Retry-After from what
 * they held. */
#include <assert.h>
#include <string.h>
#include "core/http_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_answer a = {.date_s = -1, .retry_after_s = -1};
	struct http_head head = {0};
	const char *p = (const char *)data, *end = p + size;

	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t n = newline ? (size_t)(newline + 1 - p) : (size_t)(end - p);

		if (http_answer_line(&a, &head, p, n) < 0)
			break;
		p += n;
	}
	if (http_retry_after(head.retry_after, strlen(head.retry_after), a.date_s,
			     &a.retry_after_s) == 0)
		assert(a.retry_after_s >= 0 && a.retry_after_s <= 86400);
	if (http_retry_after((const char *)data, size, 784111777, &a.retry_after_s) == 0)
		assert(a.retry_after_s >= 0 && a.retry_after_s <= 86400);
	http_answer_deinit(&a);
	return 0;
}
