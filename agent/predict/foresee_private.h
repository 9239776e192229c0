/* SPDX-License-Identifier: Apache-2.0 */
/* Between foresee.c (one pass over a sample) and foresee_tune.c (settings). */
#pragma once

#include "predict/foresee.h"
#include "predict/foresee_rules.h"

#define COUNTERS_MAX 96

struct series {
	const struct series_rule *rule; /* NULL: free */
	char entity[64];
	int64_t fed_ms;
	struct forecast forecast;
};

struct counter { /* the last value of a watched counter or state */
	const struct watch_rule *rule;
	char entity[64];
	int64_t fed_ms;
	double value;
};

struct foresee {
	struct findings *findings;
	struct klog *klog;
	struct host *host;
	int64_t host_ms;
	uint8_t series_of[METRIC_COUNT], watch_of[METRIC_COUNT]; /* row + 1 */
	struct series series[FORESEE_SERIES_MAX];
	struct counter counters[COUNTERS_MAX];
	double levels[WATCH_RULES_MAX][3]; /* of watch_rules[], as tuned */
};
