/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group `apply-config` (and `os-apply-config`): runs os-apply-config where it is installed. Its
 * metadata are what os-collect-config left, and then this deployment's own config, which
 * os-collect-config would have put beside them.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/text.h"
#include "hooks/deploy/builtin.h"
#include "hooks/deploy/capture.h"
#include "hooks/deploy/deployment.h"
#include "hooks/deploy/result.h"

#define WORK_DIR  "/var/lib/heat-config/heat-config-apply"
#define LIST_FILE "/var/lib/os-collect-config/os_config_files.json"
#define LIST_MAX  65536

static const char *const programs[] = {"/usr/bin/os-apply-config", "/usr/local/bin/os-apply-config",
				       "/opt/stack/venvs/os-apply-config/bin/os-apply-config"};

static const char *find_program(const struct env *env, char out[static ENV_PATH_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (access(env_path(env, programs[i], out), X_OK) == 0)
			return out;
	return NULL;
}

bool deploy_apply_config_usable(const struct env *env)
{
	char path[ENV_PATH_MAX];

	return find_program(env, path) != NULL;
}

/* The files that os-collect-config names, each with a ":" behind it. */
static void put_old_files(const struct env *env, struct buf *list)
{
	_cleanup_buf_ struct buf text = BUF_INIT(LIST_MAX);
	_cleanup_json_ json_t *names = NULL;
	char path[ENV_PATH_MAX];
	const json_t *one;
	size_t i;

	if (fs_read(env_path(env, LIST_FILE, path), &text) < 0 ||
	    json_parse(buf_str(&text), text.len, &json_limits_default, &names, NULL) < 0)
		return;
	json_array_foreach(names, i, one)
	{
		if (json_is_string(one))
			buf_printf(list, "%s:", env_path(env, json_string_value(one), path));
	}
}

static int put_own_file(const struct env *env, const json_t *entry, struct buf *list, struct err *e)
{
	const json_t *config = json_object_get(entry, "config");
	_cleanup_free_ char *text =
		json_is_object(config) ? json_dumps(config, JSON_COMPACT) : strdup("{}");
	char folder[ENV_PATH_MAX], path[ENV_PATH_MAX + DEPLOYMENT_ID_MAX + 8];
	const char *id = json_str(entry, "id");
	int r = fs_mkdirs(env_path(env, WORK_DIR, folder), 0700);

	if (r < 0 || !text || !deployment_id_valid(id))
		return err_sys(e, r < 0 ? -r : EINVAL, "cannot write below %s", folder);
	snprintf(path, sizeof(path), "%s/%s.json", folder, id);
	buf_puts(list, path);
	return fs_write_atomic(path, text, strlen(text), 0600, e);
}

static int run_with(char *program, const char *files, json_t **ret, struct err *e)
{
	_cleanup_free_ char *var = NULL, *path = NULL;
	char *argv[] = {program, NULL};
	char *envp[] = {NULL, NULL, NULL};
	struct capture c;
	int r;

	if (asprintf(&var, "OS_CONFIG_FILES=%s", files) < 0 ||
	    asprintf(&path, "PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin") < 0)
		return -ENOMEM;
	envp[0] = var;
	envp[1] = path;
	r = capture_run(argv, envp, "/", &c, e);
	if (r == 0)
		*ret = capture_result(&c);
	capture_deinit(&c);
	return r;
}

int deploy_apply_config(const struct env *env, const json_t *entry, json_t **ret_result)
{
	_cleanup_buf_ struct buf files = BUF_INIT(LIST_MAX);
	char program[ENV_PATH_MAX];
	struct err e = ERR_INIT;
	int r = find_program(env, program)
			? 0
			: err_set(&e, -ENOENT, "os-apply-config is not installed");

	if (r == 0) {
		put_old_files(env, &files);
		r = put_own_file(env, entry, &files, &e);
	}
	if (r == 0)
		r = run_with(program, buf_str(&files), ret_result, &e);
	if (r < 0)
		*ret_result = deployment_result_words(1, e.text);
	return *ret_result ? 0 : -ENOMEM;
}
