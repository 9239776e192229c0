/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands and the little that all of them share: --root, --help, usage errors. */
#include "command/command.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "build_info.h"
#include "core/log.h"

const struct command commands[] = {
	{"run", "the agent: watch metadata, run hooks, take the pulse, signal Heat", false,
	 command_run},
	{"status", "what the running agent knows: sources, hooks, signals, problems", false,
	 command_status},
	{"check", "what it would use and what is wrong: credentials, hooks, clock, rights", false,
	 command_check},
	{"sample", "take one sample and print it", false, command_sample},
	{"metadata", "print the last good document, or the value at a path", false,
	 command_metadata},
	{"signal", "send a signal to a wait condition handle", false, command_signal},
	{"verify", "judge a signed signal", false, command_verify},
	{"replay", "run the predictions over recorded samples or kernel logs", false,
	 command_replay},
	{"hook", "run a built-in hook of a deployment: JSON in, JSON out", false, command_hook},
	{"cfn-hup", "one pass over the metadata, as heat-cfntools has it", true, command_cfn_hup},
	{"cfn-init", "apply packages, files, services … of the metadata to this machine", true,
	 command_cfn_init},
	{"cfn-signal", "signal a wait condition", true, command_cfn_signal},
	{"cfn-get-metadata", "print metadata of a resource", true, command_cfn_get_metadata},
	{"cfn-push-stats", "hand a measurement to the running agent's metric sinks", true,
	 command_cfn_push_stats},
	{"cfn-create-aws-symlinks", "link the cfn tools below /opt/aws/bin", true,
	 command_cfn_create_aws_symlinks},
	{"heat-config-notify", "tell Heat the result of a deployment", true, command_heat_config_notify},
};
const size_t commands_n = ARRAY_SIZE(commands);

static const struct command *find_command(const char *name, bool by_own_name)
{
	for (size_t i = 0; i < commands_n; i++)
		if (!strcmp(commands[i].name, name) && (commands[i].old_name || !by_own_name))
			return &commands[i];
	return NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/*
 * Takes "--root DIR" and "--root=DIR" out of the arguments, wherever they stand before "--". A
 * value "--root" of another option cannot be told apart from it; nobody has that.
 */
static int take_root(int *argc, char **argv, const char **ret_root)
{
	int to = 1, from = 1;

	for (; from < *argc && strcmp(argv[from], "--"); from++) {
		if (!strcmp(argv[from], "--root")) {
			if (from + 1 >= *argc)
				return -1;
			*ret_root = argv[++from];
		} else if (!strncmp(argv[from], "--root=", 7)) {
			*ret_root = argv[from] + 7;
		} else {
			argv[to++] = argv[from];
		}
	}
	while (from < *argc)
		argv[to++] = argv[from++];
	argv[to] = NULL;
	*argc = to;
	return 0;
}

static int overview(void)
{
	printf("heat-pulse %s: the in-guest agent for OpenStack Heat\n\n"
	       "usage: heat-pulse COMMAND [OPTIONS]\n\n",
	       HEAT_PULSE_VERSION);
	for (size_t i = 0; i < commands_n; i++)
		printf("  %-24s %s\n", commands[i].name, commands[i].summary);
	printf("\nEvery command takes --help, and --root DIR (or HEAT_PULSE_ROOT): a prefix to "
	       "every path.\n"
	       "Exit: 0 good, 1 configuration, 2 usage, 3 network or server, 4 a hook or check "
	       "failed, 5 agent not running.\n");
	return EXIT_GOOD;
}

int command_usage(const char *name, const char *problem, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", name);
	va_start(ap, problem);
	vfprintf(stderr, problem, ap);
	va_end(ap);
	fprintf(stderr, "\nTry '%s --help'.\n", name);
	return EXIT_USAGE;
}

static int choose(int argc, char **argv)
{
	const struct command *command;
	const char *root = NULL;
	struct env env;

	if (argc < 1)
		return EXIT_USAGE;
	log_setup(LOG_LEVEL_INFO, "heat-pulse");
	/* A peer that goes away is an error of write(2), for TLS and for a reader of our output
	 * alike, not our end. */
	signal(SIGPIPE, SIG_IGN);
	if (take_root(&argc, argv, &root))
		return command_usage("heat-pulse", "--root needs a folder");
	if (env_init(&env, root))
		return command_usage("heat-pulse", "--root must be an absolute path: %s",
				     root ? root : "HEAT_PULSE_ROOT");
	command = find_command(base_name(argv[0]), true);
	if (command) {
		log_setup(LOG_LEVEL_INFO, command->name);
		return command->run(&env, argc, argv);
	}
	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help"))
		return overview();
	if (!strcmp(argv[1], "--version")) {
		printf("heat-pulse %s\n", HEAT_PULSE_VERSION);
		return EXIT_GOOD;
	}
	command = find_command(argv[1], false);
	if (!command)
		return command_usage("heat-pulse", "no command '%s'", argv[1]);
	if (command->old_name)
		log_setup(LOG_LEVEL_INFO, command->name);
	return command->run(&env, argc - 1, argv + 1);
}

static bool reader_left(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return poll(&out, 1, 0) > 0 && out.revents & (POLLERR | POLLHUP);
}

/* What is printed and does not arrive is no success; a reader that has had enough is. */
int command_main(int argc, char **argv)
{
	int code = choose(argc, argv);
	bool lost = fflush(stdout) != 0;

	if (!(lost || ferror(stdout)) || code != EXIT_GOOD || reader_left())
		return code;
	fprintf(stderr, "heat-pulse: what was to be printed could not be written in full\n");
	return EXIT_CONFIG;
}
