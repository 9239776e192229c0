/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups that write files: `json-file` (a map of paths, each value written as JSON) and `hiera`
 * (config.hierarchy and config.datafiles). What cannot be written fails the deployment; the others
 * are written all the same.
 */
#include <errno.h>
#include <string.h>

#include "core/fs.h"
#include "core/text.h"
#include "hooks/deploy/builtin.h"
#include "hooks/deploy/result.h"
#include "hooks/deploy/settings.h"

#define REPORT_MAX (256u << 10)
#define HIERA_CONF "/etc/puppet/hiera.yaml"
#define HIERA_DATA "/etc/puppet/hieradata"

/* What was done and what failed, line by line. */
struct report {
	const struct env *env;
	struct buf done, failed;
};

static struct report report_of(const struct env *env)
{
	return (struct report){env, BUF_INIT(REPORT_MAX), BUF_INIT(REPORT_MAX)};
}

static int report_end(struct report *r, json_t **ret)
{
	*ret = json_pack("{s:o, s:o, s:i}", "deploy_stdout",
			 deployment_text(buf_str(&r->done), r->done.len), "deploy_stderr",
			 deployment_text(buf_str(&r->failed), r->failed.len), "deploy_status_code",
			 r->failed.len > 0 ? 1 : 0);
	buf_deinit(&r->done);
	buf_deinit(&r->failed);
	return *ret ? 0 : -ENOMEM;
}

/* The folder above is made when it is missing. */
static int make_parent(const char *path)
{
	_cleanup_free_ char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (!folder)
		return -ENOMEM;
	if (!slash || slash == folder)
		return 0;
	*slash = '\0';
	return fs_mkdirs(folder, 0755);
}

static void write_text(struct report *r, const char *path, const char *text, mode_t mode)
{
	struct err e = ERR_INIT;
	char full[ENV_PATH_MAX];
	int code;

	if (path[0] != '/' || strstr(path, "/../")) {
		buf_printf(&r->failed, "%s: not an absolute path\n", path);
		return;
	}
	code = make_parent(env_path(r->env, path, full));
	if (code == 0)
		code = fs_write_atomic(full, text, strlen(text), mode, &e);
	if (code < 0)
		buf_printf(&r->failed, "%s\n", e.code ? e.text : strerror(-code));
	else
		buf_printf(&r->done, "wrote %s\n", path);
}

static void write_json(struct report *r, const char *path, const json_t *value)
{
	_cleanup_free_ char *text =
		json_dumps(value, JSON_ENCODE_ANY | JSON_INDENT(4) | JSON_SORT_KEYS);

	if (text)
		write_text(r, path, text, 0600);
	else
		buf_printf(&r->failed, "%s: cannot be written as JSON\n", path);
}

static int no_map(json_t **ret)
{
	*ret = deployment_result_words(1, "the config is not a map");
	return *ret ? 0 : -ENOMEM;
}

int deploy_json_file(const struct env *env, const json_t *entry, json_t **ret_result)
{
	_cleanup_json_ json_t *map = deployment_config_map(entry);
	struct report r = report_of(env);
	const char *path;
	json_t *value;

	if (!map)
		return no_map(ret_result);
	json_object_foreach(map, path, value) write_json(&r, path, value);
	return report_end(&r, ret_result);
}

/* ---- hiera ---- */

static void write_hierarchy(struct report *r, const json_t *list)
{
	_cleanup_buf_ struct buf text = BUF_INIT(REPORT_MAX);
	const json_t *one;
	size_t i;

	buf_puts(&text,
		 "---\n:backends:\n  - json\n:json:\n  :datadir: " HIERA_DATA "\n:hierarchy:\n");
	json_array_foreach(list, i, one)
	{
		_cleanup_free_ char *name = json_dumps(one, JSON_ENCODE_ANY); /* JSON is YAML */

		buf_printf(&text, "  - %s\n", name ? name : "");
	}
	if (buf_error(&text))
		buf_puts(&r->failed, "the hierarchy is too long\n");
	else
		write_text(r, HIERA_CONF, buf_str(&text), 0644);
}

static void write_data(struct report *r, const char *name, const json_t *value)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, HIERA_DATA "/%s.json", name) >= 0)
		write_json(r, path, value);
}

int deploy_hiera(const struct env *env, const json_t *entry, json_t **ret_result)
{
	_cleanup_json_ json_t *map = deployment_config_map(entry);
	struct report r = report_of(env);
	const char *name;
	json_t *value;

	if (!map)
		return no_map(ret_result);
	if (json_array_size(json_object_get(map, "hierarchy")) > 0)
		write_hierarchy(&r, json_object_get(map, "hierarchy"));
	json_object_foreach(json_object_get(map, "datafiles"), name, value)
		write_data(&r, name, value);
	return report_end(&r, ret_result);
}
