/* SPDX-License-Identifier: Apache-2.0 */
/* The table of built-in hooks. */
#include "hooks/deploy/builtin.h"

#include <string.h>

#include "hooks/init/deployment.h"

const struct deploy_builtin deploy_builtins[] = {
	{"script", deploy_script, NULL, "a program: inputs in its environment, outputs from files"},
	{"cfn-init", cfn_init_deployment, NULL,
	 "packages, users, files, services … as cfn-init has them"},
	{"json-file", deploy_json_file, NULL, "a map of paths, each written as JSON"},
	{"hiera", deploy_hiera, NULL, "hierarchy and data files of hiera"},
	{"apply-config", deploy_apply_config, deploy_apply_config_usable, "runs os-apply-config"},
	{"os-apply-config", deploy_apply_config, deploy_apply_config_usable,
	 "the same by its old name"},
};
const size_t deploy_builtins_n = ARRAY_SIZE(deploy_builtins);

const struct deploy_builtin *deploy_builtin_find(const char *group)
{
	for (size_t i = 0; i < deploy_builtins_n; i++)
		if (strcmp(deploy_builtins[i].group, group) == 0)
			return &deploy_builtins[i];
	return NULL;
}

bool deploy_builtin_known(const struct env *env, const char *group)
{
	const struct deploy_builtin *row = deploy_builtin_find(group);

	return row && (!row->usable || row->usable(env));
}
