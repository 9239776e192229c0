/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts, disks and small files of /sys: the first byte chooses a parser, the rest is the text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sample/parse_block.h"
#include "sample/parse_value.h"

static void whole(const char *text, size_t cap)
{
	if (strnlen(text, cap) == cap)
		abort();
}

static void fuzz_mounts(const char *p, size_t n)
{
	struct parse_mount m;
	size_t pos = 0, before = 0;

	while (parse_mount_next(p, n, &pos, &m)) {
		if (pos <= before || pos > n || !m.path[0])
			abort();
		before = pos;
		whole(m.path, sizeof(m.path));
		whole(m.root, sizeof(m.root));
		whole(m.type, sizeof(m.type));
		whole(m.source, sizeof(m.source));
	}
}

static void fuzz_disks(const char *p, size_t n)
{
	struct parse_diskstats d;
	size_t pos = 0, before = 0;

	while (parse_diskstats_next(p, n, &pos, &d)) {
		if (pos <= before || pos > n || !d.name[0])
			abort();
		before = pos;
		whole(d.name, sizeof(d.name));
	}
}

static void fuzz_limit(const char *p, size_t n)
{
	uint64_t v = 0;

	if (parse_limit(p, n, &v) == 0 && v >= UINT64_C(1) << 62)
		abort();
}

static void fuzz_number(const char *p, size_t n)
{
	uint64_t v;

	(void)!parse_number(p, n, &v);
	(void)!parse_hex(p, n, &v);
}

static void fuzz_balloon(const char *p, size_t n)
{
	struct parse_hyperv_balloon b;

	if (!parse_hyperv_balloon(p, n, &b) && !b.page_size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(const char *p, size_t n) = {
		fuzz_mounts, fuzz_disks, fuzz_limit, fuzz_number, fuzz_balloon};

	if (size)
		parsers[data[0] % ARRAY_SIZE(parsers)]((const char *)data + 1, size - 1);
	return 0;
}
