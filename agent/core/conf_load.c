/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which configuration files are read, in which order, and which are refused. A file that is refused
 * or broken is reported and left out whole; the others still count.
 */
#include "core/conf.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <openssl/crypto.h>
#include "core/fs.h"
#include "core/text.h"

#define CONF_FILES_MAX 256

struct conf_loader {
	const struct env *env;
	struct conf *conf;
	struct problems *problems;
};

static void conf_deinit_text(struct buf *text)
{
	if (text->data)
		OPENSSL_cleanse(text->data, text->cap);
	buf_deinit(text);
}

static void conf_wipe_ini(struct ini *ini)
{
	for (size_t i = 0; i < ini->n; i++)
		OPENSSL_cleanse(ini->entries[i].value, strlen(ini->entries[i].value));
	ini_deinit(ini);
}

static void conf_warn_readable(struct conf_loader *l, const char *path, const struct ini *ini)
{
	struct stat st;

	if (stat(path, &st) < 0 || !(st.st_mode & 044))
		return;
	for (size_t i = 0; i < conf_options_n; i++) {
		const char *value = conf_options[i].type == CONF_SECRET ?
					    ini_get(ini, conf_options[i].section, conf_options[i].key) : NULL;

		if (value && value[0]) {
			problems_add(l->problems, PROBLEM_WARN, "conf-readable", "chmod 0600 it",
				     "%s holds a secret and others may read it", path);
			return;
		}
	}
}

/* Return: 0 also when the file was refused or broken; -errno when it cannot be read. */
static int conf_load_file(struct conf_loader *l, const char *path)
{
	struct buf text = BUF_INIT(INI_TEXT_MAX);
	struct ini ini = {0};
	struct err e = ERR_INIT;
	int r = fs_check_trusted(path, l->env->root, &e);

	if (r == -EPERM) {
		problems_add(l->problems, PROBLEM_ERROR, "conf-file",
			     "let root own it and only its owner write to it", "%s is not used: %s",
			     path, e.text);
		return 0;
	}
	if (r == 0)
		r = fs_read(path, &text);
	if (r == 0) {
		/* No interpolation: passwords hold percent signs. */
		r = ini_parse(&ini, path, buf_str(&text), text.len, INI_STRICT, &e);
		if (r == 0) {
			conf_apply(l->conf, &ini, l->problems);
			conf_warn_readable(l, path, &ini);
		} else if (r != -ENOMEM) {
			problems_add(l->problems, PROBLEM_ERROR, "conf-file",
				     "correct it; until then it is not used", "%s", e.text);
			r = 0;
		}
	}
	conf_wipe_ini(&ini);
	conf_deinit_text(&text);
	return r;
}

static int conf_wanted(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return entry->d_name[0] != '.' && n > 5 && memcmp(entry->d_name + n - 5, ".conf", 5) == 0;
}

/* strcmp(3) and not alphasort(3): the order must not depend on a locale. */
static int conf_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int conf_load_entry(struct conf_loader *l, const char *dir, const char *name)
{
	char path[ENV_PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name), r;
	struct stat st;

	if (n < 0 || (size_t)n >= sizeof(path) || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	r = conf_load_file(l, path);
	if (r < 0 && r != -ENOMEM) {
		problems_add(l->problems, PROBLEM_ERROR, "conf-file", NULL, "%s cannot be read: %s", path,
			     strerror(-r));
		r = 0;
	}
	return r;
}

static int conf_load_folder(struct conf_loader *l)
{
	char dir[ENV_PATH_MAX];
	struct dirent **list = NULL;
	int n = scandir(env_path(l->env, CONF_DIR, dir), &list, conf_wanted, conf_order);
	int r = n < 0 && errno == ENOMEM ? -ENOMEM : 0;

	if (n > CONF_FILES_MAX)
		problems_add(l->problems, PROBLEM_WARN, "conf-file", "join some of them",
			     "%s holds more than %d files; the rest is not used", dir, CONF_FILES_MAX);
	for (int i = 0; i < n; i++) {
		if (r == 0 && i < CONF_FILES_MAX)
			r = conf_load_entry(l, dir, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return r;
}

/* The file as the kernel sees it. One given relative to the working folder is meant as it stands. */
static int conf_file_path(const struct env *env, const char *file, char out[static ENV_PATH_MAX])
{
	_cleanup_free_ char *real = NULL;

	if (!file || file[0] == '/') {
		env_path(env, file ? file : CONF_FILE, out);
		return 0;
	}
	real = realpath(file, NULL);
	if (!real)
		return -errno;
	if (strlen(real) >= ENV_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(out, real, strlen(real) + 1);
	return 0;
}

int conf_load(const struct env *env, const char *file, struct conf *conf, struct problems *problems,
	      struct err *e)
{
	struct conf_loader l = {.env = env, .conf = conf, .problems = problems};
	char path[ENV_PATH_MAX];
	int r = conf_init(conf);

	if (r < 0)
		return err_set(e, r, "no memory");
	r = conf_file_path(env, file, path);
	if (r == 0)
		r = conf_load_file(&l, path);
	if (!file && r < 0 && r != -ENOMEM) {
		if (r != -ENOENT)
			problems_add(problems, PROBLEM_ERROR, "conf-file", NULL,
				     "%s cannot be read: %s", path, strerror(-r));
		r = 0;
	}
	if (r == 0)
		r = conf_load_folder(&l);
	if (r < 0) {
		conf_deinit(conf);
		return err_sys(e, -r, "cannot read the configuration %s", file ? file : "files");
	}
	return 0;
}
