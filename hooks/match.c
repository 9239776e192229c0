/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trigger table. A value has appeared, changed, gone or stayed; each of the first three has one
 * trigger. A hook that does not want it takes the new value as its baseline, so that the next
 * change is measured from there. Comparison is deep, key order is irrelevant, 1 and 1.0 differ.
 */
#include "hooks/match.h"

#include "hooks/config.h"

enum change_seen { SEEN_SAME, SEEN_APPEARED, SEEN_CHANGED, SEEN_GONE, SEEN_KINDS };

/* json_equal() takes non-const pointers but only reads. */
static bool same_value(const json_t *a, const json_t *b)
{
	return json_equal(a, b) == 1;
}

static enum change_seen classify(const json_t *old, const json_t *value)
{
	if (!old && !value)
		return SEEN_SAME;
	if (!old)
		return SEEN_APPEARED;
	if (!value)
		return SEEN_GONE;
	return same_value(old, value) ? SEEN_SAME : SEEN_CHANGED;
}

struct match_result match_decide(const struct match_state *state, const json_t *value,
				 unsigned triggers, bool heat_compat)
{
	static const unsigned wanted[SEEN_KINDS] = {
		[SEEN_APPEARED] = TRIGGER_ADD,
		[SEEN_CHANGED] = TRIGGER_UPDATE,
		[SEEN_GONE] = TRIGGER_REMOVE,
	};
	enum change_seen seen = classify(state->known ? state->accepted : NULL, value);
	unsigned trigger = wanted[seen] & triggers;

	if (!trigger && heat_compat && seen == SEEN_APPEARED)
		trigger = TRIGGER_UPDATE & triggers;
	if (trigger)
		return (struct match_result){MATCH_RUN, trigger};
	if (seen == SEEN_SAME && state->known)
		return (struct match_result){MATCH_NOTHING, 0};
	return (struct match_result){MATCH_BASELINE, 0};
}
