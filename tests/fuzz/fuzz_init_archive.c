/* SPDX-License-Identifier: Apache-2.0 */
/* Archives are judged within small bounds; names that are let through lead nowhere outside, and are let through again as they are. */
#include <stdint.h>
#include <string.h>

#include "hooks/init/archive.h"
#include "hooks/init/archive_name.h"
#include "hooks/init/place.h"

static bool climbs(const char *name)
{
	size_t n = strlen(name);

	return name[0] == '/' || !strcmp(name, "..") || !strncmp(name, "../", 3) || strstr(name, "/../") ||
	       (n > 2 && !strcmp(name + n - 3, "/.."));
}

static void names(const char *p, size_t n)
{
	_cleanup_buf_ struct buf once = BUF_INIT(ARCHIVE_NAME_MAX), twice = BUF_INIT(ARCHIVE_NAME_MAX), single = BUF_INIT(ARCHIVE_NAME_MAX);
	char text[512];

	if (archive_name(p, n, 0, &once) == 0 &&
	    (climbs(buf_str(&once)) || archive_name(buf_str(&once), once.len, 0, &twice) != 0 || strcmp(buf_str(&once), buf_str(&twice))))
		__builtin_trap();
	snprintf(text, sizeof(text), "%.*s", (int)(n < 500 ? n : 500), p);
	if (archive_target("a/b", text) == 0 && (text[0] == '/' || !strcmp(text, "../..") || !strncmp(text, "../../", 6)))
		__builtin_trap();
	archive_strips_top(text);
	if (archive_single_name(text, &single) == 0 && strchr(buf_str(&single), '/'))
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct archive_limits limits = {1u << 20, 100, 65536, 200};
	struct archive_job job = {.url = "http://h/x.gz", .target = "/nonexistent", .dry_run = true, .limits = &limits};
	struct err e = ERR_INIT;

	names((const char *)data, size);
	job.fd = place_memory(data, size);
	if (job.fd < 0)
		return 0;
	if (archive_judge(&job, &e) < 0 && !e.text[0])
		__builtin_trap();
	close(job.fd);
	return 0;
}
