/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After its start a role needs little of what the start went through. What the kernel can bring
 * back by itself, or what nobody looks at any more, is given back once.
 */
#pragma once

#include "core/loop.h"

/**
 * settle_memory() - gives back the pages of the program's own code, which come back from the page
 * cache as they are used, and the stack below the caller. What is locked stays.
 */
void settle_memory(void);
/**
 * settle_later() - does so once, five seconds from now
 *
 * @ret: the timer, to be freed before the loop is. Return: 0 or -errno.
 */
int settle_later(struct loop *loop, struct loop_timer **ret) _must_check_;
