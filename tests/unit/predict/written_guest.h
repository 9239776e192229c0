/* SPDX-License-Identifier: Apache-2.0 */
/* A guest whose samples a test writes, each STEP_MS, which it defines before. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "predict/foresee.h"

#define START_MS 1767323045000LL

static struct sample sample;

static struct sample *sample_at(int step)
{
	sample_reset(&sample, START_MS - 1767000000000LL + (int64_t)step * STEP_MS,
		     START_MS + (int64_t)step * STEP_MS);
	return &sample;
}

static _unused_ int setup(void **state)
{
	return foresee_new((struct foresee **)state);
}

static _unused_ int teardown(void **state)
{
	foresee_free(*state);
	return 0;
}

/* The open finding of a class, or false. */
static _unused_ bool find(struct foresee *f, const char *class, struct finding *ret)
{
	for (size_t i = 0; findings_get(foresee_findings(f), i, ret); i++)
		if (!strcmp(ret->class_name, class))
			return true;
	return false;
}
