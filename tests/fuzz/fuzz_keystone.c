/* SPDX-License-Identifier: Apache-2.0 */
/* Keystone's answer to a request for a token: every endpoint kept is a URL without a slash at its
 * end. */
#include <assert.h>
#include <string.h>
#include "auth/keystone_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const regions[] = {NULL, "RegionOne"};
	struct keystone_token t;
	struct http_url u;

	for (size_t r = 0; r < ARRAY_SIZE(regions); r++) {
		if (keystone_token_parse((const char *)data, size, regions[r], 0, &t, NULL) < 0)
			continue;
		assert(t.life_s >= 0);
		for (size_t i = 0; i < t.n_endpoints; i++) {
			assert(t.endpoints[i].type);
			assert(http_url_parse(t.endpoints[i].url, &u) == 0);
			http_url_deinit(&u);
		}
		keystone_token_deinit(&t);
	}
	return 0;
}
