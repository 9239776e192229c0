/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker does for each kind of question. Answers are numbers only: whoever takes over the
 * agent must not be able to read a file through the prober. A pid is a number, so that
 * "/proc/self/../.." cannot be asked for.
 */
#include "sample/prober.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/text.h"
#include "sample/parse.h"

static bool legal_path(const char *path)
{
	size_t n = strnlen(path, PROBER_PATH_MAX);

	return n && n < PROBER_PATH_MAX && path[0] == '/' && !strstr(path, "/../") &&
	       !(n >= 3 && !strcmp(path + n - 3, "/.."));
}

static bool legal_pid(const char *path)
{
	uint64_t pid;

	return text_u64(path, strnlen(path, PROBER_PATH_MAX), &pid) == 0 && pid > 0 &&
	       pid <= INT32_MAX;
}

static int work_statvfs(const struct env *env, const char *path, struct prober_answer *ret)
{
	char full[ENV_PATH_MAX];
	struct statvfs v;

	if (statvfs(env_path(env, path, full), &v))
		return -errno;
	ret->n[STATVFS_UNIT] = v.f_frsize ? v.f_frsize : v.f_bsize;
	ret->n[STATVFS_BLOCKS] = v.f_blocks;
	ret->n[STATVFS_FREE] = v.f_bfree;
	ret->n[STATVFS_AVAILABLE] = v.f_bavail;
	ret->n[STATVFS_FILES] = v.f_files;
	ret->n[STATVFS_FILES_FREE] = v.f_favail;
	ret->n[STATVFS_READONLY] = v.f_flag & ST_RDONLY ? 1 : 0;
	return 0;
}

static int open_of_pid(const struct env *env, const char *pid, const char *file, int flags)
{
	char path[64], full[ENV_PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/proc/%.10s/%s", pid, file);
	fd = open(env_path(env, path, full), O_RDONLY | O_CLOEXEC | flags);
	return fd < 0 ? -errno : fd;
}

static int work_fd_count(const struct env *env, const char *pid, struct prober_answer *ret)
{
	int fd = open_of_pid(env, pid, "fd", O_DIRECTORY);
	const struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir)))
		ret->n[FD_COUNT_OPEN] += entry->d_name[0] != '.';
	closedir(dir);
	return 0;
}

static int work_proc_io(const struct env *env, const char *pid, struct prober_answer *ret)
{
	static const char *const names[] = {
		[PROC_IO_READ_CHARS] = "rchar",
		[PROC_IO_WRITE_CHARS] = "wchar",
		[PROC_IO_READS] = "syscr",
		[PROC_IO_WRITES] = "syscw",
		[PROC_IO_READ_BYTES] = "read_bytes",
		[PROC_IO_WRITE_BYTES] = "write_bytes",
		[PROC_IO_CANCELLED_BYTES] = "cancelled_write_bytes",
	};
	const struct parse_keys keys = {names, ARRAY_SIZE(names)};
	_cleanup_close_ int fd = open_of_pid(env, pid, "io", O_NOCTTY);
	char text[1024];
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return -errno;
	return parse_keyed(text, (size_t)n, &keys, ret->n) == (1 << ARRAY_SIZE(names)) - 1
		       ? 0
		       : -EINVAL;
}

static int work_file(const struct env *env, const char *path, struct prober_answer *ret)
{
	char full[ENV_PATH_MAX];
	struct stat st;

	if (stat(env_path(env, path, full), &st))
		return -errno;
	ret->n[FILE_MODE] = st.st_mode;
	ret->n[FILE_UID] = st.st_uid;
	ret->n[FILE_GID] = st.st_gid;
	ret->n[FILE_SIZE] = (uint64_t)st.st_size;
	ret->n[FILE_MTIME_S] = (uint64_t)st.st_mtim.tv_sec;
	ret->n[FILE_LINKS] = (uint64_t)st.st_nlink;
	ret->n[FILE_BLOCKS] = (uint64_t)st.st_blocks;
	return 0;
}

const struct prober_kind_info prober_kinds[PROBER_KINDS] = {
	[PROBER_STATVFS] = {"statvfs", legal_path, work_statvfs},
	[PROBER_FD_COUNT] = {"fd-count", legal_pid, work_fd_count},
	[PROBER_PROC_IO] = {"proc-io", legal_pid, work_proc_io},
	[PROBER_FILE] = {"file", legal_path, work_file},
};
