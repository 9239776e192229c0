/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is mounted, as several probes need it: one reading of /proc/self/mountinfo, taken again only
 * when the kernel says that it changed (a poll without waiting, so nothing wakes for it).
 */
#pragma once

#include "core/env.h"
#include "core/err.h"
#include "sample/parse_block.h"

#define MOUNTS_MAX 32

struct mounts;
int mounts_new(const struct env *env, struct mounts **ret, struct err *e) _must_check_;
struct mounts *mounts_free(struct mounts *m);
/** mounts_refresh() - reads again if something changed; @force: whatever the kernel says, for what
 * it changes silently. Return: the generation, greater after each reading; 0: cannot be read. */
unsigned mounts_refresh(struct mounts *m, bool force);
/** mounts_name() - from the next refresh on, mounts_local() lists only what is mounted at the paths
 * named so, whatever it is. NULL: forget all names. Return: false when there is no more room. */
bool mounts_name(struct mounts *m, const char *path);
/**
 * mounts_local() - the local file systems, each once: on a block device or of a kind that manages
 * its own, no loop devices, no images that are read-only by their kind; and the root, whatever it
 * is. At most MOUNTS_MAX.
 *
 * Return: the list, valid until the next refresh; NULL with *@ret_n 0 when there is none.
 */
const struct parse_mount *mounts_local(const struct mounts *m, size_t *ret_n);
/** mounts_note_writes() - how fast that device is written to; mounts_writes(): the last that was noted,
 * bytes a second, 0 when nothing was. A look at the space may then come sooner than its turn. */
void mounts_note_writes(struct mounts *m, unsigned major, unsigned minor, double bytes_s);
double mounts_writes(const struct mounts *m, unsigned major, unsigned minor);
/** mounts_left_out() - how many there was no room for in mounts_local(). */
size_t mounts_left_out(const struct mounts *m);
/** mounts_next() - all mounts of the last reading; walk with *pos = 0. */
bool mounts_next(const struct mounts *m, size_t *pos, struct parse_mount *ret);
/** mounts_find() - the mount at exactly that path, the one on top. Return: false when there is
 * none. */
bool mounts_find(const struct mounts *m, const char *path, struct parse_mount *ret);
