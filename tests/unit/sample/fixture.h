/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded and broken kernel files for the tests of this folder: whole trees that serve as --root.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/env.h"

static inline const char *fixture_root(const char *tree, char out[static 256])
{
	const char *dir = getenv("HEAT_PULSE_FIXTURES");
	char *found = dir ? strdup(dir) : realpath("tests/fixtures", NULL);

	snprintf(out, 256, "%s/%s", found ? found : "", tree);
	free(found);
	return out;
}

/* A file of a tree, NUL-terminated, in a buffer of exactly its size plus one, so that sanitizers
 * see any step beyond. */
static inline char *fixture_read(const char *tree, const char *file, size_t *ret_n)
{
	char root[256], path[512];
	FILE *f;
	char *p;
	long n;

	snprintf(path, sizeof(path), "%s%s", fixture_root(tree, root), file);
	f = fopen(path, "re");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	p = malloc((size_t)n + 1);
	assert_non_null(p);
	assert_int_equal(fread(p, 1, (size_t)n, f), n);
	p[n] = '\0';
	fclose(f);
	*ret_n = (size_t)n;
	return p;
}
