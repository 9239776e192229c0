/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of hooks/init/archive.h and archive_name.h: what leads out of the target is refused before anything is
 * written, what is good is unpacked, and a second time nothing changes. Archives are made by libarchive's writer. */
#include "fixture.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#include "hooks/init/archive.h"
#include "hooks/init/archive_name.h"

/* ---- names ---- */

static void test_names(void **state)
{
	static const struct {
		const char *raw;
		size_t strip;
		int r;
		const char *want;
	} rows[] = {
		{"a/b", 0, 0, "a/b"},	 {"./a//b/./c/", 0, 0, "a/b/c"}, {"./", 0, 1, ""},   {"/etc/passwd", 0, -EPERM, NULL},
		{"../x", 0, -EPERM, NULL}, {"a/../../x", 0, -EPERM, NULL}, {"a/..", 0, -EPERM, NULL}, {"..x/y..", 0, 0, "..x/y.."},
		{"top/a/b", 1, 0, "a/b"}, {"top/", 1, 1, ""},		     {"a\nb", 0, -EPERM, NULL}, {"", 0, -EPERM, NULL},
		{"top/../x", 1, -EPERM, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(ARCHIVE_NAME_MAX);
		int r = archive_name(rows[i].raw, strlen(rows[i].raw), rows[i].strip, &out);

		if (r != rows[i].r || (r >= 0 && strcmp(buf_str(&out), rows[i].want)))
			fail_msg("\"%s\": %d \"%s\"", rows[i].raw, r, buf_str(&out));
	}
}

static void test_targets(void **state)
{
	static const struct {
		const char *name, *target;
		bool good;
	} rows[] = {
		{"l", "a", true},	     {"d/l", "../a/b", true}, {"d/e/l", "../../x", true}, {"l", "../a", false},
		{"d/l", "../../a", false},   {"l", "/etc", false},    {"d/l", "a/../../b", false}, {"l", "", false},
		{"d/l", "x/..", false},      {"d/l", "./../a", true}, {"l", "./a", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if ((archive_target(rows[i].name, rows[i].target) == 0) != rows[i].good)
			fail_msg("%s -> %s", rows[i].name, rows[i].target);
}

static void test_urls(void **state)
{
	static const struct {
		const char *url, *name;
		bool strip;
	} rows[] = {
		{"https://h/p/data.txt.gz?sig=1", "data.txt", false},
		{"https://h/data.XZ", "data", false},
		{"https://h/data", "data", false},
		{"https://h/", NULL, false},
		{"https://h", NULL, false},
		{"https://h/..", NULL, false},
		{"https://github.com/o/r/tarball/v1", "v1", true},
		{"https://codeload.github.com/o/r/legacy.tar.gz/v1", "v1", true},
		{"https://notgithub.com/o/r/tarball/v1", "v1", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(ARCHIVE_NAME_MAX);
		int r = archive_single_name(rows[i].url, &out);

		if ((r == 0) != (rows[i].name != NULL) || (r == 0 && strcmp(buf_str(&out), rows[i].name)) ||
		    archive_strips_top(rows[i].url) != rows[i].strip)
			fail_msg("%s: %d %s", rows[i].url, r, buf_str(&out));
	}
}

/* ---- whole archives ---- */

struct entry {
	const char *name;
	unsigned type; /* AE_IFREG …; 0: hard link */
	const char *text; /* content, or where a link leads */
};

static int make_tar(const struct fixture *f, const struct entry *list, size_t n)
{
	char path[ENV_PATH_MAX];
	struct archive *a = archive_write_new();
	int fd;

	fixture_path(f, "/archive", path);
	archive_write_set_format_pax_restricted(a);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	for (size_t i = 0; i < n; i++) {
		struct archive_entry *e = archive_entry_new();
		bool file = list[i].type == AE_IFREG;

		archive_entry_set_pathname(e, list[i].name);
		archive_entry_set_filetype(e, list[i].type ? list[i].type : AE_IFREG);
		archive_entry_set_perm(e, list[i].type == AE_IFDIR ? 0750 : 04644);
		archive_entry_set_uid(e, geteuid());
		archive_entry_set_gid(e, getegid());
		if (list[i].type == 0)
			archive_entry_set_hardlink(e, list[i].text);
		else if (list[i].type == AE_IFLNK)
			archive_entry_set_symlink(e, list[i].text);
		archive_entry_set_size(e, file ? (la_int64_t)strlen(list[i].text) : 0);
		assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
		if (file)
			archive_write_data(a, list[i].text, strlen(list[i].text));
		archive_entry_free(e);
	}
	archive_write_free(a);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int unpack(const struct fixture *f, int fd, bool dry, const char *url, struct archive_job *job, struct err *e)
{
	static char target[ENV_PATH_MAX];

	fixture_path(f, "/target", target);
	*job = (struct archive_job){.fd = fd, .url = url, .target = target, .dry_run = dry, .limits = &archive_limits_default};
	return archive_unpack(job, e);
}

static bool exists(const struct fixture *f, const char *path)
{
	char full[ENV_PATH_MAX];
	struct stat st;

	fixture_path(f, path, full);
	return lstat(full, &st) == 0;
}

static void check_text(const struct fixture *f, const char *path, const char *want)
{
	_cleanup_free_ char *got = fixture_read(f, path);

	assert_string_equal(got, want);
}

static void test_good(void **state)
{
	static const struct entry list[] = {
		{"./", AE_IFDIR, NULL},		{"d/", AE_IFDIR, NULL},	  {"d/file", AE_IFREG, "one"}, {"x/y/z", AE_IFREG, "deep"},
		{"d/link", AE_IFLNK, "../x/y"}, {"hard", 0, "./d/file"},
	};
	struct fixture *f = *state;
	struct archive_job job;
	struct err e = ERR_INIT;
	struct stat st;
	char path[ENV_PATH_MAX];
	_cleanup_close_ int fd = make_tar(f, list, ARRAY_SIZE(list));

	assert_int_equal(unpack(f, fd, true, "http://h/x.tar", &job, &e), 0);
	assert_true(job.n_changed > 0);
	assert_false(exists(f, "/target"));
	if (unpack(f, fd, false, "http://h/x.tar", &job, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(job.n_changed, 5);
	check_text(f, "/target/d/file", "one");
	check_text(f, "/target/hard", "one");
	check_text(f, "/target/d/link/z", "deep");
	fixture_path(f, "/target/d/file", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644); /* setuid stays out */
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(unpack(f, fd, false, "http://h/x.tar", &job, &e), 0);
	assert_int_equal(job.n_changed, 0);
	assert_int_equal(unpack(f, fd, true, "http://h/x.tar", &job, &e), 0);
	assert_int_equal(job.n_changed, 0);
	fixture_write(f, "/target/x/y/z", "other", 0644);
	assert_int_equal(unpack(f, fd, true, "http://h/x.tar", &job, &e), 0);
	assert_int_equal(job.n_changed, 1);
	check_text(f, "/target/x/y/z", "other");
	assert_int_equal(unpack(f, fd, false, "http://h/x.tar", &job, &e), 0);
	assert_int_equal(job.n_changed, 1);
	check_text(f, "/target/x/y/z", "deep");
}

/* The one top folder of what GitHub makes is not wanted; hard links inside follow. */
static void test_github(void **state)
{
	static const struct entry list[] = {
		{"o-r-1/", AE_IFDIR, NULL}, {"o-r-1/a", AE_IFREG, "A"}, {"o-r-1/b", 0, "o-r-1/a"}};
	struct fixture *f = *state;
	struct archive_job job;
	struct err e = ERR_INIT;
	_cleanup_close_ int fd = make_tar(f, list, ARRAY_SIZE(list));

	if (unpack(f, fd, false, "https://github.com/o/r/tarball/v1", &job, &e) != 0)
		fail_msg("%s", e.text);
	check_text(f, "/target/a", "A");
	check_text(f, "/target/b", "A");
	assert_false(exists(f, "/target/o-r-1"));
}

/* Each behind a good member: nothing of the archive may be there afterwards. */
static void test_hostile(void **state)
{
	static const struct {
		struct entry list[3];
		const char *why;
	} rows[] = {
		{{{"../out", AE_IFREG, "x"}}, "leads out"},
		{{{"a/../../out", AE_IFREG, "x"}}, "leads out"},
		{{{"/tmp/out-of-archive", AE_IFREG, "x"}}, "leads out"},
		{{{"l", AE_IFLNK, "/etc"}}, "link that leads out"},
		{{{"l", AE_IFLNK, "../.."}}, "link that leads out"},
		{{{"l", AE_IFLNK, "d"}, {"l/x", AE_IFREG, "x"}}, "behind a link"},
		{{{"l", AE_IFLNK, "d"}, {"l", AE_IFDIR, NULL}}, "a folder and a link"},
		{{{"h", 0, "/etc/passwd"}}, "hard link to no file"},
		{{{"h", 0, "../../etc/passwd"}}, "hard link to no file"},
		{{{"h", 0, "not-there"}}, "hard link to no file"},
		{{{"l", AE_IFLNK, "good"}, {"h", 0, "l"}}, "hard link to no file"},
		{{{"dev", AE_IFCHR, NULL}}, "neither file"},
		{{{"dev", AE_IFBLK, NULL}}, "neither file"},
		{{{"fifo", AE_IFIFO, NULL}}, "neither file"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct entry list[4] = {{"good", AE_IFREG, "good"}};
		struct archive_job job;
		struct err e = ERR_INIT;
		size_t n = 1;
		int fd, r;

		for (size_t k = 0; k < 3 && rows[i].list[k].name; k++)
			list[n++] = rows[i].list[k];
		fd = make_tar(f, list, n);
		r = unpack(f, fd, false, "http://h/x.tar", &job, &e);
		close(fd);
		if (r != -EPERM || !strstr(e.text, rows[i].why))
			fail_msg("row %zu: %d \"%s\", not \"%s\"", i, r, e.text, rows[i].why);
		assert_false(exists(f, "/target"));
		assert_false(exists(f, "/out"));
	}
}

/* A link that lay in the target before is not followed either. */
static void test_planted_link(void **state)
{
	static const struct entry list[] = {{"d/file", AE_IFREG, "x"}};
	struct fixture *f = *state;
	struct archive_job job;
	struct err e = ERR_INIT;
	char path[ENV_PATH_MAX];
	_cleanup_close_ int fd = make_tar(f, list, 1);

	fixture_mkdir(f, "/target", 0755);
	fixture_mkdir(f, "/elsewhere", 0755);
	fixture_path(f, "/target/d", path);
	assert_int_equal(symlink("../elsewhere", path), 0);
	assert_true(unpack(f, fd, false, "http://h/x.tar", &job, &e) < 0);
	assert_false(exists(f, "/elsewhere/file"));
}

/* Sizes and counts are bounded while judging. */
static void test_bomb(void **state)
{
	static const struct archive_limits tiny = {1000, 10, 100, 3};
	struct fixture *f = *state;
	char text[2001], target[ENV_PATH_MAX];
	struct entry list[] = {{"a", AE_IFREG, text}, {"b", AE_IFREG, ""}, {"c", AE_IFREG, ""}, {"d", AE_IFREG, ""}};
	struct archive_job job = {.url = "http://h/x.tar", .target = target, .limits = &tiny};
	struct err e = ERR_INIT;

	memset(text, 'x', 2000);
	text[2000] = '\0';
	fixture_path(f, "/target", target);
	job.fd = make_tar(f, list, 1);
	assert_int_equal(archive_unpack(&job, &e), -EPERM);
	assert_non_null(strstr(e.text, "unpacks to more than"));
	close(job.fd);
	text[0] = '\0';
	job.fd = make_tar(f, list, 4);
	assert_int_equal(archive_unpack(&job, &e), -EPERM);
	assert_non_null(strstr(e.text, "more than 3 members"));
	close(job.fd);
	assert_false(exists(f, "/target"));
}

/* An error page, nothing, half an archive. */
static void test_no_archive(void **state)
{
	struct fixture *f = *state;
	static const struct entry list[] = {{"a", AE_IFREG, "some text that is more than nothing"}};
	static const char *const texts[] = {"<html>not found</html>", "", "PK\003\004"};
	struct archive_job job;
	struct err e = ERR_INIT;
	char path[ENV_PATH_MAX];
	int fd;

	fixture_path(f, "/archive", path);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		fixture_write(f, "/archive", texts[i], 0644);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_int_equal(unpack(f, fd, false, "http://h/x.tar", &job, &e), -EINVAL);
		close(fd);
	}
	fd = make_tar(f, list, 1);
	assert_int_equal(truncate(path, 520), 0);
	assert_true(unpack(f, fd, false, "http://h/x.tar", &job, &e) < 0);
	close(fd);
	assert_false(exists(f, "/target"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_urls),
		cmocka_unit_test_setup_teardown(test_good, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_github, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_hostile, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_planted_link, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_bomb, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_no_archive, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
