/* SPDX-License-Identifier: Apache-2.0 */
/* The table of init systems, and lookups in it. */
#include "hooks/init_system.h"

#include <glob.h>
#include <string.h>

#include "core/buf.h"

#define NO_CODE -1

static const struct init_system systems[] = {
	{"systemd",
	 "/run/systemd/system",
	 {"/usr/bin/systemctl", "/bin/systemctl"},
	 "--no-ask-password",
	 {"is-active", "start", "stop", "restart"},
	 false,
	 {"inactive", "failed"},
	 {NO_CODE}},
	/* OpenRC: 0 started, 4 stopping, 8 starting, 16 inactive (waits for something) */
	{"openrc",
	 NULL,
	 {"/sbin/rc-service", "/usr/sbin/rc-service"},
	 NULL,
	 {"status", "start", "stop", "restart"},
	 true,
	 {NULL},
	 {0, 4, 8, 16}},
	{"sysvinit",
	 NULL,
	 {"/usr/sbin/service", "/sbin/service"},
	 NULL,
	 {"status", "start", "stop", "restart"},
	 true,
	 {NULL},
	 {0, NO_CODE}},
};

static const struct enabler enablers[] = {
	{"/run/systemd/system",
	 {"/usr/bin/systemctl", "/bin/systemctl"},
	 {"--no-ask-password", "enable", "@"},
	 {"--no-ask-password", "disable", "@"},
	 {NULL}},
	{NULL,
	 {"/sbin/rc-update", "/usr/sbin/rc-update"},
	 {"add", "@", "default"},
	 {"del", "@", "default"},
	 {"/etc/runlevels/default/@"}},
	{NULL,
	 {"/sbin/chkconfig", "/usr/sbin/chkconfig"},
	 {"@", "on"},
	 {"@", "off"},
	 {"/etc/rc3.d/S[0-9][0-9]@", "/etc/rc.d/rc3.d/S[0-9][0-9]@"}},
	{NULL,
	 {"/usr/sbin/update-rc.d", "/sbin/update-rc.d"},
	 {"@", "enable"},
	 {"@", "disable"},
	 {"/etc/rc2.d/S[0-9][0-9]@", "/etc/rc3.d/S[0-9][0-9]@"}},
};

static bool find_program(const struct env *env, const char *needs, const char *const programs[2],
			 char program[static ENV_PATH_MAX])
{
	char path[ENV_PATH_MAX];

	if (needs && access(env_path(env, needs, path), F_OK) < 0)
		return false;
	for (size_t i = 0; i < 2; i++)
		if (programs[i] && access(env_path(env, programs[i], program), X_OK) == 0)
			return true;
	return false;
}

const struct init_system *init_system_find(const struct env *env, char program[static ENV_PATH_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(systems); i++)
		if (find_program(env, systems[i].needs, systems[i].programs, program))
			return &systems[i];
	return NULL;
}

const struct enabler *enabler_find(const struct env *env, char program[static ENV_PATH_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(enablers); i++)
		if (find_program(env, enablers[i].needs, enablers[i].programs, program))
			return &enablers[i];
	return NULL;
}

/* exec's argv is not const, but is not written to */
static void put(char **argv, size_t i, const char *word)
{
	memcpy(&argv[i], &word, sizeof(argv[i]));
}

void init_system_argv(const struct init_system *s, const char *program, enum init_verb verb,
		      const char *name, char *argv[static INIT_SYSTEM_ARGS])
{
	size_t n = 0;

	put(argv, n++, program);
	if (s->before)
		put(argv, n++, s->before);
	put(argv, n++, s->name_first ? name : s->verbs[verb]);
	put(argv, n++, s->name_first ? s->verbs[verb] : name);
	argv[n] = NULL;
}

void enabler_argv(const struct enabler *e, const char *program, bool enable, const char *name,
		  char *argv[static INIT_SYSTEM_ARGS])
{
	const char *const *words = enable ? e->enable : e->disable;
	size_t n = 0;

	put(argv, n++, program);
	for (; n < INIT_SYSTEM_ARGS - 1 && words[n - 1]; n++)
		put(argv, n, strcmp(words[n - 1], "@") ? words[n - 1] : name);
	argv[n] = NULL;
}

bool init_system_is_down(const struct init_system *s, const char *word, int code)
{
	if (s->down_words[0]) {
		for (size_t i = 0; i < ARRAY_SIZE(s->down_words) && s->down_words[i]; i++)
			if (strcmp(s->down_words[i], word) == 0)
				return true;
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(s->up_codes) && s->up_codes[i] != NO_CODE; i++)
		if (s->up_codes[i] == code)
			return false;
	return true;
}

/* The name is one that service_name_valid() let through: it holds no pattern but "\\", which
 * glob(3) takes as itself. */
bool enabler_has_link(const struct enabler *e, const struct env *env, const char *name)
{
	char path[ENV_PATH_MAX];
	bool found = false;

	for (size_t i = 0; i < ARRAY_SIZE(e->links) && e->links[i] && !found; i++) {
		_cleanup_buf_ struct buf pattern = BUF_INIT(ENV_PATH_MAX);
		size_t before = strcspn(e->links[i], "@");
		glob_t hits = {0};

		buf_put(&pattern, e->links[i], before);
		buf_printf(&pattern, "%s", name);
		if (buf_error(&pattern))
			continue;
		found = glob(env_path(env, buf_str(&pattern), path), GLOB_NOESCAPE, NULL, &hits) == 0;
		globfree(&hits);
	}
	return found;
}
