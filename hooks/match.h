/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which trigger a change means for one hook: the trigger table. Pure: no clock, no file, no memory.
 * Absence is a NULL pointer only; null, false, 0, "", [] and {} are values like any other.
 */
#pragma once

#include "core/types.h"

struct match_state {
	bool known;             /* a state was stored before */
	const json_t *accepted; /* last accepted value; NULL = absent */
};
enum match_action {
	MATCH_NOTHING,
	MATCH_BASELINE, /* store silently */
	MATCH_RUN,
};
struct match_result {
	enum match_action action;
	unsigned trigger; /* enum trigger bit, with MATCH_RUN */
};
/**
 * match_decide() - one hook, one offered value
 * @state: what was accepted before
 * @value: the value now, NULL = absent
 * @triggers: bits of the hook
 * @heat_compat: an appearing value also fires post.update (as a hook without any cache did), unless
 * post.add takes it
 */
struct match_result match_decide(const struct match_state *state, const json_t *value,
				 unsigned triggers, bool heat_compat);
