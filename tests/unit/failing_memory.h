/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocations that fail when a test says so: malloc, calloc, realloc, reallocarray, strdup and
 * strndup of all that is linked into the program (not of shared libraries). Add dep_failing_memory
 * to the test's row.
 */
#pragma once

#include <stdbool.h>

extern long memory_left; /* allocations that still succeed; below 0: all do */
extern bool memory_once; /* only one fails, and memory_left is below 0 then; else all do from there
			    on */
