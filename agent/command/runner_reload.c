/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration of the running agent: loaded at start, again on SIGHUP and when files change. Hook
 * files reach the agent as a new table; anything else means a new agent, which finds its state on
 * disk and the running hooks with their shepherds.
 */
#include "command/runner_main.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>

#include "core/log.h"
#include "core/text.h"
#include "hooks/protocol.h"

/* Editors write a file in several steps: wait until it has been quiet that long. */
#define SETTLE_MS 300

static void log_problems(const struct problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		if (problems->list[i].level != PROBLEM_OK)
			log_warn("%s: %s%s%s", problems->list[i].code, problems->list[i].text,
				 problems->list[i].remedy ? "; " : "",
				 problems->list[i].remedy ? problems->list[i].remedy : "");
}

/* `cfn-hup -c DIR`: its cfn-hup.conf is also where credentials are looked for, in the runner and in
 * the agent. */
static int override_folder(struct runner_main *m)
{
	char *folder = m->options->hooks_conf_dir ? strdup(m->options->hooks_conf_dir) : NULL;

	if (!folder)
		return m->options->hooks_conf_dir ? -ENOMEM : 0;
	free(m->conf.hooks_conf_dir);
	m->conf.hooks_conf_dir = folder;
	return 0;
}

static int load_hooks(struct runner_main *m)
{
	struct err e = ERR_INIT;
	int r = hookset_load_from(m->env, &m->conf, m->conf.hooks_conf_dir, m->options->hooks_dir,
				  &m->hooks, &m->problems);

	if (!r)
		r = trusted_hook_add(&m->conf, &m->trusted, &m->hooks, &e);
	if (r == -EINVAL)
		log_warn("the command that metadata name is not run: %s", e.text);
	return r == -EINVAL ? 0 : r;
}

/* cfn-hup.conf may set the interval; our own configuration wins when it says anything but the
 * default. */
static void borrow_interval(struct conf *conf, const struct hookset *hooks)
{
	struct conf defaults;

	if (hooks->interval_ms <= 0 || conf_init(&defaults))
		return;
	if (conf->interval_ms == defaults.interval_ms)
		conf->interval_ms = hooks->interval_ms;
	conf_deinit(&defaults);
}

int runner_load(struct runner_main *m, struct err *e)
{
	int r = conf_load(m->env, m->options->conf_file, &m->conf, &m->problems, e);

	if (r)
		return r;
	r = override_folder(m);
	if (!r)
		r = load_hooks(m);
	if (r)
		return err_set(e, r, "out of memory while reading the hook files");
	borrow_interval(&m->conf, &m->hooks);
	log_problems(&m->problems);
	return 0;
}

bool runner_check_switch(struct runner_main *m, struct err *ret_why)
{
	struct err why = ERR_INIT;
	bool off = hooks_disabled(m->env, &m->conf, &why);
	struct msg_writer w;

	msg_writer_init(&w);
	if (!m->runner) {
		off = true;
		why = m->no_runs;
	}
	if (ret_why)
		*ret_why = why;
	if (off == m->hooks_off)
		return off;
	m->hooks_off = off;
	log_warn("hooks are %s%s%s", off ? "disabled: " : "enabled again", off ? why.text : "",
		 off ? "; changes wait until it is removed" : "");
	msg_put_u32(&w, off);
	msg_put_str(&w, why.text);
	if (m->agent && link_send(m->agent, RUNNER_SWITCH, &w, NULL, 0))
		log_warn("cannot tell the agent about the hooks' switch; it will ask before each "
			 "run");
	return off;
}

/* A folder that is not there has nothing to watch; it is looked for again with each reading of the
 * configuration. Return: the watch or -1. */
static int watch_folder(struct runner_main *m, const char *folder, const char *below)
{
	char path[ENV_PATH_MAX], full[ENV_PATH_MAX];

	if (snprintf(full, sizeof(full), "%s%s", folder, below) >= (int)sizeof(full))
		return -1;
	return inotify_add_watch(m->inotify_fd, env_path(m->env, full, path),
				 IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
					 IN_DELETE | IN_ATTRIB);
}

/* Of a folder that is watched already the kernel gives the same watch again. */
static void watch_folders(struct runner_main *m)
{
	const char *conf_dir = m->conf.hooks_conf_dir, *hooks_dir = m->options->hooks_dir;

	m->conf_wd[0] = watch_folder(m, "/etc/heat-pulse", "");
	m->conf_wd[1] = watch_folder(m, CONF_DIR, "");
	watch_folder(m, conf_dir, "");
	watch_folder(m, hooks_dir ? hooks_dir : conf_dir, hooks_dir ? "" : "/hooks.d");
}

/* What runs with the new values from now on; the roles have them when they start. */
static void apply_conf(struct runner_main *m)
{
	runner_set_log(m);
	if (m->inotify_fd >= 0)
		watch_folders(m);
	if (m->runner)
		runner_set_hooks(m->runner, &m->hooks);
}

static void reload_conf(struct runner_main *m)
{
	/* The new agent names the same command again, which is no change: it stays known. */
	struct runner_main fresh = {.env = m->env, .options = m->options, .trusted = m->trusted};
	struct err e = ERR_INIT;

	if (runner_load(&fresh, &e)) {
		log_err("configuration not reloaded: %s; the old one stays", e.text);
		conf_deinit(&fresh.conf);
		hookset_deinit(&fresh.hooks);
		problems_deinit(&fresh.problems);
		return;
	}
	if (!text_equal(m->conf.user, fresh.conf.user))
		log_warn("[agent] user = %s counts when the service is started again",
			 fresh.conf.user);
	conf_deinit(&m->conf);
	hookset_deinit(&m->hooks);
	problems_deinit(&m->problems);
	m->conf = fresh.conf;
	m->hooks = fresh.hooks;
	m->problems = fresh.problems;
	apply_conf(m);
	log_info("configuration reloaded: %zu hooks; the agent starts anew", m->hooks.n);
	roles_restart(m->roles, ROLE_AGENT);
}

static void reload_hooks(struct runner_main *m)
{
	struct hookset fresh = {0}, old = m->hooks;

	problems_remove(&m->problems, "hook-file");
	m->hooks = fresh;
	if (load_hooks(m)) {
		hookset_deinit(&m->hooks);
		m->hooks = old;
		log_err("hook files not reloaded: out of memory; the old hooks stay");
		return;
	}
	hookset_deinit(&old);
	if (m->runner)
		runner_set_hooks(m->runner, &m->hooks);
	log_info("hook files reloaded: %zu hooks", m->hooks.n);
	log_problems(&m->problems);
	if (m->agent && link_send(m->agent, RUNNER_HOOKS, NULL, NULL, 0))
		log_warn("cannot tell the agent about new hooks");
}

/* After a new configuration the agent starts anew and says it once more. */
void runner_trust(struct runner_main *m, struct trusted_hook *t)
{
	bool same = trusted_hook_equal(t, &m->trusted);

	if (m->conf.trust_metadata != CONF_TRUST_FULL)
		log_warn("the agent names a command of metadata, which are not trusted with any");
	if (same || m->stopping || m->conf.trust_metadata != CONF_TRUST_FULL) {
		trusted_hook_deinit(t);
		return;
	}
	trusted_hook_deinit(&m->trusted);
	m->trusted = *t;
	*t = (struct trusted_hook){0};
	log_warn("metadata are trusted: %s",
		 m->trusted.command ? "they name a command, which is run when they change"
				    : "they name no command any more");
	reload_hooks(m);
}

void runner_reload(struct runner_main *m, bool conf_too)
{
	if (m->stopping)
		return;
	if (conf_too)
		reload_conf(m);
	else
		reload_hooks(m);
	runner_check_switch(m, NULL);
}

static void on_settled(struct loop *loop _unused_, void *ctx)
{
	struct runner_main *m = ctx;
	bool conf_too = m->reload_conf, hooks_too = m->reload_hooks;

	m->reload_conf = m->reload_hooks = false;
	if (conf_too || hooks_too)
		runner_reload(m, conf_too);
	else
		runner_check_switch(m, NULL);
}

/* Folder and name say what a change means; "" is the folder itself. */
static void note_change(struct runner_main *m, int wd, const char *name)
{
	const char *dot = strrchr(name, '.');
	bool conf_folder = wd == m->conf_wd[0] || wd == m->conf_wd[1];
	bool is_conf = dot && !strcmp(dot, ".conf");

	/* on_settled() looks at the switch in any case; other files in our folder are not
	 * configuration */
	if (conf_folder && !is_conf && strcmp(name, "hooks.disabled"))
		return;
	if ((conf_folder && is_conf) || !strcmp(name, "cfn-hup.conf"))
		m->reload_conf = true;
	else if (!conf_folder)
		m->reload_hooks = true;
	loop_timer_arm(m->settle, SETTLE_MS);
}

static void on_inotify(struct loop *loop _unused_, uint32_t events _unused_, void *ctx)
{
	struct runner_main *m = ctx;
	char data[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(m->inotify_fd, data, sizeof(data));

	for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
		const struct inotify_event *event = (const void *)(data + at);

		note_change(m, event->wd, event->len ? event->name : "");
		at += (ssize_t)(sizeof(*event) + event->len);
	}
}

void runner_watch_files(struct runner_main *m)
{
	m->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (m->inotify_fd < 0 || loop_timer_new(m->loop, 50, on_settled, m, &m->settle) ||
	    loop_io_add(m->loop, m->inotify_fd, EPOLLIN, on_inotify, m, &m->inotify_io)) {
		log_warn("cannot watch the configuration for changes: %s; send SIGHUP after "
			 "editing it",
			 strerror(errno));
		return;
	}
	watch_folders(m);
}
