/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of heat-pulse.predict: what is good of a list is used, the first that is not is named.
 * Whether a metric has levels is not known in this room: who applies them says so.
 */
#include "metadata/settings_private.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/failure_class.h"
#include "core/json.h"
#include "core/text.h"

#define MINUTE_MS (60 * 1000LL)
#define DAY_MS    (24 * 60 * MINUTE_MS)

int setting_disable(const json_t *v, struct settings *s, struct err *e)
{
	int bad = 0;

	if (!json_is_array(v) || json_array_size(v) > FAILURE_CLASS_NAMES)
		return err_set(e, 1, "must be a list of failure classes");
	for (size_t i = 0; i < json_array_size(v); i++) {
		const char *name = json_string_value(json_array_get(v, i));
		int class = name ? failure_class_index(name, strlen(name)) : -1;

		if (class >= 0)
			s->predict.disabled |= 1u << class;
		else if (!bad)
			bad = err_set(e, 1, "[%zu] is no failure class", i);
	}
	return bad;
}

/* Return: 0, or 1 with @e set. */
static int read_level(const char *metric, const char *word, const json_t *value, struct settings *s,
		      struct err *e)
{
	struct predict_setting *p = &s->predict;
	struct level_setting *to = &p->levels[p->n_levels];
	bool off = json_is_string(value) && text_equal(json_string_value(value), "off");

	if (!finding_level_parse(word, strlen(word), &to->level))
		return err_set(e, 1, "has a level that is not notice, warning or critical");
	if (!off && !json_is_number(value))
		return err_set(e, 1, "has a level that is neither a number nor \"off\"");
	if (p->n_levels + 1 >= LEVEL_SETTINGS_MAX)
		return err_set(e, 1, "has more than %d levels", LEVEL_SETTINGS_MAX - 1);
	snprintf(to->metric, sizeof(to->metric), "%s", metric);
	to->value = off ? NAN : json_number_value(value);
	p->n_levels++;
	return 0;
}

int setting_levels(const json_t *v, struct settings *s, struct err *e)
{
	struct err first = ERR_INIT;
	const char *metric, *word;
	json_t *levels, *value;
	int bad = 0;

	if (!json_is_object(v))
		return err_set(e, 1, "must be a mapping of metrics to their levels");
	json_object_foreach((json_t *)(uintptr_t)v, metric, levels)
	{
		if (!bad && (!json_is_object(levels) ||
			     strlen(metric) >= sizeof(s->predict.levels[0].metric)))
			bad = err_set(&first, 1, "must map a metric to its levels");
		json_object_foreach(levels, word, value)
		{
			if (strlen(metric) < sizeof(s->predict.levels[0].metric))
				bad |= read_level(metric, word, value, s, &first);
		}
	}
	return bad ? err_set(e, 1, "%s", first.text) : 0;
}

static int read_seconds(const json_t *v, int64_t max_ms, int64_t *ret_s)
{
	int64_t ms;

	if (setting_duration(v, MINUTE_MS, max_ms, &ms))
		return 1;
	*ret_s = ms / 1000;
	return 0;
}

int setting_critical_eta(const json_t *v, struct settings *s, struct err *e)
{
	if (read_seconds(v, DAY_MS, &s->predict.critical_eta_s))
		return err_set(e, 1, "must be a time from 1m to 1d, such as 15m");
	return 0;
}

int setting_horizon(const json_t *v, struct settings *s, struct err *e)
{
	if (read_seconds(v, 7 * DAY_MS, &s->predict.horizon_s))
		return err_set(e, 1, "must be a time from 1m to 7d, such as 12h");
	return 0;
}
