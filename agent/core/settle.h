/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After its start a role needs little of what the start went through, and a role that does many
 * things goes deep into its stack for each of them. What the kernel can bring back by itself, or
 * what nobody looks at any more, is given back.
 */
#pragma once

#include "core/loop.h"

/**
 * settle_memory() - gives back the pages of the program's own code, which come back from the page
 * cache as they are used, and the stack below the caller. What is locked stays.
 */
void settle_memory(void);
struct settle {
	struct loop_timer *timer; /* NULL: not begun */
	struct loop_timer *again;
	size_t done;
};
/**
 * settle_start() - does so one second and five seconds from now; and from then on the stack, all
 * but 8 KiB, each time that the role has been awake, for which nobody wakes. Return: 0 or -errno.
 */
int settle_start(struct loop *loop, struct settle *s) _must_check_;
void settle_stop(struct settle *s); /* before the loop is freed */
