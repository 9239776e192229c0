/* SPDX-License-Identifier: Apache-2.0 */
/* What `status` shows of the hooks. No values and no output: they may hold secrets. */
#include "hooks/queue_private.h"

static const char *const end_words[] = {
	[RUN_EXITED] = "exited",       [RUN_SIGNALLED] = "signalled",
	[RUN_TIMED_OUT] = "timed-out", [RUN_NOT_STARTED] = "not-started",
	[RUN_CUT_OFF] = "cut-off",
};

static const char *state_word(const struct queue_hook *h)
{
	const struct pending *p = h->state.list;

	if (h->asked && h->running)
		return "running";
	if (p && h->q->disabled)
		return "disabled";
	while (p && p->attempt == 1)
		p = p->next;
	if (p)
		return "retrying";
	if (!h->loaded || h->state.list)
		return "waiting";
	return h->state.gave_up[0] ? "gave-up" : h->q->disabled ? "disabled" : "idle";
}

static json_t *last_json(const struct queue_hook *h)
{
	if (!h->has_last)
		return json_null();
	return json_pack("{s:s, s:s, s:i, s:I}", "trigger", trigger_name(h->last_trigger), "end",
			 end_words[h->last.end], "code", h->last.code, "ended",
			 (json_int_t)(h->last.ended_real_ms / 1000));
}

static unsigned tries(const struct queue_hook *h)
{
	const struct pending *p = h->state.list;

	return p ? p->attempt - (p->phase == PENDING_ASKED ? 0 : 1) : h->last_attempt;
}

json_t *hook_queue_status(const struct hook_queue *q)
{
	json_t *list = json_array();

	for (const struct queue_hook *h = q->hooks; h && list; h = h->next)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:o, s:i}", "name", h->def.name,
						"path", h->def.path_text, "state", state_word(h),
						"last", last_json(h), "tries", (int)tries(h)));
	return list;
}
