/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where each lane stands, as the next life reads it: {"<id>": number of the next batch,
 * "<id>/ahead": [numbers at or after it that went before their turn]}.
 */
#include <string.h>

#include "core/json.h"
#include "sink/metric_lane.h"

#define AHEAD "/ahead"

struct metric_place *metric_place_find(struct metric_set *set, const char *id)
{
	for (size_t i = 0; i < set->n_kept; i++)
		if (strcmp(set->kept[i].id, id) == 0)
			return &set->kept[i];
	return NULL;
}

void metric_place_keep(struct metric_set *set, const char *id, uint64_t cursor,
		       const uint64_t ahead[static LANE_AHEAD])
{
	struct metric_place *at = metric_place_find(set, id);

	if (!at && set->n_kept < ARRAY_SIZE(set->kept)) {
		at = &set->kept[set->n_kept++];
		snprintf(at->id, LANE_ID_MAX, "%s", id);
	}
	if (!at)
		return;
	at->cursor = cursor;
	memcpy(at->ahead, ahead, sizeof(at->ahead));
}

void metric_place_forget(struct metric_set *set, const char *id)
{
	for (size_t i = 0; i < set->n_kept; i++)
		if (strcmp(set->kept[i].id, id) == 0)
			set->kept[i--] = set->kept[--set->n_kept];
}

/* ---- as text ---- */

static void put_place(json_t *o, const char *id, uint64_t cursor,
		      const uint64_t ahead[static LANE_AHEAD])
{
	char name[LANE_ID_MAX + sizeof(AHEAD)];
	json_t *list = NULL;

	json_object_set_new(o, id, json_integer((json_int_t)cursor));
	for (size_t i = 0; i < LANE_AHEAD; i++) {
		if (ahead[i] < cursor)
			continue;
		list = list ? list : json_array();
		json_array_append_new(list, json_integer((json_int_t)ahead[i]));
	}
	snprintf(name, sizeof(name), "%s" AHEAD, id);
	if (list)
		json_object_set_new(o, name, list);
}

void metric_places_save(struct metric_set *set)
{
	_cleanup_json_ json_t *o = json_object();
	_cleanup_free_ char *text = NULL;
	int r;

	if (set->blind)
		return;
	set->saved_at = loop_env(set->setup.loop)->boot_ms();
	for (size_t i = 0; o && i < set->n_kept; i++)
		put_place(o, set->kept[i].id, set->kept[i].cursor, set->kept[i].ahead);
	for (size_t i = 0; o && i < set->n_lanes; i++)
		if (set->lanes[i]->cursor)
			put_place(o, set->lanes[i]->id, set->lanes[i]->cursor,
				  set->lanes[i]->sent_ahead);
	text = o ? json_compact(o) : NULL;
	if (!text || !set->setup.store)
		return;
	r = store_put(set->setup.store, METRIC_PLACES, text, strlen(text), NULL, NULL);
	(void)r; /* then a little more is sent twice */
}

static void read_ahead(const json_t *o, const char *id, uint64_t out[static LANE_AHEAD])
{
	char name[LANE_ID_MAX + sizeof(AHEAD)];
	const json_t *list, *v;
	size_t i;

	snprintf(name, sizeof(name), "%s" AHEAD, id);
	list = json_object_get(o, name);
	memset(out, 0, LANE_AHEAD * sizeof(*out));
	json_array_foreach(list, i, v)
	{
		if (i < LANE_AHEAD && json_integer_value(v) > 0)
			out[i] = (uint64_t)json_integer_value(v);
	}
}

void metric_places_read(struct metric_set *set, const char *p, size_t n)
{
	_cleanup_json_ json_t *o = NULL;
	uint64_t ahead[LANE_AHEAD];
	const char *id;
	json_t *v;

	if (json_parse(p, n, &json_limits_default, &o, NULL) < 0)
		return;
	json_object_foreach(o, id, v)
	{
		if (!json_is_integer(v) || json_integer_value(v) <= 0 || strlen(id) >= LANE_ID_MAX)
			continue;
		read_ahead(o, id, ahead);
		metric_place_keep(set, id, (uint64_t)json_integer_value(v), ahead);
	}
}
