/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of /proc/self/maps, and what the kernel says of a process that locked itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/memlock.h"

static void lines(void **state)
{
	static const struct {
		const char *line;
		int want;
		uint64_t start, end;
		const char *path;
	} rows[] = {
		{"55d0-55e0 r-xp 00001000 08:01 131 /usr/sbin/heat-pulse", 0, 0x55d0, 0x55e0, "/usr/sbin/heat-pulse"},
		{"7ffd1000-7ffd2000 rw-p 00000000 00:00 0                          [stack]", 0, 0x7ffd1000,
		 0x7ffd2000, "[stack]"},
		{"1-2 rw-p 00000000 00:00 0 ", 0, 1, 2, ""},
		{"1-2 rw-p 00000000 00:00 0", 0, 1, 2, ""},
		{"1-2 r--p 0 00:00 7    /a name with blanks (deleted)", 0, 1, 2, "/a name with blanks (deleted)"},
		{"ffffffffff600000-ffffffffff601000 --xp 0 00:00 0 [vsyscall]", 0, 0xffffffffff600000,
		 0xffffffffff601000, "[vsyscall]"},
		{"", -EINVAL, 0, 0, ""},
		{"2-1 rw-p 0 0:0 0", -EINVAL, 0, 0, ""},
		{"12", -EINVAL, 0, 0, ""},
		{"1-2", -EINVAL, 0, 0, ""},
		{"1-2 rw", -EINVAL, 0, 0, ""},
		{"-2 rw-p 0 0:0 0", -EINVAL, 0, 0, ""},
		{"g-2 rw-p 0 0:0 0", -EINVAL, 0, 0, ""},
		{"11111111111111111-2 rw-p 0 0:0 0", -EINVAL, 0, 0, ""},
	};
	struct memlock_range r;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(memlock_parse(rows[i].line, strlen(rows[i].line), &r), rows[i].want);
		if (rows[i].want)
			continue;
		assert_true(r.start == rows[i].start && r.end == rows[i].end);
		assert_int_equal(r.n_path, strlen(rows[i].path));
		assert_memory_equal(r.path, rows[i].path, r.n_path);
	}
}

static long locked_kib(void)
{
	char line[256];
	long kib = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmLck:", 6))
			kib = strtol(line + 6, NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

/* Locked within the limit, no more when asked again, and nothing that is mapped afterwards. */
static int locks(void)
{
	struct rlimit limit;
	struct memlock_result got, again;
	long before;
	int r;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_max < (64 << 10))
		return 77;
	r = memlock_apply(&got);
	before = locked_kib();
	if (r < 0 || before <= 0 || got.locked == 0 || got.locked > got.limit)
		return 1;
	if ((uint64_t)before * 1024 > got.limit)
		return 2;
	if (memlock_apply(&again) < 0 || again.locked > again.limit)
		return 3;
	before = locked_kib();
	if (mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) ==
	    MAP_FAILED)
		return 4;
	return locked_kib() == before ? 0 : 5;
}

static void within_limits(void **state)
{
	int status;
	pid_t pid = fork(); /* the tests behind this one stay unlocked */

	(void)state;
	if (pid == 0)
		_exit(locks());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(within_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
