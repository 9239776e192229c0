/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Section commands, by name: a text is the shell's, a list is run as it is. "test" decides whether
 * it runs at all, "env" replaces the whole environment, "cwd" may begin with "~".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/json.h"
#include "core/text.h"
#include "hooks/init/program.h"
#include "hooks/init/step.h"
#include "hooks/init/tree.h"

#define ARGS_MAX       256
#define VARS_MAX       256
#define TIMEOUT_MS     (60 * 60 * 1000)
#define TIMEOUT_MAX_MS (7 * 86400000ll)

extern char **environ;

struct command {
	char *vars[VARS_MAX + 1];
	size_t n_vars;
	bool own_env;
	char cwd[ENV_PATH_MAX];
	struct spawn_user user;
	bool has_user;
	int64_t timeout_ms;
};

static void command_deinit(struct command *c)
{
	for (size_t i = 0; i < c->n_vars; i++) {
		explicit_bzero(c->vars[i], strlen(c->vars[i]));
		free(c->vars[i]);
	}
	spawn_user_deinit(&c->user);
}

/* ---- what is asked for ---- */

static int read_env(struct command *c, const json_t *env, struct err *e)
{
	const char *key;
	const json_t *value;

	if (!env || json_is_null(env))
		return 0;
	if (!json_is_object(env))
		return err_set(e, -EINVAL, "env is no object");
	c->own_env = true;
	json_object_foreach((json_t *)(uintptr_t)env, key, value)
	{
		_cleanup_buf_ struct buf text = BUF_INIT(128u << 10);

		if (!*key || strchr(key, '=') || c->n_vars == VARS_MAX)
			return err_set(e, -EINVAL, "env: not a name, or too many");
		buf_printf(&text, "%s=", key);
		if (json_is_string(value))
			buf_puts(&text, json_string_value(value));
		else if (json_is_integer(value))
			buf_printf(&text, "%lld", (long long)json_integer_value(value));
		else if (json_is_boolean(value))
			buf_puts(&text, json_is_true(value) ? "true" : "false");
		else
			return err_set(e, -EINVAL, "env: %s is no text", tree_shown(key));
		c->vars[c->n_vars] = buf_take(&text);
		if (!c->vars[c->n_vars])
			return err_set(e, -ENOMEM, "env: too long");
		c->n_vars++;
	}
	return 0;
}

static int read_cwd(struct command *c, const struct env *env, const json_t *value, struct err *e)
{
	const char *cwd = json_str(value, "cwd"), *home;
	char path[ENV_PATH_MAX];
	struct stat st;

	if (!cwd || !*cwd)
		return 0;
	home = c->has_user ? c->user.home : getenv("HOME");
	if (cwd[0] == '~' && (cwd[1] == '/' || !cwd[1]))
		snprintf(path, sizeof(path), "%s%s", home ? home : "/root", cwd + 1);
	else
		snprintf(path, sizeof(path), "%s", cwd);
	if (path[0] != '/')
		return err_set(e, -EINVAL, "cwd must be an absolute path");
	env_path(env, path, c->cwd);
	if (stat(c->cwd, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(e, -ENOENT, "there is no folder %s", tree_shown(path));
	return 0;
}

static int read_timeout(struct command *c, const struct init *in, const json_t *value,
			struct err *e)
{
	const json_t *limit = json_object_get(value, "timeout");
	const char *text = json_string_value(limit);
	int64_t ms = 0;

	c->timeout_ms = in->setup->program_ms > 0 ? in->setup->program_ms : TIMEOUT_MS;
	if (!limit || json_is_null(limit))
		return 0;
	if (json_is_integer(limit) && json_integer_value(limit) <= TIMEOUT_MAX_MS / 1000)
		ms = json_integer_value(limit) * 1000;
	else if (!text || text_duration_ms(text, strlen(text), &ms) < 0)
		ms = 0;
	if (ms < 1000 || ms > TIMEOUT_MAX_MS)
		return err_set(e, -EINVAL, "timeout must be from 1s to 7d");
	c->timeout_ms = ms;
	return 0;
}

static int read_command(struct init *in, struct command *c, const json_t *value, struct err *e)
{
	const char *user;
	int r;

	if (!json_is_object(value))
		return err_set(e, -EINVAL, "not an object");
	if (DRY(in)) /* folders and users may be made by then */
		return 0;
	user = json_str(value, "runas");
	r = user ? spawn_find_user(user, &c->user, e) : 0;
	c->has_user = user != NULL;
	if (r == 0)
		r = read_env(c, json_object_get(value, "env"), e);
	if (r == 0)
		r = read_cwd(c, in->setup->env, value, e);
	return r < 0 ? r : read_timeout(c, in, value, e);
}

/* ---- running ---- */

static int fill(const json_t *what, const char *argv[static ARGS_MAX + 1], struct err *e)
{
	const json_t *word;
	size_t i;

	if (json_is_string(what)) {
		argv[0] = "/bin/sh";
		argv[1] = "-c";
		argv[2] = json_string_value(what);
		argv[3] = NULL;
		return 0;
	}
	if (!json_is_array(what) || json_array_size(what) == 0 || json_array_size(what) > ARGS_MAX)
		return err_set(e, -EINVAL, "neither a text nor a list of texts");
	json_array_foreach(what, i, word)
	{
		if (!json_is_string(word))
			return err_set(e, -EINVAL, "neither a text nor a list of texts");
		argv[i] = json_string_value(word);
	}
	argv[i] = NULL;
	return 0;
}

static int run(struct init *in, const struct command *c, const json_t *what,
	       struct program_end *end, struct err *e)
{
	const char *argv[ARGS_MAX + 1];
	struct program p = {.argv = argv,
			    .envp = c->own_env ? (char *const *)c->vars : environ,
			    .cwd = c->cwd[0] ? c->cwd : NULL,
			    .user = c->has_user ? &c->user : NULL,
			    .timeout_ms = c->timeout_ms};
	int r = fill(what, argv, e);

	return r < 0 ? r : program_run(in->setup->env, &p, end, e);
}

/* Return: 1 run it, 0 not. A test that cannot be run decides nothing. */
static int ask(struct init *in, const struct command *c, const char *name, const json_t *test,
	       struct err *e)
{
	struct program_end *end;
	int r;

	if (!test || json_is_null(test))
		return 1;
	end = calloc(1, sizeof(*end));
	if (!end)
		return -ENOMEM;
	r = run(in, c, test, end, e);
	if (r < 0) {
		err_prefix(e, "test");
	} else if (end->code != 0) {
		step_say(in, name, "not run: its test ended with %d", end->code);
	} else {
		r = 1;
	}
	free(end);
	return r;
}

static int told(struct init *in, const char *name, const struct program_end *end, bool ignore,
		struct err *e)
{
	_cleanup_buf_ struct buf line = BUF_INIT(1024);

	program_last_line(end, &line);
	if (end->code == 0 && !end->timed_out)
		return step_changed(in, "commands", name, "run%s%s", line.len ? ": " : "",
				    buf_str(&line));
	if (end->timed_out)
		err_set(e, -ETIME, "ran out of time");
	else
		err_set(e, -ECHILD, "ended with %d%s%s", end->code, line.len ? ": " : "",
			buf_str(&line));
	return ignore ? step_changed(in, "commands", name, "run: %s (ignored)", e->text) : e->code;
}

static int apply(struct init *in, const struct command *c, const char *name, const json_t *value,
		 struct err *e)
{
	const json_t *what = json_object_get(value, "command"),
		     *test = json_object_get(value, "test");
	bool ignore = tree_bool(json_object_get(value, "ignoreErrors"));
	struct program_end *end;
	int r;

	if (!what)
		return err_set(e, -EINVAL, "there is no command");
	if (DRY(in))
		return step_changed(in, "commands", name, "run%s",
				    test ? " if its test says so" : "");
	r = ask(in, c, name, test, e);
	if (r <= 0)
		return r;
	end = calloc(1, sizeof(*end));
	if (!end)
		return -ENOMEM;
	r = run(in, c, what, end, e);
	if (r == 0)
		r = told(in, name, end, ignore, e);
	else if (ignore && r != -ENOMEM)
		r = step_changed(in, "commands", name, "run: %s (ignored)", e->text);
	free(end);
	return r;
}

static int one_command(struct init *in, const char *name, const json_t *value, struct err *e)
{
	struct command c = {.n_vars = 0};
	int r = read_command(in, &c, value, e);

	if (r == 0)
		r = apply(in, &c, name, value, e);
	command_deinit(&c);
	return r;
}

/* What comes after a failed command may rest on it: --keep-going does not reach here. */
int section_commands(struct init *in, const json_t *section)
{
	return step_each(in, section, one_command, true);
}
