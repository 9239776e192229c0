/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel records: any bytes, as a program with CAP_SYSLOG can write nearly any. What is accepted
 * must be printable ASCII within its fields, and, taken apart again, come out the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sample/kmsg.h"

static void printable(const char *p, size_t cap)
{
	size_t n = strnlen(p, cap);

	if (n == cap)
		abort();
	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x20 || p[i] > 0x7e)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kmsg_record r, again;
	char line[KMSG_TEXT_MAX + 128];
	int n;

	if (kmsg_parse((const char *)data, size, &r))
		return 0;
	printable(r.text, sizeof(r.text));
	printable(r.subsystem, sizeof(r.subsystem));
	printable(r.device, sizeof(r.device));
	if (r.level > 7 || strlen(r.text) != r.text_len)
		abort();
	n = snprintf(line, sizeof(line), "%u,%llu,%llu,%c;%s\n", r.facility << 3 | r.level,
		     (unsigned long long)r.seq, (unsigned long long)r.usec, r.flag, r.text);
	if (kmsg_parse(line, (size_t)n, &again) || strcmp(again.text, r.text) ||
	    again.seq != r.seq || again.facility != r.facility || again.level != r.level)
		abort();
	return 0;
}
