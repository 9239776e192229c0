/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands: one row each in commands[], one file each. Options in, exit code out; everything
 * else is the rooms'.
 */
#pragma once

#include "core/env.h"

/* Exit codes of every command, old names too. */
enum exit_code {
	EXIT_GOOD = 0,
	EXIT_CONFIG = 1, /* configuration, or any failure that has no code of its own */
	EXIT_USAGE = 2,
	EXIT_NETWORK = 3,  /* network or server */
	EXIT_HOOK = 4,     /* a hook or a check failed */
	EXIT_NO_AGENT = 5, /* the agent is not running */
};

typedef int command_fn(struct env *env, int argc, char **argv);

struct command {
	const char *name; /* `heat-pulse NAME`, or the program's own name where it is one of the old
			     tools */
	const char *summary; /* one line of the overview */
	bool old_name;       /* reached by its own name (a symlink), too */
	command_fn *run; /* argv[0] is the command's name; --root has been taken out into @env */
};
extern const struct command commands[];
extern const size_t commands_n;

command_fn command_run, command_sample, command_status, command_signal, command_metadata,
	command_check, command_verify, command_replay;
command_fn command_cfn_hup, command_cfn_init, command_cfn_signal, command_cfn_get_metadata,
	command_cfn_push_stats,
	command_cfn_create_aws_symlinks, command_hook, command_heat_config_notify;

/**
 * command_main() - everything main does
 *
 * Takes --root DIR (or HEAT_PULSE_ROOT) out of the arguments, picks the row by the program's own
 * name or by the first argument, runs it. `--help`, `--version` and no argument at all are answered
 * here.
 */
int command_main(int argc, char **argv);

/** command_usage() - "NAME: @problem" and "Try 'NAME --help'." on stderr. Return: EXIT_USAGE. */
int command_usage(const char *name, const char *problem, ...) _printf_(2, 3);
