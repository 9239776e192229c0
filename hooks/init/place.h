/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting one file, link or folder into its place: written beside it, readable for its owner alone
 * until everything is set by descriptor, then renamed. What is there already is left alone. Nothing
 * is written through a symbolic link in the last component.
 */
#pragma once

#include <sys/types.h>
#include "core/env.h"
#include "core/err.h"

#define PLACE_KEEP ((mode_t)-1) /* mode: the old file's, else 0644 */

struct place {
	int fd;      /* content, from its beginning; borrowed */
	mode_t mode; /* permission bits, or PLACE_KEEP */
	uid_t uid;   /* (uid_t)-1: the old file's, else our own */
	gid_t gid;
	bool dry_run; /* only compare */
	bool sync;    /* fsync before the rename */
};

/** place_file() - Return: 1 changed (or would), 0 it was so, -errno. @name: one component below
 * @dir. */
int place_file(int dir, const char *name, const struct place *p) _must_check_;
/** place_link() - a symbolic link to @target; its owner when p->uid or p->gid say so. Return: as
 * above. */
int place_link(int dir, const char *name, const char *target, const struct place *p) _must_check_;
/** place_folder() - makes folder @name or opens it, never through a link. Return: descriptor or
 * -errno; *ret_made tells. */
int place_folder(int dir, const char *name, mode_t mode, bool *ret_made) _must_check_;
/** place_parent() - opens the folder of @path (made when absent, unless @dry_run) and tells the
 * last component;
 * @path as the kernel sees it. Return: descriptor; -ENOENT with @dry_run when it would be made. */
int place_parent(const char *path, bool dry_run, const char **ret_name) _must_check_;
/** place_memory() - a file in memory that holds (@p, @n), at its beginning. */
int place_memory(const void *p, size_t n) _must_check_;
