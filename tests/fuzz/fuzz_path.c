/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as a metadata path and as a key path: bounded keys, none NULL, nothing left behind after a
 * refusal, and a lookup that survives the keys.
 */
#include <stdlib.h>

#include "core/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_parse(const char *p, size_t n)
{
	struct path path;
	struct err e = ERR_INIT;
	int r = path_parse(p, n, &path, &e);
	json_t *root = json_pack("{s:{s:[i]}}", "a", "b", 1);

	if (r < 0 && (!e.text[0] || path.resource || path.n_keys))
		abort();
	if (r == 0 && (!path.resource || (path.part != PATH_METADATA && path.n_keys)))
		abort();
	if (r == 0)
		path_lookup(root, path.keys, path.n_keys);
	json_decref(root);
	path_deinit(&path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *keys[PATH_KEYS_MAX];
	size_t n = 0;
	int r;

	fuzz_parse((const char *)data, size);
	r = path_split_keys((const char *)data, size, keys, &n, NULL);
	if (n > PATH_KEYS_MAX || (r < 0 && n))
		abort();
	for (size_t i = 0; i < n; i++) {
		if (!keys[i])
			abort();
		free(keys[i]);
	}
	return 0;
}
