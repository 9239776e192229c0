/* SPDX-License-Identifier: Apache-2.0 */
/* The two tables of foresee.c: what is forecast and what is watched. */
#pragma once

#include "predict/failure.h"
#include "sample/sample.h"

struct series_rule {
	enum metric metric; /* percent used of a limit */
	bool inverted;      /* percent free */
	enum failure_class class;
	const char *entity; /* NULL: the value's own */
	const char *what;   /* as a sentence names it */
	enum metric limit;  /* of the same entity; METRIC_COUNT: none stands in samples */
};
extern const struct series_rule series_rules[];
extern const size_t series_rules_n;

enum watch_kind {
	WATCH_ABOVE,  /* bad while the value is at or above the level's number */
	WATCH_BELOW,  /* ... at or below */
	WATCH_BEYOND, /* ... at or above, whatever its sign */
	WATCH_LOST,   /* as WATCH_ABOVE; where it never was below, it is meant to be so */
	WATCH_GROWS,  /* a counter: each growth is one bad look; by how much decides the level */
	WATCH_FLIPS,  /* a state that becomes 1: what was 1 from the start is meant to be */
};
struct watch_rule {
	enum metric metric;
	enum watch_kind kind;
	enum failure_class class;
	double levels[3];           /* notice, warning, critical; NAN: no such level */
	const char *entity;         /* NULL: the value's own */
	const char *before, *after; /* the evidence, around the number */
	int lasts_s;                /* bad only after so long without a good look; 0: at once */
};
#define WATCH_RULES_MAX 32
extern const struct watch_rule watch_rules[];
extern const size_t watch_rules_n;

/* Guest-wide metrics whose common behaviour tells an anomaly. */
extern const enum metric host_metrics[];
extern const size_t host_metrics_n;
