/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel files read into room that they share: each reading is whole, whatever was read before, and
 * no file's bound is that of another. A file with room of its own keeps its text.
 */
#include "fixture.h"

#include <errno.h>

#include "sample/probe.h"

#define MOUNTS  "/proc/self/mountinfo"
#define LOADAVG "/proc/loadavg"
#define MEMINFO "/proc/meminfo"

static struct env env;
static struct procroom room;
static const struct probe_setup sharing = {.env = &env, .room = &room}, alone = {.env = &env};

static int begin(void **state)
{
	char root[256];

	(void)state;
	return env_init(&env, fixture_root("proc-linux-6.1", root));
}

static int end(void **state)
{
	(void)state;
	procroom_deinit(&room);
	return 0;
}

static void assert_read(struct procfile *f, const char *path)
{
	size_t n;
	char *want = fixture_read("proc-linux-6.1", path, &n);

	assert_int_equal(procfile_read(f), 0);
	assert_int_equal(f->len, n);
	assert_memory_equal(f->text, want, n);
	free(want);
}

/* The second needs more room than the first had; both are then read in turns. */
static void shared_room_grows(void **state)
{
	struct procfile small, large;

	(void)state;
	assert_int_equal(procfile_open(&small, &sharing, LOADAVG, 256, true, NULL), 0);
	assert_read(&small, LOADAVG);
	assert_int_equal(procfile_open(&large, &sharing, MEMINFO, 8192, true, NULL), 0);
	for (int i = 0; i < 3; i++) {
		assert_read(&small, LOADAVG);
		assert_read(&large, MEMINFO);
	}
	procfile_close(&large);
	assert_read(&small, LOADAVG);
	procfile_close(&small);
	procfile_close(&small);
}

/* A wide room does not make a file's own bound wider. */
static void bound_is_the_files_own(void **state)
{
	struct procfile narrow, wide;

	(void)state;
	assert_int_equal(procfile_open(&wide, &sharing, MEMINFO, 8192, true, NULL), 0);
	assert_int_equal(procfile_open(&narrow, &sharing, MEMINFO, 64, false, NULL), 0);
	assert_int_equal(procfile_read(&narrow), -EFBIG);
	assert_read(&wide, MEMINFO);
	procfile_close(&wide);
	procfile_close(&narrow);
}

static void own_text_stays(void **state)
{
	struct procfile kept, other;
	size_t n;
	char *want = fixture_read("proc-linux-6.1", MOUNTS, &n);

	(void)state;
	assert_int_equal(procfile_open(&kept, &alone, MOUNTS, 1 << 20, false, NULL), 0);
	assert_int_equal(procfile_open(&other, &sharing, MEMINFO, 8192, true, NULL), 0);
	assert_int_equal(procfile_read(&kept), 0);
	assert_read(&other, MEMINFO);
	assert_int_equal(kept.len, n);
	assert_memory_equal(kept.text, want, n);
	procfile_close(&other);
	procfile_close(&kept);
	free(want);
}

/* One that could not be opened, or never was, may be closed. */
static void absent_may_be_closed(void **state)
{
	struct procfile absent, never = {0}, last;

	(void)state;
	assert_int_equal(procfile_open(&absent, &sharing, "/proc/none", 64, true, NULL), -ENOENT);
	assert_int_equal(absent.fd, -1);
	procfile_close(&absent);
	procfile_close(&never);
	assert_int_equal(procfile_open(&last, &sharing, LOADAVG, 256, true, NULL), 0);
	assert_read(&last, LOADAVG);
	procfile_close(&last);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_room_grows),
		cmocka_unit_test(bound_is_the_files_own),
		cmocka_unit_test(own_text_stays),
		cmocka_unit_test(absent_may_be_closed),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
