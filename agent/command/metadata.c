/* SPDX-License-Identifier: Apache-2.0 */
/* `heat-pulse metadata`: the last good document from the state folder, or the value at a path. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "command/command.h"
#include "command/documents.h"
#include "command/options.h"
#include "core/json.h"
#include "core/path.h"
#include "core/text.h"
#include "metadata/document.h"

struct metadata_arguments {
	const char *source, *resource;
	bool secrets, json;
};

static const struct option_row rows[] = {
	{'s', "source", OPTION_TEXT, offsetof(struct metadata_arguments, source), "SOURCE",
	 "only if it came from cfn, heat or local"},
	{'r', "resource", OPTION_TEXT, offsetof(struct metadata_arguments, resource), "NAME",
	 "another resource than the own one"},
	{0, "secrets", OPTION_FLAG, offsetof(struct metadata_arguments, secrets), NULL,
	 "do not mask secrets"},
	{0, "json", OPTION_FLAG, offsetof(struct metadata_arguments, json), NULL,
	 "one line: {\"v\":1,\"source\",\"resource\",\"value\"}"},
};

static const struct option_set options = {
	.command = "heat-pulse metadata",
	.synopsis = "[OPTIONS] [PATH]",
	.about = "Prints the last good metadata document, or the value at PATH (keys joined by "
		 "dots; \\. is a dot inside a key).\n"
		 "Values whose names say that they are secret are masked. Exit 1: no document, or "
		 "nothing at that path.",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
	.max_arguments = 1,
};

static int load_document(const struct env *env, const struct metadata_arguments *a,
			 struct document *doc, struct err *e)
{
	char dir[ENV_PATH_MAX], name[STORE_NAME_MAX];
	_cleanup_buf_ struct buf text = BUF_INIT(STORE_ENTRY_MAX);
	int r = store_file_read(env, env_path(env, STORE_DIR, dir),
				documents_entry(a->resource, name), NULL, &text, e);

	if (r == -ENOENT)
		return err_set(
			e, r,
			"no document yet: has the agent fetched one? See `heat-pulse status`");
	if (r == -EACCES)
		return err_set(e, r, "the state below %s may be read by root only", dir);
	if (r)
		return r;
	r = document_load(text.data, text.len, doc, e);
	if (r)
		return r;
	if (a->source && !text_equal(doc->source, a->source))
		return err_set(e, -ENOENT, "the last document came from '%s', not '%s'",
			       doc->source, a->source);
	return 0;
}

static json_t *find_value(json_t *tree, const char *path, struct err *e)
{
	char *keys[PATH_KEYS_MAX];
	size_t n = 0;
	json_t *value;

	if (!path)
		return tree;
	if (path_split_keys(path, strlen(path), keys, &n, e))
		return NULL;
	value = path_lookup(tree, keys, n);
	for (size_t i = 0; i < n; i++)
		free(keys[i]);
	if (!value)
		err_set(e, -ENOENT, "nothing at path %s", path);
	return value;
}

static void print_value(const struct document *doc, json_t *value, bool json)
{
	if (json) {
		_cleanup_json_ json_t *line =
			json_pack("{s:i,s:s,s:s?,s:O}", "v", 1, "source", doc->source, "resource",
				  doc->resource, "value", value);

		json_dumpf(line, stdout, JSON_COMPACT | JSON_SORT_KEYS);
	} else if (json_is_string(value)) {
		fputs(json_string_value(value), stdout);
	} else {
		json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	}
	printf("\n");
}

int command_metadata(struct env *env, int argc, char **argv)
{
	struct metadata_arguments a = {0};
	_cleanup_(document_cleanup) struct document doc = {0};
	_cleanup_json_ json_t *tree = NULL;
	struct err e = ERR_INIT;
	json_t *value = NULL;
	int first, r = options_parse(&options, argc, argv, &a, &first);

	if (r != OPTIONS_GO)
		return r;
	r = load_document(env, &a, &doc, &e);
	if (!r) {
		tree = a.secrets ? json_incref(doc.metadata) : document_mask(doc.metadata);
		value = tree ? find_value(tree, first < argc ? argv[first] : NULL, &e) : NULL;
	}
	if (!value) {
		fprintf(stderr, "heat-pulse metadata: %s\n",
			e.code ? e.text : "the document is empty");
		return EXIT_CONFIG;
	}
	print_value(&doc, value, a.json);
	return EXIT_GOOD;
}
