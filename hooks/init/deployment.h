/* SPDX-License-Identifier: Apache-2.0 */
/* cfn-init as a hook of Heat's deployments: group "cfn-init". */
#pragma once

#include <jansson.h>
#include "core/env.h"

/**
 * cfn_init_deployment() - apply one deployment's config
 * @deployment: an entry of Heat's list: "config" is what stands below AWS::CloudFormation::Init, as
 * an object or as its text (with that key or without); an input or option "configsets" names the
 * sets
 * @ret_result: what the hook contract wants on stdout: deploy_stdout, deploy_stderr,
 * deploy_status_code; new reference
 *
 * Waits; for a process of its own. Return: 0 when there is a result, good or bad; -ENOMEM.
 */
int cfn_init_deployment(const struct env *env, const json_t *deployment,
			json_t **ret_result) _must_check_;
