/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One packet as a peer could send it. The first byte says how many descriptors came with it; the
 * payload is read with readers in an order that its own bytes choose.
 */
#include "core/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void read_one(struct msg_reader *r, unsigned kind)
{
	switch (kind % 4) {
	case 0:
		msg_get_u32(r);
		break;
	case 1:
		msg_get_u64(r);
		break;
	case 2:
		msg_get_i64(r);
		break;
	default:
		free(msg_get_str(r, kind));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct link_msg m;

	if (n == 0 || link_decode(p + 1, n - 1, p[0] % 8, &m) < 0)
		return 0;
	if (m.n_fds > LINK_FDS_MAX || m.body.left > LINK_PAYLOAD_MAX)
		abort();
	while (m.body.left && !m.body.failed)
		read_one(&m.body, m.body.p[0] + (unsigned)m.type);
	if (msg_reader_done(&m.body) == 0 && (m.body.failed || m.body.left))
		abort();
	return 0;
}
