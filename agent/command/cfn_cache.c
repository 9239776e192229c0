/* SPDX-License-Identifier: Apache-2.0 */
#include "command/cfn_cache.h"

#include <errno.h>
#include <string.h>

#include "command/documents.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/text.h"
#include "metadata/document.h"

#define CACHE_DIR "/var/cache/heat-cfntools/"

static json_t *read_tree(const struct env *env, const char *command, const char *path)
{
	_cleanup_buf_ struct buf text = BUF_INIT(json_limits_default.text_bytes);
	char full[ENV_PATH_MAX];
	json_t *tree = NULL;
	struct err e = ERR_INIT;
	int r = fs_read(env_path(env, path, full), &text);

	if (r == 0)
		r = json_parse(buf_str(&text), text.len, &json_limits_default, &tree, &e);
	if (r < 0 && r != -ENOENT)
		fprintf(stderr, "%s: %s: %s\n", command, full, e.text[0] ? e.text : strerror(-r));
	if (!tree || json_is_null(tree)) {
		json_decref(tree);
		return NULL;
	}
	return tree;
}

/* The agent's last good document of that resource. */
static json_t *read_state(const struct env *env, const char *entry_of, const char *resource)
{
	_cleanup_(document_cleanup) struct document doc = {0};
	_cleanup_buf_ struct buf text = BUF_INIT(STORE_ENTRY_MAX);
	char dir[ENV_PATH_MAX], name[STORE_NAME_MAX];

	if (store_file_read(env, env_path(env, STORE_DIR, dir), documents_entry(entry_of, name),
			    NULL, &text, NULL) < 0 ||
	    document_load(text.data, text.len, &doc, NULL) < 0)
		return NULL;
	return !resource || text_equal(doc.resource, resource) ? json_incref(doc.metadata) : NULL;
}

json_t *cfn_cache_read(const struct env *env, const char *command, const char *resource)
{
	char of_resource[ENV_PATH_MAX] = "";
	const char *const files[] = {of_resource, CACHE_DIR "last_metadata",
				     "/var/lib/heat-cfntools/cfn-init-data"};
	json_t *tree = resource ? read_state(env, resource, resource) : NULL;

	if (!tree)
		tree = read_state(env, NULL, resource);
	if (resource && (strchr(resource, '/') ||
			 snprintf(of_resource, sizeof(of_resource), CACHE_DIR "last_metadata_%s",
				  resource) >= (int)sizeof(of_resource)))
		of_resource[0] = '\0';
	for (size_t i = 0; !tree && i < ARRAY_SIZE(files); i++)
		if (files[i][0])
			tree = read_tree(env, command, files[i]);
	return tree;
}
