/* SPDX-License-Identifier: Apache-2.0 */
/* The parsers of network and process files and of the boot mark: the first byte chooses one, the
 * rest is the text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sample/lastboot.h"
#include "sample/parse_net.h"
#include "sample/parse_process.h"

static void fuzz_net_dev(const char *p, size_t n)
{
	struct parse_net_dev dev;
	size_t before = n;

	while (parse_net_dev(&p, &n, &dev)) {
		if (n >= before || strnlen(dev.name, sizeof(dev.name)) == sizeof(dev.name) ||
		    strchr(dev.name, '/') || !dev.name[0])
			abort();
		before = n;
	}
}

static void fuzz_sockstat(const char *p, size_t n)
{
	uint64_t values[SOCKSTATS];

	if (parse_sockstat(p, n, values) >> SOCKSTATS)
		abort();
}

static void fuzz_paired(const char *p, size_t n)
{
	static const char *const names[] = {"ListenOverflows", "ListenDrops", "a"};
	uint64_t values[ARRAY_SIZE(names)];

	if (parse_paired(p, n, "TcpExt:", names, ARRAY_SIZE(names), values) >> ARRAY_SIZE(names))
		abort();
}

static void fuzz_numbers(const char *p, size_t n)
{
	uint64_t values[3];

	(void)!parse_numbers(p, n, values, 3);
}

static void fuzz_nofile(const char *p, size_t n)
{
	uint64_t value;

	(void)!parse_nofile(p, n, &value);
}

static void fuzz_switches(const char *p, size_t n)
{
	uint64_t value;

	(void)!parse_switches(p, n, &value);
}

/* What was understood is written so that it is understood alike. */
static void fuzz_boot_mark(const char *p, size_t n)
{
	struct boot_mark m, back;
	char text[BOOT_MARK_TEXT_MAX];

	if (boot_mark_parse(p, n, &m))
		return;
	if (boot_mark_parse(text, boot_mark_format(&m, text), &back) ||
	    strcmp(m.boot_id, back.boot_id) != 0 || m.stopped != back.stopped ||
	    m.kmsg_seq != back.kmsg_seq || m.alive_ms != back.alive_ms)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(const char *p, size_t n) = {
		fuzz_net_dev, fuzz_sockstat, fuzz_paired,   fuzz_numbers,
		fuzz_nofile,  fuzz_switches, fuzz_boot_mark};

	if (size)
		parsers[data[0] % ARRAY_SIZE(parsers)]((const char *)data + 1, size - 1);
	return 0;
}
