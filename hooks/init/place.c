/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/init/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/fs.h"

#define CHUNK    65536
#define MODE_NEW 0644
#define TEMP_MAX 64

static int read_at(int fd, char *p, off_t at)
{
	size_t got = 0;

	while (got < CHUNK) {
		ssize_t n = pread(fd, p + got, CHUNK - got, at + (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (int)got;
}

/* Return: 1 the same bytes, 0 not, -errno. */
static int same_content(int a, int b)
{
	_cleanup_free_ char *pa = malloc(CHUNK), *pb = malloc(CHUNK);

	if (!pa || !pb)
		return -ENOMEM;
	for (off_t at = 0;; at += CHUNK) {
		int na = read_at(a, pa, at), nb = read_at(b, pb, at);

		if (na < 0 || nb < 0)
			return na < 0 ? na : nb;
		if (na != nb || memcmp(pa, pb, (size_t)na))
			return 0;
		if (na < CHUNK)
			return 1;
	}
}

static int copy_content(int from, int to)
{
	_cleanup_free_ char *p = malloc(CHUNK);
	int n = p ? CHUNK : -ENOMEM;

	for (off_t at = 0; n == CHUNK; at += n) {
		n = read_at(from, p, at);
		for (int done = 0; done < n;) {
			ssize_t put = pwrite(to, p + done, (size_t)(n - done), at + done);

			if (put < 0 && errno != EINTR)
				return -errno;
			done += put > 0 ? (int)put : 0;
		}
	}
	return n < 0 ? n : 0;
}

/* What the file will be, from what was asked for and what is there. */
static void settle(const struct place *p, const struct stat *old, struct stat *want)
{
	want->st_mode = p->mode != PLACE_KEEP ? p->mode : old ? old->st_mode & 07777 : MODE_NEW;
	want->st_uid = p->uid != (uid_t)-1 ? p->uid : old ? old->st_uid : geteuid();
	want->st_gid = p->gid != (gid_t)-1 ? p->gid : old ? old->st_gid : getegid();
}

/* Owner first: a change of owner takes setuid bits away. */
static int set_rights(int fd, const struct stat *want)
{
	struct stat now;

	if (fstat(fd, &now) < 0)
		return -errno;
	if ((now.st_uid != want->st_uid || now.st_gid != want->st_gid) &&
	    fchown(fd, want->st_uid, want->st_gid) < 0)
		return -errno;
	return fchmod(fd, want->st_mode) < 0 ? -errno : 0;
}

static int open_temp(int dir, char name[static TEMP_MAX])
{
	static unsigned turn;

	for (int tries = 0; tries < 100; tries++) {
		int fd;

		snprintf(name, TEMP_MAX, ".heat-pulse-%ld-%u", (long)getpid(), turn++);
		fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			return fd < 0 ? -errno : fd;
	}
	return -EEXIST;
}

static int replace(int dir, const char *name, const struct place *p, const struct stat *want)
{
	char temp[TEMP_MAX];
	_cleanup_close_ int fd = open_temp(dir, temp);
	int r;

	if (fd < 0)
		return fd;
	r = copy_content(p->fd, fd);
	if (r == 0)
		r = set_rights(fd, want);
	if (r == 0 && p->sync && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dir, temp, dir, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, temp, 0);
	else if (p->sync)
		(void)fsync(dir); /* a file system without it is no failure */
	return r < 0 ? r : 1;
}

static int correct(int fd, const struct stat *old, const struct stat *want, bool dry_run)
{
	int r;

	if ((old->st_mode & 07777) == want->st_mode && old->st_uid == want->st_uid &&
	    old->st_gid == want->st_gid)
		return 0;
	r = dry_run ? 0 : set_rights(fd, want);
	return r < 0 ? r : 1;
}

int place_file(int dir, const char *name, const struct place *p)
{
	_cleanup_close_ int fd = -1;
	struct stat old, want = {0};
	bool there = fstatat(dir, name, &old, AT_SYMLINK_NOFOLLOW) == 0;
	int r = 0;

	if (there && S_ISDIR(old.st_mode))
		return -EISDIR;
	settle(p, there && S_ISREG(old.st_mode) ? &old : NULL, &want);
	if (there && S_ISREG(old.st_mode)) {
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		r = same_content(fd, p->fd);
	}
	if (r < 0)
		return r;
	if (r > 0)
		return correct(fd, &old, &want, p->dry_run);
	return p->dry_run ? 1 : replace(dir, name, p, &want);
}

int place_link(int dir, const char *name, const char *target, const struct place *p)
{
	char now[ENV_PATH_MAX], temp[TEMP_MAX];
	ssize_t n = readlinkat(dir, name, now, sizeof(now));
	static unsigned turn;
	struct stat old;

	if (n >= 0 && (size_t)n == strlen(target) && !memcmp(now, target, (size_t)n))
		return 0;
	if (n < 0 && fstatat(dir, name, &old, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(old.st_mode))
		return -EISDIR;
	if (p->dry_run)
		return 1;
	snprintf(temp, sizeof(temp), ".heat-pulse-link-%ld-%u", (long)getpid(), turn++);
	if (symlinkat(target, dir, temp) < 0)
		return -errno;
	if ((p->uid != (uid_t)-1 || p->gid != (gid_t)-1) &&
	    fchownat(dir, temp, p->uid, p->gid, AT_SYMLINK_NOFOLLOW) < 0) {
		int error = errno;

		unlinkat(dir, temp, 0);
		return -error;
	}
	if (renameat(dir, temp, dir, name) < 0) {
		int error = errno;

		unlinkat(dir, temp, 0);
		return -error;
	}
	return 1;
}

int place_folder(int dir, const char *name, mode_t mode, bool *ret_made)
{
	int fd;

	*ret_made = mkdirat(dir, name, 0700) == 0;
	if (!*ret_made && errno != EEXIST)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (*ret_made && fchmod(fd, mode) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

int place_parent(const char *path, bool dry_run, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder = NULL;
	int r, fd;

	if (!slash || !slash[1] || !strcmp(slash + 1, ".") || !strcmp(slash + 1, ".."))
		return -EINVAL;
	*ret_name = slash + 1;
	folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!folder)
		return -ENOMEM;
	r = dry_run ? 0 : fs_mkdirs(folder, 0755);
	if (r < 0)
		return r;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int place_memory(const void *p, size_t n)
{
	_cleanup_close_ int fd = memfd_create("content", MFD_CLOEXEC);
	const char *at = p;

	if (fd < 0)
		return -errno;
	while (n > 0) {
		ssize_t put = write(fd, at, n);

		if (put < 0 && errno != EINTR)
			return -errno;
		at += put > 0 ? put : 0;
		n -= put > 0 ? (size_t)put : 0;
	}
	return take_fd(&fd);
}
