/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row per key of the "heat-pulse" section. A row without a reader is a key that metadata may
 * not set, or that this version knows and does not use.
 */
#include "metadata/settings_private.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"

#define INTERVAL_MIN_MS 1000
#define INTERVAL_MAX_MS (3600 * 1000)

static int read_handle(const json_t *v, char **to, struct err *e)
{
	const char *text = json_string_value(v);
	size_t n = text ? json_string_length(v) : 0;

	if (!n || n > SETTINGS_TEXT_MAX)
		return err_set(e, 1, "must be the name of a resource, 1 to %d characters",
			       SETTINGS_TEXT_MAX);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
			return err_set(e, 1, "must not contain blanks or control characters");
	}
	*to = strdup(text);
	return *to ? 0 : -ENOMEM;
}

static int read_boot(const json_t *v, struct settings *s, struct err *e)
{
	return read_handle(v, &s->boot, e);
}

static int read_health(const json_t *v, struct settings *s, struct err *e)
{
	return read_handle(v, &s->health, e);
}

static int read_action(const json_t *v, struct settings *s, struct err *e)
{
	return read_handle(v, &s->action, e);
}

static int read_threshold(const json_t *v, struct settings *s, struct err *e)
{
	double value = json_is_number(v) ? json_number_value(v) : 0;

	if (json_is_string(v) && text_double(json_string_value(v), json_string_length(v), &value))
		value = 0;
	if (!(value >= 0.001 && value <= 1))
		return err_set(e, 1, "must be a number from 0.001 to 1, such as 0.9");
	s->threshold = value;
	return 0;
}

int setting_duration(const json_t *v, int64_t min_ms, int64_t max_ms, int64_t *ret_ms)
{
	int64_t ms = -1;
	int bad = 0;

	if (json_is_string(v))
		bad = text_duration_ms(json_string_value(v), json_string_length(v), &ms);
	else if (json_is_integer(v) && json_integer_value(v) <= max_ms)
		ms = json_integer_value(v) * 1000;
	else if (json_is_real(v) && json_real_value(v) >= 0 && json_real_value(v) <= (double)max_ms)
		ms = (int64_t)(json_real_value(v) * 1000);
	if (bad || ms < min_ms || ms > max_ms)
		return -EINVAL;
	*ret_ms = ms;
	return 0;
}

static int read_interval(const json_t *v, struct settings *s, struct err *e)
{
	if (setting_duration(v, INTERVAL_MIN_MS, INTERVAL_MAX_MS, &s->interval_ms))
		return err_set(e, 1, "must be a time from 1s to 1h, such as 10s");
	return 0;
}

static void list_deinit(char **list, size_t *n)
{
	while (*n)
		free(list[--*n]);
}

/* All of it or nothing: one wrong item leaves the list empty. */
static int read_list(const json_t *v, bool paths, char **list, size_t *n, struct err *e)
{
	if (!json_is_array(v) || json_array_size(v) > SETTINGS_LIST_MAX)
		return err_set(e, 1, "must be a list of at most %d names", SETTINGS_LIST_MAX);
	for (size_t i = 0; i < json_array_size(v); i++) {
		const char *text = json_string_value(json_array_get(v, i));

		if (!text || !*text || strlen(text) > SETTINGS_TEXT_MAX ||
		    (paths && *text != '/')) {
			list_deinit(list, n);
			return err_set(e, 1, "[%zu] must be %s", i,
				       paths ? "an absolute path" : "a name");
		}
		list[i] = strdup(text);
		if (!list[i])
			return -ENOMEM;
		++*n;
	}
	return 0;
}

static int read_mounts(const json_t *v, struct settings *s, struct err *e)
{
	return read_list(v, true, s->mounts, &s->n_mounts, e);
}

static int read_processes(const json_t *v, struct settings *s, struct err *e)
{
	return read_list(v, false, s->processes, &s->n_processes, e);
}

/* Types that metadata may name; a file's path is root's to give. */
static const char *const sink_types[] = {"monasca", "prometheus", "gnocchi", "otlp"};

static bool type_known(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(sink_types); i++) {
		if (!strcmp(sink_types[i], type))
			return true;
	}
	return false;
}

/* Return: 0 good, "catalog" and none given mean the catalog; 1 wrong. */
static int check_sink_url(const char *type, const char *url, struct err *e)
{
	bool openstack = !strcmp(type, "monasca") || !strcmp(type, "gnocchi");

	if (!url || !strcmp(url, "catalog"))
		return openstack ? 0 : err_set(e, 1, "needs a url");
	if ((!text_starts(url, "http://") && !text_starts(url, "https://")) ||
	    strlen(url) > SETTINGS_TEXT_MAX || url[strcspn(url, " \t\r\n")])
		return err_set(e, 1, "has a url that is not an http or https URL");
	return 0;
}

/* A file's path only from who may give one, and only to the sink that is a file. */
static const char *stray_key(const json_t *item, bool file)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)item, key, value)
	{
		if (strcmp(key, "type") != 0 && strcmp(key, file ? "path" : "url") != 0)
			return key;
	}
	return NULL;
}

static int read_file_sink(const json_t *item, struct settings *s, struct err *e)
{
	const char *path = json_str(item, "path");
	struct sink_setting *to = &s->sinks[s->n_sinks];

	if (!path || *path != '/' || strlen(path) > SETTINGS_TEXT_MAX || stray_key(item, true))
		return err_set(e, 1, "of type textfile has a path, absolute, and nothing else");
	to->type = strdup("textfile");
	to->path = strdup(path);
	to->trusted = true;
	s->n_sinks++;
	return to->type && to->path ? 0 : -ENOMEM;
}

static int read_sink(const json_t *item, struct settings *s, struct err *e)
{
	const char *type = json_str(item, "type"), *url = json_str(item, "url");
	struct sink_setting *to = &s->sinks[s->n_sinks];

	if (s->full && text_equal(type, "textfile"))
		return read_file_sink(item, s, e);
	if (!type || !type_known(type))
		return err_set(e, 1, "must have a type: monasca, prometheus, gnocchi or otlp");
	if (json_object_get(item, "url") && !url)
		return err_set(e, 1, "has a url that is no text");
	if (stray_key(item, false))
		return err_set(e, 1, "may have type and url only; secrets belong to the "
				     "guest's own configuration");
	if (check_sink_url(type, url, e))
		return 1;
	to->trusted = s->full;
	to->type = strdup(type);
	to->url = url && strcmp(url, "catalog") != 0 ? strdup(url) : NULL;
	s->n_sinks++;
	return !to->type || (url && strcmp(url, "catalog") != 0 && !to->url) ? -ENOMEM : 0;
}

/* What is good of the list is used; the first item that is not is named. */
static int read_sinks(const json_t *v, struct settings *s, struct err *e)
{
	struct err first = ERR_INIT;
	int bad = 0;

	if (!json_is_array(v) || json_array_size(v) > SINK_SETTINGS_MAX)
		return err_set(e, 1, "must be a list of at most %d sinks", SINK_SETTINGS_MAX);
	for (size_t i = 0; i < json_array_size(v); i++) {
		int r = read_sink(json_array_get(v, i), s, &first);

		if (r < 0)
			return r;
		if (r && !bad)
			err_set(e, 1, "[%zu] %s", i, first.text);
		bad |= r;
	}
	return bad;
}

/* As the watch takes it: seconds, as a number or as text. */
static int check_seconds(const json_t *v, double min, double max, struct err *e)
{
	const char *text = json_string_value(v);
	double s = json_is_number(v) ? json_number_value(v) : -1;

	if (text && text_double(text, json_string_length(v), &s) < 0)
		s = -1;
	return s >= min && s <= max ? 0
				    : err_set(e, 1, "must be seconds from %.0f to %.0f and is not obeyed",
					      min, max);
}

static int read_polling(const json_t *v, struct settings *s _unused_, struct err *e)
{
	return check_seconds(v, 1, 3600, e);
}

static int read_splay(const json_t *v, struct settings *s _unused_, struct err *e)
{
	return check_seconds(v, 0, 3600, e);
}

static const struct setting top_settings[] = {
	{"boot", read_boot, false},
	{"health", read_health, false},
	{"interval", read_interval, false},
	{"watch", NULL, false},   /* an object: watch_settings[] */
	{"predict", NULL, false}, /* an object: predict_settings[] */
	{"action", read_action, false},
	{"threshold", read_threshold, false},
	{"sinks", read_sinks, false},
	{"command", setting_command, true},
	{"hooks", NULL, true},
	{"cachedir", NULL, true},
	{"ca_certificate", setting_ca_file, true},
	{"ca_file", setting_ca_file, true},
	{"ca-file", setting_ca_file, true},
	{"user", setting_runas, true},
	{"runas", setting_runas, true},
	{"path", NULL, true},
	{"paths", NULL, true},
	{"file", NULL, true},
	{"credential-file", NULL, true},
	{"http_proxy", NULL, true},
	{"https_proxy", NULL, true},
	{"no_proxy", NULL, true},
	{"trust-metadata", NULL, true},
	{"insecure", NULL, true},
};

static const struct setting watch_settings[] = {
	{"mounts", read_mounts, false},
	{"processes", read_processes, false},
};

static const struct setting predict_settings[] = {
	{"disable", setting_disable, false},
	{"levels", setting_levels, false},
	{"critical-eta", setting_critical_eta, false},
	{"horizon", setting_horizon, false},
};

/* The os-collect-config block: its collectors and their credentials, polling_interval and splay are obeyed
 * by the watch (watch_transport.c), and only looked at here for what is wrong. What only root may say is
 * refused, and what has no meaning here is named. */
static const struct setting collect_settings[] = {
	{"polling_interval", read_polling, false},
	{"splay", read_splay, false},
	{"min_polling_interval", NULL, false},
	{"timeout", NULL, false},
	{"cache_ttl", NULL, false},
	{"force", NULL, false},
	{"one_time", NULL, false},
	{"print", NULL, false},
	{"print_cachedir", NULL, false},
	{"command", setting_command, true},
	{"cachedir", NULL, true},
	{"cache_dir", NULL, true},
	{"backup_cachedir", NULL, true},
	{"config_file", NULL, true},
	{"ca_certificate", setting_ca_file, true},
	{"ca_file", setting_ca_file, true},
	{"cacert", setting_ca_file, true},
	{"ssl_certificate_validation", NULL, true},
	{"insecure", NULL, true},
	{"path", NULL, true}, /* of collector local; cfn's is a resource: cfn_settings[] */
	{"heat_metadata_hint", NULL, true},
	{"deployment_key", NULL, false},
	{"use_websockets", NULL, false},
};

static int read_anything(const json_t *v _unused_, struct settings *s _unused_, struct err *e _unused_)
{
	return 0;
}

static const struct setting cfn_settings[] = {
	{"ca_certificate", setting_ca_file, true},
	{"path", read_anything, false},
	{"cacert", setting_ca_file, true},
	{"ca_file", setting_ca_file, true},
	{"insecure", NULL, true},
	{"deployment_key", NULL, false},
	{"timeout", NULL, false},
};

struct section {
	const char *name;
	const char *inside; /* key within "heat-pulse"; NULL: the section is all of it */
	const struct setting *rows;
	size_t n;
	bool name_unknown; /* report keys without a row */
};

#define ROWS(list) list, ARRAY_SIZE(list)
/* The first is the whole; the others are members of it. */
static const struct section own_sections[] = {
	{"heat-pulse", NULL, ROWS(top_settings), true},
	{"heat-pulse.watch", "watch", ROWS(watch_settings), true},
	{"heat-pulse.predict", "predict", ROWS(predict_settings), true},
};
static const struct section collect_sections[] = {
	{"os-collect-config", NULL, ROWS(collect_settings), false},
	{"os-collect-config.cfn", "cfn", ROWS(cfn_settings), false},
	{"os-collect-config.heat", "heat", ROWS(collect_settings), false},
	{"os-collect-config.request", "request", ROWS(collect_settings), false},
	{"os-collect-config.zaqar", "zaqar", ROWS(collect_settings), false},
	{"os-collect-config.ec2", "ec2", ROWS(collect_settings), false},
	{"os-collect-config.local", "local", ROWS(collect_settings), false},
	{"os-collect-config.heat_local", "heat_local", ROWS(collect_settings), false},
};

static bool is_section(const char *key)
{
	for (size_t i = 1; i < ARRAY_SIZE(own_sections); i++)
		if (!strcmp(own_sections[i].inside, key))
			return true;
	return false;
}

bool settings_key(size_t i, struct setting_key *ret)
{
	for (size_t k = 0; k < ARRAY_SIZE(own_sections); k++) {
		const struct section *sec = &own_sections[k];

		if (i < sec->n) {
			*ret = (struct setting_key){.inside = sec->inside,
						    .key = sec->rows[i].key,
						    .refused = sec->rows[i].refused};
			return true;
		}
		i -= sec->n;
	}
	return false;
}

static void report(struct problems *problems, const struct section *sec, const char *key,
		   const struct setting *row, const char *why)
{
	struct buf name = BUF_INIT(160);

	text_escape(&name, key, strnlen(key, 32));
	if (row && row->refused && !*why)
		problems_add(problems, PROBLEM_WARN, "metadata-refused",
			     "set it in the guest's own configuration, which root owns, or take it "
			     "out of the template",
			     "%s.%s in the metadata is not obeyed", sec->name, buf_str(&name));
	else if (row)
		problems_add(problems, PROBLEM_WARN, "metadata-setting", "correct the template",
			     "%s.%s in the metadata %s", sec->name, buf_str(&name), why);
	else
		problems_add(problems, PROBLEM_WARN, "metadata-setting", "correct the template",
			     "%s.%s in the metadata is not a known key", sec->name, buf_str(&name));
	buf_deinit(&name);
}

static const struct setting *find(const struct section *sec, const char *key)
{
	for (size_t i = 0; i < sec->n; i++) {
		if (!strcmp(sec->rows[i].key, key))
			return &sec->rows[i];
	}
	return NULL;
}

static int read_member(const struct section *sec, const char *key, const json_t *value,
		       struct settings *s, struct problems *problems)
{
	const struct setting *row = find(sec, key);
	struct err e = ERR_INIT;
	int r = 1;

	if (json_is_null(value) || (!row && !sec->name_unknown))
		return 0;
	if (row && row->read && (s->full || !row->refused))
		r = row->read(value, s, &e);
	else if (!row || !row->refused)
		err_set(&e, 1, "is not used by this version");
	if (r == 1)
		report(problems, sec, key, row, e.text);
	return r == 1 ? 0 : r;
}

static int read_section(const struct section *sec, json_t *object, struct settings *s,
			struct problems *problems)
{
	const char *key;
	json_t *value;
	int r = 0;

	json_object_foreach(object, key, value)
	{
		if (sec == own_sections && is_section(key))
			continue;
		r = read_member(sec, key, value, s, problems);
		if (r < 0)
			break;
	}
	return r;
}

/* A section that is there and no object is named. Return: the object or NULL. */
static json_t *take_object(const json_t *parent, const char *key, struct problems *problems)
{
	json_t *v = json_object_get(parent, key);

	if (v && !json_is_null(v) && !json_is_object(v))
		problems_add(problems, PROBLEM_WARN, "metadata-setting", "correct the template",
			     "%s in the metadata must be a mapping", key);
	return json_is_object(v) ? v : NULL;
}

int settings_from_metadata(const json_t *metadata, bool full, struct settings *ret, struct problems *problems)
{
	json_t *own = take_object(metadata, "heat-pulse", problems);
	json_t *collect = json_obj(metadata, "os-collect-config");
	int r;

	*ret = (struct settings){.full = full};
	r = read_section(own_sections, own, ret, problems);
	for (size_t i = 1; !r && i < ARRAY_SIZE(own_sections); i++)
		r = read_section(&own_sections[i], take_object(own, own_sections[i].inside, problems),
				 ret, problems);
	for (size_t i = 0; !r && i < ARRAY_SIZE(collect_sections); i++) {
		const struct section *sec = &collect_sections[i];

		r = read_section(sec, sec->inside ? json_obj(collect, sec->inside) : collect, ret, problems);
	}
	if (r < 0)
		settings_deinit(ret);
	return r;
}

void settings_deinit(struct settings *s)
{
	free(s->boot);
	free(s->health);
	free(s->action);
	free(s->command);
	free(s->runas);
	free(s->ca_file);
	list_deinit(s->mounts, &s->n_mounts);
	list_deinit(s->processes, &s->n_processes);
	while (s->n_sinks)
		sink_setting_deinit(&s->sinks[--s->n_sinks]);
	*s = (struct settings){0};
}

static bool list_equal(char *const *a, size_t n_a, char *const *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++) {
		if (strcmp(a[i], b[i]) != 0)
			return false;
	}
	return true;
}

static bool sinks_equal(const struct settings *a, const struct settings *b)
{
	if (a->n_sinks != b->n_sinks)
		return false;
	for (size_t i = 0; i < a->n_sinks; i++) {
		if (!sink_setting_equal(&a->sinks[i], &b->sinks[i]))
			return false;
	}
	return true;
}

bool settings_equal(const struct settings *a, const struct settings *b)
{
	return text_equal(a->boot, b->boot) && text_equal(a->health, b->health) &&
	       text_equal(a->action, b->action) && text_equal(a->command, b->command) &&
	       text_equal(a->runas, b->runas) && text_equal(a->ca_file, b->ca_file) && a->full == b->full &&
	       a->interval_ms == b->interval_ms &&
	       !(a->threshold < b->threshold || a->threshold > b->threshold) &&
	       list_equal(a->mounts, a->n_mounts, b->mounts, b->n_mounts) &&
	       list_equal(a->processes, a->n_processes, b->processes, b->n_processes) &&
	       sinks_equal(a, b) && predict_setting_equal(&a->predict, &b->predict);
}
