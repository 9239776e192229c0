/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files read whole, written whole, locked, and handed over as sealed memory. Whether a file may be
 * obeyed at all is decided in fs_trust.c; removing trees is in fs_tree.c.
 */
#include "core/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "core/text.h"

#define FS_CHUNK    65536
#define FS_NAME_MAX 256
#define FS_SEALS    (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static ssize_t fs_read_some(int fd, void *p, size_t n, off_t at, bool *seekable)
{
	ssize_t got;

	do {
		got = *seekable ? pread(fd, p, n, at) : read(fd, p, n);
		if (got < 0 && errno == ESPIPE && *seekable) {
			*seekable = false;
			errno = EINTR;
		}
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* The ceiling is reached: one byte more tells a file that ends here from one that is too long. */
static int fs_expect_end(int fd, struct buf *out, off_t at, bool *seekable)
{
	char extra;
	ssize_t got = fs_read_some(fd, &extra, 1, at, seekable);

	if (got > 0)
		out->error = -EFBIG;
	return got > 0 ? -EFBIG : (int)got;
}

int fs_read_fd(int fd, struct buf *out)
{
	bool seekable = true;
	off_t at = 0;

	for (;;) {
		size_t room = out->max > out->len ? out->max - out->len : 0;
		size_t chunk = room < FS_CHUNK ? room : FS_CHUNK;
		ssize_t got;
		int r;

		if (chunk == 0)
			return fs_expect_end(fd, out, at, &seekable);
		r = buf_reserve(out, chunk);
		if (r < 0)
			return r;
		got = fs_read_some(fd, out->data + out->len, chunk, at, &seekable);
		if (got <= 0)
			return (int)got;
		out->len += (size_t)got;
		out->data[out->len] = '\0';
		at += got;
	}
}

int fs_read(const char *path, struct buf *out)
{
	/* O_NONBLOCK: a FIFO put in a file's place must not hang the reader. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	return fs_read_fd(fd, out);
}

static int fs_write_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t put = write(fd, at, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		at += put;
		n -= (size_t)put;
	}
	return 0;
}

static int fs_flock(int fd, int operation)
{
	while (flock(fd, operation) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/*
 * Opens the new file of @base. Its name is always the same, so a writer that was killed leaves one
 * file, which the next takes over; the lock keeps two living writers apart. Whoever gets the lock
 * looks whether the name still means that file: the writer before may just have renamed it.
 */
static int fs_open_new(int dir_fd, const char *name)
{
	for (;;) {
		_cleanup_close_ int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC |
						O_NONBLOCK | O_NOCTTY, 0600);
		struct stat opened, named;
		int r;

		if (fd < 0)
			return -errno;
		r = fs_flock(fd, LOCK_EX);
		if (r < 0)
			return r;
		if (fstat(fd, &opened) < 0)
			return -errno;
		if (fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0 || opened.st_ino != named.st_ino ||
		    opened.st_dev != named.st_dev)
			continue;
		if (!S_ISREG(opened.st_mode) || opened.st_nlink != 1 || opened.st_uid != geteuid())
			return -EPERM;
		if (fchmod(fd, 0600) < 0 || ftruncate(fd, 0) < 0)
			return -errno;
		return take_fd(&fd);
	}
}

static int fs_replace(int dir_fd, const char *name, const char *base, const void *p, size_t n, mode_t mode)
{
	_cleanup_close_ int fd = fs_open_new(dir_fd, name);
	int r;

	if (fd < 0)
		return fd;
	r = fs_write_all(fd, p, n);
	if (r == 0 && (fsync(fd) < 0 || fchmod(fd, mode) < 0 || renameat(dir_fd, name, dir_fd, base) < 0))
		r = -errno;
	if (r < 0)
		unlinkat(dir_fd, name, 0);
	else if (fsync(dir_fd) < 0 && errno != EINVAL) /* EINVAL: a file system without it */
		r = -errno;
	return r;
}

static int fs_write_beside(const char *path, const void *p, size_t n, mode_t mode)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	_cleanup_free_ char *dir =
		slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	_cleanup_close_ int dir_fd = -1;
	char name[FS_NAME_MAX];
	int len = snprintf(name, sizeof(name), ".%s.new", base);

	if (!dir)
		return -ENOMEM;
	if (!base[0] || len < 0 || (size_t)len >= sizeof(name))
		return base[0] ? -ENAMETOOLONG : -EISDIR;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	return fs_replace(dir_fd, name, base, p, n, mode);
}

int fs_write_atomic(const char *path, const void *p, size_t n, mode_t mode, struct err *e)
{
	int r = fs_write_beside(path, p, n, mode);

	return r < 0 ? err_sys(e, -r, "cannot write %s", path) : 0;
}

static int fs_mkdir_exactly(const char *path, mode_t mode)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (mkdir(path, mode & 0700) < 0) {
		int refused = errno;

		if (refused != EEXIST)
			/* A folder that exists on a read-only or foreign file system answers otherwise. */
			return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : -refused;
		if (stat(path, &st) < 0)
			return -errno;
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	}
	/* The umask must not decide. */
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 || fchmod(fd, mode) < 0 ? -errno : 0;
}

int fs_mkdirs(const char *path, mode_t mode)
{
	_cleanup_free_ char *copy = strdup(path);
	int r = 0;

	if (!copy)
		return -ENOMEM;
	for (char *slash = strchr(copy + (copy[0] == '/'), '/'); r == 0 && slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		r = fs_mkdir_exactly(copy, mode);
		*slash = '/';
	}
	return r == 0 ? fs_mkdir_exactly(copy, mode) : r;
}

int fs_blob(const char *name, const void *p, size_t n)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = fs_write_all(fd, p, n);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, FS_SEALS | F_SEAL_SEAL) < 0)
		return -errno;
	return take_fd(&fd);
}

int fs_blob_read(int fd, struct buf *out)
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & FS_SEALS) != FS_SEALS)
		return -EPERM;
	return fs_read_fd(fd, out);
}

/* By number, as not every libc has the function. Before Linux 5.9 the kernel has no such call. */
void fs_close_range(unsigned first, unsigned last)
{
	long max;

	if (first > last || syscall(SYS_close_range, (long)first, (long)last, 0L) == 0)
		return;
	max = sysconf(_SC_OPEN_MAX);
	for (long fd = first; fd < max && fd <= (long)last; fd++)
		close((int)fd);
}

int fs_lock(const char *path)
{
	_cleanup_close_ int fd =
		open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = fs_flock(fd, LOCK_EX | LOCK_NB);
	return r < 0 ? r : take_fd(&fd);
}

static fsblkcnt_t at_most(fsblkcnt_t n, fsblkcnt_t most)
{
	return n < most ? n : most;
}

int fs_statvfs(const char *path, struct statvfs *ret)
{
	if (statvfs(path, ret) < 0)
		return -errno;
	ret->f_bfree = at_most(ret->f_bfree, ret->f_blocks);
	ret->f_bavail = at_most(ret->f_bavail, ret->f_bfree);
	ret->f_ffree = at_most(ret->f_ffree, ret->f_files);
	ret->f_favail = at_most(ret->f_favail, ret->f_ffree);
	if (!ret->f_frsize)
		ret->f_frsize = ret->f_bsize;
	return 0;
}
