/* SPDX-License-Identifier: Apache-2.0 */
/* What every test of this room needs: cmocka's headers in their order, and noise that is the same
 * each time. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/macro.h"

/* Sum of four uniform numbers: near normal, deviation about 1, never beyond 3.5. */
static inline _unused_ double noise(uint32_t *seed)
{
	double sum = 0;

	for (int i = 0; i < 4; i++) {
		*seed = *seed * 1664525u + 1013904223u;
		sum += (double)(*seed >> 8) / (1 << 24) - 0.5;
	}
	return sum * 1.732;
}
