/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MADV_DONTNEED on two kinds of memory that nothing can be lost of: the program's code, which is
 * never written to, and stack that no function is using. A refusal (locked pages) is as good.
 */
#include "core/settle.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* The linker's names for the first byte of the program and for the end of its code. */
extern const char __executable_start[], etext[];

#define LATER_MS    5000         /* what comes with the start has been served */
#define IN_USE      1024         /* below this frame: what madvise() and sysconf() are called with */
#define STACK_REACH (128u << 10) /* how deep a start may have been */

static void give_back(uintptr_t from, uintptr_t to)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	from = (from + page - 1) & ~(page - 1);
	to &= ~(page - 1);
	if (from < to)
		(void)!madvise((void *)from, to - from, MADV_DONTNEED);
}

void settle_memory(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	give_back((uintptr_t)__executable_start, (uintptr_t)etext);
	give_back(here - STACK_REACH, here - IN_USE);
}

static void on_timer(struct loop *loop _unused_, void *ctx _unused_)
{
	settle_memory();
}

int settle_later(struct loop *loop, struct loop_timer **ret)
{
	int r = loop_timer_new(loop, 1000, on_timer, NULL, ret);

	if (r == 0)
		loop_timer_arm(*ret, LATER_MS);
	return r;
}
