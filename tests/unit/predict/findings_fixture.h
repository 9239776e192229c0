/* SPDX-License-Identifier: Apache-2.0 */
/* One set of findings for each test, and what was told of it. */
#pragma once

#include "fixture.h"

#include "predict/findings.h"

#define S   INT64_C(1000)
#define MIN (60 * S)
#define H   (60 * MIN)
#define DAY (24 * H)
#define T0  (20000 * DAY) /* midnight of some day */

static inline int setup(void **state)
{
	struct findings *f = NULL;

	assert_int_equal(findings_new(0, &f), 0);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	findings_free(*state);
	return 0;
}

static inline void bad(struct findings *f, int64_t now, enum failure_class class,
		       const char *entity, enum finding_level level)
{
	const struct observation o = {.class = class,
				      .entity = entity,
				      .level = level,
				      .evidence = "seen\tso",
				      .eta_s = -1};

	findings_bad(f, now, &o);
}

/* What is told, in order, as letters: O R P C S (opened, raised, repeated, closed, summary). */
static inline const char *told(struct findings *f, char out[static 64])
{
	struct findings_news n;
	size_t i = 0;

	while (findings_take(f, &n) && i < 63)
		out[i++] = "ORPCS"[n.event];
	out[i] = '\0';
	return out;
}
