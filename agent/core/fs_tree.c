/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing a tree that may be hostile: no recursion, a fixed stack of open folders, each step
 * relative to the descriptor of its folder so that nothing can be swapped under it, no links
 * followed, no mount entered. What cannot be removed stays.
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
};

/* A bind mount has the same device; statx(2) tells it since Linux 5.8, rmdir's EBUSY protects the rest. */
static bool fs_is_mount_root(int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) < 0)
		return false;
	return (stx.stx_attributes_mask & stx.stx_attributes & FS_MOUNT_ROOT) != 0;
}

static int fs_tree_push(struct fs_tree *tree, int at_fd, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	DIR *dir;

	if (tree->depth == FS_TREE_DEPTH || strlen(name) >= sizeof(tree->levels[0].name))
		return -ELOOP;
	fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != tree->dev || fs_is_mount_root(fd))
		return -EXDEV;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	take_fd(&fd);
	tree->levels[tree->depth].dir = dir;
	memcpy(tree->levels[tree->depth].name, name, strlen(name) + 1);
	tree->depth++;
	return 0;
}

static void fs_tree_pop(struct fs_tree *tree, int top_fd)
{
	size_t i = --tree->depth;
	int above = i > 0 ? dirfd(tree->levels[i - 1].dir) : top_fd;

	closedir(tree->levels[i].dir);
	unlinkat(above, tree->levels[i].name, AT_REMOVEDIR);
}

static void fs_tree_remove(struct fs_tree *tree, int top_fd)
{
	while (tree->depth > 0) {
		DIR *dir = tree->levels[tree->depth - 1].dir;
		const struct dirent *entry = readdir(dir);

		if (!entry) {
			fs_tree_pop(tree, top_fd);
			continue;
		}
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno == EISDIR &&
		    fs_tree_push(tree, dirfd(dir), entry->d_name) < 0)
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	}
}

void fs_remove_tree(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int top_fd = -1;
	struct fs_tree tree = {0};
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
		fs_tree_remove(&tree, top_fd);
}
