/* SPDX-License-Identifier: Apache-2.0 */
/* What the runner says of the end of a run, on the agent's side. */
#pragma once

#include "core/link.h"
#include "core/types.h"

/** run_answer_read() - the result fields and the tail; run_result_deinit() @ret also after
 * -EBADMSG. */
int run_answer_read(struct link_msg *msg, struct run_result *ret) _must_check_;
