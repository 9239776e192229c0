/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that come as deployments. */
#include "hooks/deploy/settings.h"

#include <string.h>

#include "core/text.h"
#include "hooks/deploy/deployment.h"

#define CONFIG_MAX (8u << 20)

json_t *deployment_config_map(const json_t *entry)
{
	static const struct json_limits limits = {CONFIG_MAX, 64, 65536, 64u << 20};
	json_t *config = json_object_get(entry, "config"), *parsed = NULL;

	if (json_is_object(config))
		return json_incref(config);
	if (!json_is_string(config) ||
	    json_parse(json_string_value(config), json_string_length(config), &limits, &parsed,
		       NULL) < 0)
		return NULL;
	if (json_is_object(parsed))
		return parsed;
	json_decref(parsed);
	return NULL;
}

/* The depth is the document's, which its scan has bounded. */
static int merge(json_t *to, const json_t *from)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)from, key, value)
	{
		json_t *old = json_object_get(to, key);
		int r = json_is_object(old) && json_is_object(value)
				? merge(old, value)
				: json_object_set_new(to, key, json_deep_copy(value));

		if (r < 0)
			return -1;
	}
	return 0;
}

static bool counts(const json_t *entry)
{
	return text_equal(json_str(entry, "group"), DEPLOYMENT_SETTINGS) &&
	       strcmp(deployment_input_text(entry, "deploy_action"), "DELETE") != 0;
}

static int merge_entry(json_t *section, const json_t *entry)
{
	_cleanup_json_ json_t *config = deployment_config_map(entry);

	return config ? merge(section, config) : 0;
}

static int merge_all(json_t *metadata, const json_t *list)
{
	json_t *section = json_deep_copy(json_object_get(metadata, DEPLOYMENT_SETTINGS));
	const json_t *one;
	size_t i;

	if (!json_is_object(section)) {
		json_decref(section);
		section = json_object();
	}
	if (json_object_set_new(metadata, DEPLOYMENT_SETTINGS, section) < 0)
		return -1;
	json_array_foreach(list, i, one)
	{
		if (counts(one) && merge_entry(section, one) < 0)
			return -1;
	}
	return 0;
}

json_t *deployment_settings(json_t *metadata)
{
	const json_t *list = json_object_get(metadata, "deployments"), *one;
	json_t *copy;
	bool any = false;
	size_t i;

	json_array_foreach(list, i, one) any = any || counts(one);
	if (!any)
		return json_incref(metadata);
	copy = json_copy(metadata);
	if (copy && merge_all(copy, list) == 0)
		return copy;
	json_decref(copy);
	return NULL;
}
