/* SPDX-License-Identifier: Apache-2.0 */
#include "ntp.h"

#include <stdbool.h>
#include <string.h>

#include "core/macro.h"

#define PHASE_LIMIT_US 16000000	  /* NTP_PHASE_LIMIT */
#define MAX_PHASE_NS   500000000  /* MAXPHASE */
#define MAX_FREQ_US    500	  /* MAXFREQ: the error grows by as much each second */
#define SHIFT_PLL      2
#define MAX_CONSTANT   10 /* MAXTC */
#define FIRST_POLL_S   30 /* the network is there */
#define LONGEST_POLL_S 2048

/* ---- the kernel ---- */

/* ntp_clear(): the kernel boots, the clock is set, the guest wakes. */
static void clear(struct ntp *n)
{
	n->status |= STA_UNSYNC;
	n->maxerror_us = PHASE_LIMIT_US;
	n->offset_ns = 0;
}

/* second_overflow() */
static void tick(struct ntp *n)
{
	n->maxerror_us += MAX_FREQ_US;
	if (n->maxerror_us > PHASE_LIMIT_US) {
		n->maxerror_us = PHASE_LIMIT_US;
		n->status |= STA_UNSYNC;
	}
	n->offset_ns -= n->offset_ns / (INT64_C(1) << (SHIFT_PLL + n->constant));
}

/* process_adjtimex_modes() of what daemons hand in. */
static void slew(struct ntp *n, int64_t offset_ns, int constant)
{
	n->offset_ns = offset_ns > MAX_PHASE_NS ? MAX_PHASE_NS : offset_ns < -MAX_PHASE_NS ? -MAX_PHASE_NS : offset_ns;
	n->constant = constant + (n->status & STA_NANO ? 0 : 4);
	n->constant = n->constant > MAX_CONSTANT ? MAX_CONSTANT : n->constant;
}

struct timex ntp_look(const struct ntp *n)
{
	struct timex t = {.status = n->status, .maxerror = n->maxerror_us, .offset = (long)n->offset_ns};

	if (!(n->status & STA_NANO)) /* as kernels from 5.1 to 6.12 have it */
		t.offset = (uint32_t)n->offset_ns / 1000;
	return t;
}

/* ---- daemons ---- */

static int log2_of(int64_t value)
{
	return 63 - __builtin_clzll((unsigned long long)value);
}

/* What a look finds: at boot as much as timesyncd slews, then a little, either way. */
static int64_t found_ns(const struct ntp *n, bool first, enum ntp_mood mood)
{
	if (mood == NTP_IN_VAIN)
		return -2 * MAX_PHASE_NS;
	return first ? -390000000 : (n->alive_s % 7 - 3) * 300000;
}

static void timesyncd(struct ntp *n, bool first, enum ntp_mood mood)
{
	n->status = STA_PLL | STA_NANO;
	n->maxerror_us = 0;
	slew(n, found_ns(n, first, mood), log2_of(n->poll_s) - 4);
}

/* Without "rtcsync"; it moves the clock by its frequency alone. */
static void chrony(struct ntp *n, bool first, enum ntp_mood mood)
{
	(void)first, (void)mood;
	n->status = STA_UNSYNC | STA_NANO;
	n->maxerror_us = 35000;
}

static void busybox(struct ntp *n, bool first, enum ntp_mood mood)
{
	n->status = STA_PLL;
	slew(n, found_ns(n, first, mood), log2_of(n->poll_s) - 4);
}

static void nobody(struct ntp *n, bool first, enum ntp_mood mood)
{
	(void)n, (void)first, (void)mood;
}

static const struct keeper {
	const char *name;
	void (*set)(struct ntp *n, bool first, enum ntp_mood mood);
} keepers[] = {
	{"timesyncd", timesyncd}, {"chrony", chrony}, {"busybox", busybox}, {"nobody", nobody},
};
static const struct keeper *keeper = &keepers[0];

bool ntp_keeper(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keepers); i++)
		if (!strcmp(keepers[i].name, name)) {
			keeper = &keepers[i];
			return true;
		}
	return false;
}

/* Twice as late each time, up to the longest; again soon while there is much to do. */
static void poll(struct ntp *n, enum ntp_mood mood)
{
	bool first = !n->poll_s;

	n->poll_s = first || mood == NTP_IN_VAIN ? 32 : n->poll_s * 2;
	n->poll_s = n->poll_s > LONGEST_POLL_S ? LONGEST_POLL_S : n->poll_s;
	n->poll_at_s = n->alive_s + n->poll_s;
	if (mood != NTP_DEAD)
		keeper->set(n, first, mood);
}

void ntp_live(struct ntp *n, int64_t real_less_boot_ms, bool slept, enum ntp_mood mood)
{
	if (!n->alive_s || slept || real_less_boot_ms != n->real_less_boot_ms)
		clear(n);
	n->real_less_boot_ms = real_less_boot_ms;
	n->alive_s++;
	tick(n);
	if (n->alive_s >= FIRST_POLL_S && n->alive_s >= n->poll_at_s)
		poll(n, mood);
}
