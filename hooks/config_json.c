/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hook table as it travels from runner to agent: names, paths, triggers and times, but no
 * commands. The agent checks what it reads as strictly as if it came from outside.
 */
#include "hooks/config.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "hooks/finding.h"

#define TIMEOUT_MAX_MS (INT64_C(30) * 86400 * 1000)

static json_t *hook_json(const struct hook *h)
{
	return json_pack("{s:s, s:o, s:i, s:s, s:i, s:s, s:I, s:i, s:i}", "name", h->name, "file",
			 json_text(h->file), "line", h->line, "path", h->path_text, "triggers",
			 (int)h->triggers, "runas", h->runas, "timeout_ms",
			 (json_int_t)h->timeout_ms, "levels", (int)h->levels, "on", (int)h->events);
}

char *hookset_to_json(const struct hookset *set)
{
	_cleanup_json_ json_t *list = json_array();
	_cleanup_json_ json_t *root = NULL;

	for (size_t i = 0; i < set->n; i++)
		if (json_array_append_new(list, hook_json(&set->hooks[i])) < 0)
			return NULL;
	root = json_pack("{s:i, s:O, s:o, s:o, s:o, s:o, s:I, s:i}", "v", 1, "hooks", list, "stack",
			 json_text(set->stack), "credential_file", json_text(set->credential_file),
			 "region", json_text(set->region), "url", json_text(set->url),
			 "interval_ms", (json_int_t)set->interval_ms, "umask", (int)set->umask);
	return root ? json_dumps(root, JSON_COMPACT) : NULL;
}

static bool int_in(const json_t *object, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	return json_int(object, key, ret) && *ret >= min && *ret <= max;
}

/* Copies a member; a missing one or null is NULL. False only without memory. */
static bool copy_str(const json_t *object, const char *key, char **ret)
{
	const char *s = json_str(object, key);

	*ret = s ? strdup(s) : NULL;
	return !s || *ret;
}

/* A hook is of one kind: on values and services of a path, or on findings without any. */
static int kind_fields(const json_t *j, const char *name, const char *path, struct hook *h, struct err *e)
{
	int64_t levels, events;

	if (!(h->triggers & TRIGGER_FINDING))
		return path_parse(path, strlen(path), &h->path, e) == 0
			       ? 0
			       : err_set(e, -EBADMSG, "hook table: a path is bad");
	if (h->triggers != TRIGGER_FINDING || *path || !finding_section_valid(name) ||
	    !int_in(j, "levels", 1, (1 << FINDING_LEVELS) - 1, &levels) ||
	    !int_in(j, "on", 1, (1 << HOOK_EVENTS) - 1, &events))
		return err_set(e, -EBADMSG, "hook table: a hook on findings is bad");
	h->levels = (unsigned)levels;
	h->events = (unsigned)events;
	free(h->path_text);
	return hook_watches_nothing(h) == 0 ? 0
					    : err_set(e, -ENOMEM, "no memory for the hook table");
}

static int hook_fields(const json_t *j, struct hook *h, struct err *e)
{
	const char *name = json_str(j, "name"), *path = json_str(j, "path"),
		   *runas = json_str(j, "runas");
	int64_t line, bits, timeout;

	if (!name || !*name || strlen(name) > HOOK_NAME_MAX || !path ||
	    strlen(path) > HOOK_TEXT_MAX || !runas)
		return err_set(e, -EBADMSG, "hook table: a hook lacks name, path or runas");
	if (!int_in(j, "line", 0, INT32_MAX, &line) ||
	    !int_in(j, "triggers", 1, TRIGGER_ALL, &bits) ||
	    !int_in(j, "timeout_ms", 1, TIMEOUT_MAX_MS, &timeout))
		return err_set(e, -EBADMSG, "hook table: a number is out of range");
	h->line = (int)line;
	h->triggers = (unsigned)bits;
	h->timeout_ms = timeout;
	if (!copy_str(j, "name", &h->name) || !copy_str(j, "path", &h->path_text) ||
	    !copy_str(j, "runas", &h->runas) || !copy_str(j, "file", &h->file))
		return err_set(e, -ENOMEM, "no memory for the hook table");
	return kind_fields(j, name, path, h, e);
}

static int read_hooks(const json_t *list, struct hookset *set, struct err *e)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > HOOKS_MAX)
		return err_set(e, -EBADMSG, "hook table: no list of hooks, or too long a one");
	set->hooks = calloc(n ? n : 1, sizeof(*set->hooks));
	if (!set->hooks)
		return err_set(e, -ENOMEM, "no memory for the hook table");
	for (size_t i = 0; i < n; i++) {
		int r = hook_fields(json_array_get(list, i), &set->hooks[set->n++], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int read_table(const json_t *root, struct hookset *set, struct err *e)
{
	int64_t version, interval, mask;

	if (!int_in(root, "v", 1, 1, &version) ||
	    !int_in(root, "interval_ms", 0, INT64_MAX, &interval) ||
	    !int_in(root, "umask", 0, 0777, &mask))
		return err_set(e, -EBADMSG, "hook table: unknown version or a number out of range");
	set->interval_ms = interval;
	set->umask = (mode_t)mask;
	if (!copy_str(root, "stack", &set->stack) ||
	    !copy_str(root, "credential_file", &set->credential_file) ||
	    !copy_str(root, "region", &set->region) || !copy_str(root, "url", &set->url))
		return err_set(e, -ENOMEM, "no memory for the hook table");
	return read_hooks(json_object_get(root, "hooks"), set, e);
}

int hookset_from_json(const char *p, size_t n, struct hookset *ret, struct err *e)
{
	_cleanup_json_ json_t *root = NULL;
	struct hookset set = {.umask = 022};
	int r;

	*ret = set;
	if (json_parse(p, n, &json_limits_default, &root, e) < 0)
		return err_set(e, -EBADMSG, "hook table: not JSON");
	r = read_table(root, &set, e);
	if (r < 0)
		hookset_deinit(&set);
	else
		*ret = set;
	return r;
}
