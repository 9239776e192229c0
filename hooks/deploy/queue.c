/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order and life of deployments on the agent's side. An item is written before it is asked for,
 * asked for until the runner answers (it starts each id at most once), handed on until that is on
 * disk, and only then is the runner told to forget its record. So each step can be repeated by
 * whoever comes after a crash.
 */
#include "hooks/deploy/queue_private.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "hooks/protocol.h"

#define ITEMS_MAX 1024 /* of one list */

void deploy_queue_kick(struct deploy_queue *q, int64_t delay_ms)
{
	int64_t due = loop_timer_due(q->timer), at = loop_now(q->set.loop) + delay_ms;

	if (due < 0 || at < due)
		loop_timer_arm(q->timer, delay_ms);
}

void deploy_queue_changed(struct deploy_queue *q)
{
	if (q->set.changed)
		q->set.changed(q->set.ctx);
	deploy_queue_kick(q, 0);
}

/* ---- items ---- */

static struct deploy_item *find_item(const struct deploy_queue *q, const char *id)
{
	for (struct deploy_item *i = q->items; i; i = i->next)
		if (!i->dropped && strcmp(i->note.id, id) == 0)
			return i;
	return NULL;
}

void deploy_queue_insert(struct deploy_queue *q, struct deploy_item *item)
{
	struct deploy_item **at = &q->items;

	while (*at && (*at)->note.seq <= item->note.seq)
		at = &(*at)->next;
	item->next = *at;
	*at = item;
	item->q = q;
	if (item->note.seq > q->seq)
		q->seq = item->note.seq;
}

static void free_item(struct deploy_item *item)
{
	deploy_note_deinit(&item->note);
	free(item);
}

void deploy_note_name(const char *id, char out[static STORE_NAME_MAX])
{
	snprintf(out, STORE_NAME_MAX, DEPLOY_PREFIX "%s", id);
}

/* Those that nothing answers into any more go. */
static void bury(struct deploy_queue *q)
{
	for (struct deploy_item **at = &q->items; *at;) {
		struct deploy_item *item = *at;

		if (item->dropped && !item->saving && !item->asked && !item->telling) {
			*at = item->next;
			free_item(item);
		} else {
			at = &item->next;
		}
	}
}

void deploy_item_forget(struct deploy_item *item)
{
	char run_id[RUN_ID_LEN + 1];
	struct msg_writer w;

	msg_writer_init(&w);
	if (item->forgotten || !item->q->runner)
		return;
	deployment_run_id(item->note.id, run_id);
	msg_put_str(&w, run_id);
	item->forgotten = link_send(item->q->runner, RUNNER_FORGET, &w, NULL, 0) == 0;
}

static void drop(struct deploy_item *item)
{
	char name[STORE_NAME_MAX];

	deploy_note_name(item->note.id, name);
	if (item->note.phase == DEPLOY_DONE || item->telling)
		item->q->set.cancel(item->note.id, item->q->set.ctx);
	if (store_delete(item->q->set.store, name) < 0)
		log_warn("the note of deployment %s stays on disk", item->note.id);
	item->dropped = true;
}

/* ---- the disk ---- */

static void saved(int status, void *ctx)
{
	struct deploy_item *item = ctx;

	item->saving--;
	if (status < 0 && !item->saving && !item->dropped)
		log_warn("deployment %s: its state is kept in memory only: %s", item->note.id,
			 strerror(-status));
	deploy_queue_kick(item->q, 0);
}

static int save(struct deploy_item *item)
{
	_cleanup_free_ char *text = deploy_note_encode(&item->note);
	char name[STORE_NAME_MAX];
	int r;

	deploy_note_name(item->note.id, name);
	item->saving++;
	r = text ? store_put(item->q->set.store, name, text, strlen(text), saved, item) : -ENOMEM;
	if (r < 0)
		item->saving--;
	return r;
}

/* A phase that cannot be written now is written by the next life, from what the runner and the
 * spool know. */
void deploy_item_phase(struct deploy_item *item, enum deploy_phase phase)
{
	if (item->note.phase == DEPLOY_RECEIVED)
		deployment_deinit(&item->note.d);
	item->note.phase = phase;
	if (save(item) < 0)
		log_warn("deployment %s: its state is not written: no memory", item->note.id);
}

/* ---- one turn ---- */

/* The first that is not through yet; the others wait behind it. */
struct deploy_item *deploy_queue_next(const struct deploy_queue *q)
{
	for (struct deploy_item *i = q->items; i; i = i->next)
		if (i->asked || (!i->dropped && i->note.phase == DEPLOY_RECEIVED && !i->telling))
			return i;
	return NULL;
}

static void settle_done(struct deploy_queue *q)
{
	for (struct deploy_item *i = q->items; i; i = i->next) {
		if (i->dropped || i->note.phase == DEPLOY_RECEIVED || i->saving)
			continue;
		deploy_item_forget(i);
		/* Of an earlier life: delivered before the note could say so. */
		if (i->note.phase == DEPLOY_DONE && q->outbox_loaded &&
		    !q->set.waits(i->note.id, q->set.ctx))
			deploy_item_phase(i, DEPLOY_SIGNALLED);
	}
}

static void on_turn(struct loop *loop, void *ctx)
{
	struct deploy_queue *q = ctx;
	struct deploy_item *item;

	(void)loop;
	bury(q);
	if (!q->loaded || !q->runner)
		return;
	settle_done(q);
	item = q->disabled ? NULL : deploy_queue_next(q);
	if (!item || item->asked || item->saving)
		return; /* its answer brings the next turn */
	if (item->due_ms > loop_now(q->set.loop))
		deploy_queue_kick(q, item->due_ms - loop_now(q->set.loop));
	else
		deploy_item_run(item);
}

/* ---- the list ---- */

static int add_new(struct deploy_queue *q, struct deployment *d)
{
	struct deploy_item *item = calloc(1, sizeof(*item));
	int r = item ? deploy_note_init(&item->note, d, q->seq + 1,
					loop_env(q->set.loop)->real_ms())
		     : -ENOMEM;

	if (r < 0) {
		free(item);
		return r;
	}
	item->listed = true;
	deploy_queue_insert(q, item);
	log_info("deployment %s (%s, %s): received, group %s", item->note.id, item->note.name,
		 item->note.action, item->note.group);
	r = save(item);
	return r;
}

static int take_entry(struct deploy_queue *q, const json_t *raw)
{
	struct deployment d;
	struct err e = ERR_INIT;
	struct deploy_item *item;
	int r = deployment_parse(raw, &d, &e);

	if (r < 0) {
		log_warn("%s; it is passed over", e.text);
		return r == -ENOMEM ? r : 0;
	}
	item = find_item(q, d.id);
	if (item)
		item->listed = true;
	else
		r = add_new(q, &d);
	deployment_deinit(&d);
	return r;
}

int deploy_queue_take_list(struct deploy_queue *q, const json_t *list)
{
	const json_t *raw;
	size_t at;
	int r = 0;

	for (struct deploy_item *i = q->items; i; i = i->next)
		i->listed = false;
	json_array_foreach(list, at, raw)
	{
		if (at < ITEMS_MAX && r == 0)
			r = take_entry(q, raw);
	}
	for (struct deploy_item *i = q->items; i && r == 0; i = i->next)
		if (!i->listed && !i->dropped)
			drop(i);
	deploy_queue_changed(q);
	return r;
}

int deploy_queue_offer(struct deploy_queue *q, const json_t *list)
{
	if (!json_is_array(list))
		return 0;
	if (q->loaded)
		return deploy_queue_take_list(q, list);
	json_decref(q->offered);
	q->offered = json_deep_copy(list);
	return q->offered ? 0 : -ENOMEM;
}

/* ---- the public face ---- */

int deploy_queue_new(const struct deploy_queue_setup *setup, struct deploy_queue **ret)
{
	struct deploy_queue *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	q->set = *setup;
	r = loop_timer_new(setup->loop, 0, on_turn, q, &q->timer);
	if (r == 0)
		r = deploy_queue_load(q);
	if (r < 0) {
		deploy_queue_free(q);
		return r;
	}
	*ret = q;
	return 0;
}

struct deploy_queue *deploy_queue_free(struct deploy_queue *q)
{
	if (!q)
		return NULL;
	while (q->items) {
		struct deploy_item *item = q->items;

		q->items = item->next;
		free_item(item);
	}
	loop_timer_free(q->timer);
	json_decref(q->offered);
	free(q);
	return NULL;
}

void deploy_queue_set_runner(struct deploy_queue *q, struct link *runner)
{
	q->runner = runner;
	deploy_queue_kick(q, 0);
}

void deploy_queue_told(struct deploy_queue *q, const char *id)
{
	struct deploy_item *item = find_item(q, id);

	if (item && item->note.phase == DEPLOY_DONE)
		deploy_item_phase(item, DEPLOY_SIGNALLED);
	deploy_queue_changed(q);
}

void deploy_queue_outbox_loaded(struct deploy_queue *q)
{
	q->outbox_loaded = true;
	deploy_queue_kick(q, 0);
}

void deploy_queue_disable(struct deploy_queue *q, bool disabled)
{
	q->disabled = disabled;
	for (struct deploy_item *i = q->items; i && !disabled; i = i->next) {
		i->held = false;
		i->due_ms = 0;
	}
	deploy_queue_kick(q, 0);
}
