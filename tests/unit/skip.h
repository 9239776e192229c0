/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests that cannot be had on this machine say why: cmocka's skip() has no words for it, so the ring
 * takes them from the comment line before. Include it after cmocka.h.
 */
#pragma once

#include <stdbool.h>
#include <stdlib.h>

#define skip_because(why) do { print_message("# SKIP %s\n", why); skip(); } while (0)

/* valgrind makes all fifty times slower and knows no seccomp and, before 3.20, no pidfd. */
static inline bool under_valgrind(void)
{
	return getenv("HEAT_PULSE_VALGRIND") != NULL;
}
