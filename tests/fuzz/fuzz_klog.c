/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel-log text, any bytes: prefixes, the keyword automaton, patterns, traces. Whatever comes out
 * is of a known class and printable, and the same text says the same twice.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "predict/klog.h"

static void printable(const char *p, size_t cap)
{
	size_t n = strnlen(p, cap);

	if (n == cap || n == 0)
		abort();
	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x20 || p[i] > 0x7e)
			abort();
}

static void take(struct klog *k, uint64_t *sum)
{
	struct klog_hit hit;

	while (klog_take(k, &hit)) {
		if (hit.class <= KLOG_NONE || hit.class >= KLOG_CLASSES ||
		    hit.level > FINDING_CRITICAL)
			abort();
		printable(hit.entity, sizeof(hit.entity));
		printable(hit.evidence, sizeof(hit.evidence));
		*sum = *sum * 31 + (uint64_t)hit.class * 7 + hit.line;
	}
}

static uint64_t read_log(const char *p, size_t n)
{
	struct klog *k = NULL;
	int64_t usec = -1;
	uint64_t sum = 0;

	if (klog_new(&k))
		return 0;
	while (n) {
		const char *end = memchr(p, '\n', n), *line = p;
		size_t len = end ? (size_t)(end - p) : n;

		p += len + (end != NULL);
		n -= len + (end != NULL);
		if (klog_strip(&line, &len, &usec))
			klog_feed(k, line, len, usec);
		take(k, &sum);
	}
	klog_flush(k, -1);
	take(k, &sum);
	klog_free(k);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (read_log((const char *)data, size) != read_log((const char *)data, size))
		abort();
	return 0;
}
