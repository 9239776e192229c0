/* SPDX-License-Identifier: Apache-2.0 */
/* See wide.h. Pages of the kernel's own, whose number stands before what the caller gets. */
#include "core/wide.h"

#include <stdint.h>
#include <sys/mman.h>

struct wide {
	size_t size;
	_Alignas(max_align_t) char data[];
};

void *wide_new(size_t n)
{
	struct wide *w;

	if (n > SIZE_MAX - sizeof(*w))
		return NULL;
	w = mmap(NULL, sizeof(*w) + n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w == MAP_FAILED)
		return NULL;
	w->size = sizeof(*w) + n;
	return w->data;
}

void *wide_free(void *p)
{
	struct wide *w = p ? (struct wide *)((char *)p - sizeof(*w)) : NULL;

	if (w)
		munmap(w, w->size);
	return NULL;
}
