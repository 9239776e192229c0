/* SPDX-License-Identifier: Apache-2.0 */
/* The runner's own state, shared by the files that make it up: runner_main.c (life), runner_serve.c
 * (messages), runner_reload.c (configuration). */
#pragma once

#include "command/run.h"
#include "core/link.h"
#include "core/role.h"
#include "hooks/runner.h"

struct runner_main {
	struct env *env;
	const struct run_options *options;
	struct loop *loop;
	struct conf conf;
	struct hookset hooks;
	struct problems problems;
	struct sandbox_user user;
	struct roles *roles;
	struct runner *runner;
	struct link *agent;
	int lock_fd, control_fd, inotify_fd;
	struct loop_io *inotify_io;
	int conf_wd[2]; /* inotify watches of our own configuration's folders */
	struct loop_timer *settle, *life;
	int role_fd[ROLE_COUNT];          /* the agent's end, until it asks; -1 = none */
	uint32_t role_wanted[ROLE_COUNT]; /* id of the agent's open RUNNER_LINK call; 0 = none */
	bool reload_conf, reload_hooks;   /* what the settle timer will do */
	bool hooks_off;
	bool stopping;
	int exit_code;
};

/* runner_reload.c */
int runner_load(struct runner_main *m,
		struct err *e) _must_check_; /* configuration and hooks, from scratch */
void runner_watch_files(struct runner_main *m);
void runner_reload(struct runner_main *m, bool conf_too);
bool runner_check_switch(struct runner_main *m,
			 struct err *why); /* kill switch, now; tells the agent of a change */
/* runner_serve.c */
void runner_on_message(struct link *link, struct link_msg *msg, void *ctx);
void runner_on_agent_closed(struct link *link, void *ctx);
void runner_offer_role(struct runner_main *m, enum role role, int fd); /* takes fd */
/* runner_main.c */
void runner_stop(struct runner_main *m, int exit_code);
