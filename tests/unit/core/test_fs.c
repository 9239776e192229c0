/* SPDX-License-Identifier: Apache-2.0 */
/* Files: whole reads and writes, trust, sealed blobs, locks, and trees that fight back. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "core/fs.h"
#include "tests/unit/skip.h"

struct place {
	char dir[64];
	char path[256];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	snprintf(p->dir, sizeof(p->dir), "/tmp/hp-test-fs-XXXXXX");
	*state = p;
	return mkdtemp(p->dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct place *p = *state;

	fs_remove_tree(p->dir);
	free(p);
	return 0;
}

static const char *at(struct place *p, const char *name)
{
	snprintf(p->path, sizeof(p->path), "%s/%s", p->dir, name);
	return p->path;
}

static void put(struct place *p, const char *name, const char *text, mode_t mode)
{
	assert_int_equal(fs_write_atomic(at(p, name), text, strlen(text), mode, NULL), 0);
}

/* A file exactly as large as the ceiling is read; one byte more is -EFBIG; a folder and an absent
 * file say what they are. */
static void test_read_bounds(void **state)
{
	struct place *p = *state;
	_cleanup_buf_ struct buf exact = BUF_INIT(5), small = BUF_INIT(4), none = BUF_INIT(0);

	put(p, "f", "12345", 0600);
	assert_int_equal(fs_read(at(p, "f"), &exact), 0);
	assert_string_equal(buf_str(&exact), "12345");
	assert_int_equal(fs_read(at(p, "f"), &small), -EFBIG);
	assert_int_equal(buf_error(&small), -EFBIG);
	assert_int_equal(fs_read("/dev/null", &none), 0);
	assert_int_equal(fs_read(at(p, "absent"), &exact), -ENOENT);
	buf_reset(&small);
	assert_int_equal(fs_read(p->dir, &small), -EISDIR);
}

/* A file of /proc has size 0 and a pipe no offset; both are read to their end. */
static void test_read_special(void **state)
{
	_cleanup_buf_ struct buf proc = BUF_INIT(1 << 20), pipe_text = BUF_INIT(100);
	int fds[2];

	(void)state;
	assert_int_equal(fs_read("/proc/self/status", &proc), 0);
	assert_true(proc.len > 100);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "piped", 5), 5);
	close(fds[1]);
	assert_int_equal(fs_read_fd(fds[0], &pipe_text), 0);
	assert_string_equal(buf_str(&pipe_text), "piped");
	close(fds[0]);
}

/* A FIFO in a file's place does not hang the reader. */
static void test_read_fifo(void **state)
{
	struct place *p = *state;
	_cleanup_buf_ struct buf b = BUF_INIT(10);

	assert_int_equal(mkfifo(at(p, "fifo"), 0600), 0);
	alarm(10);
	assert_int_equal(fs_read(p->path, &b), 0);
	alarm(0);
}

/* The new content and mode replace the old whole; nothing else stays in the folder; a reader's open
 * file keeps the old. */
static void test_write_replaces(void **state)
{
	struct place *p = *state;
	_cleanup_buf_ struct buf old = BUF_INIT(100), new = BUF_INIT(100);
	struct stat st;
	mode_t before = umask(077);
	int fd;

	put(p, "f", "old", 0600);
	fd = open(at(p, "f"), O_RDONLY);
	put(p, "f", "new content", 0644);
	umask(before);
	assert_int_equal(fs_read_fd(fd, &old), 0);
	assert_string_equal(buf_str(&old), "old");
	close(fd);
	assert_int_equal(fs_read(at(p, "f"), &new), 0);
	assert_string_equal(buf_str(&new), "new content");
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(access(at(p, ".f.new"), F_OK), -1);
}

/* A link in the file's place is replaced and its target untouched; one in the new file's place is refused. */
static void test_write_follows_no_link(void **state)
{
	struct place *p = *state;
	_cleanup_buf_ struct buf b = BUF_INIT(100);
	struct err e = ERR_INIT;
	char target[128];

	snprintf(target, sizeof(target), "%s/target", p->dir);
	put(p, "target", "safe", 0600);
	assert_int_equal(symlink(target, at(p, "f")), 0);
	put(p, "f", "new", 0600);
	assert_int_equal(fs_read(target, &b), 0);
	assert_string_equal(buf_str(&b), "safe");
	assert_int_equal(symlink(target, at(p, ".f.new")), 0);
	assert_int_equal(fs_write_atomic(at(p, "f"), "x", 1, 0600, &e), -ELOOP);
	assert_non_null(strstr(e.text, "/f: "));
	assert_int_equal(unlink(at(p, ".f.new")), 0);
	assert_int_equal(link(target, at(p, ".f.new")), 0);
	assert_int_equal(fs_write_atomic(at(p, "f"), "x", 1, 0600, &e), -EPERM);
	buf_reset(&b);
	assert_int_equal(fs_read(target, &b), 0);
	assert_string_equal(buf_str(&b), "safe");
}

/* What a killed writer left is taken over, also when it was longer and readable. */
static void test_write_takes_over_leftover(void **state)
{
	struct place *p = *state;
	_cleanup_buf_ struct buf b = BUF_INIT(100);
	int fd = open(at(p, ".f.new"), O_WRONLY | O_CREAT, 0644);

	assert_int_equal(write(fd, "a long leftover", 15), 15);
	close(fd);
	put(p, "f", "short", 0600);
	assert_int_equal(fs_read(at(p, "f"), &b), 0);
	assert_string_equal(buf_str(&b), "short");
}

static void write_many(struct place *p, char c)
{
	char text[4096];

	memset(text, c, sizeof(text));
	for (int i = 0; i < 100; i++) {
		if (fs_write_atomic(at(p, "shared"), text, sizeof(text), 0600, NULL) < 0)
			_exit(1);
	}
	_exit(0);
}

/* Writers at the same time: each read sees one of them, whole. */
static void test_writers_do_not_mix(void **state)
{
	struct place *p = *state;
	pid_t pids[3];
	int running = 3;

	put(p, "shared", "", 0600);
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			write_many(p, (char)('a' + i));
	}
	while (running > 0) {
		_cleanup_buf_ struct buf b = BUF_INIT(8192);
		int status;

		assert_int_equal(fs_read(at(p, "shared"), &b), 0);
		assert_true(b.len == 0 || b.len == 4096);
		for (size_t i = 1; i < b.len; i++)
			assert_true(b.data[i] == b.data[0]);
		for (int i = 0; i < 3; i++) {
			if (pids[i] > 0 && waitpid(pids[i], &status, WNOHANG) == pids[i]) {
				assert_int_equal(status, 0);
				pids[i] = 0;
				running--;
			}
		}
	}
}

/* Folders get the mode whatever the umask; those that exist keep theirs; a file in the way is -ENOTDIR. */
static void test_mkdirs(void **state)
{
	struct place *p = *state;
	struct stat st;
	mode_t before = umask(077);

	assert_int_equal(fs_mkdirs(at(p, "a/b/c"), 0755), 0);
	assert_int_equal(fs_mkdirs(at(p, "a/b/c/"), 0700), 0);
	umask(before);
	assert_int_equal(stat(at(p, "a/b"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	put(p, "file", "", 0600);
	assert_int_equal(fs_mkdirs(at(p, "file"), 0700), -ENOTDIR);
	assert_int_equal(fs_mkdirs(at(p, "file/x"), 0700), -ENOTDIR);
	assert_int_equal(fs_mkdirs("/", 0700), 0);
}

/* A tree goes, a link in it goes, what the link means stays; a tree deeper than the bound costs no crash. */
static void test_remove_tree(void **state)
{
	struct place *p = *state;
	char target[128], deep[256 + 200] = "";

	snprintf(target, sizeof(target), "%s/keep", p->dir);
	assert_int_equal(fs_mkdirs(target, 0700), 0);
	put(p, "keep/file", "x", 0600);
	assert_int_equal(fs_mkdirs(at(p, "t/a/b"), 0700), 0);
	put(p, "t/a/f", "x", 0400);
	assert_int_equal(symlink(target, at(p, "t/a/link")), 0);
	snprintf(deep, sizeof(deep), "%s/d", p->dir);
	for (int i = 0; i < 60; i++)
		strncat(deep, "/x", sizeof(deep) - strlen(deep) - 1);
	assert_int_equal(fs_mkdirs(deep, 0700), 0);
	fs_remove_tree(at(p, "t/"));
	assert_int_equal(access(at(p, "t"), F_OK), -1);
	assert_int_equal(access(at(p, "keep/file"), F_OK), 0);
	fs_remove_tree(at(p, "d"));
	fs_remove_tree(at(p, "absent"));
	/* The link itself, when the tree is one. */
	assert_int_equal(symlink(target, at(p, "l")), 0);
	fs_remove_tree(at(p, "l"));
	assert_int_equal(access(at(p, "keep/file"), F_OK), 0);
	assert_int_equal(readlink(at(p, "l"), target, sizeof(target)), -1);
	for (int i = 0; i < 3; i++) {
		snprintf(deep, sizeof(deep),
			 "%s/d/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x", p->dir);
		fs_remove_tree(deep);
		fs_remove_tree(at(p, "d"));
	}
}

static uid_t owner(struct place *p, const char *name)
{
	struct stat st;

	assert_int_equal(lstat(at(p, name), &st), 0);
	return st.st_uid;
}

/* A tree of another user is given with all that is his in it, but for links and files with a second
 * name; one whose folder is the user's already is left alone. */
static void test_give_tree(void **state)
{
	struct place *p = *state;
	char target[256];

	if (geteuid() != 0)
		skip_because("only root can give files away");
	assert_int_equal(fs_mkdirs(at(p, "t/a/b"), 0700), 0);
	put(p, "outside", "x", 0600);
	put(p, "t/a/b/f", "x", 0600);
	put(p, "both", "x", 0600);
	snprintf(target, sizeof(target), "%s/both", p->dir);
	assert_int_equal(link(target, at(p, "t/a/both")), 0);
	snprintf(target, sizeof(target), "%s/outside", p->dir);
	assert_int_equal(symlink(target, at(p, "t/a/link")), 0);
	assert_int_equal(mkfifo(at(p, "t/pipe"), 0600), 0);
	put(p, "t/a/third", "x", 0600);
	assert_int_equal(chown(at(p, "t/a/third"), 5555, 0), 0);
	fs_give_tree(at(p, "t"), 4242, 4243);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(owner(p, (const char *[]){"t", "t/a", "t/a/b", "t/a/b/f"}[i]),
				 4242);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
			owner(p, (const char *[]){"outside", "both", "t/a/link", "t/pipe"}[i]), 0);
	assert_int_equal(owner(p, "t/a/third"), 5555);
	put(p, "t/new", "x", 0600);
	fs_give_tree(at(p, "t"), 4242, 4243);
	assert_int_equal(owner(p, "t/new"), 0);
	fs_give_tree(at(p, "absent"), 4242, 4243);
	fs_give_tree(at(p, "outside"), 4242, 4243);
	assert_int_equal(owner(p, "outside"), 0);
}

/* Writable by group or others: refused, for the file, its folder and any folder above, with the
 * part named. */
static void test_trust_modes(void **state)
{
	struct place *p = *state;
	struct err e = ERR_INIT;

	assert_int_equal(fs_mkdirs(at(p, "a/b"), 0755), 0);
	put(p, "a/b/f", "x", 0644);
	assert_int_equal(fs_check_trusted(at(p, "a/b/f"), "", &e), 0);
	chmod(p->path, 0664);
	assert_int_equal(fs_check_trusted(p->path, "", &e), -EPERM);
	assert_non_null(strstr(e.text, "/a/b/f is writable by its group"));
	chmod(p->path, 0646);
	assert_int_equal(fs_check_trusted(p->path, "", &e), -EPERM);
	assert_non_null(strstr(e.text, "/a/b/f is writable by others"));
	chmod(p->path, 0600);
	chmod(at(p, "a"), 0777);
	assert_int_equal(fs_check_trusted(at(p, "a/b/f"), "", &e), -EPERM);
	assert_non_null(strstr(e.text, "/a is writable by others"));
	chmod(at(p, "a"), 0755);
	chmod(at(p, "a/b"), 01777);
	assert_int_equal(fs_check_trusted(at(p, "a/b/f"), "", &e), -EPERM);
	chmod(at(p, "a/b"), 0755);
	assert_int_equal(fs_check_trusted(at(p, "a/b"), "", &e), 0);
	assert_int_equal(fs_check_trusted(at(p, "a/b/absent"), "", &e), -ENOENT);
	assert_int_equal(fs_check_trusted("relative", "", &e), -EINVAL);
}

/* The prefix and what is above it are not judged, what is below it is. */
static void test_trust_prefix(void **state)
{
	struct place *p = *state;
	struct err e = ERR_INIT;
	char root[128];

	snprintf(root, sizeof(root), "%s/root", p->dir);
	assert_int_equal(fs_mkdirs(at(p, "root/etc"), 0755), 0);
	put(p, "root/etc/f", "x", 0600);
	chmod(p->dir, 0777);
	chmod(root, 0777);
	assert_int_equal(fs_check_trusted(at(p, "root/etc/f"), root, &e), 0);
	assert_int_equal(fs_check_trusted(at(p, "root/etc/f"), "", &e), -EPERM);
	chmod(at(p, "root/etc"), 0777);
	assert_int_equal(fs_check_trusted(at(p, "root/etc/f"), root, &e), -EPERM);
}

/* A link is only as good as every place it leads through. */
static void test_trust_links(void **state)
{
	struct place *p = *state;
	struct err e = ERR_INIT;
	char target[128];

	assert_int_equal(fs_mkdirs(at(p, "good"), 0755), 0);
	assert_int_equal(fs_mkdirs(at(p, "bad"), 0755), 0);
	put(p, "good/f", "x", 0600);
	put(p, "bad/f", "x", 0600);
	assert_int_equal(symlink("../bad/f", at(p, "good/l")), 0);
	assert_int_equal(fs_check_trusted(at(p, "good/l"), "", &e), 0);
	snprintf(target, sizeof(target), "%s/bad/back", p->dir);
	assert_int_equal(symlink("../good/f", target), 0);
	assert_int_equal(symlink(target, at(p, "good/chain")), 0);
	assert_int_equal(fs_check_trusted(at(p, "good/chain"), "", &e), 0);
	chmod(at(p, "bad"), 0777);
	assert_int_equal(fs_check_trusted(at(p, "good/l"), "", &e), -EPERM);
	/* The end of the chain is good; whoever may write to "bad" could lead it elsewhere. */
	assert_int_equal(fs_check_trusted(at(p, "good/chain"), "", &e), -EPERM);
	assert_non_null(strstr(e.text, "/bad is writable"));
	assert_int_equal(symlink("loop", at(p, "loop")), 0);
	assert_int_equal(fs_check_trusted(at(p, "loop"), "", &e), -ELOOP);
}

/* As root: a file, a folder or a link of another user is refused even where modes are strict. */
static void test_trust_owner(void **state)
{
	struct place *p = *state;
	struct err e = ERR_INIT;

	if (geteuid() != 0)
		skip_because("only root can give files away");
	assert_int_equal(fs_mkdirs(at(p, "a"), 0755), 0);
	put(p, "a/f", "x", 0600);
	assert_int_equal(chown(at(p, "a/f"), 4242, 0), 0);
	assert_int_equal(fs_check_trusted(p->path, "", &e), -EPERM);
	assert_non_null(strstr(e.text, "/a/f is not owned by root"));
	assert_int_equal(chown(at(p, "a/f"), 0, 0), 0);
	assert_int_equal(symlink("f", at(p, "a/l")), 0);
	assert_int_equal(lchown(at(p, "a/l"), 4242, 0), 0);
	assert_int_equal(fs_check_trusted(at(p, "a/l"), "", &e), -EPERM);
	assert_int_equal(chown(at(p, "a"), 4242, 0), 0);
	assert_int_equal(fs_check_trusted(at(p, "a/f"), "", &e), -EPERM);
	assert_non_null(strstr(e.text, "/a is not owned by root"));
}

/* A secret's file must be closed to group and others. */
static void test_private(void **state)
{
	static const struct {
		mode_t mode;
		int r;
		const char *why;
	} rows[] = {{0600, 0, ""},
		    {0700, 0, ""},
		    {0640, -EPERM, "readable by its group"},
		    {0604, -EPERM, "readable by others"},
		    {0620, -EPERM, "writable by its group"},
		    {0602, -EPERM, "writable by others"}};
	struct place *p = *state;
	int fd;

	put(p, "f", "x", 0600);
	fd = open(at(p, "f"), O_RDONLY);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(fchmod(fd, rows[i].mode), 0);
		assert_int_equal(fs_check_private(fd, "name", &e), rows[i].r);
		assert_non_null(strstr(e.text, rows[i].why));
	}
	close(fd);
}

/* A blob cannot be changed by whoever holds it; what could be changed is not read as one. */
static void test_blob(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(10), small = BUF_INIT(3);
	int fd = fs_blob("t", "content", 7), open_fd;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 3), -1);
	assert_int_equal(fs_blob_read(fd, &b), 0);
	assert_string_equal(buf_str(&b), "content");
	assert_int_equal(fs_blob_read(fd, &small), -EFBIG);
	close(fd);
	open_fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(fs_blob_read(open_fd, &b), -EPERM);
	close(open_fd);
	open_fd = open("/dev/null", O_RDONLY);
	assert_int_equal(fs_blob_read(open_fd, &b), -EPERM);
	close(open_fd);
	fd = fs_blob("empty", NULL, 0);
	buf_reset(&b);
	assert_int_equal(fs_blob_read(fd, &b), 0);
	assert_int_equal(b.len, 0);
	close(fd);
}

/* A lock is held once and is free when its descriptor closes. */
static void test_lock(void **state)
{
	struct place *p = *state;
	struct stat st;
	int first = fs_lock(at(p, "lock")), second;

	assert_true(first >= 0);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(fs_lock(p->path), -EWOULDBLOCK);
	close(first);
	second = fs_lock(p->path);
	assert_true(second >= 0);
	close(second);
}

/* What the file system says: in place of statvfs(3), by either of its names. */
static struct statvfs said;
int __wrap_statvfs(const char *path, struct statvfs *ret);
int __wrap_statvfs64(const char *path, struct statvfs *ret);

int __wrap_statvfs(const char *path, struct statvfs *ret)
{
	*ret = said;
	errno = path[1] ? ENOENT : 0;
	return errno ? -1 : 0;
}

int __wrap_statvfs64(const char *path, struct statvfs *ret)
{
	return __wrap_statvfs(path, ret);
}

/* More free than there is, and more for all than is free, come from FUSE; the differences are
 * taken. */
static void test_statvfs_is_sane(void **state)
{
	struct statvfs v;

	(void)state;
	said = (struct statvfs){.f_bsize = 4096,
				.f_blocks = 100,
				.f_bfree = UINT64_MAX,
				.f_bavail = 200,
				.f_files = 10,
				.f_ffree = 11,
				.f_favail = UINT64_MAX - 1};
	assert_int_equal(fs_statvfs("/x", &v), -ENOENT);
	assert_int_equal(fs_statvfs("/", &v), 0);
	assert_int_equal(v.f_frsize, 4096);
	assert_true(v.f_blocks == 100 && v.f_bfree == 100 && v.f_bavail == 100);
	assert_true(v.f_files == 10 && v.f_ffree == 10 && v.f_favail == 10);
	said.f_frsize = 512;
	said.f_bfree = 50;
	said.f_bavail = 40;
	assert_int_equal(fs_statvfs("/", &v), 0);
	assert_true(v.f_frsize == 512 && v.f_bfree == 50 && v.f_bavail == 40);
}

#define FS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FS_TEST(test_statvfs_is_sane),
		FS_TEST(test_read_bounds),
		FS_TEST(test_read_special),
		FS_TEST(test_read_fifo),
		FS_TEST(test_write_replaces),
		FS_TEST(test_write_follows_no_link),
		FS_TEST(test_write_takes_over_leftover),
		FS_TEST(test_writers_do_not_mix),
		FS_TEST(test_mkdirs),
		FS_TEST(test_remove_tree),
		FS_TEST(test_give_tree),
		FS_TEST(test_trust_modes),
		FS_TEST(test_trust_prefix),
		FS_TEST(test_trust_links),
		FS_TEST(test_trust_owner),
		FS_TEST(test_private),
		FS_TEST(test_blob),
		FS_TEST(test_lock),
	};

	return cmocka_run_group_tests_name("fs", tests, NULL, NULL);
}
