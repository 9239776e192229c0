/* SPDX-License-Identifier: Apache-2.0 */
/* The parsers of /proc and /sys text: the first byte chooses one, the rest is the text. */
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memlock.h"
#include "sample/parse.h"
#include "sample/parse_block.h"

static void fuzz_keyed(const char *p, size_t n)
{
	static const char *const names[] = {"MemTotal", "Cached", "pswpin", "allocstall", "a"};
	const struct parse_keys keys = {names, ARRAY_SIZE(names)};
	uint64_t values[ARRAY_SIZE(names)];

	if (parse_keyed(p, n, &keys, values) >> ARRAY_SIZE(names))
		abort();
}

static void fuzz_pressure(const char *p, size_t n)
{
	struct parse_pressure r;

	if (!parse_pressure(p, n, &r) && r.some.present &&
	    (!isfinite(r.some.avg10) || r.some.avg10 < 0))
		abort();
}

static void fuzz_stat(const char *p, size_t n)
{
	struct parse_stat r;

	(void)!parse_stat(p, n, &r);
}

static void fuzz_loadavg(const char *p, size_t n)
{
	struct parse_loadavg r;

	(void)!parse_loadavg(p, n, &r);
}

static void fuzz_cpu_list(const char *p, size_t n)
{
	unsigned cpus;

	if (!parse_cpu_list(p, n, &cpus) && (!cpus || cpus > 65536))
		abort();
}

static void fuzz_mountinfo(const char *p, size_t n)
{
	char device[32];

	if (!parse_mountinfo(p, n, "/a b", device, sizeof(device)) &&
	    strnlen(device, sizeof(device)) == sizeof(device))
		abort();
}

/* A line of /proc/self/maps: the path lies within it, and the range written again is read as the same. */
static void fuzz_maps(const char *p, size_t n)
{
	struct memlock_range r, again;
	char line[64];
	int len;

	if (memlock_parse(p, n, &r))
		return;
	if (r.end < r.start || strlen(r.rights) > 4 || r.path < p || r.path + r.n_path != p + n)
		abort();
	len = snprintf(line, sizeof(line), "%" PRIx64 "-%" PRIx64 " rw-p 0 0:0 0 ", r.start, r.end);
	if (len < 0 || (size_t)len >= sizeof(line) || memlock_parse(line, (size_t)len, &again) || again.start != r.start ||
	    again.end != r.end || again.n_path != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(const char *p, size_t n) = {
		fuzz_keyed,    fuzz_pressure,  fuzz_stat, fuzz_loadavg,
		fuzz_cpu_list, fuzz_mountinfo, fuzz_maps};

	if (size)
		parsers[data[0] % ARRAY_SIZE(parsers)]((const char *)data + 1, size - 1);
	return 0;
}
