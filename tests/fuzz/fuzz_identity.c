/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the metadata service answers and what an earlier life kept: whatever is taken over can be kept
 * and is read back the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/identity.h"

static void round_trip(const struct identity *id)
{
	struct identity back;
	char *text = identity_save(id);

	if (!text || identity_load(text, strlen(text), &back) < 0 || memcmp(id, &back, sizeof(back)) != 0)
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct identity id;

	if (identity_parse((const char *)data, size, "metadata-service", &id) == 0)
		round_trip(&id);
	if (identity_load((const char *)data, size, &id) == 0)
		round_trip(&id);
	return 0;
}
