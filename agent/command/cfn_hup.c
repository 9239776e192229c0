/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cfn-hup`: the options of heat-cfntools and aws-cfn-bootstrap together. One pass and exit, as
 * cron jobs expect, with or without -f; --daemon is `heat-pulse run`.
 */
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "command/command.h"
#include "command/options.h"
#include "command/run.h"
#include "core/log.h"

struct hup_arguments {
	const char *config;
	bool no_daemon, verbose, daemon;
};

static const struct option_row rows[] = {
	{'c', "config", OPTION_TEXT, offsetof(struct hup_arguments, config), "DIR",
	 "folder that holds cfn-hup.conf (default /etc/cfn), or a folder of hooks"},
	{'f', "no-daemon", OPTION_FLAG, offsetof(struct hup_arguments, no_daemon), NULL,
	 "one pass and exit: what happens anyway"},
	{'v', "verbose", OPTION_FLAG, offsetof(struct hup_arguments, verbose), NULL,
	 "log everything"},
	{0, "daemon", OPTION_FLAG, offsetof(struct hup_arguments, daemon), NULL,
	 "stay and watch: the same as `heat-pulse run`"},
};

static const struct option_set options = {
	.command = "cfn-hup",
	.synopsis = "[-c DIR] [-f] [-v] [--daemon]",
	.about = "One pass over the metadata: fetches each resource that hooks name, runs the "
		 "hooks whose value changed.\n"
		 "Exit: 0 the pass is done (or an agent is running and does the work), 1 "
		 "configuration, 2 usage, 3 network or\n"
		 "server, 4 a hook failed.",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
};

/* heat-cfntools means a folder of hooks by -c, aws-cfn-bootstrap the folder of cfn-hup.conf: its
 * content tells. */
static void take_config(const struct env *env, const char *folder, struct run_options *run)
{
	char path[ENV_PATH_MAX], conf[ENV_PATH_MAX];
	struct stat st;

	if (!folder)
		return;
	if (snprintf(conf, sizeof(conf), "%s/cfn-hup.conf", folder) < (int)sizeof(conf) &&
	    stat(env_path(env, conf, path), &st) == 0)
		run->hooks_conf_dir = folder;
	else
		run->hooks_dir = folder;
}

int command_cfn_hup(struct env *env, int argc, char **argv)
{
	struct hup_arguments arguments = {0};
	struct run_options run = {.log_level = -1};
	int first, r = options_parse(&options, argc, argv, &arguments, &first);

	if (r != OPTIONS_GO)
		return r;
	if (arguments.config && arguments.config[0] != '/')
		return command_usage(options.command, "-c takes an absolute path, not '%s'",
				     arguments.config);
	take_config(env, arguments.config, &run);
	if (arguments.verbose)
		run.log_level = LOG_LEVEL_DEBUG;
	run.one_pass = !arguments.daemon;
	return runner_main(env, &run);
}
