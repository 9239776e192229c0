/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Section services: enabled or not, running or not, restarted when something they name changed in
 * the same config. The key (sysvinit, systemd, …) says what the template was written for; what is
 * in charge of this machine does it.
 */
#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "hooks/init/program.h"
#include "hooks/init/step.h"
#include "hooks/init/tree.h"
#include "hooks/init_system.h"
#include "hooks/service.h"

#define TIMEOUT_MS (5 * 60 * 1000)

static const char *const families[] = {"sysvinit", "systemd", "openrc"};

static int run(struct init *in, char *const *argv, struct program_end *end, struct err *e)
{
	struct program p = {.argv = (const char *const *)argv, .timeout_ms = TIMEOUT_MS};

	return program_run(in->setup->env, &p, end, e);
}

static int must(struct init *in, char *const *argv, struct err *e)
{
	struct program p = {.argv = (const char *const *)argv, .timeout_ms = TIMEOUT_MS};
	struct program_end end;

	return DRY(in) ? 0 : program_must(in->setup->env, &p, &end, e);
}

static void first_word(struct program_end *end)
{
	end->output[strcspn(end->output, " \t\r\n")] = '\0';
}

/* ---- enabled ---- */

static int is_enabled(struct init *in, const struct enabler *en, char *program, const char *name)
{
	const char *argv[] = {program, "is-enabled", name, NULL};
	struct program_end end;

	if (en->links[0])
		return enabler_has_link(en, in->setup->env, name);
	if (run(in, (char *const *)(uintptr_t)argv, &end, NULL) < 0)
		return false;
	return end.code == 0; /* enabled, static, alias, indirect, generated */
}

static int set_enabled(struct init *in, const char *name, bool want, struct err *e)
{
	char program[ENV_PATH_MAX], *argv[INIT_SYSTEM_ARGS];
	const struct enabler *en = enabler_find(in->setup->env, program);
	int r;

	if (!en)
		return err_set(e, -ENOENT, "nothing on this machine enables services");
	if (is_enabled(in, en, program, name) == want)
		return 0;
	enabler_argv(en, program, want, name, argv);
	r = must(in, argv, e);
	return r < 0 ? r : step_changed(in, "services", name, want ? "enabled" : "disabled");
}

/* ---- running ---- */

static int is_up(struct init *in, const struct init_system *s, char *program, const char *name,
		 struct err *e)
{
	char *argv[INIT_SYSTEM_ARGS];
	struct program_end end;
	int r;

	init_system_argv(s, program, INIT_STATUS, name, argv);
	r = run(in, argv, &end, e);
	if (r < 0)
		return r;
	first_word(&end);
	return !init_system_is_down(s, end.output, end.code);
}

static int act(struct init *in, const char *name, enum init_verb verb, const char *told,
	       struct err *e)
{
	char program[ENV_PATH_MAX], *argv[INIT_SYSTEM_ARGS];
	const struct init_system *s = init_system_find(in->setup->env, program);
	int r;

	if (!s)
		return err_set(e, -ENOENT, "no init system is in charge");
	if (verb == INIT_START || verb == INIT_STOP) {
		r = is_up(in, s, program, name, e);
		if (r < 0 || (r > 0) == (verb == INIT_START))
			return r < 0 ? r : 0;
	}
	init_system_argv(s, program, verb, name, argv);
	r = must(in, argv, e);
	return r < 0 ? r : step_changed(in, "services", name, "%s", told);
}

/* ---- what it depends on ---- */

static const char *changed_of(const struct init *in, const char *kind, const json_t *names)
{
	const json_t *name;
	size_t i;

	if (json_is_string(names) && step_has_changed(in, kind, json_string_value(names)))
		return json_string_value(names);
	json_array_foreach(
		names, i,
		name) if (json_is_string(name) &&
			  step_has_changed(in, kind,
					   json_string_value(name))) return json_string_value(name);
	return NULL;
}

static const char *changed_dependency(const struct init *in, const json_t *value)
{
	static const char *const kinds[] = {"files", "sources", "groups", "users", "commands"};
	const char *found = NULL, *manager;
	const json_t *names, *packages = json_object_get(value, "packages");

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !found; i++)
		found = changed_of(in, kinds[i], json_object_get(value, kinds[i]));
	json_object_foreach((json_t *)(uintptr_t)packages, manager, names)
	{
		char kind[80];

		snprintf(kind, sizeof(kind), "packages:%.60s", manager);
		found = found ? found : changed_of(in, kind, names);
	}
	return found;
}

static int one_service(struct init *in, const char *name, const json_t *value, struct err *e)
{
	const json_t *enabled, *running;
	const char *why;
	size_t before = in->n_changed;
	int r = 0;

	if (!service_name_valid(name) || !json_is_object(value))
		return err_set(e, -EINVAL, "not a service");
	enabled = json_object_get(value, "enabled");
	running = json_object_get(value, "ensureRunning");
	why = changed_dependency(in, value);
	if (enabled && !json_is_null(enabled))
		r = set_enabled(in, name, tree_bool(enabled), e);
	if (r == 0 && why)
		r = act(in, name, INIT_RESTART, "restarted", e);
	else if (r == 0 && running && !json_is_null(running))
		r = tree_bool(running) ? act(in, name, INIT_START, "started", e)
				       : act(in, name, INIT_STOP, "stopped", e);
	if (r == 0 && in->n_changed == before)
		step_say(in, name, "is as it should be");
	return r;
}

int section_services(struct init *in, const json_t *section)
{
	size_t n;
	_cleanup_free_ const char **names = tree_names(section, &n);
	int r = names ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n; i++) {
		bool known = false;

		for (size_t k = 0; k < ARRAY_SIZE(families); k++)
			known = known || !strcmp(names[i], families[k]);
		if (known)
			r = step_each(in, json_object_get(section, names[i]), one_service, false);
		else
			step_say(in, names[i], "left out: no init system of that name is known");
	}
	return r;
}
