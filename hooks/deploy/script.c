/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group `script`: the config is a program. Inputs are its environment (maps and lists as JSON), an
 * output X is what it leaves in $heat_outputs_path.X, its exit status is the deployment's. Files
 * lie where heat-agents has them.
 */
#include <errno.h>
#include <string.h>

#include "core/fs.h"
#include "core/text.h"
#include "hooks/deploy/builtin.h"
#include "hooks/deploy/capture.h"
#include "hooks/deploy/deployment.h"
#include "hooks/deploy/result.h"

#define WORK_DIR    "/var/lib/heat-config/heat-config-script"
#define OUTPUTS_DIR "/var/run/heat-config/heat-config-script"
#define OUTPUT_MAX  (2u << 20)

extern char **environ;

/* A vector of NAME=value strings. */
struct vars {
	char **list;
	size_t n, cap;
};

static void vars_deinit(struct vars *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->list[i]);
	free(v->list);
}

static bool same_name(const char *var, const char *name)
{
	size_t n = strlen(name);

	return strncmp(var, name, n) == 0 && var[n] == '=';
}

/* Takes @var. */
static int put_var(struct vars *v, char *var)
{
	size_t cap = v->cap ? 2 * v->cap : 32;
	char **grown;

	if (!var)
		return -ENOMEM;
	if (v->n + 1 >= v->cap) {
		grown = realloc(v->list, cap * sizeof(*grown));
		if (!grown) {
			free(var);
			return -ENOMEM;
		}
		v->list = grown;
		v->cap = cap;
	}
	v->list[v->n++] = var;
	v->list[v->n] = NULL;
	return 0;
}

static int set_var(struct vars *v, const char *name, const char *value)
{
	char *var = NULL;

	if (!*name || strchr(name, '='))
		return 0; /* no environment can hold it */
	for (size_t i = 0; i < v->n; i++) {
		if (same_name(v->list[i], name)) {
			free(v->list[i]);
			v->list[i] = v->list[--v->n];
			v->list[v->n] = NULL;
			break;
		}
	}
	return asprintf(&var, "%s=%s", name, value) < 0 ? -ENOMEM : put_var(v, var);
}

/* As the old hook has it: texts as they are, maps and lists as JSON; it died of all else. */
static int set_input(struct vars *v, const json_t *input)
{
	const json_t *value = json_object_get(input, "value");
	const char *name = json_str(input, "name");
	_cleanup_free_ char *text = NULL;

	if (!name)
		return 0;
	if (!value || json_is_null(value))
		return set_var(v, name, "");
	if (json_is_string(value))
		return set_var(v, name, json_string_value(value));
	text = json_dumps(value, JSON_ENCODE_ANY);
	return text ? set_var(v, name, text) : -ENOMEM;
}

static int build_vars(struct vars *v, const json_t *entry, const char *outputs)
{
	json_t *list = json_object_get(entry, "inputs"), *one;
	size_t i;
	int r = 0;

	for (char **at = environ; at && *at && r == 0; at++)
		r = put_var(v, strdup(*at));
	json_array_foreach(list, i, one)
	{
		if (r == 0)
			r = set_input(v, one);
	}
	return r < 0 ? r : set_var(v, "heat_outputs_path", outputs);
}

/* ---- outputs ---- */

static int add_output(json_t *result, const char *base, const char *name)
{
	_cleanup_buf_ struct buf text = BUF_INIT(OUTPUT_MAX);
	_cleanup_free_ char *path = NULL;

	if (strchr(name, '/'))
		return 0;
	if (asprintf(&path, "%s.%s", base, name) < 0)
		return -ENOMEM;
	if (fs_read(path, &text) < 0)
		return 0; /* not written: not told */
	return json_object_set_new(result, name, deployment_text(buf_str(&text), text.len));
}

static int add_outputs(json_t *result, const json_t *entry, const char *base)
{
	json_t *list = json_object_get(entry, "outputs"), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *name = json_str(one, "name");

		/* What stands there already is ours: stdout, stderr and status. */
		if (name && !json_object_get(result, name) && add_output(result, base, name) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- the whole ---- */

struct place {
	char folder[ENV_PATH_MAX], program[ENV_PATH_MAX], outputs[ENV_PATH_MAX];
};

static int make_place(const struct env *env, const json_t *entry, struct place *p, struct err *e)
{
	const char *id = json_str(entry, "id"), *config = json_str(entry, "config");
	char path[256];
	int r;

	if (!deployment_id_valid(id) || !config)
		return err_set(e, -EBADMSG, "the config of a script must be a text");
	r = fs_mkdirs(env_path(env, WORK_DIR, p->folder), 0700);
	if (r == 0)
		r = fs_mkdirs(env_path(env, OUTPUTS_DIR, p->outputs), 0700);
	if (r < 0)
		return err_sys(e, -r, "cannot make %s and %s", WORK_DIR, OUTPUTS_DIR);
	snprintf(path, sizeof(path), WORK_DIR "/%s", id);
	env_path(env, path, p->program);
	snprintf(path, sizeof(path), OUTPUTS_DIR "/%s", id);
	env_path(env, path, p->outputs);
	return fs_write_atomic(p->program, config, strlen(config), 0700, e);
}

static int run_at(const struct place *p, const json_t *entry, json_t **ret, struct err *e)
{
	_cleanup_(vars_deinit) struct vars v = {0};
	char program[ENV_PATH_MAX];
	char *argv[] = {program, NULL};
	struct capture c;
	int r = build_vars(&v, entry, p->outputs);

	if (r < 0)
		return err_sys(e, -r, "cannot build the environment of the script");
	snprintf(program, sizeof(program), "%s", p->program);
	r = capture_run(argv, v.list, p->folder, &c, e);
	if (r == 0) {
		*ret = capture_result(&c);
		r = *ret ? add_outputs(*ret, entry, p->outputs) : -ENOMEM;
	}
	capture_deinit(&c);
	return r;
}

int deploy_script(const struct env *env, const json_t *entry, json_t **ret_result)
{
	struct err e = ERR_INIT;
	struct place p;
	int r = make_place(env, entry, &p, &e);

	if (r == 0)
		r = run_at(&p, entry, ret_result, &e);
	if (r < 0 && e.code)
		*ret_result = deployment_result_words(1, e.text);
	return *ret_result ? 0 : -ENOMEM;
}
