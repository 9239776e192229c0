/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where hooks of groups are looked for, and the files of a deployment. Runs as root; what comes
 * from the agent is passed on unread.
 */
#include "hooks/deploy/keep.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "core/text.h"
#include "hooks/deploy/builtin.h"

#define RESULT_MAX (4u << 20)

/* ---- looking up ---- */

/* Return: 0, -ENOENT when there is no such program, -EPERM when root may not obey it. */
static int try_folder(const struct env *env, const char *folder, size_t n, const char *group,
		      char program[static ENV_PATH_MAX], struct err *e)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%.*s/%s", (int)n, folder, group) < 0)
		return -ENOMEM;
	if (path[0] != '/')
		return -ENOENT;
	env_path(env, path, program);
	if (stat(program, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & S_IXUSR))
		return -ENOENT;
	return fs_check_trusted(program, env->root, e);
}

int deploy_find_hook(const struct env *env, const struct conf *conf, const char *group,
		     char program[static ENV_PATH_MAX], struct err *e)
{
	const char *list = conf->deployments_hooks_path ? conf->deployments_hooks_path : "", *p;
	size_t pos = 0, n;

	while (text_list_next(list, ':', &pos, &p, &n)) {
		int r = try_folder(env, p, n, group, program, e);

		if (r != -ENOENT)
			return r;
	}
	program[0] = '\0';
	return deploy_builtin_known(env, group) ? 0
						: err_set(e, -ENOENT,
							  "no hook serves the group %s: nothing "
							  "below %s, and it is not built in",
							  group, list);
}

static void show_program(const struct env *env, const struct conf *conf, const char *folder,
			 const char *group, deploy_program_fn *fn, void *ctx)
{
	char program[ENV_PATH_MAX], own[ENV_PATH_MAX];
	_cleanup_free_ char *path = NULL;
	struct err e = ERR_INIT;
	int r = deploy_find_hook(env, conf, group, program, &e);

	if (asprintf(&path, "%s/%s", folder, group) < 0)
		path = NULL;
	else if (strcmp(env_path(env, path, own), program) == 0)
		fn(group, program, r < 0 ? e.text : NULL, ctx);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void show_folder(const struct env *env, const struct conf *conf, const char *folder,
			deploy_program_fn *fn, void *ctx)
{
	char path[ENV_PATH_MAX];
	struct dirent **names = NULL;
	int n = *folder == '/' ? scandir(env_path(env, folder, path), &names, is_visible, alphasort) : 0;

	for (int i = 0; i < n; i++) {
		show_program(env, conf, folder, names[i]->d_name, fn, ctx);
		free(names[i]);
	}
	free(names);
}

void deploy_each_program(const struct env *env, const struct conf *conf, deploy_program_fn *fn, void *ctx)
{
	const char *list = conf->deployments_hooks_path ? conf->deployments_hooks_path : "", *p;
	size_t pos = 0, n;

	while (text_list_next(list, ':', &pos, &p, &n)) {
		_cleanup_free_ char *folder = strndup(p, n);

		if (folder)
			show_folder(env, conf, folder, fn, ctx);
	}
}

/* ---- files ---- */

static void file_of(const struct env *env, const char *id, const char *suffix,
		    char out[static ENV_PATH_MAX])
{
	char path[sizeof(DEPLOYED_DIR) + DEPLOYMENT_ID_MAX + 32];

	snprintf(path, sizeof(path), DEPLOYED_DIR "/%s%s", id, suffix);
	env_path(env, path, out);
}

bool deploy_was_run(const struct env *env, const char *id)
{
	char path[ENV_PATH_MAX];
	struct stat st;

	file_of(env, id, ".json", path);
	return lstat(path, &st) == 0;
}

char *deploy_old_result(const struct env *env, const char *id)
{
	_cleanup_buf_ struct buf text = BUF_INIT(RESULT_MAX);
	char path[ENV_PATH_MAX];

	file_of(env, id, ".notify.json", path);
	return fs_read(path, &text) < 0 ? NULL : buf_take(&text);
}

static int write_file(const struct env *env, const char *id, const char *suffix, const char *p,
		      size_t n, struct err *e)
{
	char path[ENV_PATH_MAX];
	int r = fs_mkdirs(env_path(env, DEPLOYED_DIR, path), 0700);

	if (r < 0)
		return err_sys(e, -r, "cannot make the folder %s", path);
	file_of(env, id, suffix, path);
	return fs_write_atomic(path, p, n, 0600, e);
}

int deploy_keep_entry(const struct env *env, const struct deploy_job *job, int *ret_stdin,
		      struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_INIT(DEPLOYMENT_ENTRY_MAX);
	_cleanup_close_ int fd = -1;
	int r = fs_blob_read(job->entry_fd, &text);

	if (r < 0)
		return err_sys(e, -r, "deployment %s: its entry cannot be read", job->id);
	fd = fs_blob("deployment", buf_str(&text), text.len);
	if (fd < 0)
		return err_sys(e, -fd, "deployment %s: cannot hand it on", job->id);
	if (lseek(fd, 0, SEEK_SET) != 0)
		return err_sys(e, errno, "deployment %s: cannot hand it on", job->id);
	r = write_file(env, job->id, ".json", buf_str(&text), text.len, e);
	if (r == 0)
		*ret_stdin = take_fd(&fd);
	return r;
}

int deploy_keep_result(const struct env *env, const char *id, const char *text, struct err *e)
{
	return write_file(env, id, ".notify.json", text, strlen(text), e);
}
