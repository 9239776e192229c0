/* SPDX-License-Identifier: Apache-2.0 */
/* What a command reads by name: a file (absolute: below --root) or "-" for standard input. */
#pragma once

#include "core/buf.h"
#include "core/env.h"
#include "core/err.h"

/** input_read() - all of @name into @out (its max bounds it). Return: 0 or -errno with the sentence
 * in @e. */
int input_read(const struct env *env, const char *name, struct buf *out,
	       struct err *e) _must_check_;
/** input_path() - @name as the kernel sees it: an absolute path gets the prefix, a relative one
 * stays. */
const char *input_path(const struct env *env, const char *name, char out[static ENV_PATH_MAX]);
/** input_scrub() - overwrite an argument, so that a secret does not stay in the process list. The
 * value is copied before. */
void input_scrub(char *argument);
