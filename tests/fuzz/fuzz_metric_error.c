/* SPDX-License-Identifier: Apache-2.0 */
/* What receivers of metrics say when they refuse: the line made of it is short and printable. Also value_meta. */
#include <string.h>

#include "core/buf.h"
#include "sink/metric_http.h"
#include "sink/monasca_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf meta = BUF_INIT(1u << 16);
	char out[160], *text = strndup((const char *)p, n);

	metric_error_text((const char *)p, n, out);
	for (const char *c = out; *c; c++)
		if (*c < ' ' || *c > '~')
			abort();
	monasca_meta(text, &meta);
	if (meta.len > 2048 || buf_error(&meta))
		abort();
	free(text);
	buf_deinit(&meta);
	return 0;
}
