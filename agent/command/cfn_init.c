/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cfn-init`: applies AWS::CloudFormation::Init to this machine, with the flags of heat-cfntools
 * and aws-cfn-bootstrap together. Metadata come from a file that is named, from the server when
 * keys are given, else from what is on this machine already (a hook thus sees what it was started
 * for), and only when there is nothing from the server with keys that are found.
 */
#include <stddef.h>
#include <string.h>

#include "command/cfn_cache.h"
#include "command/cfn_common.h"
#include "command/command.h"
#include "command/input.h"
#include "core/json.h"
#include "hooks/init/init.h"

#define NAME       "cfn-init"
#define TIMEOUT_MS 120000

struct init_arguments {
	const char *stack, *resource, *sets, *file;
	bool dry_run, keep_going;
	struct cfn_access access;
};

static const struct option_row rows[] = {
	CFN_RESOURCE_ROWS(struct init_arguments),
	{'c', "configsets", OPTION_TEXT, offsetof(struct init_arguments, sets), "NAMES",
	 "comma list of configSets (default)"},
	{0, "dry-run", OPTION_FLAG, offsetof(struct init_arguments, dry_run), NULL,
	 "change nothing, say what would change"},
	{0, "keep-going", OPTION_FLAG, offsetof(struct init_arguments, keep_going), NULL,
	 "go on after a failure, but for commands; it still ends with 4"},
	{'k', "insecure", OPTION_FLAG, offsetof(struct init_arguments, access.insecure), NULL,
	 "do not check the metadata server's certificate"},
	CFN_ACCESS_ROWS(struct init_arguments),
};

static const struct option_set options = {
	.command = NAME,
	.synopsis = "[OPTIONS] [FILE|-]",
	.about =
		"Applies AWS::CloudFormation::Init: packages, groups, users, sources, files, "
		"commands, services.\n"
		"Metadata are those of FILE, of the CFN endpoint when keys are given, else of the "
		"last document on this\n"
		"machine. A second run changes nothing but what commands do.\n"
		"Exit: 0 done, 1 configuration or metadata, 2 usage, 3 network or server, 4 a step "
		"failed.",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
	.max_arguments = 1,
};

/* ---- metadata ---- */

static int from_file(const struct env *env, const char *file, json_t **tree)
{
	_cleanup_buf_ struct buf text = BUF_INIT(json_limits_default.text_bytes);
	struct err e = ERR_INIT;
	int r = input_read(env, file, &text, &e);

	if (r == 0)
		r = json_parse(buf_str(&text), text.len, &json_limits_default, tree, &e);
	if (r == 0)
		return 0;
	fprintf(stderr, NAME ": %s: %s\n", file, e.text);
	return EXIT_CONFIG;
}

static int from_server(struct cfn_session *s, const struct init_arguments *a, json_t **tree)
{
	const char *stack = a->stack ? a->stack : s->direct.creds.cfn.stack,
		   *resource = a->resource ? a->resource : s->direct.creds.cfn.resource;
	struct err e = ERR_INIT;
	int r;

	if (!stack || !resource) {
		fprintf(stderr, NAME ": no metadata on this machine, and %s is not known\n",
			stack ? "the resource" : "the stack");
		return EXIT_CONFIG;
	}
	r = cfn_metadata(s, stack, resource, tree, &e);
	if (r)
		fprintf(stderr, NAME ": %s\n", e.text);
	return r;
}

static int find_tree(struct cfn_session *s, const struct init_arguments *a, json_t **tree)
{
	if (a->file)
		return from_file(s->direct.env, a->file, tree);
	if (s->given)
		return from_server(s, a, tree);
	*tree = cfn_cache_read(s->direct.env, NAME, a->resource);
	if (*tree)
		return 0;
	if (s->direct.creds.cfn.kind != CREDENTIALS_NONE)
		return from_server(s, a, tree);
	fprintf(stderr, NAME ": no metadata on this machine, and no keys to fetch them with\n");
	return EXIT_CONFIG;
}

/* ---- applying ---- */

static int apply(struct cfn_session *s, const struct init_arguments *a, const json_t *tree)
{
	struct init_setup setup = {
		.env = s->direct.env,
		.http = cfn_proxies(&a->access, &s->direct.conf),
		.dry_run = a->dry_run,
		.keep_going = a->keep_going,
		.sources_first = s->direct.conf.compat == CONF_COMPAT_HEAT,
		.program_ms = s->direct.conf.hook_timeout_ms,
	};
	struct err e = ERR_INIT;
	int r = init_apply(&setup, tree, a->sets, &e);

	if (r == INIT_DONE)
		return EXIT_GOOD;
	fprintf(stderr, NAME ": %s\n", e.text);
	return r == INIT_FAILED ? EXIT_HOOK : EXIT_CONFIG;
}

static int check_arguments(const struct init_arguments *a)
{
	bool asks = (a->access.access_key || a->access.credential_file) && !a->file;
	int r = cfn_check_keys(NAME, &a->access);

	return r == 0 && asks ? cfn_check_named(NAME, a->stack, a->resource) : r;
}

int command_cfn_init(struct env *env, int argc, char **argv)
{
	struct init_arguments a = {0};
	struct cfn_session session;
	_cleanup_json_ json_t *tree = NULL;
	int first, r = options_parse(&options, argc, argv, &a, &first);

	if (r != OPTIONS_GO)
		return r;
	a.file = first < argc ? argv[first] : NULL;
	r = check_arguments(&a);
	if (r)
		return r;
	r = cfn_session_open(env, NAME, &a.access, TIMEOUT_MS, &session);
	if (r == 0)
		r = find_tree(&session, &a, &tree);
	if (r == 0)
		r = apply(&session, &a, tree);
	cfn_session_close(&session);
	return r;
}
