/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `heat-pulse hook GROUP`: one of the built-in hooks, with the contract of heat-config hooks: the
 * deployment as JSON on stdin, its result as JSON on stdout, everything else on stderr. The runner
 * starts it; by hand it shows what a deployment would do.
 */
#include <errno.h>
#include <string.h>

#include "command/command.h"
#include "command/input.h"
#include "command/options.h"
#include "core/text.h"
#include "hooks/deploy/builtin.h"
#include "hooks/deploy/keep.h"

struct hook_arguments {
	bool list;
};

static const struct option_row rows[] = {
	{0, "list", OPTION_FLAG, offsetof(struct hook_arguments, list), NULL,
	 "name the groups that are built in"},
};

static const struct option_set options = {
	.command = "heat-pulse hook",
	.synopsis = "GROUP | --list",
	.about = "Runs a built-in hook: the deployment as JSON on stdin, its result as JSON on "
		 "stdout.",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
	.max_arguments = 1,
};

static int list_groups(const struct env *env)
{
	for (size_t i = 0; i < deploy_builtins_n; i++)
		printf("%-16s %s%s\n", deploy_builtins[i].group, deploy_builtins[i].about,
		       deploy_builtin_known(env, deploy_builtins[i].group) ? ""
									   : " (not usable here)");
	return EXIT_GOOD;
}

static int read_entry(const struct env *env, json_t **ret, struct err *e)
{
	static const struct json_limits limits = {DEPLOYMENT_ENTRY_MAX, 68, 65536 + 64, 128u << 20};
	_cleanup_buf_ struct buf text = BUF_INIT(DEPLOYMENT_ENTRY_MAX);
	int r = input_read(env, "-", &text, e);

	if (r == 0)
		r = json_parse(buf_str(&text), text.len, &limits, ret, e);
	if (r == 0 && !json_is_object(*ret))
		r = err_set(e, -EBADMSG, "not a JSON object");
	return r;
}

static int run_hook(const struct env *env, const struct deploy_builtin *hook)
{
	_cleanup_json_ json_t *entry = NULL, *result = NULL;
	_cleanup_free_ char *text = NULL;
	struct err e = ERR_INIT;

	if (read_entry(env, &entry, &e)) {
		fprintf(stderr, "heat-pulse hook: the deployment on stdin: %s\n", e.text);
		return EXIT_USAGE;
	}
	if (hook->run(env, entry, &result) == 0)
		text = json_compact(result);
	if (!text) {
		fprintf(stderr, "heat-pulse hook: out of memory\n");
		return EXIT_CONFIG;
	}
	return printf("%s\n", text) < 0 || fflush(stdout) ? EXIT_CONFIG : EXIT_GOOD;
}

int command_hook(struct env *env, int argc, char **argv)
{
	struct hook_arguments a = {0};
	const struct deploy_builtin *hook;
	int first, r = options_parse(&options, argc, argv, &a, &first);

	if (r != OPTIONS_GO)
		return r;
	if (a.list)
		return list_groups(env);
	if (first >= argc)
		return command_usage("heat-pulse hook", "name a group");
	hook = deploy_builtin_find(argv[first]);
	return hook ? run_hook(env, hook)
		    : command_usage("heat-pulse hook", "no group '%s' is built in", argv[first]);
}
