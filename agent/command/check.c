/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `heat-pulse check`: what the agent would use and what is wrong, one line each: level, code, text;
 * remedy. It looks for itself and, when an agent runs, adds what that one has met.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "command/command.h"
#include "command/control.h"
#include "command/direct.h"
#include "command/options.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/sandbox.h"
#include "core/store.h"
#include "core/text.h"
#include "hooks/config.h"
#include "hooks/deploy/builtin.h"
#include "hooks/deploy/keep.h"
#include "metadata/watch.h"
#include "sample/sampler.h"

struct check_arguments {
	bool json;
};

static const struct option_row rows[] = {
	{0, "json", OPTION_FLAG, offsetof(struct check_arguments, json), NULL,
	 "one JSON object per line"},
};

static const struct option_set options = {
	.command = "heat-pulse check",
	.synopsis = "[--json]",
	.about = "Tells what the agent would use (credentials, hooks, deployments, clock, rights) and what is "
		 "wrong with it, one line each:\n"
		 "ok|warn|error CODE text; remedy. Exit 4: there is at least one error.",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
};

static void check_rights(struct direct *d, struct problems *found)
{
	struct sandbox_user user;
	struct err e = ERR_INIT;
	int r;

	if (geteuid() != 0) {
		problems_add(found, PROBLEM_WARN, "rights", "run it as root",
			     "without root hooks run as this user only, other users' files and "
			     "most kernel records stay closed");
		return;
	}
	r = sandbox_find_user(d->conf.user, &user, &e);
	if (r)
		problems_add(found, r < 0 ? PROBLEM_ERROR : PROBLEM_WARN, "user",
			     "make a system user for it, as the packages do", "%s", e.text);
	else
		problems_add(found, PROBLEM_OK, "user", NULL, "the roles run as uid %u",
			     (unsigned)user.uid);
}

static void check_clock(struct direct *d, struct problems *found)
{
	int64_t now = d->env->real_ms();
	char text[24];

	clock_iso(now / 1000, text);
	if (clock_is_before_build(now))
		problems_add(found, PROBLEM_ERROR, "clock",
			     "set the clock (chrony, ntpd or the hypervisor's time source)",
			     "the clock says %s, which is before this program was built: "
			     "certificates and signatures cannot be judged",
			     text);
	else
		problems_add(found, PROBLEM_OK, "clock", NULL, "the clock says %s", text);
}

static void check_source(const char *name, const struct credentials *c, struct problems *found)
{
	if (c->kind != CREDENTIALS_NONE)
		problems_add(found, PROBLEM_OK, name, NULL, "credentials for source %s from %s",
			     name, c->origin ? c->origin : "configuration");
}

static void check_credentials(struct direct *d, struct problems *found)
{
	check_source("cfn", &d->creds.cfn, found);
	check_source("heat", &d->creds.heat, found);
	check_source("tempurl", &d->creds.request, found);
	check_source("zaqar", &d->creds.zaqar, found);
	if (d->conf.local_file)
		problems_add(found, PROBLEM_OK, "local", NULL, "source local reads %s",
			     d->conf.local_file);
	if (d->creds.cfn.kind == CREDENTIALS_NONE && d->creds.heat.kind == CREDENTIALS_NONE &&
	    d->creds.request.kind == CREDENTIALS_NONE && d->creds.zaqar.kind == CREDENTIALS_NONE &&
	    !d->conf.local_file)
		problems_add(found, PROBLEM_ERROR, "credentials",
			     "let Heat deliver them (user_data_format SOFTWARE_CONFIG), write "
			     "/etc/cfn/cfn-hup.conf, or set [cfn], [heat], [tempurl] or [local] in " CONF_FILE,
			     "no source of metadata: no credentials were found in our "
			     "configuration, cfn-init-data, os-collect-config.conf "
			     "or cfn-hup.conf, and no local file is set");
}

static void check_hooks(struct direct *d, struct problems *found)
{
	struct hookset hooks = {0};
	struct err why = ERR_INIT;

	if (hookset_load(d->env, &d->conf, &hooks, found))
		problems_add(found, PROBLEM_ERROR, "hooks", NULL,
			     "out of memory while reading the hook files");
	for (size_t i = 0; i < hooks.n; i++)
		problems_add(found, PROBLEM_OK, "hook", NULL, "hook %s on %s (%s:%d) as %s",
			     hooks.hooks[i].name,
			     *hooks.hooks[i].path_text ? hooks.hooks[i].path_text : "findings",
			     hooks.hooks[i].file, hooks.hooks[i].line, hooks.hooks[i].runas);
	if (hooks.n == 0)
		problems_add(found, PROBLEM_OK, "hooks", NULL, "no hooks below %s",
			     d->conf.hooks_conf_dir);
	if (hooks_disabled(d->env, &d->conf, &why))
		problems_add(found, PROBLEM_WARN, "hooks-disabled",
			     "remove the switch to let them run again", "no hook and no deployment runs: %s",
			     why.text);
	hookset_deinit(&hooks);
}

static void check_program(const char *group, const char *program, const char *why, void *ctx)
{
	struct problems *found = ctx;

	if (why)
		problems_add(found, PROBLEM_ERROR, "deployment-hook",
			     "make it and the folders above it root's alone",
			     "deployments of the group %s fail: %s", group, why);
	else
		problems_add(found, PROBLEM_OK, "deployment-hook", NULL,
			     "deployments of the group %s are run by %s", group, program);
}

/* "heat-pulse" is no program: the agent takes such deployments as settings. */
static void check_deployments(struct direct *d, struct problems *found)
{
	_cleanup_buf_ struct buf groups = BUF_INIT(1024);

	if (!d->conf.deployments_enabled) {
		problems_add(found, PROBLEM_OK, "deployments", NULL,
			     "deployments are not run: [deployments] enabled says no");
		return;
	}
	for (size_t i = 0; i < deploy_builtins_n; i++)
		if (deploy_builtin_known(d->env, deploy_builtins[i].group))
			buf_printf(&groups, "%s ", deploy_builtins[i].group);
	problems_add(found, PROBLEM_OK, "deployments", NULL,
		     "deployments are run, of the groups %sheat-pulse, and of what is below %s",
		     buf_str(&groups), d->conf.deployments_hooks_path);
	deploy_each_program(d->env, &d->conf, check_program, found);
}

static void check_state(struct direct *d, struct problems *found)
{
	char path[ENV_PATH_MAX];
	struct stat st;

	if (stat(env_path(d->env, STORE_DIR, path), &st))
		problems_add(found, PROBLEM_OK, "state", NULL, "no state below %s yet", path);
	else if (st.st_mode & 077)
		problems_add(found, PROBLEM_ERROR, "state", "chmod 0700 it",
			     "%s may be entered by others", path);
	else
		problems_add(found, PROBLEM_OK, "state", NULL, "state below %s", path);
}

static void check_probes(struct direct *d, struct problems *found)
{
	struct loop *loop = NULL;
	struct sampler *sampler = NULL;
	struct err e = ERR_INIT;
	struct sampler_setup setup = {.conf = &d->conf, .open_fd = direct_open, .open_ctx = d};

	if (loop_new(d->env, &loop))
		return;
	setup.loop = loop;
	if (sampler_new(&setup, &sampler, &e))
		problems_add(found, PROBLEM_ERROR, "probes", NULL, "%s", e.text);
	else
		sampler_problems(sampler, found);
	sampler_free(sampler);
	loop_free(loop);
}

static void check_agent(struct direct *d, struct problems *found)
{
	static const char *const words[] = {"ok", "warn", "error"};
	_cleanup_json_ json_t *request = json_pack("{s:i,s:s}", "v", 1, "do", "status"),
			      *answer = NULL;
	const json_t *item;
	struct err e = ERR_INIT;
	size_t at;

	if (!request || control_ask(d->env, request, 5000, &answer, &e)) {
		problems_add(found, PROBLEM_WARN, "agent",
			     "start it: heat-pulse run, or its service", "no agent answers");
		return;
	}
	problems_add(found, PROBLEM_OK, "agent", NULL, "an agent is running, state %s",
		     json_str(answer, "state"));
	json_array_foreach(json_object_get(answer, "problems"), at, item)
	{
		const char *level = json_str(item, "level"), *code = json_str(item, "code"),
			   *text = json_str(item, "text");

		for (size_t i = 0; level && code && text && i < ARRAY_SIZE(words); i++)
			if (!strcmp(level, words[i]))
				problems_add(found, (enum problem_level)i, code,
					     json_str(item, "remedy"), "%s", text);
	}
}

static void (*const checks[])(struct direct *d, struct problems *found) = {
	check_rights, check_clock,  check_credentials, check_hooks, check_deployments,
	check_state,  check_probes, check_agent,
};

static int print_problems(const struct problems *found, bool json)
{
	static const char *const words[] = {"ok", "warn", "error"};
	int worst = EXIT_GOOD;

	for (size_t i = 0; i < found->n; i++) {
		const struct problem *p = &found->list[i];

		if (json) {
			_cleanup_json_ json_t *line = json_pack(
				"{s:i,s:s,s:s,s:o,s:o*}", "v", 1, "level", words[p->level], "code",
				p->code, "text", json_text(p->text), "remedy",
				p->remedy ? json_text(p->remedy) : NULL);

			json_dumpf(line, stdout, JSON_COMPACT | JSON_SORT_KEYS);
			printf("\n");
		} else {
			printf("%-5s %s %s%s%s\n", words[p->level], p->code, p->text,
			       p->remedy ? "; " : "", p->remedy ? p->remedy : "");
		}
		if (p->level == PROBLEM_ERROR)
			worst = EXIT_HOOK;
	}
	return worst;
}

int command_check(struct env *env, int argc, char **argv)
{
	struct check_arguments a = {0};
	struct direct d;
	struct err e = ERR_INIT;
	int first, r = options_parse(&options, argc, argv, &a, &first);

	if (r != OPTIONS_GO)
		return r;
	if (direct_init(&d, env, &e)) {
		fprintf(stderr, "heat-pulse check: %s\n", e.text);
		direct_deinit(&d);
		return EXIT_CONFIG;
	}
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		checks[i](&d, &d.problems);
	r = print_problems(&d.problems, a.json);
	direct_deinit(&d);
	return r;
}
