/* SPDX-License-Identifier: Apache-2.0 */
/* Names inside archives, which anybody may have written: what leads out of the target is refused.
 * Pure. */
#pragma once

#include <stdbool.h>
#include "core/buf.h"

#define ARCHIVE_NAME_MAX  1024
#define ARCHIVE_DEPTH_MAX 64

/** archive_name() - a member's name as "a/b/c" into @out: no "." and no double slashes. @strip:
 * that many leading components less. Return: 0; 1 when nothing is left (the target itself); -EPERM
 * for an absolute name, "..", a NUL or a newline; -ENAMETOOLONG. */
int archive_name(const char *p, size_t n, size_t strip, struct buf *out) _must_check_;
/**
 * archive_target() - may member @name (as archive_name() made it) be a symbolic link to @target?
 *
 * Only what stays below the target folder whatever other links there are: leading ".." no deeper
 * than the member lies, none after a name. Return: 0 or -EPERM.
 */
int archive_target(const char *name, const char *target) _must_check_;
/** archive_strips_top() - is @url an archive that GitHub makes of a repository, whose one top
 * folder is not wanted? */
bool archive_strips_top(const char *url);
/** archive_single_name() - name of what a compressed single file holds: the last part of the URL's
 * path without its ending. -EPERM when there is none. */
int archive_single_name(const char *url, struct buf *out) _must_check_;
