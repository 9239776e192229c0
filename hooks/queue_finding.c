/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings on their way to hooks: each hook that wants one owes a run for it, journalled like the
 * event of a service. Findings that come before the hooks and their states are known wait in
 * memory.
 */
#include "hooks/queue_private.h"

#include <errno.h>

#include "hooks/finding.h"

#define EARLY_MAX (PENDING_MAX - 1) /* what one hook can owe */

static void tell_hooks(struct hook_queue *q, json_t *value)
{
	struct hook_finding f;

	if (finding_from_json(value, &f) < 0)
		return;
	for (struct queue_hook *h = q->hooks; h; h = h->next)
		if (finding_wanted(&h->def, &f))
			queue_hook_finding(h, value);
	q->tell_idle = true;
	queue_kick(q, 0);
}

static int keep_early(struct hook_queue *q, json_t *value)
{
	if (!q->early)
		q->early = json_array();
	for (size_t i = json_array_size(q->early); i-- > 0;)
		if (finding_same(json_array_get(q->early, i), value))
			json_array_remove(q->early, i);
	if (json_array_size(q->early) >= EARLY_MAX)
		return -ENOBUFS;
	return json_array_append(q->early, value) < 0 ? -ENOMEM : 0;
}

int hook_queue_finding(struct hook_queue *q, const struct hook_finding *f)
{
	_cleanup_json_ json_t *value = finding_json(f, loop_env(q->setup.loop)->real_ms());

	if (!value)
		return -ENOMEM;
	/* Saved before the caller goes on: it may note on disk then that it has told us. */
	if (queue_loaded(q) && json_array_size(q->early) == 0) {
		tell_hooks(q, value);
		return 0;
	}
	return keep_early(q, value);
}

void queue_finding_early(struct hook_queue *q)
{
	json_t *early = q->early;

	if (!early || !queue_loaded(q))
		return;
	q->early = NULL;
	for (size_t i = 0; i < json_array_size(early); i++)
		tell_hooks(q, json_array_get(early, i));
	json_decref(early);
}
