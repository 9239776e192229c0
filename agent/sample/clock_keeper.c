/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/clock_keeper.h"

#define MOST_US 500000 /* the kernel holds the offset within it */
#define WRAP_NS 4294967296.0

/* In nanoseconds if STA_NANO is set, in microseconds else. There kernels from 5.1 to 6.12 cut what
 * is negative to 32 bits of nanoseconds first: -1 ms looks like 4294 ms. */
static double offset_ns(const struct timex *t)
{
	double ns = (double)t->offset * (t->status & STA_NANO ? 1 : 1000);

	return !(t->status & STA_NANO) && t->offset > MOST_US ? ns - WRAP_NS : ns;
}

struct clock_kept clock_kept_of(const struct timex *t)
{
	return (struct clock_kept){.kept = t->maxerror < CLOCK_LOST_US,
				   .offset_ms = offset_ns(t) / 1e6,
				   .error_max_ms = (double)t->maxerror / 1e3};
}
