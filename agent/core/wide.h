/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for tables that have room for the largest guest and are nearly empty in most. malloc()
 * writes at both ends of what it hands out, and what it hands out again it clears: so whole pages
 * are taken up by what nobody ever put there. Here a page costs memory only when it is written to.
 */
#pragma once

#include <stddef.h>

#include "core/macro.h"

/** wide_new() - @n bytes of zeros, NULL where there is no memory. For tens of KiB that are kept: it
 * costs a system call, as does giving it back. */
void *wide_new(size_t n) _must_check_;
/** wide_free() - Return: NULL. @p: NULL is nothing. */
void *wide_free(void *p);

static inline void wide_freep(void *p)
{
	wide_free(*(void **)p);
}
#define _cleanup_wide_ _cleanup_(wide_freep)
