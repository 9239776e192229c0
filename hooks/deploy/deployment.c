/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry of the `deployments` list, made fit for a hook in the way that hooks written for
 * heat-agents rely on: String inputs are strings, a component has been reduced to one of its
 * configurations, the group is a plain file name.
 */
#include "hooks/deploy/deployment.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "core/text.h"

#define ID_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

void deployment_deinit(struct deployment *d)
{
	json_decref(d->entry);
	*d = (struct deployment){0};
}

bool deployment_id_valid(const char *id)
{
	size_t n = id ? strlen(id) : 0;

	return n > 0 && n <= DEPLOYMENT_ID_MAX && id[0] != '.' && strspn(id, ID_CHARS ".") == n;
}

bool deployment_group_valid(const char *group)
{
	size_t n = group ? strlen(group) : 0;

	return n > 0 && n <= DEPLOYMENT_GROUP_MAX && strspn(group, ID_CHARS) == n;
}

json_t *deployment_input(const json_t *entry, const char *name)
{
	json_t *list = json_object_get(entry, "inputs"), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *key = json_str(one, "name");

		if (key && strcmp(key, name) == 0)
			return json_object_get(one, "value");
	}
	return NULL;
}

const char *deployment_input_text(const json_t *entry, const char *name)
{
	const char *text = json_string_value(deployment_input(entry, name));

	return text ? text : "";
}

void deployment_run_id(const char *id, char out[static RUN_ID_LEN + 1])
{
	char text[DEPLOYMENT_ID_MAX + 32];
	int n = snprintf(text, sizeof(text), "deployment\n%s", id);

	text_sha256_hex(text, (size_t)n, out);
}

/* ---- inputs ---- */

/* As str() of Python has it; lists and maps as JSON. */
static json_t *as_string(const json_t *v)
{
	_cleanup_free_ char *text = NULL;

	if (json_is_null(v))
		return json_string("None");
	if (json_is_boolean(v))
		return json_string(json_is_true(v) ? "True" : "False");
	text = json_dumps(v, JSON_ENCODE_ANY);
	return text ? json_string(text) : NULL;
}

static int fix_inputs(json_t *entry)
{
	json_t *list = json_object_get(entry, "inputs"), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *type = json_str(one, "type");
		const json_t *value = json_object_get(one, "value");

		if (!type || strcmp(type, "String") != 0 || !value || json_is_string(value))
			continue;
		if (json_object_set_new(one, "value", as_string(value)) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- component ---- */

static bool has_action(const json_t *config, const char *action)
{
	const json_t *list = json_object_get(config, "actions"), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (text_equal(json_string_value(one), action))
			return true;
	}
	return false;
}

static json_t *find_config(const json_t *entry, const char *action)
{
	json_t *list = json_object_get(json_object_get(entry, "config"), "configs"), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (has_action(one, action))
			return one;
	}
	return NULL;
}

static int pick_config(struct deployment *d)
{
	json_t *config = find_config(d->entry, d->action), *text, *tool;

	if (!config) {
		d->nothing = true;
		return 0;
	}
	text = json_object_get(config, "config");
	tool = json_object_get(config, "tool");
	/* Kept alive: the first of these lets the list go that both stand in. */
	json_incref(tool);
	if (json_object_set(d->entry, "config", text ? text : json_null()) < 0 ||
	    json_object_set_new(d->entry, "group", tool ? tool : json_null()) < 0)
		return -ENOMEM;
	return 0;
}

/* ---- the whole ---- */

/* Everything but letters, digits, "-" and "_" is left out, as hooks are looked up. */
static int set_group(struct deployment *d, struct err *e)
{
	const char *p = json_str(d->entry, "group");
	size_t n = 0;

	for (; p && *p; p++) {
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			continue;
		if (n == DEPLOYMENT_GROUP_MAX)
			return err_set(e, -EBADMSG,
				       "deployment %s: the name of its group is too long", d->id);
		d->group[n++] = *p;
	}
	d->group[n] = '\0';
	return n > 0 ? 0 : err_set(e, -EBADMSG, "deployment %s: it names no group", d->id);
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static int fill(struct deployment *d, struct err *e)
{
	int r = fix_inputs(d->entry);

	if (r < 0)
		return r;
	d->name = or_empty(json_str(d->entry, "name"));
	d->action = deployment_input_text(d->entry, "deploy_action");
	d->transport = deployment_input_text(d->entry, "deploy_signal_transport");
	if (text_equal(json_str(d->entry, "group"), DEPLOYMENT_COMPONENT))
		r = pick_config(d);
	return r < 0 ? r : set_group(d, e);
}

int deployment_parse(const json_t *raw, struct deployment *ret, struct err *e)
{
	const char *id = json_str(raw, "id");
	int r;

	*ret = (struct deployment){.name = "", .action = "", .transport = ""};
	if (!deployment_id_valid(id))
		return err_set(e, -EBADMSG, "an entry of `deployments` has no usable id");
	snprintf(ret->id, sizeof(ret->id), "%s", id);
	ret->entry = json_deep_copy(raw);
	r = ret->entry ? fill(ret, e) : -ENOMEM;
	if (r < 0)
		deployment_deinit(ret);
	return r == -ENOMEM ? err_set(e, r, "no memory for a deployment") : r;
}
