/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing a tree that may be hostile, or giving it to another user: no recursion, a fixed stack of
 * open folders, each step relative to the descriptor of its folder so that nothing can be swapped
 * under it, no links followed, no mount entered. What cannot be removed or given stays.
 */
#include "core/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FS_TREE_DEPTH 32
/* STATX_ATTR_MOUNT_ROOT of the kernel; not every libc names it. */
#define FS_MOUNT_ROOT 0x2000U

struct fs_tree {
	struct {
		DIR *dir;
		char name[256];
	} levels[FS_TREE_DEPTH];
	size_t depth;
	dev_t dev;
	void (*entry)(struct fs_tree *tree, int at_fd, const char *name);
	void (*leave)(struct fs_tree *tree,
		      int at_fd); /* the innermost folder, which is in at_fd */
	uid_t from, uid;          /* whose it was, who is given it */
	gid_t gid;
};

/* A bind mount has the same device; statx(2) tells it since Linux 5.8, rmdir's EBUSY protects the rest. */
static bool fs_is_mount_root(int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) < 0)
		return false;
	return (stx.stx_attributes_mask & stx.stx_attributes & FS_MOUNT_ROOT) != 0;
}

/* @fd becomes the tree's. */
static int fs_tree_enter(struct fs_tree *tree, int fd, const char *name)
{
	DIR *dir = fdopendir(fd);

	if (!dir) {
		close(fd);
		return -errno;
	}
	tree->levels[tree->depth].dir = dir;
	memcpy(tree->levels[tree->depth].name, name, strlen(name) + 1);
	tree->depth++;
	return 0;
}

static int fs_tree_push(struct fs_tree *tree, int at_fd, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (tree->depth == FS_TREE_DEPTH || strlen(name) >= sizeof(tree->levels[0].name))
		return -ELOOP;
	fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != tree->dev || fs_is_mount_root(fd))
		return -EXDEV;
	return fs_tree_enter(tree, take_fd(&fd), name);
}

static void fs_tree_walk(struct fs_tree *tree, int top_fd)
{
	while (tree->depth > 0) {
		size_t i = tree->depth - 1;
		const struct dirent *entry = readdir(tree->levels[i].dir);

		if (!entry) {
			tree->leave(tree, i > 0 ? dirfd(tree->levels[i - 1].dir) : top_fd);
			closedir(tree->levels[i].dir);
			tree->depth = i;
		} else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			tree->entry(tree, dirfd(tree->levels[i].dir), entry->d_name);
		}
	}
}

static void remove_entry(struct fs_tree *tree, int at_fd, const char *name)
{
	if (unlinkat(at_fd, name, 0) < 0 && errno == EISDIR && fs_tree_push(tree, at_fd, name) < 0)
		unlinkat(at_fd, name, AT_REMOVEDIR);
}

static void remove_folder(struct fs_tree *tree, int at_fd)
{
	unlinkat(at_fd, tree->levels[tree->depth - 1].name, AT_REMOVEDIR);
}

/* What is another's still is not the folder's owner's to have moved here for us to give; nor is a
 * file that has a second name. */
static void give_entry(struct fs_tree *tree, int at_fd, const char *name)
{
	_cleanup_close_ int fd = openat(at_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != tree->from)
		return;
	if (S_ISDIR(st.st_mode))
		(void)!fs_tree_push(tree, at_fd, name);
	else if (S_ISREG(st.st_mode) && st.st_nlink == 1)
		(void)!fchownat(fd, "", tree->uid, tree->gid, AT_EMPTY_PATH);
}

static void give_left_folder(struct fs_tree *tree, int at_fd _unused_)
{
	(void)!fchown(dirfd(tree->levels[tree->depth - 1].dir), tree->uid, tree->gid);
}

void fs_give_tree(const char *path, uid_t uid, gid_t gid)
{
	struct fs_tree tree = {.entry = give_entry, .leave = give_left_folder, .uid = uid, .gid = gid};
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid == uid)
		return;
	tree.dev = st.st_dev;
	tree.from = st.st_uid;
	if (fs_tree_enter(&tree, take_fd(&fd), "") == 0)
		fs_tree_walk(&tree, AT_FDCWD);
}

void fs_remove_tree(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int top_fd = -1;
	struct fs_tree tree = {.entry = remove_entry, .leave = remove_folder};
	struct stat st;
	char *base;

	if (!copy || lstat(path, &st) < 0)
		return;
	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	if (!S_ISDIR(st.st_mode)) {
		unlink(copy);
		return;
	}
	base = strrchr(copy, '/');
	top_fd = base ? -1 : open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base) {
		*base = '\0';
		top_fd = open(base == copy ? "/" : copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	tree.dev = st.st_dev;
	if (top_fd >= 0 && fs_tree_push(&tree, top_fd, base ? base + 1 : copy) == 0)
		fs_tree_walk(&tree, top_fd);
}
