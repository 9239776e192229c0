/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After its start a role needs little of what the start went through. What the kernel can bring
 * back by itself, or what nobody looks at any more, is given back once.
 */
#pragma once

/**
 * settle_memory() - gives back the pages of the program's own code, which come back from the page
 * cache as they are used, and the stack below the caller. What is locked stays.
 */
void settle_memory(void);
