/* SPDX-License-Identifier: Apache-2.0 */
/* Saved findings, any bytes: what is restored can be saved, and restored again comes out the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "predict/findings.h"

#define NOW INT64_C(1767323045000)
#define UP  INT64_C(86400000)

static int copy(const char *p, size_t n, bool same_boot, struct buf *out)
{
	struct findings *f = NULL;
	int64_t horizon;
	int r;

	if (findings_new(0, &f))
		return -1;
	r = findings_restore(f, p, n, same_boot, NOW, UP);
	if (!r && findings_save(f, NOW, UP, out))
		abort();
	if (findings_risk(f, &horizon) < 0 || findings_risk(f, &horizon) > 1)
		abort();
	findings_tick(f, NOW);
	findings_free(f);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct buf once = BUF_INIT(1 << 20), twice = BUF_INIT(1 << 20);

	for (int same_boot = 0; same_boot < 2; same_boot++) {
		buf_reset(&once);
		buf_reset(&twice);
		if (copy((const char *)data, size, same_boot, &once))
			return 0;
		if (copy(once.data, once.len, same_boot, &twice) || once.len != twice.len)
			abort();
	}
	return 0;
}
