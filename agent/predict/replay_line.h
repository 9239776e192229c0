/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of numbers as `heat-pulse replay` reads them: (pointer, length) in, doubles out. */
#pragma once

#include "core/macro.h"

#define REPLAY_NUMBERS_MAX 513 /* the time and 512 metrics */

/**
 * replay_line() - decimal numbers separated by blanks or commas
 * @ret: receives up to @max of them; "nan" and "-" are a missing value (NaN)
 * @ret_n: how many there were; an empty line and one that begins with '#' have none
 *
 * Return: 0; -EINVAL for anything else; -E2BIG for more than @max.
 */
int replay_line(const char *p, size_t n, double *ret, size_t max, size_t *ret_n) _must_check_;
