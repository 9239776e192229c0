/* SPDX-License-Identifier: Apache-2.0 */
/* A segment of the metric spool and the head of its log, damaged in any way. What is taken out encodes back. */
#include <string.h>

#include "core/store_log.h"
#include "signal/spool_segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf b = BUF_INIT(1u << 22);
	const char *text = (const char *)p;
	struct spool_frame f;
	struct spool_scan scan;
	size_t at = 0;
	ssize_t used;

	if (store_log_head(text, n, NULL) > (ssize_t)n)
		abort();
	while ((used = spool_frame_decode(text + at, n - at, &f)) > 0) {
		if ((size_t)used > n - at || spool_frame_encode(&f, &b) < 0)
			abort();
		at += (size_t)used;
	}
	spool_scan(text, n, &scan);
	if (scan.good > at || (scan.end == 0 && scan.good != n))
		abort();
	buf_deinit(&b);
	return 0;
}
