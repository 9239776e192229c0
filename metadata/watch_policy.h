/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from each class of answer: how long to wait, and how to name it. Pure. */
#pragma once

#include "core/backoff.h"
#include "core/types.h"
#include "metadata/source.h"

enum fetch_pace {
	PACE_INTERVAL, /* the normal interval */
	PACE_JITTER,   /* decorrelated jitter */
	PACE_DOUBLING, /* base, doubled each time up to cap, +-20 % */
};

struct fetch_policy {
	const char
		*code; /* the problem's word; the source's name goes before it; NULL = no problem */
	enum problem_level level;
	enum fetch_pace pace;
	int64_t base_ms; /* 0 = the interval; at most the interval (jitter) or ten of them
			    (doubling); of jitter only until the first answer */
	int64_t cap_ms;  /* never less than the interval */
	const char *sentence;
	const char *remedy;
	bool whole; /* of the source, not of one resource: told once however many resources have it
		     */
};

struct fetch_pacer { /* one per polled resource; all zero at start */
	enum fetch_class class;
	int64_t last_ms; /* 0 = no failure yet */
	bool answered;   /* it was polled in this life, at the pace of its interval */
};

const struct fetch_policy *fetch_policy(enum fetch_class class);
/** fetch_delay() - milliseconds to the next poll after an answer of @class. @retry_after_s: -1 =
 * none named; obeyed up to an hour. @rnd: uniform in [0,1). */
int64_t fetch_delay(struct fetch_pacer *pacer, enum fetch_class class, int64_t interval_ms,
		    int64_t retry_after_s, double rnd);
