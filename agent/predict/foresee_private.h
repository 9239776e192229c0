/* SPDX-License-Identifier: Apache-2.0 */
/* Between foresee.c (one pass over a sample) and foresee_tune.c (settings). */
#pragma once

#include "predict/blame.h"
#include "predict/foresee.h"
#include "predict/foresee_rules.h"

#define COUNTERS_MAX 192 /* all that the probes tell of at once */
#define ENTITY_MAX   64

struct series {
	const struct series_rule *rule; /* NULL: free */
	char entity[ENTITY_MAX];
	bool has_limit; /* what is fed is in the unit of a limit, which may move */
	int64_t fed_ms;
	struct forecast forecast;
	char culprit[BLAME_NAME]; /* who was named last since it opened */
	/* since it opened: its highest, and when that was; whether it has stood still for too long */
	double high;
	int64_t high_ms;
	bool disproved;
};

struct counter { /* the last value of a watched counter or state */
	const struct watch_rule *rule;
	char entity[ENTITY_MAX];
	int64_t fed_ms;
	double value; /* of what must last: NAN as long as it never was good */
	bool bad;     /* what must last: the last look was; for so long no other was good */
	int64_t bad_ms;
};

/* Kills that a control group counted and no record told of yet. */
struct untold {
	bool waits;
	enum finding_level level;
	int64_t since_ms, seen_ms; /* the look before, and the one that found it */
	char entity[ENTITY_MAX];
	char evidence[160];
};

struct foresee {
	struct findings *findings;
	struct klog *klog;
	struct host *host;
	struct blame blame;
	struct untold untold;
	int64_t kill_told_ms; /* when the kernel log last told of one */
	int64_t host_ms;
	int64_t sample_ms; /* of the last sample */
	int64_t now_ms;    /* what foresee_clock() was told last; 0: nothing yet */
	int64_t offset_ms; /* wall clock less time since boot, as of what is remembered */
	bool offset_known;
	uint8_t series_of[METRIC_COUNT], watch_of[METRIC_COUNT]; /* row + 1 */
	struct series series[FORESEE_SERIES_MAX];
	struct counter counters[COUNTERS_MAX];
	double levels[WATCH_RULES_MAX][3]; /* of watch_rules[], as tuned */
};

/** foresee_kill_told() - a record of the kernel tells of a process killed for want of memory. */
void foresee_kill_told(struct foresee *f, int64_t real_ms);
/**
 * foresee_kill_counted() - a control group counted some
 * @since_ms: when it was last looked at
 *
 * The record, which names the process, comes about as soon; one kill is one finding. Only where none
 * comes (the kernel log cannot be read) the group's count makes it.
 */
void foresee_kill_counted(struct foresee *f, const struct observation *o, int64_t since_ms,
			  int64_t now_ms);
/** foresee_kill_tick() - enough waited for a record. */
void foresee_kill_tick(struct foresee *f, int64_t now_ms);
