/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments that an earlier life left in the store, and what status says of all. */
#include "hooks/deploy/queue_private.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"

static void loading_over(struct deploy_queue *q)
{
	_cleanup_json_ json_t *list = take_ptr(q->offered);

	if (--q->loading > 0 || q->loaded)
		return;
	q->loaded = true;
	if (list && deploy_queue_take_list(q, list) < 0)
		log_err("the list of deployments was not taken over: out of memory");
	deploy_queue_changed(q);
}

struct loading {
	struct deploy_queue *q;
	char id[DEPLOYMENT_ID_MAX + 1];
};

static void loaded_note(int status, const char *p, size_t n, void *ctx)
{
	_cleanup_free_ struct loading *l = ctx;
	struct deploy_item *item = calloc(1, sizeof(*item));

	if (item && status == 0)
		status = deploy_note_decode(p, n, l->id, &item->note);
	if (item && status == 0) {
		item->listed = true; /* until a list says otherwise */
		deploy_queue_insert(l->q, item);
	} else {
		free(item);
		if (status < 0 && status != -ENOENT)
			log_warn("the note of deployment %s cannot be read: %s", l->id,
				 strerror(-status));
	}
	loading_over(l->q);
}

static void load_name(struct deploy_queue *q, const char *name, size_t n)
{
	const size_t skip = strlen(DEPLOY_PREFIX);
	struct loading *l;
	char full[STORE_NAME_MAX];

	if (n <= skip || n - skip > DEPLOYMENT_ID_MAX || memcmp(name, DEPLOY_PREFIX, skip) != 0)
		return;
	l = calloc(1, sizeof(*l));
	if (!l)
		return;
	l->q = q;
	memcpy(l->id, name + skip, n - skip);
	deploy_note_name(l->id, full);
	q->loading++;
	if (store_get_patient(q->set.store, full, loaded_note, l) < 0) {
		q->loading--;
		free(l);
	}
}

static void loaded_list(int status, const char *p, size_t n, void *ctx)
{
	struct deploy_queue *q = ctx;

	if (status < 0 && status != -ENOENT)
		log_warn("what earlier lives did with deployments cannot be read (%s); they are "
			 "taken as new",
			 strerror(-status));
	for (size_t at = 0; status == 0 && at < n;) {
		const char *end = memchr(p + at, '\n', n - at);
		size_t len = end ? (size_t)(end - (p + at)) : n - at;

		load_name(q, p + at, len);
		at += len + 1;
	}
	loading_over(q);
}

int deploy_queue_load(struct deploy_queue *q)
{
	q->loading = 1;
	return store_list_patient(q->set.store, DEPLOY_PREFIX, loaded_list, q);
}

/* ---- status ---- */

static const char *state_word(const struct deploy_item *i)
{
	if (i->note.phase == DEPLOY_SIGNALLED)
		return i->note.foreign ? "foreign" : "signalled";
	if (i->note.phase == DEPLOY_DONE || i->telling)
		return "done";
	if (i->asked)
		return "running";
	return i->held || i->q->disabled ? "disabled" : "waiting";
}

static json_t *item_json(const struct deploy_item *i)
{
	const struct deploy_note *n = &i->note;
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", n->name, "id", n->id, "group",
			      n->group, "action", n->action, "state", state_word(i));

	if (o && i->asked)
		json_object_set_new(o, "for_s",
				    json_integer((loop_now(i->q->set.loop) - i->begun_ms) / 1000));
	if (o && (n->phase != DEPLOY_RECEIVED || i->telling))
		json_object_set_new(o, "code", json_integer(n->code));
	return o;
}

json_t *deploy_queue_status(const struct deploy_queue *q)
{
	json_t *list = json_array();

	for (const struct deploy_item *i = q->items; i && list; i = i->next)
		if (!i->dropped)
			json_array_append_new(list, item_json(i));
	return list;
}
