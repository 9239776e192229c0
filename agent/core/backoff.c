/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting times that spread a fleet: nothing here reads a clock or keeps more than the last wait.
 */
#include "core/backoff.h"

#include <errno.h>
#include <sys/random.h>

int64_t backoff_next(struct backoff *b, double rnd)
{
	int64_t last = b->last_ms > b->base_ms ? b->last_ms : b->base_ms;
	double span = 3.0 * (double)last - (double)b->base_ms;
	double next = (double)b->base_ms + span * rnd;

	b->last_ms = next < (double)b->cap_ms ? (int64_t)next : b->cap_ms;
	if (b->last_ms < 1)
		b->last_ms = 1;
	return b->last_ms;
}

void backoff_reset(struct backoff *b)
{
	b->last_ms = 0;
}

int64_t jitter_ms(int64_t ms, double rnd)
{
	double value = (double)ms * (0.8 + 0.4 * rnd);

	return value < 1.0 ? 1 : (int64_t)value;
}

double random_unit(void)
{
	uint64_t bits = 0;

	/* Blocks only before the kernel's pool is ready, which is over when services start. */
	while (getrandom(&bits, sizeof(bits), 0) < 0 && errno == EINTR)
		continue;
	return (double)(bits >> 11) * 0x1.0p-53;
}
