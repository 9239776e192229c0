/* SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>

#include "tests/unit/heap.h"

size_t heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}
