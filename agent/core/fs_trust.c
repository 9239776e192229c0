/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May root obey this file? Walks the path as the kernel would, component by component and link by
 * link, and asks of each step who could have changed it. The answer holds for as long as the
 * machine's root wants it to: nobody else can swap a part of a path that passed.
 */
#include "core/fs.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include "core/text.h"

#define FS_LINKS_MAX 40 /* as the kernel's own limit */

struct fs_walk {
	const char *prefix;
	char done[PATH_MAX]; /* resolved so far, without trailing slash; "" is the root */
	char todo[PATH_MAX]; /* still to walk */
	unsigned links;
};

static int fs_refuse(struct err *e, const char *path, const char *why)
{
	struct buf safe = BUF_INIT(256);
	int r;

	text_escape(&safe, path, strlen(path));
	r = err_set(e, -EPERM, "%s %s", buf_str(&safe), why);
	buf_deinit(&safe);
	return r;
}

static bool fs_owner_is_good(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

/* The prefix and what is above it are the caller's choice and are not judged. */
static bool fs_is_outside(const struct fs_walk *w, const char *path)
{
	size_t n = strlen(path);

	return w->prefix[0] && strncmp(w->prefix, path, n) == 0 &&
	       (w->prefix[n] == '/' || w->prefix[n] == '\0');
}

/* @above: a folder above the file's own, where a sticky bit of root's keeps others from renaming. */
static int fs_judge(const struct stat *st, const char *path, bool above, struct err *e)
{
	if (!fs_owner_is_good(st->st_uid))
		return fs_refuse(e, path, geteuid() ? "is owned by neither root nor this user" :
						      "is not owned by root");
	if (S_ISLNK(st->st_mode) || !(st->st_mode & 022))
		return 0;
	if (above && S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) && st->st_uid == 0)
		return 0;
	return fs_refuse(e, path, st->st_mode & 02 ? "is writable by others" : "is writable by its group");
}

/* Takes the next component off @todo into @name; false at the end. */
static bool fs_next(struct fs_walk *w, char name[static NAME_MAX + 1])
{
	size_t skip = strspn(w->todo, "/");
	size_t n = strcspn(w->todo + skip, "/");

	if (n == 0)
		return false;
	if (n > NAME_MAX)
		n = NAME_MAX;
	memcpy(name, w->todo + skip, n);
	name[n] = '\0';
	memmove(w->todo, w->todo + skip + n, strlen(w->todo + skip + n) + 1);
	return true;
}

static int fs_follow(struct fs_walk *w, const char *link)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	int len;

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (++w->links > FS_LINKS_MAX)
		return -ELOOP;
	memcpy(rest, w->todo, sizeof(rest));
	len = snprintf(w->todo, sizeof(w->todo), "%s%s", target, rest);
	if (len < 0 || (size_t)len >= sizeof(w->todo))
		return -ENAMETOOLONG;
	if (target[0] == '/')
		w->done[0] = '\0';
	return 0;
}

static void fs_step_up(struct fs_walk *w)
{
	char *slash = strrchr(w->done, '/');

	if (slash)
		*slash = '\0';
}

/* @path holds the file itself. A folder that is asked about counts as its files' own. */
static bool fs_is_own_folder(const struct fs_walk *w, const char *path)
{
	size_t slashes = strspn(w->todo, "/");
	char below[PATH_MAX];
	struct stat st;
	int len;

	if (strcspn(w->todo + slashes, "/") != strlen(w->todo + slashes))
		return false;
	len = snprintf(below, sizeof(below), "%s%s", path, w->todo);
	return len < 0 || (size_t)len >= sizeof(below) || lstat(below, &st) < 0 || !S_ISDIR(st.st_mode);
}

static int fs_step_into(struct fs_walk *w, const char *path, size_t len, struct err *e)
{
	bool last = w->todo[strspn(w->todo, "/")] == '\0';
	struct stat st;
	int r = 0;

	if (lstat(path, &st) < 0)
		return -errno;
	if (!fs_is_outside(w, path))
		r = fs_judge(&st, path, !last && !fs_is_own_folder(w, path), e);
	if (r < 0)
		return r;
	if (S_ISLNK(st.st_mode))
		return fs_follow(w, path);
	memcpy(w->done, path, len + 1);
	return 0;
}

static int fs_step(struct fs_walk *w, const char *name, struct err *e)
{
	char path[PATH_MAX];
	int len;

	if (text_equal(name, "."))
		return 0;
	if (text_equal(name, "..")) {
		fs_step_up(w);
		return 0;
	}
	len = snprintf(path, sizeof(path), "%s/%s", w->done, name);
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	return fs_step_into(w, path, (size_t)len, e);
}

static int fs_walk_start(struct fs_walk *w, const char *path)
{
	size_t n = strlen(w->prefix);

	if (path[0] != '/')
		return -EINVAL;
	if (strlen(path) >= sizeof(w->todo))
		return -ENAMETOOLONG;
	if (n && strncmp(path, w->prefix, n) == 0 && path[n] == '/') {
		memcpy(w->done, w->prefix, n + 1);
		path += n;
	}
	memcpy(w->todo, path, strlen(path) + 1);
	return 0;
}

int fs_check_trusted(const char *path, const char *root_prefix, struct err *e)
{
	struct fs_walk w = {.prefix = root_prefix ? root_prefix : ""};
	char name[NAME_MAX + 1];
	int r = fs_walk_start(&w, path);

	while (r == 0 && fs_next(&w, name))
		r = fs_step(&w, name, e);
	if (r < 0 && r != -EPERM)
		return err_sys(e, -r, "cannot look at %s", path);
	return r;
}

int fs_check_private(int fd, const char *name, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot look at %s", name);
	if (st.st_mode & 02)
		return err_set(e, -EPERM, "%s is writable by others", name);
	if (st.st_mode & 020)
		return err_set(e, -EPERM, "%s is writable by its group", name);
	if (st.st_mode & 044)
		return err_set(e, -EPERM, "%s is readable by %s", name,
			       st.st_mode & 04 ? "others" : "its group");
	return 0;
}
