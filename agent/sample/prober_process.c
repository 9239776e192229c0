/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers' answers about processes: sums over several pids in one question, so that a service of
 * twenty processes costs one worker; where in the kernel one sleeps; who holds most descriptors;
 * and what earlier kernels left. A name of a kernel function is packed into the numbers; nothing
 * else that is text ever leaves.
 */
#include "sample/prober_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/text.h"
#include "sample/parse.h"

#define FIRST_LINE_MAX 64

bool prober_legal_pids(const char *path)
{
	size_t pos = 0, n, pids = 0;
	const char *item;
	uint64_t pid;

	if (strnlen(path, PROBER_PATH_MAX) == PROBER_PATH_MAX || strpbrk(path, " \t"))
		return false;
	while (text_list_next(path, ',', &pos, &item, &n)) {
		if (text_u64(item, n, &pid) || !pid || pid > INT32_MAX)
			return false;
		pids++;
	}
	return pids > 0;
}

bool prober_legal_nothing(const char *path)
{
	return !strcmp(path, "-");
}

int prober_open_of_pid(const struct env *env, const char *pid, const char *file, int flags)
{
	char path[64], full[ENV_PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/proc/%.10s/%s", pid, file);
	fd = open(env_path(env, path, full), O_RDONLY | O_CLOEXEC | flags);
	return fd < 0 ? -errno : fd;
}

static int open_dir(const struct env *env, const char *path, DIR **ret)
{
	char full[ENV_PATH_MAX];

	*ret = opendir(env_path(env, path, full));
	return *ret ? 0 : -errno;
}

/* ---- descriptors ---- */

static int count_entries(int fd, uint64_t *ret)
{
	const struct dirent *entry;
	DIR *dir = fdopendir(fd);

	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	*ret = 0;
	while ((entry = readdir(dir)))
		*ret += entry->d_name[0] != '.';
	closedir(dir);
	return 0;
}

int prober_count_fds(const struct env *env, const char *pid, uint64_t *ret)
{
	int fd = prober_open_of_pid(env, pid, "fd", O_DIRECTORY);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		*ret = (uint64_t)st.st_size;
		close(fd);
		return 0;
	}
	return count_entries(fd, ret);
}

/* Keeps the largest, in any order. */
static void consider(struct prober_answer *a, uint64_t pid, uint64_t count)
{
	size_t least = 0;

	for (size_t i = 1; i < PROBER_NUMBERS; i++)
		if ((uint32_t)a->n[i] < (uint32_t)a->n[least])
			least = i;
	if (count > UINT32_MAX)
		count = UINT32_MAX;
	if (count > (uint32_t)a->n[least])
		a->n[least] = pid << 32 | count;
}

int prober_work_fd_largest(const struct env *env, const char *none, struct prober_answer *ret)
{
	const struct dirent *entry;
	DIR *dir;
	int err = open_dir(env, "/proc", &dir);

	(void)none;
	if (err)
		return err;
	while ((entry = readdir(dir))) {
		uint64_t pid, count = 0;

		if (text_u64(entry->d_name, strlen(entry->d_name), &pid) || pid > INT32_MAX)
			continue;
		if (prober_count_fds(env, entry->d_name, &count) == 0)
			consider(ret, pid, count);
	}
	closedir(dir);
	return 0;
}

/* ---- input and output ---- */

int prober_work_io_of(const struct env *env, const char *pid, struct prober_answer *ret)
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
	_cleanup_close_ int fd = prober_open_of_pid(env, pid, "io", O_NOCTTY);
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

/* One that has ended meanwhile is left out; one that may not be looked at spoils the sums. */
static int add_process(const struct env *env, const char *pid, struct prober_answer *ret)
{
	struct prober_answer io = {0};
	uint64_t fds = 0;
	int err = prober_work_io_of(env, pid, &io);

	if (!err)
		err = prober_count_fds(env, pid, &fds);
	if (err)
		return err == -ENOENT || err == -ESRCH ? 0 : err;
	ret->n[PROCESSES_FOUND]++;
	ret->n[PROCESSES_FDS] += fds;
	ret->n[PROCESSES_READS] += io.n[PROC_IO_READS];
	ret->n[PROCESSES_WRITES] += io.n[PROC_IO_WRITES];
	ret->n[PROCESSES_READ_BYTES] += io.n[PROC_IO_READ_BYTES];
	ret->n[PROCESSES_WRITE_BYTES] += io.n[PROC_IO_WRITE_BYTES];
	return 0;
}

int prober_work_processes(const struct env *env, const char *pids, struct prober_answer *ret)
{
	size_t pos = 0, n;
	const char *item;

	while (text_list_next(pids, ',', &pos, &item, &n)) {
		char pid[16];
		int err;

		snprintf(pid, sizeof(pid), "%.*s", (int)n, item);
		err = add_process(env, pid, ret);
		if (err)
			return err;
	}
	return 0;
}

/* ---- where a process sleeps ---- */

static bool is_symbol(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.",
			    p[i]))
			return false;
	return n > 0;
}

/* "0": it runs, or nobody may know. */
int prober_work_wchan(const struct env *env, const char *pid, struct prober_answer *ret)
{
	_cleanup_close_ int fd = prober_open_of_pid(env, pid, "wchan", O_NOCTTY);
	char text[sizeof(ret->n)];
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (!strcmp(text, "0") || !is_symbol(text, (size_t)n))
		return -ENODATA;
	memcpy(ret->n, text, (size_t)n);
	return 0;
}

/* ---- what earlier kernels left ---- */

static void note_record(int dir_fd, const char *name, struct prober_answer *ret)
{
	/* the first line says why: "Panic#1 Part1", "Oops#2 Part3" */
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
	char line[FIRST_LINE_MAX];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return;
	n = read(fd, line, sizeof(line));
	ret->n[PSTORE_RECORDS]++;
	if (n >= 6 && !memcmp(line, "Panic#", 6))
		ret->n[PSTORE_PANICS]++;
	if (n >= 5 && !memcmp(line, "Oops#", 5))
		ret->n[PSTORE_OOPSES]++;
	if ((uint64_t)st.st_mtim.tv_sec > ret->n[PSTORE_NEWEST_S])
		ret->n[PSTORE_NEWEST_S] = (uint64_t)st.st_mtim.tv_sec;
}

static void note_records(DIR *dir, struct prober_answer *ret)
{
	const struct dirent *entry;

	while ((entry = readdir(dir)))
		if (text_starts(entry->d_name, "dmesg-"))
			note_record(dirfd(dir), entry->d_name, ret);
	closedir(dir);
}

/* systemd-pstore moves them: into one folder, or into one for each boot or crash below it. */
static void note_archive(const struct env *env, const char *path, struct prober_answer *ret)
{
	const struct dirent *entry;
	char sub[PROBER_PATH_MAX];
	DIR *dir, *below;

	if (open_dir(env, path, &dir))
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || snprintf(sub, sizeof(sub), "%s/%.100s", path,
							entry->d_name) >= (int)sizeof(sub))
			continue;
		if (open_dir(env, sub, &below) == 0)
			note_records(below, ret);
	}
	rewinddir(dir);
	note_records(dir, ret);
}

int prober_work_pstore(const struct env *env, const char *none, struct prober_answer *ret)
{
	DIR *dir;
	int err = open_dir(env, "/sys/fs/pstore", &dir);

	(void)none;
	if (!err)
		note_records(dir, ret);
	note_archive(env, "/var/lib/systemd/pstore", ret);
	return err && !ret->n[PSTORE_RECORDS] ? err : 0;
}
