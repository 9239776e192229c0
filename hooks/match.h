/* SPDX-License-Identifier: Apache-2.0 */
/* Which trigger a change means for one hook: the trigger table, pure. */
#pragma once

#include "core/types.h"

struct match_state {
	bool known;            /* a state was stored before */
	const json_t *accepted;/* last accepted value; NULL = absent */
};
enum match_action { MATCH_NOTHING, MATCH_BASELINE /* store silently */, MATCH_RUN };
struct match_result {
	enum match_action action;
	unsigned trigger;      /* enum trigger bit, with MATCH_RUN */
};
/** match_decide() - @value NULL = absent now; @triggers of the hook; @heat_compat: post.update fires when nothing is known. */
struct match_result match_decide(const struct match_state *state, const json_t *value, unsigned triggers, bool heat_compat);
