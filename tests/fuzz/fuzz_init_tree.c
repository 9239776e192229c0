/* SPDX-License-Identifier: Apache-2.0 */
/* cfn-init's tree: any JSON is applied in a dry run below a root that is not there, without what a URL names. It ends with an answer
 * and a reason, and the answer does not depend on --keep-going when nothing failed. */
#include <stdint.h>
#include <string.h>

#include "core/json.h"
#include "hooks/init/init.h"

static void forget_urls(json_t *tree)
{
	const char *name, *path;
	json_t *config, *file;

	json_object_foreach(tree, name, config) {
		json_object_del(config, "sources");
		json_object_foreach(json_object_get(config, "files"), path, file)
			json_object_del(file, "source");
	}
}

static int apply(const json_t *metadata, bool keep_going)
{
	static const struct env env = {.root = "/nonexistent/root", .boot_ms = clock_boot_ms, .real_ms = clock_real_ms};
	_cleanup_buf_ struct buf report = BUF_INIT(65536);
	struct init_setup setup = {.env = &env, .dry_run = true, .keep_going = keep_going, .quiet = true, .report = &report};
	struct err e = ERR_INIT;
	int r = init_apply(&setup, metadata, NULL, &e);

	if (r != INIT_DONE && !e.text[0])
		__builtin_trap();
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *tree = NULL, *metadata;
	int r;

	if (size > 20000 || json_parse((const char *)data, size, &json_limits_default, &tree, NULL) < 0)
		return 0;
	forget_urls(tree);
	metadata = json_pack("{s:O}", INIT_KEY, tree);
	r = apply(metadata, false);
	if (apply(metadata, true) != r)
		__builtin_trap();
	json_decref(metadata);
	json_decref(tree);
	return 0;
}
