/* SPDX-License-Identifier: Apache-2.0 */
/* musl keeps no count. */
#include "tests/unit/heap.h"

size_t heap_bytes(void)
{
	return HEAP_NOT_COUNTED;
}
