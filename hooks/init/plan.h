/* SPDX-License-Identifier: Apache-2.0 */
/*
 * configSets: from the tree of AWS::CloudFormation::Init and the sets asked for to the configs in
 * the order they are run. Pure. Everything is resolved before anything is run.
 */
#pragma once

#include <jansson.h>
#include "core/err.h"

#define PLAN_CONFIGS_MAX 256 /* runs of configs, repeats counted */
#define PLAN_DEPTH_MAX   16  /* sets within sets */

struct plan {
	const char *configs[PLAN_CONFIGS_MAX]; /* keys of the tree, borrowed */
	size_t n;
};

/**
 * plan_make() - which configs, in which order
 * @init: the value of AWS::CloudFormation::Init
 * @sets: comma list, or NULL: set "default", or config "config" where there are no sets
 *
 * A set is one name or a list; a name is a config's, {"ConfigSet": NAME} another set. Repeats run
 * again. Return: 0; -EINVAL with the path named in @e for an unknown set or config, a cycle, a set
 * that is empty or of another form.
 */
int plan_make(const json_t *init, const char *sets, struct plan *ret, struct err *e) _must_check_;
