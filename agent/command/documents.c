/* SPDX-License-Identifier: Apache-2.0 */
#include "command/documents.h"

#include <string.h>

#include "core/text.h"

const char *documents_entry(const char *resource, char out[static STORE_NAME_MAX])
{
	char hash[65];

	if (!resource) {
		snprintf(out, STORE_NAME_MAX, "documents/own");
		return out;
	}
	/* Logical ids may hold what a file name may not. */
	text_sha256_hex(resource, strlen(resource), hash);
	snprintf(out, STORE_NAME_MAX, "documents/r-%.16s", hash);
	return out;
}
