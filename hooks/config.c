/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From merged INI entries to the hook table, and the kill switch. Which files are read, and whether
 * they may be obeyed, is config_files.c; what the agent gets to see is config_json.c.
 */
#include "hooks/config.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "core/text.h"
#include "hooks/finding.h"

#define MAIN_SECTION   "main"
#define TIMEOUT_MAX_MS (INT64_C(30) * 86400 * 1000)
#define DISABLED_FILE  "/etc/heat-pulse/hooks.disabled"
#define REMEDY_SECTION "Correct the section; the other hooks run meanwhile."

static const struct {
	unsigned bit;
	const char *name;
} triggers[] = {
	{TRIGGER_ADD, "post.add"},
	{TRIGGER_UPDATE, "post.update"},
	{TRIGGER_REMOVE, "post.remove"},
	{TRIGGER_SERVICE_RESTARTED, "service.restarted"},
	{TRIGGER_FINDING, "finding"},
};

const char *trigger_name(unsigned trigger)
{
	for (size_t i = 0; i < ARRAY_SIZE(triggers); i++)
		if (triggers[i].bit == trigger)
			return triggers[i].name;
	return "?";
}

unsigned trigger_parse(const char *p, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(triggers); i++)
		if (strlen(triggers[i].name) == n && memcmp(triggers[i].name, p, n) == 0)
			return triggers[i].bit;
	return 0;
}

void hook_deinit(struct hook *h)
{
	free(h->name);
	free(h->file);
	free(h->path_text);
	path_deinit(&h->path);
	free(h->action);
	free(h->runas);
	*h = (struct hook){0};
}

int hook_watches_nothing(struct hook *h)
{
	h->path_text = strdup("");
	h->path = (struct path){.resource = strdup(""), .part = PATH_METADATA};
	return h->path_text && h->path.resource ? 0 : -ENOMEM;
}

void hookset_deinit(struct hookset *set)
{
	for (size_t i = 0; i < set->n; i++)
		hook_deinit(&set->hooks[i]);
	free(set->hooks);
	free(set->stack);
	free(set->credential_file);
	free(set->region);
	free(set->url);
	*set = (struct hookset){.umask = 022};
}

/* ---- one section ---- */

struct section {
	const struct conf *conf;
	const struct ini *ini;
	struct problems *problems;
	const char *name, *file;
	int line;
};

/* Says at file:line what is wrong with the section; @key (may be NULL) narrows the line down. */
static void section_problem(const struct section *s, enum problem_level level, const char *key,
			    const char *what)
{
	const struct ini_entry *entry = key ? ini_find(s->ini, s->name, key) : NULL;
	_cleanup_buf_ struct buf name = BUF_INIT(4 * HOOK_NAME_MAX + 8);

	text_escape(&name, s->name, strnlen(s->name, HOOK_NAME_MAX));
	problems_add(s->problems, level, "hook-section", REMEDY_SECTION, "%s:%d: [%s]: %s",
		     entry ? entry->file : s->file, entry ? entry->line : s->line, buf_str(&name),
		     what);
}

static const char *const reserved_triggers[] = {"pre.", "on.command"};

static void warn_trigger(const struct section *s, const char *p, size_t n)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1024);

	buf_puts(&text, "trigger ");
	text_escape(&text, p, n < 64 ? n : 64);
	for (size_t i = 0; i < ARRAY_SIZE(reserved_triggers); i++) {
		size_t len = strlen(reserved_triggers[i]);

		if (n >= len && memcmp(p, reserved_triggers[i], len) == 0) {
			buf_puts(&text, " is not supported and ignored");
			section_problem(s, PROBLEM_WARN, "triggers", buf_str(&text));
			return;
		}
	}
	buf_puts(&text, " is unknown and ignored; known are post.add, post.update, post.remove, "
			"service.restarted");
	section_problem(s, PROBLEM_WARN, "triggers", buf_str(&text));
}

static unsigned read_triggers(const struct section *s, const char *list)
{
	unsigned bits = 0;
	size_t pos = 0, n;
	const char *p;

	while (text_list_next(list, ',', &pos, &p, &n)) {
		unsigned bit = trigger_parse(p, n) & ~(unsigned)TRIGGER_FINDING;

		if (!bit && n > 0)
			warn_trigger(s, p, n);
		bits |= bit;
	}
	return bits;
}

static const char *required(const struct section *s, const char *key)
{
	const char *value = ini_get(s->ini, s->name, key);
	char what[64];

	if (value && *value)
		return value;
	snprintf(what, sizeof(what), "key %s is %s; the hook is not run", key,
		 value ? "empty" : "missing");
	section_problem(s, PROBLEM_ERROR, value ? key : NULL, what);
	return NULL;
}

/* 1 = the section is unusable, as was told. */
static int read_timeout(const struct section *s, struct hook *h)
{
	const char *text = ini_get(s->ini, s->name, "timeout");
	int64_t ms;

	h->timeout_ms = s->conf->hook_timeout_ms;
	if (!text)
		return 0;
	if (text_duration_ms(text, strlen(text), &ms) < 0 || ms <= 0 || ms > TIMEOUT_MAX_MS) {
		section_problem(s, PROBLEM_ERROR, "timeout",
				"timeout is no duration such as 90s, 10m or 2h up to 30d; the hook "
				"is not run");
		return 1;
	}
	h->timeout_ms = ms;
	return 0;
}

/* Without the key the hook runs as root. A runner that is not root can only run hooks as itself. */
char *hook_default_runas(void)
{
	const struct passwd *pw = geteuid() == 0 ? NULL : getpwuid(geteuid());

	return strdup(pw ? pw->pw_name : "root");
}

/* An empty runas was an error in the old tool and must not become root. */
static int read_runas(const struct section *s, struct hook *h)
{
	const char *text = ini_get(s->ini, s->name, "runas");

	if (text && (!*text || strlen(text) > HOOK_TEXT_MAX)) {
		section_problem(s, PROBLEM_ERROR, "runas", "runas is empty; the hook is not run");
		return 1;
	}
	h->runas = text ? strdup(text) : hook_default_runas();
	return h->runas ? 0 : -ENOMEM;
}

static int read_path(const struct section *s, struct hook *h, const char *text)
{
	struct err e = ERR_INIT;
	int r = path_parse(text, strlen(text), &h->path, &e);

	if (r == -ENOMEM)
		return r;
	if (r < 0 || strlen(text) > HOOK_TEXT_MAX) {
		section_problem(s, PROBLEM_ERROR, "path", r < 0 ? e.text : "path is too long");
		return 1;
	}
	h->path_text = strdup(text);
	return h->path_text ? 0 : -ENOMEM;
}

static int read_identity(const struct section *s, struct hook *h)
{
	if (strlen(s->name) > HOOK_NAME_MAX) {
		section_problem(s, PROBLEM_ERROR, NULL,
				"the name is over 255 bytes; the hook is not run");
		return 1;
	}
	h->name = strdup(s->name);
	h->file = strdup(s->file);
	h->line = s->line;
	return h->name && h->file ? 0 : -ENOMEM;
}

static int read_action(const struct section *s, struct hook *h, const char *action)
{
	int r = read_timeout(s, h);

	if (r == 0)
		r = read_runas(s, h);
	if (r == 0) {
		h->action = strdup(action);
		r = h->action ? 0 : -ENOMEM;
	}
	return r;
}

/* ---- a section finding.CLASS ---- */

static int read_words(const struct section *s, const char *key, const char *const *words, size_t n_words,
		      unsigned *bits)
{
	const char *list = ini_get(s->ini, s->name, key), *p;
	char what[160];
	size_t pos = 0, n;

	if (!list)
		return 0;
	*bits = 0;
	while (text_list_next(list, ',', &pos, &p, &n)) {
		size_t i = 0;

		while (i < n_words && (strlen(words[i]) != n || memcmp(words[i], p, n) != 0))
			i++;
		if (i == n_words && n > 0) {
			*bits = 0;
			break;
		}
		*bits |= n > 0 ? 1U << i : 0;
	}
	if (*bits)
		return 0;
	snprintf(what, sizeof(what), "%s is no list of %s, %s, %s; the hook is not run", key, words[0],
		 words[1], words[2]);
	section_problem(s, PROBLEM_ERROR, key, what);
	return 1;
}

/* What belongs to hooks on values only. */
static int refuse_keys(const struct section *s)
{
	static const char *const strangers[] = {"triggers", "path"};
	char what[128];

	for (size_t i = 0; i < ARRAY_SIZE(strangers); i++) {
		if (!ini_get(s->ini, s->name, strangers[i]))
			continue;
		snprintf(what, sizeof(what),
			 "%s has no meaning in a section finding.CLASS; the hook is not run",
			 strangers[i]);
		section_problem(s, PROBLEM_ERROR, strangers[i], what);
		return 1;
	}
	return 0;
}

static int read_finding_words(const struct section *s, struct hook *h)
{
	int r;

	h->levels = 1U << FINDING_WARNING | 1U << FINDING_CRITICAL;
	h->events = 1U << HOOK_EVENT_OPENED | 1U << HOOK_EVENT_RAISED;
	r = read_words(s, "levels", finding_level_names, FINDING_LEVELS, &h->levels);
	return r ? r : read_words(s, "on", hook_event_names, HOOK_EVENTS, &h->events);
}

static int read_finding_hook(const struct section *s, struct hook *h)
{
	const char *action = required(s, "action");
	int r = refuse_keys(s);

	if (!action || r)
		return 1;
	if (!finding_section_valid(s->name)) {
		section_problem(s, PROBLEM_ERROR, NULL,
				"there is no such class of findings; the hook is not run");
		return 1;
	}
	h->triggers = TRIGGER_FINDING;
	r = read_identity(s, h);
	if (r == 0)
		r = read_finding_words(s, h);
	if (r == 0)
		r = hook_watches_nothing(h);
	return r ? r : read_action(s, h, action);
}

/* ---- any section ---- */

/* 0 = @h is filled, 1 = the section is out, -ENOMEM. */
static int read_hook(const struct section *s, struct hook *h)
{
	const char *list, *path, *action;
	int r;

	if (text_starts(s->name, FINDING_SECTION))
		return read_finding_hook(s, h);
	list = required(s, "triggers");
	path = required(s, "path");
	action = required(s, "action");

	if (!list || !path || !action)
		return 1;
	h->triggers = read_triggers(s, list);
	if (!h->triggers) {
		section_problem(s, PROBLEM_WARN, "triggers",
				"no trigger that can fire; the hook is not run");
		return 1;
	}
	r = read_identity(s, h);
	if (r == 0)
		r = read_path(s, h, path);
	return r ? r : read_action(s, h, action);
}

/* ---- [main] ---- */

static int copy_key(const struct ini *ini, const char *key, char **ret)
{
	const char *value = ini_get(ini, MAIN_SECTION, key);

	if (!value || !*value)
		return 0;
	*ret = strdup(value);
	return *ret ? 0 : -ENOMEM;
}

/* A bare number is minutes: what cfn-hup documents, and what a copied file means by it. */
static int parse_interval(const char *text, int64_t *ret_ms)
{
	int64_t minutes;
	int r = text_i64(text, strlen(text), &minutes);

	if (r == 0 && (minutes < 1 || minutes > 60 * 24 * 365))
		return -ERANGE;
	if (r == 0)
		*ret_ms = minutes * 60000;
	else
		r = text_duration_ms(text, strlen(text), ret_ms);
	return r == 0 && *ret_ms < 1000 ? -ERANGE : r;
}

static void read_interval(const struct section *s, struct hookset *set)
{
	const char *text = ini_get(s->ini, MAIN_SECTION, "interval");
	int64_t ms = 0;

	if (!text)
		return;
	if (parse_interval(text, &ms) < 0)
		section_problem(s, PROBLEM_ERROR, "interval",
				"interval is neither minutes nor a duration such as 30s; the "
				"default is used");
	else
		set->interval_ms = ms;
}

/* Octal with or without a leading 0, at most 0777. */
static int parse_umask(const char *text, mode_t *ret)
{
	mode_t value = 0;
	size_t n = strlen(text);

	if (n == 0 || n > 5)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '7')
			return -EINVAL;
		value = value * 8 + (mode_t)(text[i] - '0');
	}
	if (value > 0777)
		return -ERANGE;
	*ret = value;
	return 0;
}

static void read_umask(const struct section *s, struct hookset *set)
{
	const char *text = ini_get(s->ini, MAIN_SECTION, "umask");

	if (text && parse_umask(text, &set->umask) < 0)
		section_problem(s, PROBLEM_ERROR, "umask",
				"umask is not octal up to 0777; 022 is used");
}

/* The agent looks for its endpoint in cfn-hup.conf alone. */
static void warn_elsewhere(const struct section *s, const char *key)
{
	const struct ini_entry *entry = ini_find(s->ini, MAIN_SECTION, key);

	if (entry && strcmp(entry->file, s->file) != 0)
		section_problem(s, PROBLEM_WARN, key, "stack, region and url count in cfn-hup.conf only");
}

static int read_main(const struct section *s, struct hookset *set)
{
	static const char *const only_there[] = {"stack", "region", "url"};
	const struct {
		const char *key;
		char **to;
	} rows[] = {
		{"stack", &set->stack},
		{"credential-file", &set->credential_file},
		{"region", &set->region},
		{"url", &set->url},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (copy_key(s->ini, rows[i].key, rows[i].to) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(only_there); i++)
		warn_elsewhere(s, only_there[i]);
	read_interval(s, set);
	read_umask(s, set);
	return 0;
}

static int add_section(const struct section *s, struct hookset *set)
{
	int r;

	if (strcmp(s->name, MAIN_SECTION) == 0)
		return read_main(s, set);
	if (set->n == HOOKS_MAX) {
		section_problem(s, PROBLEM_ERROR, NULL,
				"more than 1024 hooks; the hook is not run");
		return 0;
	}
	r = read_hook(s, &set->hooks[set->n]);
	if (r == 0)
		set->n++;
	else
		hook_deinit(&set->hooks[set->n]);
	return r < 0 ? r : 0;
}

int hookset_from_ini(const struct conf *conf, const struct ini *ini, struct hookset *ret,
		     struct problems *problems)
{
	struct hookset set = {.umask = 022};
	size_t room = ini->n_sections < HOOKS_MAX ? ini->n_sections : HOOKS_MAX;

	set.hooks = calloc(room ? room : 1, sizeof(*set.hooks));
	if (!set.hooks)
		return -ENOMEM;
	for (size_t i = 0; i < ini->n_sections; i++) {
		struct section s = {conf,
				    ini,
				    problems,
				    ini->sections[i],
				    ini->section_files[i],
				    ini->section_lines[i]};

		if (add_section(&s, &set) < 0) {
			hookset_deinit(&set);
			return -ENOMEM;
		}
	}
	*ret = set;
	return 0;
}

/* ---- looking things up ---- */

const struct hook *hookset_find(const struct hookset *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->hooks[i].name, name) == 0)
			return &set->hooks[i];
	return NULL;
}

static bool mentioned(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

const char **hookset_resources(const struct hookset *set, size_t *ret_n)
{
	const char **list;
	size_t n = 0;

	*ret_n = 0;
	if (set->n == 0)
		return NULL;
	list = calloc(set->n, sizeof(*list));
	if (!list)
		return NULL;
	for (size_t i = 0; i < set->n; i++)
		if (*set->hooks[i].path.resource &&
		    !mentioned(list, n, set->hooks[i].path.resource))
			list[n++] = set->hooks[i].path.resource;
	*ret_n = n;
	if (n == 0) {
		free(list);
		list = NULL;
	}
	return list;
}

/* ---- the kill switch ---- */

/* The last mention wins, as with the kernel's own words. */
static bool cmdline_disables(const struct env *env)
{
	_cleanup_buf_ struct buf text = BUF_INIT(65536);
	char path[ENV_PATH_MAX];
	bool disabled = false;
	size_t pos = 0, n;
	const char *p;

	if (fs_read(env_path(env, "/proc/cmdline", path), &text) < 0)
		return false;
	while (text_list_next(buf_str(&text), ' ', &pos, &p, &n)) {
		if (n != strlen("heat-pulse.hooks=0") || memcmp(p, "heat-pulse.hooks=", n - 1) != 0)
			continue;
		disabled = p[n - 1] == '0';
	}
	return disabled;
}

bool hooks_disabled(const struct env *env, const struct conf *conf, struct err *why)
{
	char path[ENV_PATH_MAX];
	struct stat st;

	if (lstat(env_path(env, DISABLED_FILE, path), &st) == 0) {
		err_set(why, 1, "hooks are disabled by the file %s", path);
		return true;
	}
	if (cmdline_disables(env)) {
		err_set(why, 1,
			"hooks are disabled by heat-pulse.hooks=0 on the kernel's command line");
		return true;
	}
	if (!conf->hooks_enabled) {
		err_set(why, 1, "hooks are disabled by the configuration ([hooks] enabled)");
		return true;
	}
	return false;
}
