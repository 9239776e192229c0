/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files. Paths are as the kernel sees them (already through env_path()). Nothing here follows a
 * symbolic link in the last component when writing.
 */
#pragma once

#include <stdbool.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include "core/buf.h"
#include "core/err.h"

/** fs_read() - whole file into @out (its max bounds it: -EFBIG). @fd: borrowed, read from offset 0
 * by pread where possible. */
int fs_read_fd(int fd, struct buf *out) _must_check_;
int fs_read(const char *path, struct buf *out) _must_check_;

/**
 * fs_write_atomic() - new file beside it (0600 until done), write, fsync, chmod, rename, fsync
 * folder
 *
 * A reader sees the old content or the new, whole, also after a power cut.
 */
int fs_write_atomic(const char *path, const void *p, size_t n, mode_t mode,
		    struct err *e) _must_check_;
/** fs_mkdirs() - like mkdir -p; the folders it makes get @mode. */
int fs_mkdirs(const char *path, mode_t mode) _must_check_;
/** fs_remove_tree() - best effort, never crosses a mount or follows a link. Depth is bounded. */
void fs_remove_tree(const char *path);
/**
 * fs_give_tree() - best effort: a folder that is another user's, with all that is in it
 *
 * The folder itself comes last, so that a try that was cut off is made again. One that is @uid's is
 * left alone, as are links, devices, mounts below, files that have a second name, and what is not
 * of the folder's owner.
 */
void fs_give_tree(const char *path, uid_t uid, gid_t gid);

/**
 * fs_check_trusted() - may root obey this file?
 * @path: a file or folder; every folder above it (below @root_prefix) is checked too
 *
 * Good when each is owned by root (or by the effective user when that is not root) and not
 * writable by group or others (a sticky, root-owned folder above, such as /tmp, is allowed above
 * the file's folder). Return: 0, -ENOENT…, or -EPERM with the reason and the offending path in @e.
 */
int fs_check_trusted(const char *path, const char *root_prefix, struct err *e) _must_check_;
/** fs_check_private() - -EPERM with reason in @e when group or others may read or write @fd. */
int fs_check_private(int fd, const char *name, struct err *e) _must_check_;

/**
 * fs_statvfs() - statvfs(3), but what is free is part of what there is, and what all may use part
 * of what is free: a file system of a user's own program (FUSE) may say anything. Return: 0 or
 * -errno.
 */
int fs_statvfs(const char *path, struct statvfs *ret) _must_check_;

/** fs_blob() - a sealed memfd holding (@p, @n): how roles hand each other anything large. Return:
 * fd or -errno. */
int fs_blob(const char *name, const void *p, size_t n) _must_check_;
/** fs_blob_read() - content of a sealed memfd; -EPERM unless it is sealed against write, grow and
 * shrink; -EFBIG over out->max. */
int fs_blob_read(int fd, struct buf *out) _must_check_;
/** fs_close_range() - closes the descriptors from @first to @last, on kernels without close_range(2) one
 * by one. Safe between fork and exec. */
void fs_close_range(unsigned first, unsigned last);
/** fs_lock() - flock(LOCK_EX|LOCK_NB) on a file made if absent (0600). Return: fd, -EWOULDBLOCK
 * when held, -errno. */
int fs_lock(const char *path) _must_check_;
