/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files make up the hook configuration, in which order, and whether root may obey them:
 * cfn-hup.conf, hooks.conf, then hooks.d sorted by bytes. A link is as good as every folder on the
 * way to where it points.
 */
#include "hooks/config.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "core/text.h"

#define REMEDY_OWNER                                                                               \
	"Give the file and the folders above it to root and take write permission from group and " \
	"others."
#define REMEDY_FILE "Correct the file; the other hooks run meanwhile."
#define FILES_MAX   1000

struct loader {
	const struct env *env;
	struct problems *problems;
	struct ini ini;
};

static void file_problem(struct loader *l, const char *path, int r, const struct err *e)
{
	if (r == -EPERM)
		problems_add(l->problems, PROBLEM_ERROR, "hook-file", REMEDY_OWNER,
			     "%s is not obeyed: %s", path, e->text);
	else if (e->text[0])
		problems_add(l->problems, PROBLEM_ERROR, "hook-file", REMEDY_FILE, "%s", e->text);
	else
		problems_add(l->problems, PROBLEM_ERROR, "hook-file", REMEDY_FILE, "%s: %s", path,
			     strerror(-r));
}

/* 0 and the text in @out; 1 = there is no such regular file. */
static int read_trusted(struct loader *l, const char *path, struct buf *out, struct err *e)
{
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? 1 : -errno;
	if (!S_ISREG(st.st_mode))
		return 1;
	r = fs_check_trusted(path, l->env->root, e);
	return r < 0 ? r : fs_read(path, out);
}

/* Only a lack of memory is handed up: anything else costs this file. */
static int load_file(struct loader *l, const char *path)
{
	_cleanup_buf_ struct buf text = BUF_INIT(INI_TEXT_MAX);
	struct err e = ERR_INIT;
	int r = read_trusted(l, path, &text, &e);

	if (r == 1)
		return 0;
	if (r == 0)
		r = ini_parse(&l->ini, path, buf_str(&text), text.len, INI_INTERPOLATE | INI_STRICT,
			      &e);
	if (r < 0 && r != -ENOMEM)
		file_problem(l, path, r, &e);
	return r == -ENOMEM ? r : 0;
}

static const char *const backup_patterns[] = {"*~",        "*.bak",    "*.rpmsave", "*.rpmnew",
					      "*.rpmorig", "*.dpkg-*", ".*",        "#*"};

static bool is_backup(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(backup_patterns); i++)
		if (fnmatch(backup_patterns[i], name, 0) == 0)
			return true;
	return false;
}

static bool is_hook_file(const char *name)
{
	size_t n = strlen(name);

	if (is_backup(name))
		return false;
	return !strchr(name, '.') || (n > 5 && strcmp(name + n - 5, ".conf") == 0);
}

static int by_bytes(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

struct names {
	char *list[FILES_MAX];
	size_t n;
};

static void names_deinit(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i]);
}

static void tell_unread(struct loader *l, const char *path, const char *name)
{
	_cleanup_buf_ struct buf text = BUF_INIT(2048);

	text_escape(&text, name, strlen(name));
	problems_add(l->problems, PROBLEM_WARN, "hook-file", "Name it NAME.conf to have it read.",
		     "%s/%s is not read: hook files end in .conf or have no dot", path,
		     buf_str(&text));
}

static int collect(struct loader *l, DIR *dir, const char *path, struct names *names)
{
	const struct dirent *d;

	while ((d = readdir(dir))) {
		if (is_hook_file(d->d_name) && names->n == FILES_MAX) {
			problems_add(l->problems, PROBLEM_WARN, "hook-file",
				     "Put several hooks into one file.",
				     "%s holds more than %d hook files; some are not read", path,
				     FILES_MAX);
			break;
		}
		if (is_hook_file(d->d_name)) {
			names->list[names->n] = strdup(d->d_name);
			if (!names->list[names->n])
				return -ENOMEM;
			names->n++;
		} else if (!is_backup(d->d_name) && d->d_type != DT_DIR) {
			tell_unread(l, path, d->d_name);
		}
	}
	return 0;
}

static int load_names(struct loader *l, const char *path, const struct names *names)
{
	int r = 0;

	for (size_t i = 0; i < names->n && r == 0; i++) {
		_cleanup_free_ char *file = NULL;

		if (asprintf(&file, "%s/%s", path, names->list[i]) < 0)
			return -ENOMEM;
		r = load_file(l, file);
	}
	return r;
}

static int load_open_dir(struct loader *l, DIR *dir, const char *path)
{
	struct names *names = calloc(1, sizeof(*names));
	int r;

	if (!names)
		return -ENOMEM;
	r = collect(l, dir, path, names);
	if (r == 0) {
		qsort(names->list, names->n, sizeof(names->list[0]), by_bytes);
		r = load_names(l, path, names);
	}
	names_deinit(names);
	free(names);
	return r;
}

static int load_dir(struct loader *l, const char *path)
{
	struct err e = ERR_INIT;
	DIR *dir;
	int r = fs_check_trusted(path, l->env->root, &e);

	if (r == -ENOENT || r == -ENOMEM)
		return r == -ENOENT ? 0 : r;
	dir = r == 0 ? opendir(path) : NULL;
	if (!dir) {
		file_problem(l, path, r < 0 ? r : -errno, &e);
		return 0;
	}
	r = load_open_dir(l, dir, path);
	closedir(dir);
	return r;
}

static int load_all(struct loader *l, const char *conf_dir, const char *hooks_dir)
{
	static const char *const files[] = {"cfn-hup.conf", "hooks.conf"};
	char path[ENV_PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *file = NULL;

		if (asprintf(&file, "%s/%s", conf_dir, files[i]) < 0 ||
		    load_file(l, env_path(l->env, file, path)) < 0)
			return -ENOMEM;
	}
	return load_dir(l, env_path(l->env, hooks_dir, path));
}

int hookset_load_from(const struct env *env, const struct conf *conf, const char *conf_dir,
		      const char *hooks_dir, struct hookset *ret, struct problems *problems)
{
	struct loader l = {.env = env, .problems = problems};
	_cleanup_free_ char *default_dir = NULL;
	int r;

	if (!hooks_dir && asprintf(&default_dir, "%s/hooks.d", conf_dir) < 0)
		return -ENOMEM;
	r = load_all(&l, conf_dir, hooks_dir ? hooks_dir : default_dir);
	if (r == 0)
		r = hookset_from_ini(conf, &l.ini, ret, problems);
	ini_deinit(&l.ini);
	return r;
}

int hookset_load(const struct env *env, const struct conf *conf, struct hookset *ret,
		 struct problems *problems)
{
	return hookset_load_from(env, conf, conf->hooks_conf_dir, NULL, ret, problems);
}
