/* SPDX-License-Identifier: Apache-2.0 */
/* What the heap holds, where the C library counts it; meson chooses the file. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HEAP_NOT_COUNTED SIZE_MAX

/* Bytes that are allocated now, or HEAP_NOT_COUNTED. */
size_t heap_bytes(void);
