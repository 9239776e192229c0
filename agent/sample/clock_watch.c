/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/clock_watch.h"

static int64_t at_least(int64_t value, int64_t bound)
{
	return value >= bound || value <= -bound ? value : 0;
}

struct clock_facts clock_watch_see(struct clock_watch *w, const struct clock_reading *now)
{
	struct clock_facts f = {0};

	if (w->primed) {
		int64_t boot = now->boot_ms - w->last.boot_ms;

		f.jump_ms = at_least(now->real_ms - w->last.real_ms - boot, CLOCK_JUMP_MS);
		f.suspend_ms = boot - (now->monotonic_ms - w->last.monotonic_ms);
		f.pause_ms = now->late_ms - w->last.late_ms;
		if (f.suspend_ms < CLOCK_SUSPEND_MS)
			f.suspend_ms = 0;
		/* a suspension makes timers late, too, and is told as what it is */
		if (f.pause_ms < CLOCK_PAUSE_MS || f.suspend_ms)
			f.pause_ms = 0;
	}
	if (f.jump_ms) {
		w->jumps++;
		w->jump_last_ms = f.jump_ms;
	}
	w->pauses += f.pause_ms != 0;
	w->primed = true;
	w->last = *now;
	return f;
}
