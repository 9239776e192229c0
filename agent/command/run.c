/* SPDX-License-Identifier: Apache-2.0 */
/* `heat-pulse run`: options, then the runner. */
#include "command/run.h"

#include <stddef.h>
#include <stdio.h>

#include "command/command.h"
#include "command/options.h"
#include "core/log.h"

struct run_arguments {
	const char *config, *log_level;
	int64_t for_ms;
	bool help_config, foreground;
};

static const struct option_row rows[] = {
	{'c', "config", OPTION_TEXT, offsetof(struct run_arguments, config), "FILE",
	 "configuration instead of " CONF_FILE},
	{0, "for", OPTION_DURATION, offsetof(struct run_arguments, for_ms), "TIME",
	 "stop by itself after that time (30s, 10m)"},
	{0, "log-level", OPTION_TEXT, offsetof(struct run_arguments, log_level), "LEVEL",
	 "error, warning, info or debug"},
	{0, "help-config", OPTION_FLAG, offsetof(struct run_arguments, help_config), NULL,
	 "print every setting with its default"},
	{0, "foreground", OPTION_FLAG, offsetof(struct run_arguments, foreground), NULL, NULL},
};

static const struct option_set options = {
	.command = "heat-pulse run",
	.synopsis = "[OPTIONS]",
	.about = "Runs the agent in the foreground: watches Heat metadata, runs hooks, samples the "
		 "guest and\n"
		 "signals Heat. SIGTERM and SIGINT stop it (running hooks go on), SIGHUP reloads "
		 "its configuration.",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
};

static int print_settings(void)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1 << 20);

	conf_dump(NULL, &text);
	fputs(buf_str(&text), stdout);
	return buf_error(&text) ? EXIT_CONFIG : EXIT_GOOD;
}

int command_run(struct env *env, int argc, char **argv)
{
	struct run_arguments arguments = {0};
	struct run_options run = {.log_level = -1};
	enum log_level level;
	int first, r = options_parse(&options, argc, argv, &arguments, &first);

	if (r != OPTIONS_GO)
		return r;
	if (arguments.help_config)
		return print_settings();
	if (arguments.log_level) {
		if (log_level_parse(arguments.log_level, &level))
			return command_usage(options.command,
					     "--log-level is error, warning, info or debug");
		run.log_level = (int)level;
	}
	run.conf_file = arguments.config;
	run.for_ms = arguments.for_ms;
	return runner_main(env, &run);
}
