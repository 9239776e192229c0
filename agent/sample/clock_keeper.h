/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What adjtimex(2) says of the clock, in milliseconds. Pure.
 *
 * Whether something keeps the clock is told by the largest error alone, as systemd does: who keeps
 * it sets that figure each time, the kernel adds 500 us each second, and at 16 s it says that the
 * clock is not kept. So it is 16 s from boot on, after each step of the clock and after a resume,
 * until a daemon sets it. STA_UNSYNC says less: chrony leaves it set unless it has "rtcsync", and
 * busybox's ntpd clears it for less than a second each time, as it sets no error.
 */
#pragma once

#include <stdbool.h>
#include <sys/timex.h>

#define CLOCK_LOST_US 16000000 /* the kernel's NTP_PHASE_LIMIT */

struct clock_kept {
	bool kept;
	double offset_ms;    /* what the kernel still slews, within 500 ms either way */
	double error_max_ms; /* what the clock may be off */
};
/** clock_kept_of() - of what adjtimex() filled in. */
struct clock_kept clock_kept_of(const struct timex *t);
