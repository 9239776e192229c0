/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered bears wall-clock times; when that clock is set, all of them are set with it. */
#include "predict/foresee_private.h"
#include "predict/host.h"
#include "sample/clock_watch.h"

static void move_times(struct foresee *f, int64_t by_ms)
{
	f->host_ms += by_ms;
	f->sample_ms += by_ms;
	f->kill_told_ms += by_ms;
	f->untold.since_ms += by_ms;
	f->untold.seen_ms += by_ms;
	for (size_t i = 0; i < FORESEE_SERIES_MAX; i++) {
		if (!f->series[i].rule)
			continue; /* not written to: stays without memory */
		f->series[i].fed_ms += by_ms;
		f->series[i].high_ms += by_ms;
		forecast_clock_set(&f->series[i].forecast, (double)by_ms / 1000);
	}
	for (size_t i = 0; i < COUNTERS_MAX; i++)
		f->counters[i].fed_ms += by_ms;
	host_clock_set(f->host, (double)by_ms / 1000);
	findings_clock_set(f->findings, by_ms);
}

void foresee_clock(struct foresee *f, int64_t real_ms, int64_t boot_ms)
{
	int64_t by_ms = real_ms - boot_ms - f->offset_ms;

	f->now_ms = real_ms;
	if (f->offset_known && by_ms < CLOCK_JUMP_MS && by_ms > -CLOCK_JUMP_MS)
		return;
	if (f->offset_known)
		move_times(f, by_ms);
	f->offset_ms += by_ms;
	f->offset_known = true;
}
