/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the runner: lock, folders, configuration, roles, signals, end. It runs as root (or as
 * whoever started it, with what that user may do) and reads only files that root owns.
 */
#include "command/runner_main.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "build_info.h"
#include "command/command.h"
#include "command/control.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/notify.h"
#include "core/store.h"
#include "sample/sampler.h"

/* Of each role: the agent may wait for answers, then hands its state over. */
#define STOP_GRACE_MS 6000

static int role_agent(int link_fd, void *ctx)
{
	struct runner_main *m = ctx;
	const struct agent_setup setup = {.env = m->env,
					  .conf = &m->conf,
					  .one_pass = m->options->one_pass,
					  .problems = &m->problems};

	log_setup(log_get_level(), "agent");
	return agent_main(&setup, link_fd);
}

static int role_prober(int link_fd, void *ctx)
{
	struct runner_main *m = ctx;

	log_setup(log_get_level(), "prober");
	return prober_role_run(m->env, link_fd);
}

static int role_store(int link_fd, void *ctx)
{
	struct runner_main *m = ctx;
	char path[ENV_PATH_MAX], export_path[ENV_PATH_MAX];
	const char *textfile = m->conf.sinks_textfile;

	log_setup(log_get_level(), "store");
	return store_role_run_exporting(m->env, link_fd, env_path(m->env, STORE_DIR, path),
					textfile ? env_path(m->env, textfile, export_path) : NULL);
}

static const struct role_spec role_specs[ROLE_COUNT] = {
	[ROLE_AGENT] = {"agent", SANDBOX_AGENT, role_agent},
	[ROLE_PROBER] = {"prober", SANDBOX_PROBER, role_prober},
	[ROLE_STORE] = {"store", SANDBOX_STORE, role_store},
};

static void on_role_up(struct roles *roles _unused_, enum role role, int fd, void *ctx)
{
	struct runner_main *m = ctx;

	if (role != ROLE_AGENT) {
		runner_offer_role(m, role, fd);
		return;
	}
	m->agent = link_free(m->agent);
	runner_watch_alive(m);
	if (link_new(m->loop, fd, runner_on_message, runner_on_agent_closed, m, &m->agent))
		log_err("cannot attach to the agent; it will be started again");
}

static void on_role_down(struct roles *roles _unused_, enum role role, bool clean, int wstatus,
			 void *ctx)
{
	struct runner_main *m = ctx;

	if (clean || m->stopping)
		return;
	if (WIFSIGNALED(wstatus))
		log_err("the %s role died of signal %d (%s); it will be started again",
			role_names[role], WTERMSIG(wstatus), strsignal(WTERMSIG(wstatus)));
	else
		log_err("the %s role ended with exit code %d; it will be started again",
			role_names[role], WEXITSTATUS(wstatus));
	if (m->options->one_pass && role == ROLE_AGENT)
		runner_stop(m, EXIT_CONFIG);
}

static void on_all_gone(struct loop *loop, void *ctx)
{
	struct runner_main *m = ctx;

	loop_quit(loop, m->exit_code);
}

void runner_set_log(const struct runner_main *m)
{
	int asked = m->options->log_level;

	log_setup((enum log_level)(asked >= 0 ? asked : m->conf.log_level),
		  m->options->one_pass ? "cfn-hup" : "heat-pulse");
}

void runner_stop(struct runner_main *m, int exit_code)
{
	if (m->stopping)
		return;
	m->stopping = true;
	runner_tell(NOTIFY_STOPPING);
	m->exit_code = exit_code;
	roles_stop(m->roles, STOP_GRACE_MS, on_all_gone, m);
}

static void on_stop_signal(struct loop *loop _unused_, int signo, void *ctx)
{
	log_info("%s: stopping; running hooks go on", strsignal(signo));
	runner_stop(ctx, EXIT_GOOD);
}

static void on_reload_signal(struct loop *loop _unused_, int signo _unused_, void *ctx)
{
	runner_reload(ctx, true);
}

static void on_life_over(struct loop *loop _unused_, void *ctx)
{
	log_info("time is up: stopping");
	runner_stop(ctx, EXIT_GOOD);
}

/* The user may be another than last time: removed and made again, or named otherwise by an image.
 */
static int give_folder(struct runner_main *m, const char *path)
{
	if (geteuid() != 0 || !m->user.drop)
		return 0;
	fs_give_tree(path, m->user.uid, m->user.gid);
	return lchown(path, m->user.uid, m->user.gid) ? -errno : 0;
}

/* One folder, made if absent, with owner and mode as they must be. */
static int make_folder(struct runner_main *m, const char *folder, mode_t mode, bool for_roles,
		       struct err *e)
{
	char path[ENV_PATH_MAX];
	int r = fs_mkdirs(env_path(m->env, folder, path), 0755);

	if (r)
		return err_sys(e, -r, "cannot make %s", path);
	r = for_roles ? give_folder(m, path) : 0;
	if (r)
		return err_sys(e, -r, "cannot give %s to uid %u", path, (unsigned)m->user.uid);
	if (chmod(path, mode))
		return err_sys(e, errno, "cannot set the mode of %s", path);
	return 0;
}

static const struct {
	const char *path;
	mode_t mode;
	bool for_roles; /* belongs to the user of the roles */
} folders[] = {
	{LIB_DIR, 0711, false},
	{STORE_DIR, 0700, true},
	{RUNS_DIR, 0700, false},
	{CONTROL_DIR, 0755, false},
};

static void make_folders(struct runner_main *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		struct err e = ERR_INIT;

		if (make_folder(m, folders[i].path, folders[i].mode, folders[i].for_roles, &e)) {
			log_warn("%s; going on without it", e.text);
			problems_add(&m->problems, PROBLEM_ERROR, "folder",
				     "run as root, or give this user the folder", "%s", e.text);
		}
	}
}

/* Return: 0, 1 when another agent holds the lock. Without a place for a lock the agent still runs.
 */
static int take_lock(struct runner_main *m)
{
	char path[ENV_PATH_MAX];

	(void)!fs_mkdirs(env_path(m->env, CONTROL_DIR, path), 0755);
	m->lock_fd = fs_lock(env_path(m->env, LOCK_PATH, path));
	if (m->lock_fd == -EWOULDBLOCK)
		return 1;
	if (m->lock_fd < 0)
		log_warn("cannot lock %s: %s; nothing keeps a second agent away", path,
			 strerror(-m->lock_fd));
	return 0;
}

static void open_control(struct runner_main *m)
{
	char path[ENV_PATH_MAX];
	struct err e = ERR_INIT;

	if (m->options->one_pass)
		return;
	m->control_fd = control_listen(env_path(m->env, CONTROL_PATH, path), m->user.gid, &e);
	if (m->control_fd < 0)
		log_warn("%s; `heat-pulse status` and `signal` will not reach this agent", e.text);
}

static int start_loop(struct runner_main *m, struct err *e)
{
	const struct runner_setup setup = {
		.loop = m->loop, .env = m->env, .conf = &m->conf, .hooks = &m->hooks,
		.one_pass = m->options->one_pass};
	int r;

	if (loop_signal_add(m->loop, SIGTERM, on_stop_signal, m) ||
	    loop_signal_add(m->loop, SIGINT, on_stop_signal, m) ||
	    loop_signal_add(m->loop, SIGHUP, on_reload_signal, m))
		return err_set(e, -ENOMEM, "cannot listen to signals");
	if (runner_new(&setup, &m->runner, &m->no_runs)) {
		log_err("%s: hooks cannot run", m->no_runs.text);
		problems_add(&m->problems, PROBLEM_ERROR, "hooks", "run as root, or give this user the folder",
			     "%s: hooks cannot run", m->no_runs.text);
	}
	r = roles_new(m->loop, role_specs, &m->user, on_role_up, on_role_down, m, &m->roles);
	for (int role = ROLE_COUNT; !r && role-- > 0;)
		r = roles_start(m->roles, (enum role)role);
	if (r)
		return err_sys(e, -r, "cannot start the roles");
	if (!m->options->one_pass)
		runner_watch_files(m);
	r = runner_watch_start(m);
	if (!r)
		r = settle_start(m->loop, &m->give_back);
	if (!r && m->options->for_ms > 0) {
		r = loop_timer_new(m->loop, 0, on_life_over, m, &m->life);
		if (!r)
			loop_timer_arm(m->life, m->options->for_ms);
	}
	return r;
}

/* Without a user to become, the roles would be root: nothing is started then. */
static int find_user(struct runner_main *m)
{
	struct err e = ERR_INIT;
	int r = sandbox_find_user(m->conf.user, &m->user, &e);

	if (r < 0) {
		log_err("%s; name a system user without rights as user in [agent]", e.text);
		return r;
	}
	if (r > 0) {
		log_warn("%s", e.text);
		problems_add(&m->problems, PROBLEM_WARN, "user",
			     "make a system user for it, as the packages do", "%s", e.text);
	}
	return 0;
}

static void runner_clean(struct runner_main *m)
{
	char path[ENV_PATH_MAX];

	m->agent = link_free(m->agent);
	roles_free(m->roles);
	runner_free(m->runner);
	loop_io_remove(m->inotify_io);
	loop_timer_free(m->settle);
	settle_stop(&m->give_back);
	loop_timer_free(m->life);
	loop_timer_free(m->watch);
	loop_free(m->loop);
	if (m->control_fd >= 0) {
		(void)!unlink(env_path(m->env, CONTROL_PATH, path));
		close(m->control_fd);
	}
	for (size_t i = 0; i < ROLE_COUNT; i++)
		if (m->role_fd[i] >= 0)
			close(m->role_fd[i]);
	if (m->inotify_fd >= 0)
		close(m->inotify_fd);
	if (m->lock_fd >= 0)
		close(m->lock_fd);
	hookset_deinit(&m->hooks);
	trusted_hook_deinit(&m->trusted);
	conf_deinit(&m->conf);
	problems_deinit(&m->problems);
}

static int runner_life(struct runner_main *m)
{
	struct err e = ERR_INIT;
	int r;

	if (runner_load(m, &e)) {
		log_err("%s", e.text);
		return EXIT_CONFIG;
	}
	runner_set_log(m);
	if (take_lock(m)) {
		log_info("an agent is running already, leaving the work to it");
		return EXIT_GOOD;
	}
	if (m->options->one_pass && m->hooks.n == 0) {
		log_err("no hook to run below %s",
			m->options->hooks_dir ? m->options->hooks_dir : m->conf.hooks_conf_dir);
		return EXIT_CONFIG;
	}
	if (find_user(m))
		return EXIT_CONFIG;
	make_folders(m);
	r = loop_new(m->env, &m->loop);
	if (r) {
		log_err("cannot make the event loop: %s", strerror(-r));
		return EXIT_CONFIG;
	}
	open_control(m);
	if (start_loop(m, &e)) {
		log_err("%s", e.text);
		return EXIT_CONFIG;
	}
	if (!m->options->one_pass)
		log_info(
			"heat-pulse " HEAT_PULSE_VERSION ": %zu hooks, %s", m->hooks.n,
			geteuid() == 0
				? "roles without root"
				: "running without root: hooks and probes have this user's rights");
	runner_check_switch(m, NULL);
	r = loop_run(m->loop);
	return r < 0 ? EXIT_CONFIG : r;
}

int runner_main(struct env *env, const struct run_options *options)
{
	struct runner_main m = {.env = env,
				.options = options,
				.lock_fd = -1,
				.control_fd = -1,
				.inotify_fd = -1,
				.conf_wd = {-1, -1}};
	int r;

	for (size_t i = 0; i < ROLE_COUNT; i++)
		m.role_fd[i] = -1;
	r = runner_life(&m);
	runner_clean(&m);
	return r;
}
