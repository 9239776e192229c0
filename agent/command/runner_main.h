/* SPDX-License-Identifier: Apache-2.0 */
/* The runner's own state, shared by the files that make it up: runner_main.c (life), runner_serve.c
 * (messages), runner_reload.c (configuration), runner_watch.c (who hangs). */
#pragma once

#include "command/run.h"
#include "core/link.h"
#include "core/role.h"
#include "core/settle.h"
#include "hooks/runner.h"
#include "hooks/trusted.h"

struct runner_main {
	struct env *env;
	const struct run_options *options;
	struct loop *loop;
	struct conf conf;
	struct hookset hooks;
	struct trusted_hook trusted; /* what metadata name, as far as conf trusts them */
	struct problems problems;
	struct sandbox_user user;
	struct roles *roles;
	struct runner *runner; /* NULL: there is no place for records, and no hook runs */
	struct err no_runs;    /* why */
	struct link *agent;
	int lock_fd, control_fd, inotify_fd;
	struct loop_io *inotify_io;
	int conf_wd[2]; /* inotify watches of our own configuration's folders */
	struct loop_timer *settle, *life, *watch;
	struct settle give_back;
	int64_t watch_ms;    /* between two questions whether the agent lives */
	unsigned unanswered; /* of those, in a row */
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
void runner_trust(struct runner_main *m, struct trusted_hook *t); /* takes @t */
bool runner_check_switch(struct runner_main *m,
			 struct err *why); /* kill switch, now; tells the agent of a change */
/* runner_serve.c */
void runner_on_message(struct link *link, struct link_msg *msg, void *ctx);
void runner_on_agent_closed(struct link *link, void *ctx);
void runner_offer_role(struct runner_main *m, enum role role, int fd); /* takes fd */
/* runner_watch.c */
int runner_watch_start(struct runner_main *m) _must_check_;
void runner_watch_alive(struct runner_main *m); /* the agent has answered, or is a new one */
void runner_tell(const char *state);            /* the service manager, if there is one */
/* runner_main.c */
void runner_stop(struct runner_main *m, int exit_code);
/** runner_set_log() - the level that the command line names, else that of the configuration. */
void runner_set_log(const struct runner_main *m);
