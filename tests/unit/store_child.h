/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real store process over a folder of its own, which can be killed at any moment, and the agent's
 * side of it. Include it after cmocka.h.
 */
#pragma once

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/link.h"
#include "core/loop.h"
#include "core/store.h"

struct store_child {
	const struct env *env;
	char dir[64];
	const char *export_path; /* the one file outside that it may replace, or NULL */
	struct loop *loop;
	struct store *store;
	struct link *link;
	pid_t pid;
	int closed;    /* how often the link was */
	int quit_code; /* of the loop when it is */
};

/* Makes the folder. */
static _unused_ void store_child_init(struct store_child *c, const struct env *env)
{
	*c = (struct store_child){.env = env, .dir = "/tmp/test_store.XXXXXX"};
	assert_non_null(mkdtemp(c->dir));
}

/* A loop and a store that knows whose state it keeps; no process yet. */
static _unused_ void store_child_begin(struct store_child *c, const char *uuid)
{
	assert_int_equal(loop_new(c->env, &c->loop), 0);
	assert_int_equal(store_new(c->loop, &c->store), 0);
	assert_int_equal(store_bind(c->store, uuid), 0);
}

static _unused_ void store_child_closed(struct link *link, void *ctx)
{
	struct store_child *c = ctx;

	c->closed++;
	if (c->store)
		store_set_link(c->store, NULL);
	c->link = link_free(link);
	loop_quit(c->loop, c->quit_code);
}

/* Starts the process; the store does not have its link yet. */
static _unused_ void store_child_fork(struct store_child *c)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0) {
		close(fds[0]);
		_exit(store_role_run_exporting(c->env, fds[1], c->dir, c->export_path));
	}
	close(fds[1]);
	assert_int_equal(link_new(c->loop, fds[0], NULL, store_child_closed, c, &c->link), 0);
}

/* Starts the process, which serves at once. */
static _unused_ void store_child_start(struct store_child *c)
{
	store_child_fork(c);
	store_set_link(c->store, c->link);
}

/* Closes the link, which ends the process, and waits for that. */
static _unused_ void store_child_stop(struct store_child *c)
{
	if (c->store)
		store_set_link(c->store, NULL);
	c->link = link_free(c->link);
	if (c->pid > 0)
		waitpid(c->pid, NULL, 0);
	c->pid = 0;
}

/* The end of store_child_begin(). */
static _unused_ void store_child_end(struct store_child *c)
{
	store_child_stop(c);
	c->store = store_free(c->store);
	loop_free(c->loop);
	c->loop = NULL;
}
