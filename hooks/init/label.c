/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/init/label.h"

#include "core/log.h"
#include "hooks/init/program.h"
#include "hooks/init/tree.h"

#define TIMEOUT_MS (10 * 60 * 1000)

void label_restore(const struct env *env, const char *path, bool deep)
{
	char tool[ENV_PATH_MAX];
	const char *argv[] = {tool, deep ? "-RF" : "-F", "--", path, NULL};
	struct program p = {.argv = argv, .timeout_ms = TIMEOUT_MS};
	struct program_end end;
	struct err e = ERR_INIT;

	if (program_find(env, "restorecon", tool) && program_must(env, &p, &end, &e) < 0)
		log_warn("cfn-init: the label of %s is as it was: %s", tree_shown(path), e.text);
}
