/* SPDX-License-Identifier: Apache-2.0 */
/* See waiters.h. */
#include "sample/waiters.h"

#include <math.h>

#define MEMORY_S 60.0
#define COUNT_S	 5.0 /* the kernel counts once in that time */

/* What is left of an average after that time. */
static double left_after(double seconds)
{
	return exp(-fmax(seconds, 0) / MEMORY_S);
}

double worked_add(struct worked *w, double total_s, int64_t now_ms)
{
	double passed_s = (double)(now_ms - w->at_ms) / 1000.0, left = left_after(passed_s);

	if (w->at_ms && passed_s > 0)
		w->average = w->average * left + (total_s - w->total_s) / passed_s * (1 - left);
	w->at_ms = now_ms;
	w->total_s = total_s;
	return w->average;
}

/* One count of the kernel's more than there was time for: an average is taken for forgotten rather
 * than for the reason of what is seen. */
double waiters_add(struct waiters *w, double load, double worked, int64_t now_ms)
{
	double left = left_after((double)(now_ms - w->at_ms) / 1000.0 + COUNT_S);
	double excess = load - worked, waited = (excess - w->excess * left) / (1 - left);

	w->at_ms = now_ms;
	w->excess = excess;
	return worked > WORKED_MAX ? load : waited;
}
