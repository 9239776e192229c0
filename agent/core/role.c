/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forks roles and keeps them running. A role that lived for a minute is restarted at once; one that
 * keeps dying young waits longer each time. What a role does and who talks to it is wired
 * elsewhere.
 */
#include "core/role.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "core/backoff.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/spawn.h"

#define RESTART_BASE_MS  1000
#define RESTART_CAP_MS   60000
#define STABLE_MS        60000 /* lived this long: the next death is a first one again */
#define YOUNG_MS         1000  /* ended sooner: counts as a failure, even with exit code 0 */
#define RESTART_GRACE_MS 6000  /* as long as at an end */
#define EXIT_NO_SANDBOX  77

const char *const role_names[ROLE_COUNT] = {
	[ROLE_AGENT] = "agent",
	[ROLE_PROBER] = "prober",
	[ROLE_STORE] = "store",
};

struct process {
	struct roles *roles;
	enum role role;
	pid_t pid; /* 0 = not running */
	struct loop_child *watch;
	struct loop_timer *restart; /* while down */
	struct loop_timer *kill;    /* after a SIGTERM */
	int64_t started;
	bool wanted;     /* roles_start() was called */
	bool asked;      /* roles_restart(): the end is no failure */
	unsigned deaths; /* young ones in a row */
	struct backoff backoff;
};

struct roles {
	struct loop *loop;
	const struct role_spec *specs;
	const struct sandbox_user *user;
	role_up_fn *up;
	role_down_fn *down;
	void *ctx;
	struct process list[ROLE_COUNT];
	struct loop_timer *stopped_timer;
	bool stopping;
	int64_t grace_ms;
	loop_timer_fn *stopped;
	void *stopped_ctx;
};

/* ---- in the child ---- */

static void close_all_but(int keep)
{
	if (keep > 3)
		fs_close_range(3, (unsigned)keep - 1);
	fs_close_range((unsigned)keep + 1, ~0U);
}

static void set_name(const char *name)
{
	char comm[16]; /* the kernel keeps 15 characters */

	snprintf(comm, sizeof(comm), "pulse: %s", name);
	prctl(PR_SET_NAME, comm);
}

/* The loop of the runner is left alone: its memory is a copy, its descriptors are closed here. */
static _Noreturn void child(const struct roles *roles, const struct role_spec *spec, int link_fd,
			    pid_t parent)
{
	struct err e = ERR_INIT;
	int code;

	close_all_but(link_fd);
	spawn_reset_signals();
	set_name(spec->name);
	log_setup(log_get_level(), spec->name);
	if (sandbox_enter(spec->sandbox, roles->user, &e) < 0) {
		log_err("the %s role does not start: %s", spec->name, e.text);
		_exit(EXIT_NO_SANDBOX);
	}
	/* The sandbox asks for a signal when the parent dies; it may have died before. */
	if (getppid() != parent)
		_exit(0);
	code = spec->main(link_fd, roles->ctx);
	fflush(NULL);
	_exit(code);
}

/* ---- in the runner ---- */

static bool all_gone(const struct roles *roles)
{
	for (int i = 0; i < ROLE_COUNT; i++)
		if (roles->list[i].pid)
			return false;
	return true;
}

static void on_stopped(struct loop *loop, void *ctx)
{
	struct roles *roles = ctx;

	if (roles->stopped)
		roles->stopped(loop, roles->stopped_ctx);
}

static void schedule_restart(struct process *p, int64_t lived, bool clean)
{
	int64_t delay = 0;

	if (p->asked || lived >= STABLE_MS) {
		p->deaths = 0;
		backoff_reset(&p->backoff);
	}
	if (!p->asked && (!clean || lived < YOUNG_MS) && p->deaths++ > 0)
		delay = backoff_next(&p->backoff, random_unit());
	p->asked = false;
	loop_timer_arm(p->restart, delay);
}

static void terminate(struct process *p, int64_t grace_ms)
{
	kill(p->pid, SIGTERM);
	loop_timer_arm(p->kill, grace_ms);
}

static bool serves_still(const struct roles *roles, enum role role)
{
	return role == ROLE_STORE && roles->list[ROLE_AGENT].pid;
}

static void on_end(struct loop *loop, pid_t pid _unused_, int wstatus, void *ctx)
{
	struct process *p = ctx;
	struct roles *roles = p->roles;
	bool clean = wstatus != -1 && WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0;

	p->watch = loop_child_remove(p->watch);
	p->pid = 0;
	loop_timer_disarm(p->kill);
	if (!roles->stopping)
		schedule_restart(p, loop_env(loop)->boot_ms() - p->started, clean);
	else if (all_gone(roles))
		loop_timer_arm(roles->stopped_timer, 0);
	else if (p->role == ROLE_AGENT && roles->list[ROLE_STORE].pid)
		terminate(&roles->list[ROLE_STORE], roles->grace_ms);
	roles->down(roles, p->role, clean, wstatus, roles->ctx);
}

static int fork_role(struct process *p)
{
	struct roles *roles = p->roles;
	_cleanup_close_ int ours = -1, theirs = -1;
	pid_t parent = getpid();
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	p->pid = fork();
	if (p->pid == 0)
		child(roles, &roles->specs[p->role], theirs, parent);
	if (p->pid < 0) {
		p->pid = 0;
		return -errno;
	}
	r = loop_child_add(roles->loop, p->pid, on_end, p, &p->watch);
	if (r < 0) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
		p->pid = 0;
		return r;
	}
	p->started = loop_env(roles->loop)->boot_ms();
	roles->up(roles, p->role, take_fd(&ours), roles->ctx);
	return 0;
}

static void on_restart(struct loop *loop _unused_, void *ctx)
{
	struct process *p = ctx;

	if (p->pid || p->roles->stopping)
		return;
	/* No process or memory to be had: that passes, so ask again as after a death. */
	if (fork_role(p) < 0)
		loop_timer_arm(p->restart, backoff_next(&p->backoff, random_unit()));
}

static void on_kill(struct loop *loop _unused_, void *ctx)
{
	struct process *p = ctx;

	if (p->pid)
		kill(p->pid, SIGKILL);
}

static int init_process(struct roles *roles, enum role role)
{
	struct process *p = &roles->list[role];
	int r;

	p->roles = roles;
	p->role = role;
	p->backoff = (struct backoff){.base_ms = RESTART_BASE_MS, .cap_ms = RESTART_CAP_MS};
	r = loop_timer_new(roles->loop, 0, on_restart, p, &p->restart);
	if (r < 0)
		return r;
	return loop_timer_new(roles->loop, 0, on_kill, p, &p->kill);
}

int roles_new(struct loop *loop, const struct role_spec *specs, const struct sandbox_user *user,
	      role_up_fn *up, role_down_fn *down, void *ctx, struct roles **ret)
{
	struct roles *roles = calloc(1, sizeof(*roles));
	int r;

	if (!roles)
		return -ENOMEM;
	*roles = (struct roles){
		.loop = loop, .specs = specs, .user = user, .up = up, .down = down, .ctx = ctx};
	r = loop_timer_new(loop, 0, on_stopped, roles, &roles->stopped_timer);
	for (int i = 0; r == 0 && i < ROLE_COUNT; i++)
		r = init_process(roles, (enum role)i);
	if (r < 0) {
		roles_free(roles);
		return r;
	}
	*ret = roles;
	return 0;
}

int roles_start(struct roles *roles, enum role role)
{
	struct process *p = &roles->list[role];

	if (p->pid || roles->stopping || !roles->specs[role].main)
		return 0;
	p->wanted = true;
	loop_timer_disarm(p->restart);
	return fork_role(p);
}

pid_t roles_pid(const struct roles *roles, enum role role)
{
	return roles->list[role].pid;
}

void roles_stop(struct roles *roles, int64_t grace_ms, loop_timer_fn *fn, void *ctx)
{
	roles->stopping = true;
	roles->grace_ms = grace_ms;
	roles->stopped = fn;
	roles->stopped_ctx = ctx;
	for (int i = 0; i < ROLE_COUNT; i++) {
		loop_timer_disarm(roles->list[i].restart);
		if (roles->list[i].pid && !serves_still(roles, (enum role)i))
			terminate(&roles->list[i], grace_ms);
	}
	if (all_gone(roles))
		loop_timer_arm(roles->stopped_timer, 0);
}

void roles_restart(struct roles *roles, enum role role)
{
	struct process *p = &roles->list[role];

	if (roles->stopping)
		return;
	if (!p->pid) {
		if (p->wanted)
			loop_timer_arm(p->restart, 0);
		return;
	}
	p->asked = true;
	terminate(p, RESTART_GRACE_MS);
}

struct roles *roles_free(struct roles *roles)
{
	if (!roles)
		return NULL;
	for (int i = 0; i < ROLE_COUNT; i++) {
		struct process *p = &roles->list[i];

		if (p->pid)
			kill(p->pid, SIGKILL); /* not reaped: the runner is about to end */
		p->watch = loop_child_remove(p->watch);
		p->restart = loop_timer_free(p->restart);
		p->kill = loop_timer_free(p->kill);
	}
	roles->stopped_timer = loop_timer_free(roles->stopped_timer);
	free(roles);
	return NULL;
}
