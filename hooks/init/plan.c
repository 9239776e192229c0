/* SPDX-License-Identifier: Apache-2.0 */
/* Sets are walked depth first; the sets on the way are kept, so that a cycle can be told whole. */
#include "hooks/init/plan.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"

#define NAME_SHOWN 60

struct walk {
	const json_t *init, *sets;
	struct plan *plan;
	const char *way[PLAN_DEPTH_MAX];
	size_t depth;
	struct err *e;
};

static void show(struct buf *out, const char *name)
{
	size_t n = strlen(name);

	text_escape(out, name, n < NAME_SHOWN ? n : NAME_SHOWN);
}

/* "a > b > a": the sets on the way and the last name. */
static int refuse(const struct walk *w, const char *last, const char *why)
{
	_cleanup_buf_ struct buf way = BUF_INIT(ERR_TEXT_MAX);

	for (size_t i = 0; i < w->depth; i++) {
		show(&way, w->way[i]);
		buf_puts(&way, " > ");
	}
	show(&way, last);
	return err_set(w->e, -EINVAL, "configSets: %s: %s", buf_str(&way), why);
}

static int add_config(struct walk *w, const char *name)
{
	const json_t *config = json_object_get(w->init, name);

	if (!config || !strcmp(name, "configSets"))
		return refuse(w, name, "there is no such config");
	if (!json_is_object(config))
		return refuse(w, name, "the config is no object");
	if (w->plan->n == PLAN_CONFIGS_MAX)
		return refuse(w, name, "too many configs");
	w->plan->configs[w->plan->n++] = name;
	return 0;
}

static int add_set(struct walk *w, const char *name);

static int add_element(struct walk *w, const json_t *element)
{
	const char *set = json_str(element, "ConfigSet");

	if (json_is_string(element))
		return add_config(w, json_string_value(element));
	if (set && json_object_size(element) == 1)
		return add_set(w, set);
	return refuse(w, "?", "neither a name nor {\"ConfigSet\": NAME}");
}

static int add_members(struct walk *w, const json_t *set)
{
	const json_t *element;
	size_t i;
	int r = 0;

	if (!json_is_array(set))
		return add_element(w, set);
	json_array_foreach(set, i, element)
	{
		r = add_element(w, element);
		if (r < 0)
			break;
	}
	return r;
}

static int add_set(struct walk *w, const char *name)
{
	const json_t *set = json_object_get(w->sets, name);
	int r;

	for (size_t i = 0; i < w->depth; i++)
		if (!strcmp(w->way[i], name))
			return refuse(w, name, "a cycle");
	if (!set)
		return refuse(w, name, "there is no such set");
	if (w->depth == PLAN_DEPTH_MAX)
		return refuse(w, name, "sets within sets too deep");
	w->way[w->depth++] = name;
	r = add_members(w, set);
	w->depth--;
	return r;
}

/* The set's name must outlive the walk: the tree's own key does. */
static int add_named(struct walk *w, const char *p, size_t n)
{
	const char *key;
	const json_t *value;
	_cleanup_free_ char *name = strndup(p, n);

	if (!name)
		return err_set(w->e, -ENOMEM, "no memory");
	json_object_foreach((json_t *)(uintptr_t)w->sets, key,
			    value) if (!strcmp(key, name)) return add_set(w, key);
	return refuse(w, name, "there is no such set");
}

static int without_sets(struct walk *w, const char *sets)
{
	if (sets && strcmp(sets, "default"))
		return err_set(w->e, -EINVAL, "there are no configSets");
	return add_config(w, "config");
}

int plan_make(const json_t *init, const char *sets, struct plan *ret, struct err *e)
{
	struct walk w = {.init = init, .plan = ret, .e = e};
	const char *p, *list = sets && *sets ? sets : "default";
	size_t n, pos = 0;
	int r = 0;

	ret->n = 0;
	w.sets = json_object_get(init, "configSets");
	if (!w.sets || json_object_size(w.sets) == 0)
		return without_sets(&w, sets && *sets ? sets : NULL);
	while (r == 0 && text_list_next(list, ',', &pos, &p, &n))
		r = add_named(&w, p, n);
	if (r == 0 && ret->n == 0)
		return err_set(e, -EINVAL, "configSets: nothing in what was asked for");
	return r;
}
