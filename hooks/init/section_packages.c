/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Section packages: manager -> name -> versions. What is installed in a version that fits is left
 * alone; the rest is installed by one call of the manager. When that fails, its lists may be old:
 * they are read anew once, and it is tried again.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "core/text.h"
#include "hooks/init/fetch.h"
#include "hooks/init/package.h"
#include "hooks/init/place.h"
#include "hooks/init/program.h"
#include "hooks/init/step.h"
#include "hooks/init/tree.h"
#include "hooks/init/version.h"

#define QUERY_MS   60000
#define INSTALL_MS (60 * 60 * 1000)
#define ARGS_MAX   280
#define LIST_MAX   256

struct words {
	const char *list[ARGS_MAX];
	size_t n;
};

struct shopping { /* of one manager */
	const struct package_manager *m;
	const char *program;
	char kind[80];         /* what services know it by */
	char *texts[LIST_MAX]; /* as the manager is told */
	const char *names[LIST_MAX];
	const char *versions[LIST_MAX];
	bool older[LIST_MAX]; /* than what is installed */
	size_t n;
};

static void put(struct words *w, const char *word)
{
	if (w->n < ARGS_MAX - 1)
		w->list[w->n++] = word;
	w->list[w->n] = NULL;
}

static void begin(struct words *w, const char *const *words, const char *program, const char *name)
{
	w->n = 0;
	for (size_t i = 0; i < PACKAGE_WORDS && words[i]; i++)
		put(w, !strcmp(words[i], "!") ? program : !strcmp(words[i], "@") ? name : words[i]);
}

static const char *pick_program(const struct package_manager *m, char *path)
{
	static const struct env here = {.root = ""};

	for (size_t i = 0; i < ARRAY_SIZE(m->programs); i++)
		if (m->programs[i] && program_find(&here, m->programs[i], path))
			return m->programs[i];
	return NULL;
}

/* ---- what is there ---- */

/* Return: true and the version that counts. */
static bool installed(struct init *in, const struct shopping *s, const char *name,
		      const char *wanted, struct buf *version)
{
	struct words w;
	struct program p = {.argv = w.list, .timeout_ms = QUERY_MS};
	struct program_end end;

	begin(&w, s->m->query, s->program, name);
	if (program_run(in->setup->env, &p, &end, NULL) < 0 || end.code != 0)
		return false;
	return package_installed(s->m, name, end.output, wanted, version);
}

/* A text, or the highest of a list. NULL: any version will do. */
static int wanted_version(const json_t *value, const char **ret, struct err *e)
{
	const json_t *item;
	size_t i;

	*ret = json_string_value(value);
	if (*ret && !**ret)
		*ret = NULL;
	if (value && !json_is_string(value) && !json_is_array(value) && !json_is_null(value))
		return err_set(e, -EINVAL, "versions are no list");
	json_array_foreach(value, i, item)
	{
		const char *version = json_string_value(item);

		if (!version)
			return err_set(e, -EINVAL, "a version is no text");
		if (*version && (!*ret || version_compare(version, *ret) > 0))
			*ret = version;
	}
	if (*ret && !package_name_valid(*ret))
		return err_set(e, -EINVAL, "not a version");
	return 0;
}

static int want(struct shopping *s, const char *name, const char *version, const char *text,
		bool older)
{
	if (s->n == LIST_MAX || !text || !(s->texts[s->n] = strdup(text)))
		return -ENOMEM;
	s->names[s->n] = name;
	s->versions[s->n] = version;
	s->older[s->n++] = older;
	return 0;
}

static int look_at(struct init *in, struct shopping *s, const char *name, const json_t *value,
		   struct err *e)
{
	_cleanup_buf_ struct buf now = BUF_INIT(256), text = BUF_INIT(512);
	const char *version;
	int r = wanted_version(value, &version, e);

	if (r < 0)
		return r;
	if (!package_name_valid(name))
		return err_set(e, -EINVAL, "not a package name");
	if (installed(in, s, name, version, &now) &&
	    (!version || version_fits(buf_str(&now), version))) {
		step_say(in, name, "is installed: %s", buf_str(&now));
		return 0;
	}
	buf_printf(&text, "%s%s%s", name, version && s->m->join ? s->m->join : "",
		   version && s->m->join ? version : "");
	return want(s, name, version, buf_str(&text),
		    version && now.len && version_compare(buf_str(&now), version) > 0);
}

/* ---- packages that are files ---- */

/* Managers look at the ending. */
static const char *file_name(const struct package_manager *m)
{
	return strcmp(m->name, "rpm") ? "package.deb" : "package.rpm";
}

/* A download under a name that the manager takes. */
static int bring(struct init *in, const struct shopping *s, const char *url, char *folder,
		 char *path, struct err *e)
{
	struct place p = {.mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1};
	_cleanup_close_ int fd = fetch_file(in->setup, url, in->auth, NULL, e), dir = -1;
	int r;

	if (fd < 0)
		return fd;
	snprintf(folder, ENV_PATH_MAX, "/var/tmp/heat-pulse-package-XXXXXX");
	if (!mkdtemp(folder))
		return err_sys(e, errno, "no folder for a download in /var/tmp");
	snprintf(path, ENV_PATH_MAX, "%.200s/%s", folder, file_name(s->m));
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p.fd = fd;
	r = dir < 0 ? -errno : place_file(dir, file_name(s->m), &p);
	return r < 0 ? err_sys(e, -r, "the download cannot be kept") : 0;
}

static int install_file(struct init *in, struct shopping *s, const char *name, const char *path,
			struct err *e)
{
	_cleanup_buf_ struct buf now = BUF_INIT(256);
	struct words w;
	struct program p = {.argv = w.list, .timeout_ms = QUERY_MS};
	struct program_end end;
	char *version;
	bool there;
	int r;

	begin(&w, s->m->file_query, s->program, path);
	r = program_must(in->setup->env, &p, &end, e);
	if (r < 0)
		return r;
	end.output[strcspn(end.output, "\n")] = '\0';
	version = strchr(end.output, ' ');
	if (!version)
		return err_set(e, -EINVAL, "not a package");
	*version++ = '\0';
	if (!package_name_valid(end.output))
		return err_set(e, -EINVAL, "not a package");
	there = installed(in, s, end.output, version, &now);
	if (there && !strcmp(buf_str(&now), version)) {
		step_say(in, name, "is installed: %s %s", tree_shown(end.output),
			 tree_shown(version));
		return 0;
	}
	begin(&w,
	      there && version_compare(buf_str(&now), version) > 0 ? s->m->downgrade
								   : s->m->install,
	      s->program, NULL);
	put(&w, path);
	p.timeout_ms = INSTALL_MS;
	r = DRY(in) ? 0 : program_must(in->setup->env, &p, &end, e);
	return r < 0 ? r : step_changed(in, s->kind, name, "installed");
}

static int one_file(struct init *in, struct shopping *s, const char *name, const json_t *value,
		    struct err *e)
{
	const char *url = json_is_array(value) ? json_string_value(json_array_get(value, 0))
					       : json_string_value(value);
	char folder[ENV_PATH_MAX] = "", path[ENV_PATH_MAX];
	int r;

	if (!url)
		return err_set(e, -EINVAL, "neither a URL nor a path");
	if (url[0] == '/')
		return install_file(in, s, name, url, e);
	r = bring(in, s, url, folder, path, e);
	if (r == 0)
		r = install_file(in, s, name, path, e);
	if (folder[0])
		fs_remove_tree(folder);
	return r;
}

/* ---- installing ---- */

static int refresh(struct init *in, const struct shopping *s)
{
	struct words w;
	struct program p = {.argv = w.list, .timeout_ms = INSTALL_MS};
	struct program_end end;

	if (!s->m->refresh[0])
		return -ENOTSUP;
	begin(&w, s->m->refresh, s->program, NULL);
	step_say(in, s->m->name, "reads its lists anew");
	return program_must(in->setup->env, &p, &end, NULL);
}

/* @only: that one alone, for managers that take one at a time; else all that are @older or not. */
static size_t fill(const struct shopping *s, struct words *w, bool older, size_t only)
{
	size_t before;

	begin(w, older ? s->m->downgrade : s->m->install, s->program, NULL);
	before = w->n;
	for (size_t i = 0; i < s->n; i++) {
		if (s->older[i] != older || (only < s->n && only != i))
			continue;
		if (!s->m->join && s->versions[i]) {
			put(w, "--version");
			put(w, s->versions[i]);
		}
		put(w, s->texts[i]);
	}
	return w->n - before;
}

static int install(struct init *in, const struct shopping *s, bool older, size_t only,
		   struct err *e)
{
	struct words w;
	struct program p = {.argv = w.list, .timeout_ms = INSTALL_MS};
	struct program_end end;
	int r;

	if (fill(s, &w, older, only) == 0 || DRY(in))
		return 0;
	r = program_must(in->setup->env, &p, &end, e);
	if (r < 0 && !end.timed_out && refresh(in, s) == 0) {
		*e = ERR_INIT;
		r = program_must(in->setup->env, &p, &end, e);
	}
	return r;
}

static int install_all(struct init *in, const struct shopping *s, struct err *e)
{
	int r = 0;

	if (!s->m->join)
		for (size_t i = 0; r == 0 && i < s->n; i++)
			r = install(in, s, s->older[i], i, e);
	else
		r = install(in, s, false, s->n, e);
	if (r == 0 && s->m->join)
		r = install(in, s, true, s->n, e);
	for (size_t i = 0; r == 0 && i < s->n; i++)
		r = step_changed(in, s->kind, s->names[i], "installed%s%s",
				 s->versions[i] ? " " : "", s->versions[i] ? s->versions[i] : "");
	return r;
}

/* ---- one manager ---- */

static int each(struct init *in, struct shopping *s, const json_t *packages)
{
	size_t n;
	_cleanup_free_ const char **names = tree_names(packages, &n);
	int r = names ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct err e = ERR_INIT;
		const json_t *value = json_object_get(packages, names[i]);

		in->n_steps++;
		r = s->m->file_query[0] ? one_file(in, s, names[i], value, &e)
					: look_at(in, s, names[i], value, &e);
		if (r < 0 && r != -ENOMEM)
			r = step_failed(in, names[i], &e, false);
	}
	return r;
}

static int one_manager(struct init *in, const struct package_manager *m, const json_t *packages)
{
	char path[ENV_PATH_MAX];
	struct shopping s = {.m = m, .program = pick_program(m, path)};
	struct err e = ERR_INIT;
	int r = 0;

	if (!json_is_object(packages))
		r = err_set(&e, -EINVAL, "not an object");
	else if (json_object_size(packages) == 0)
		return 0;
	else if (in->setup->env->root[0])
		r = err_set(&e, -ENOTSUP, "packages are not installed below --root");
	else if (!s.program)
		r = err_set(&e, -ENOENT, "%s is not installed", m->programs[0]);
	if (r < 0)
		return step_failed(in, m->name, &e, false);
	snprintf(s.kind, sizeof(s.kind), "packages:%s", m->name);
	r = each(in, &s, packages);
	if (r == 0 && s.n > 0) {
		r = install_all(in, &s, &e);
		if (r < 0 && r != -ENOMEM)
			r = step_failed(in, m->name, &e, false);
	}
	for (size_t i = 0; i < s.n; i++)
		free(s.texts[i]);
	return r;
}

static bool is_known(const char *name)
{
	for (size_t i = 0; i < package_managers_n; i++)
		if (!strcmp(package_managers[i].name, name))
			return true;
	return false;
}

int section_packages(struct init *in, const json_t *section)
{
	const char *name;
	const json_t *packages;
	int r = 0;

	if (!json_is_object(section)) {
		struct err e = ERR_INIT;

		err_set(&e, -EINVAL, "the section is no object");
		return step_failed(in, "-", &e, false);
	}
	json_object_foreach((json_t *)(uintptr_t)section, name, packages) if (!is_known(name))
		step_say(in, name, "left out: no package manager of that name is known");
	for (size_t i = 0; r == 0 && i < package_managers_n; i++) {
		packages = json_object_get(section, package_managers[i].name);
		if (packages && !json_is_null(packages))
			r = one_manager(in, &package_managers[i], packages);
	}
	return r;
}
