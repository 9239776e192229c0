/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of the store as a whole: which entries there are, and the corner for those that must
 * not be used. Files whose name is no entry's (half-written ones start with a dot) are not seen.
 */
#include "core/store_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define NAMES_MAX 16384

static void folder_of(const char *path, char out[static STORE_PATH_MAX])
{
	snprintf(out, STORE_PATH_MAX, "%.*s", (int)(strrchr(path, '/') - path), path);
}

int store_sync_folder_of(const char *path)
{
	char folder[STORE_PATH_MAX];
	_cleanup_close_ int fd = -1;

	folder_of(path, folder);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int store_make_folder_of(const char *path)
{
	char folder[STORE_PATH_MAX];
	int r;

	folder_of(path, folder);
	if (mkdir(folder, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	r = store_sync_folder_of(folder);
	if (r < 0)
		(void)!rmdir(folder); /* made and synced the next time */
	return r;
}

struct names {
	char **list;
	size_t n, room;
};

static void names_deinit(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i]);
	free(names->list);
}

static int names_add(struct names *names, const char *folder, const char *file)
{
	char *name;

	if (names->n >= NAMES_MAX)
		return -E2BIG;
	if (names->n == names->room) {
		size_t room = names->room ? names->room * 2 : 64;
		char **list = reallocarray(names->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		names->list = list;
		names->room = room;
	}
	if (asprintf(&name, "%s%s%s", folder, folder[0] ? "/" : "", file) < 0)
		return -ENOMEM;
	names->list[names->n++] = name;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* All files (not folders) of one folder, or all folders. An absent sub-folder is an empty one. */
static int scan(const char *dir, const char *folder, bool folders, struct names *out)
{
	char path[STORE_PATH_MAX];
	_cleanup_(closedirp) DIR *d = NULL;
	struct dirent *entry;
	int r = store_path(dir, folder, path);

	if (r < 0)
		return r;
	d = opendir(path);
	if (!d)
		return folder[0] && errno == ENOENT ? 0 : -errno;
	while (r == 0 && (errno = 0, entry = readdir(d))) {
		struct stat st;

		if (entry->d_name[0] == '.' ||
		    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (folders ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode))
			r = names_add(out, folder, entry->d_name);
	}
	return r;
}

static int scan_all(const char *dir, struct names *out)
{
	struct names folders = {0};
	int r = scan(dir, "", false, out);

	if (r == 0)
		r = scan(dir, "", true, &folders);
	for (size_t i = 0; r == 0 && i < folders.n; i++)
		if (strcmp(folders.list[i], STORE_ASIDE) != 0)
			r = scan(dir, folders.list[i], false, out);
	names_deinit(&folders);
	return r;
}

int store_list_names(const char *dir, const char *prefix, struct buf *out)
{
	struct names names = {0};
	int r = scan_all(dir, &names);

	if (names.n)
		qsort(names.list, names.n, sizeof(*names.list), compare);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		if (store_name_valid(names.list[i]) &&
		    strncmp(names.list[i], prefix, strlen(prefix)) == 0)
			buf_printf(out, "%s\n", names.list[i]);
	names_deinit(&names);
	return r < 0 ? r : buf_error(out);
}

/* Names begin with the time, so the first in order is the oldest. */
static void make_room_aside(const char *dir)
{
	struct names names = {0};
	char path[STORE_PATH_MAX];

	if (scan(dir, STORE_ASIDE, false, &names) == 0 && names.n >= STORE_ASIDE_MAX) {
		qsort(names.list, names.n, sizeof(*names.list), compare);
		for (size_t i = 0; i <= names.n - STORE_ASIDE_MAX; i++)
			if (store_path(dir, names.list[i], path) == 0)
				unlink(path);
	}
	names_deinit(&names);
}

void store_set_aside(const char *dir, const char *name, int64_t real_ms)
{
	char from[STORE_PATH_MAX], to[STORE_PATH_MAX], file[STORE_NAME_MAX + 64];

	snprintf(file, sizeof(file), STORE_ASIDE "/%016lld-%s", (long long)real_ms, name);
	for (char *p = file + sizeof(STORE_ASIDE); *p; p++)
		if (*p == '/')
			*p = '_';
	if (store_path(dir, name, from) < 0 || store_path(dir, STORE_ASIDE, to) < 0)
		return;
	if (mkdir(to, 0700) < 0 && errno != EEXIST)
		return;
	make_room_aside(dir);
	if (store_path(dir, file, to) == 0)
		rename(from, to);
}
