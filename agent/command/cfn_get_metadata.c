/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cfn-get-metadata`: prints the metadata of a resource, or the value at a key, as one line of
 * JSON. From the server when keys are given or found; else, or when found keys do not help, from
 * what is on this machine. It only reads: the old tool overwrote last_metadata and so swallowed
 * cfn-hup's next event.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "command/cfn_cache.h"
#include "command/cfn_common.h"
#include "command/command.h"
#include "core/json.h"
#include "core/path.h"

#define TIMEOUT_MS 60000
#define NAME       "cfn-get-metadata"

struct get_arguments {
	const char *stack, *resource, *key;
	struct cfn_access access;
};

static const struct option_row rows[] = {
	CFN_RESOURCE_ROWS(struct get_arguments),
	{'k', "key", OPTION_TEXT, offsetof(struct get_arguments, key), "KEY",
	 "only the value there: a.b.'c.d'"},
	CFN_ACCESS_ROWS(struct get_arguments),
};

static const struct option_set options = {
	.command = NAME,
	.synopsis = "-s STACK -r RESOURCE [-k KEY] [OPTIONS]",
	.about = "Prints a resource's metadata as one line of JSON: from the CFN endpoint when "
		 "keys are "
		 "given or found, else from the\n"
		 "last document on this machine. Exit: 0 printed, 1 nothing there or "
		 "configuration, 2 usage, "
		 "3 network or server.",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
};

/* ---- the server ---- */

/* Keys that were only found may be of another stack, or refused by this cloud's policy: then the
 * local copy serves. */
static int find_tree(struct cfn_session *s, const struct get_arguments *a, json_t **tree)
{
	struct err e = ERR_INIT;
	int r = 0;

	if (s->direct.creds.cfn.kind != CREDENTIALS_NONE) {
		r = cfn_metadata(s, a->stack, a->resource, tree, &e);
		if (r == 0)
			return 0;
	}
	if (!s->given)
		*tree = cfn_cache_read(s->direct.env, NAME, a->resource);
	if (r)
		fprintf(stderr, NAME ": %s%s\n", e.text,
			*tree ? "; what follows is the copy on this machine" : "");
	return *tree ? 0 : r;
}

/* ---- output ---- */

static json_t *at_key(json_t *tree, const char *key, struct err *e)
{
	char *keys[PATH_KEYS_MAX];
	size_t n = 0;
	json_t *value;

	if (!key || !*key)
		return tree;
	if (path_split_keys(key, strlen(key), keys, &n, e) < 0)
		return NULL;
	value = path_lookup(tree, keys, n);
	for (size_t i = 0; i < n; i++)
		free(keys[i]);
	if (!value)
		err_set(e, -ENOENT, "no value at key %s", key);
	return value;
}

static int print_value(json_t *tree, const char *key)
{
	struct err e = ERR_INIT;
	json_t *value = at_key(tree, key, &e);

	if (!value) {
		fprintf(stderr, NAME ": %s\n", e.text);
		return EXIT_CONFIG;
	}
	if (json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) < 0 ||
	    putchar('\n') == EOF || fflush(stdout) == EOF) {
		fprintf(stderr, NAME ": cannot write the output: %s\n", strerror(errno));
		return EXIT_CONFIG;
	}
	return EXIT_GOOD;
}

static int check_arguments(const struct get_arguments *a)
{
	int r = cfn_check_named(NAME, a->stack, a->resource);

	if (r)
		return r;
	if (!*a->stack || !*a->resource) {
		fprintf(stderr, NAME ": %s is empty\n", *a->stack ? "--resource" : "--stack");
		return EXIT_CONFIG;
	}
	return cfn_check_keys(NAME, &a->access);
}

int command_cfn_get_metadata(struct env *env, int argc, char **argv)
{
	struct get_arguments a = {0};
	struct cfn_session session;
	_cleanup_json_ json_t *tree = NULL;
	int first, r = options_parse(&options, argc, argv, &a, &first);

	if (r != OPTIONS_GO)
		return r;
	r = check_arguments(&a);
	if (r)
		return r;
	r = cfn_session_open(env, NAME, &a.access, TIMEOUT_MS, &session);
	if (r == 0)
		r = find_tree(&session, &a, &tree);
	cfn_session_close(&session);
	if (r)
		return r;
	if (!tree || json_is_null(tree)) {
		fprintf(stderr, NAME ": no metadata\n");
		return EXIT_CONFIG;
	}
	return print_value(tree, a.key);
}
