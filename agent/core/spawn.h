/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a program: fork and exec with everything said (user, groups, environment, folder, umask,
 * stdio, session, oom_score_adj), nothing inherited by accident (all other descriptors closed,
 * signals reset), and the error of a failed exec brought back. In the child only async-signal-safe
 * calls run before exec.
 */
#pragma once

#include "core/err.h"
#include <sys/types.h>

struct spawn {
	const char *path; /* absolute */
	char *const *argv;
	char *const *envp;
	const char *cwd; /* NULL = "/" */
	mode_t umask;
	bool switch_user; /* setgroups, setgid, setuid and verify */
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t n_groups;
	int fd_in, fd_out, fd_err; /* borrowed; -1 = /dev/null */
	bool new_session;          /* setsid: own session and process group */
	bool reset_oom;            /* oom_score_adj back to 0 */
	const char *cgroup_procs;  /* file to write the pid to before exec, or NULL; failure is not
				      fatal */
};
/** spawn_start() - Return: pid, or -errno of fork, identity switch or exec (named in @e). */
pid_t spawn_start(const struct spawn *s, struct err *e) _must_check_;
/** spawn_reset_signals() - in a child: no handler and no mask of the parent's. Async-signal-safe.
 */
void spawn_reset_signals(void);
struct spawn_user {
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t n_groups;
	char *name, *home, *shell;
};
/** spawn_find_user() - passwd and group lookup. -ENOENT when there is no such user. */
int spawn_find_user(const char *name, struct spawn_user *ret, struct err *e) _must_check_;
void spawn_user_deinit(struct spawn_user *u);
