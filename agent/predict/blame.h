/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom to name when memory runs out: the process that grows; else tmpfs or the kernel, which are no
 * process; else, where many processes grow together, their control group. For a fast rise only what
 * grew within the last minute counts, for a slow one the slopes of hours; in either case it must be a
 * good part of what is being used up, so that nobody is blamed for being the only one that moved.
 */
#pragma once

#include "predict/forecast.h"
#include "sample/growth.h"
#include "sample/sample.h"

#define BLAME_GROUPS 32
#define BLAME_NAME   64

struct blame_mark { /* memory of a control group, or of the guest's own kind, MiB */
	char entity[BLAME_NAME]; /* "": free */
	int64_t fed_ms;
	struct rise rise;
	struct growth growth;
	double risen, mib_h;
};
struct blame {
	struct blame_mark marks[BLAME_GROUPS + 2];
};
/** blame_sample() - remembers what is not in the sample itself. */
void blame_sample(struct blame *b, const struct sample *s);
/** blame_name() - @v: the forecast of the guest's memory that is open. @out: "" when nobody stands
 * out. */
void blame_name(const struct blame *b, const struct sample *s, const struct forecast_view *v,
		char out[static BLAME_NAME]);
