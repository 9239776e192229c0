/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/transport.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"

#define VERSION 1

char *transport_save(const struct credentials_set *set, const char *seed)
{
	json_t *block = credentials_to_block(set);
	_cleanup_json_ json_t *root =
		block ? json_pack("{s:i,s:s,s:o}", "v", VERSION, "seed", seed, "block", block) : NULL;

	return root ? json_compact(root) : NULL;
}

static int merge_block(const json_t *block, struct credentials_set *set, struct err *e)
{
	struct credentials_set found, both;
	int r = credentials_from_block(block, "an earlier document", &found, e);

	if (!r)
		r = credentials_set_copy(&both, set);
	if (!r) {
		r = credentials_merge(&both, &found);
		if (r < 0) {
			credentials_set_deinit(&both);
		} else {
			credentials_set_deinit(set);
			*set = both;
		}
	}
	credentials_set_deinit(&found);
	return r;
}

int transport_load(const char *p, size_t n, const char *seed, struct credentials_set *set, struct err *e)
{
	_cleanup_json_ json_t *root = NULL;
	int64_t version = 0;
	int r = json_parse(p, n, &json_limits_default, &root, e);

	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	if (!json_int(root, "v", &version) || version < VERSION)
		return err_set(e, -EBADMSG, "not what is remembered of transports");
	if (version > VERSION)
		return err_set(e, -ENOTSUP, "written by a newer version");
	if (!text_equal(json_str(root, "seed"), seed))
		return 1;
	return merge_block(json_object_get(root, "block"), set, e);
}
