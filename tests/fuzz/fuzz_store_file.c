/* SPDX-License-Identifier: Apache-2.0 */
/* A file of the state folder, damaged in any way; also its names as a list. */
#include "core/store_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const char *text = (const char *)p;
	ssize_t any = store_file_decode(text, n, NULL);
	ssize_t mine = store_file_decode(text, n, "11111111-2222-3333-4444-555555555555");
	char name[64];

	if (any > (ssize_t)n || any > STORE_HEADER_MAX || (mine >= 0 && mine != any))
		abort();
	if (any >= 0 && store_file_head(text, n, NULL) != any)
		abort();
	snprintf(name, sizeof(name), "%.*s", (int)(n < sizeof(name) ? n : sizeof(name) - 1), text);
	if (store_name_valid(name) && (name[0] == '.' || name[0] == '/'))
		abort();
	return 0;
}
