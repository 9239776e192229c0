/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: CONTEXT NUL TEMPLATE. Rendered within bounds or refused with a reason; a text without tags comes out as it is. */
#include <stdint.h>
#include <string.h>

#include "core/json.h"
#include "hooks/init/mustache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1u << 20);
	const uint8_t *nul = memchr(data, 0, size);
	const char *text = nul ? (const char *)nul + 1 : (const char *)data;
	size_t n = nul ? size - (size_t)(nul - data) - 1 : size;
	json_t *context = NULL;
	struct err e = ERR_INIT;
	int r;

	if (nul)
		r = json_parse((const char *)data, (size_t)(nul - data), &json_limits_default, &context, NULL);
	if (n > 4096)
		return 0;
	r = mustache_render(text, n, context, &out, &e);
	if (r < 0 && !e.text[0])
		__builtin_trap();
	if (!memmem(text, n, "{{", 2) && (r != 0 || out.len != n || (n && memcmp(out.data, text, n) != 0)))
		__builtin_trap();
	json_decref(context);
	return 0;
}
