/* SPDX-License-Identifier: Apache-2.0 */
/* A batch out of the spool and the preamble that names its metrics, divided at the first NUL. */
#include <math.h>
#include <string.h>

#include "sink/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct metric_point points[64];

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const char *text = (const char *)p, *nul = memchr(p, '\0', n);
	size_t head_n = nul ? (size_t)(nul - text) : 0, unknown = 0;
	struct batch_names names = {0};
	struct batch_head head;
	ssize_t r;

	if (batch_names_read(&names, text, head_n) < 0 && names.list)
		abort();
	r = nul ? batch_decode(nul + 1, n - head_n - 1, &names, &head, points, 64, &unknown) : 0;
	for (ssize_t i = 0; i < r; i++)
		if (!points[i].name[0] || !isfinite(points[i].value) || points[i].n_dims > METRIC_DIMS_MAX ||
		    points[i].key != metric_series_key(&points[i]))
			abort();
	batch_names_deinit(&names);
	return 0;
}
