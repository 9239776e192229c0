/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's disk: each call that changes it is counted, and one after another can be made to fail.
 * The linker leads the store's calls here (--wrap); links and the judge's lines are not files.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "world.h"

static bool in_store;

void disk_watch(void)
{
	in_store = true;
}

/* Return: true when the call that is about to be made fails; errno says why. */
static bool refuses(void)
{
	uint64_t n;

	if (!in_store)
		return false;
	world_instant();
	n = atomic_fetch_add(&world.shared->disk_calls, 1) + 1;
	if (!world.disk_from || n < world.disk_from || n >= world.disk_from + world.disk_n)
		return false;
	errno = world.disk_errno;
	return true;
}

/* Of a folder of the state, not a sealed piece of memory. */
static bool refuses_file(int fd)
{
	struct stat st;

	return in_store && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink > 0 && refuses();
}

#define WRAP(type, name, refused, parameters, ...)                                                   \
	type __real_##name parameters;                                                               \
	type __wrap_##name parameters;                                                               \
	type __wrap_##name parameters                                                                \
	{                                                                                            \
		return (refused) ? -1 : __real_##name(__VA_ARGS__);                                  \
	}

WRAP(ssize_t, write, refuses_file(fd), (int fd, const void *p, size_t n), fd, p, n)
WRAP(ssize_t, pwrite, refuses_file(fd), (int fd, const void *p, size_t n, off_t at), fd, p, n, at)
WRAP(int, ftruncate, refuses_file(fd), (int fd, off_t n), fd, n)
WRAP(int, fsync, refuses(), (int fd), fd)
WRAP(int, fdatasync, refuses(), (int fd), fd)
WRAP(int, unlink, refuses(), (const char *path), path)
WRAP(int, renameat, refuses(), (int from_fd, const char *from, int to_fd, const char *to), from_fd, from, to_fd, to)
