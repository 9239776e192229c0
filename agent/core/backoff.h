/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Being polite: splay, jitter, decorrelated backoff. Pure; the random number is handed in.
 */
#pragma once

#include "core/macro.h"

struct backoff {
	int64_t base_ms, cap_ms;
	int64_t last_ms; /* 0 = no failure yet */
};
/** backoff_next() - decorrelated jitter: uniform(base, 3 x last), at most cap. @rnd: uniform in
 * [0,1). */
int64_t backoff_next(struct backoff *b, double rnd);
void backoff_reset(struct backoff *b);
/** jitter_ms() - @ms +-20 %, never below 1. */
int64_t jitter_ms(int64_t ms, double rnd);
double random_unit(void); /* getrandom(2) */
