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

#define IN_USE      1024 /* below this frame: what madvise() and sysconf() are called with */
#define STACK_REACH (128u << 10) /* how deep a start may have been */

static void give_back(uintptr_t from, uintptr_t to)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	from = (from + page - 1) & ~(page - 1);
	to &= ~(page - 1);
	if (from < to)
		(void)!madvise((void *)from, to - from, MADV_DONTNEED);
}

static void give_back_stack(size_t but)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	give_back(here - STACK_REACH, here - but);
}

void settle_memory(void)
{
	give_back((uintptr_t)__executable_start, (uintptr_t)etext);
	give_back_stack(IN_USE);
}

/* When the start itself is over: until then the program's code is half of what the roles have. And
 * when what comes with it has been served, too. */
static const int64_t waits_ms[] = {1000, 4000};

#define AGAIN_MS 1 /* who is busy gives back once in that time, which costs half a microsecond */
#define SPARE    8192u /* a calm sample needs no more of it, and asks the kernel for no page */

static void on_timer(struct loop *loop _unused_, void *ctx)
{
	struct settle *s = ctx;

	settle_memory();
	if (++s->done < ARRAY_SIZE(waits_ms))
		loop_timer_arm(s->timer, waits_ms[s->done]);
}

static void on_turn_over(struct loop *loop _unused_, void *ctx _unused_)
{
	give_back_stack(SPARE);
}

/* It is due together with what the role woke for, which comes first. */
static void on_again(struct loop *loop, void *ctx)
{
	struct settle *s = ctx;

	if (loop_defer(loop, on_turn_over, NULL))
		give_back_stack(SPARE);
	loop_timer_arm(s->again, AGAIN_MS);
}

int settle_start(struct loop *loop, struct settle *s)
{
	int r = loop_timer_new(loop, 500, on_timer, s, &s->timer);

	if (r == 0)
		r = loop_timer_new(loop, INT32_MAX, on_again, s, &s->again);
	s->done = 0;
	if (r)
		return r;
	loop_timer_arm(s->timer, waits_ms[0]);
	loop_timer_arm(s->again, AGAIN_MS);
	return 0;
}

void settle_stop(struct settle *s)
{
	s->again = loop_timer_free(s->again);
	s->timer = loop_timer_free(s->timer);
}
