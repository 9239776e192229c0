/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker does for each kind of question. Answers are numbers only: whoever takes over the
 * agent must not be able to read a file through the prober. A pid is a number, so that
 * "/proc/self/../.." cannot be asked for.
 */
#include "sample/prober.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "core/text.h"
#include "sample/prober_device.h"
#include "sample/prober_process.h"

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
	int r = fs_statvfs(env_path(env, path, full), &v);

	if (r)
		return r;
	ret->n[STATVFS_UNIT] = v.f_frsize;
	ret->n[STATVFS_BLOCKS] = v.f_blocks;
	ret->n[STATVFS_FREE] = v.f_bfree;
	ret->n[STATVFS_AVAILABLE] = v.f_bavail;
	ret->n[STATVFS_FILES] = v.f_files;
	ret->n[STATVFS_FILES_FREE] = v.f_favail;
	ret->n[STATVFS_READONLY] = v.f_flag & ST_RDONLY ? 1 : 0;
	return 0;
}

static int work_fd_count(const struct env *env, const char *pid, struct prober_answer *ret)
{
	return prober_count_fds(env, pid, &ret->n[FD_COUNT_OPEN]);
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
	[PROBER_PROC_IO] = {"proc-io", legal_pid, prober_work_io_of},
	[PROBER_FILE] = {"file", legal_path, work_file},
	[PROBER_PROCESSES] = {"processes", prober_legal_pids, prober_work_processes},
	[PROBER_WCHAN] = {"wchan", legal_pid, prober_work_wchan},
	[PROBER_FD_LARGEST] = {"fd-largest", prober_legal_nothing, prober_work_fd_largest},
	[PROBER_DISK_SERIAL] = {"disk-serial", prober_legal_device, prober_work_disk_serial},
	[PROBER_HYPERV_BALLOON] = {"hyperv-balloon", prober_legal_nothing,
				   prober_work_hyperv_balloon},
	[PROBER_PSTORE] = {"pstore", prober_legal_nothing, prober_work_pstore},
};
