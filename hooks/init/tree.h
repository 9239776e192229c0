/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the metadata tree: words for yes and no, numbers in texts, names in order. Pure. */
#pragma once

#include <jansson.h>
#include "core/buf.h"
#include "core/err.h"

/** tree_bool() - true, 1, "true", "yes", "on", "1" and "y", any case; everything else is false, as
 * the old tools have it. */
bool tree_bool(const json_t *value);
/** tree_number() - an integer from 0 up to @max, as a number or as text. -EINVAL else. */
int tree_number(const json_t *value, int64_t max, int64_t *ret) _must_check_;
/** tree_names() - keys of an object in order of their bytes; *ret_n of them, borrowed from @object.
 * free() the list. NULL: no memory (or none: see *ret_n). */
const char **tree_names(const json_t *object, size_t *ret_n);
/** tree_shown() - a name chosen by others, escaped and cut, for one line of text. Static buffer:
 * good until the fourth call after it. */
const char *tree_shown(const char *name);
/** tree_mode() - "000644", "0755", "120644": octal text. @ret_link: it means a symbolic link.
 * -EINVAL for anything else, numbers too: nobody can say whether 644 was meant octal. */
int tree_mode(const json_t *value, unsigned *ret_bits, bool *ret_link) _must_check_;
