/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the simulated kernel that adjtimex(2) shows, second by second as kernel/time/ntp.c has
 * it, and who sets it. So nothing is fed that no kernel says.
 */
#pragma once

#include <stdint.h>
#include <sys/timex.h>

enum ntp_mood {	  /* of the daemon */
	NTP_WELL,
	NTP_DEAD,    /* it ended, or its servers cannot be reached */
	NTP_IN_VAIN, /* the clock runs away as fast as it is set */
};

struct ntp { /* zero: before the first second */
	int64_t alive_s, poll_at_s; /* seconds lived; when the daemon looks next */
	int64_t poll_s;		    /* between its looks; 0: it has not begun */
	int64_t real_less_boot_ms;  /* to see that the clock was set */
	int64_t offset_ns;
	long maxerror_us;
	int status, constant;
};

/** ntp_keeper() - by which daemon clocks are kept. Return: false when there is none of that name. */
_Bool ntp_keeper(const char *name);
/** ntp_live() - one more second. @slept: the guest woke in it. */
void ntp_live(struct ntp *n, int64_t real_less_boot_ms, _Bool slept, enum ntp_mood mood);
/** ntp_look() - what adjtimex() fills in. */
struct timex ntp_look(const struct ntp *n);
