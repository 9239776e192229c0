/* SPDX-License-Identifier: Apache-2.0 */
/* The result fields of the runner's answers, as protocol.h has them. */
#include "hooks/run_answer.h"

#include <errno.h>

#include "core/fs.h"
#include "hooks/protocol.h"

#define TAIL_MAX (32u << 20)

static int read_tail(struct link_msg *msg, struct run_result *ret)
{
	_cleanup_buf_ struct buf text = BUF_INIT(TAIL_MAX);

	if (msg->n_fds == 0)
		return 0;
	if (fs_blob_read(msg->fds[0], &text) < 0)
		return -EBADMSG;
	ret->tail = buf_take(&text);
	return 0;
}

int run_answer_read(struct link_msg *msg, struct run_result *ret)
{
	struct msg_reader *b = &msg->body;
	uint32_t end = msg_get_u32(b), code = msg_get_u32(b);

	*ret = (struct run_result){.end = (enum run_end)end, .code = (int)code};
	ret->started_real_ms = msg_get_i64(b);
	ret->ended_real_ms = msg_get_i64(b);
	ret->why = msg_get_str(b, RUN_WHY_MAX);
	if (msg_reader_done(b) < 0 || end > RUN_CUT_OFF || code > 4096)
		return -EBADMSG;
	return read_tail(msg, ret);
}
