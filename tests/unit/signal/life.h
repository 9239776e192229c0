/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One life of an agent, as far as signals go: a loop, a real store process in a folder of its own, an outbox,
 * and a carrier that answers what the test says. Included by the tests of this folder after cmocka.h.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/backoff.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/link.h"
#include "signal/outbox.h"
#include "signal/seqkey.h"
#include "tests/unit/machine.h"

#define SERVER	 "8c1d0a9e-0000-4000-8000-000000000001"
#define CLONE	 "8c1d0a9e-0000-4000-8000-00000000c10e"
#define LOG_MAX_ 256

/* ---- one life of an agent: loop, store process, outbox, and a carrier that does what it is told ---- */

struct life {
	struct env env;
	struct loop *loop;
	struct link *link;
	struct store *store;
	struct outbox *outbox;
	struct loop_timer *answer, *limit;
	pid_t store_pid;
	char dir[64];
	/* the carrier */
	enum carry plan[LOG_MAX_]; /* what the next tries answer; after the end: delivered */
	unsigned n_plan, n_tried;
	unsigned n_dropped;
	int drop_answer;
	int64_t answer_ms, retry_after_s;
	char tried[LOG_MAX_][96]; /* "key:reason" */
	int64_t tried_at[LOG_MAX_];
	carry_done_fn *done;
	void *done_ctx;
	/* what the outbox said */
	char told[LOG_MAX_][96]; /* "key:how" */
	unsigned n_told;
	int accepted[LOG_MAX_];
	unsigned n_accepted;
	bool loaded;
	int loaded_status;
	bool quit_when_empty, quit_when_loaded;
	bool ending;
	unsigned quit_after_tries, quit_after_accepted;
};

static _unused_ void start_store(struct life *l);

static _unused_ void link_closed(struct link *link, void *ctx)
{
	struct life *l = ctx;

	store_set_link(l->store, NULL);
	link_free(link);
	l->link = NULL;
	waitpid(l->store_pid, NULL, 0);
	l->store_pid = 0;
	if (!l->ending)
		start_store(l);
}

/* When the test wants to be between agent and store: what one of them says gets no further than between[], until
 * the test hands it on with hand_on(). */
static bool be_between;
static int between[2]; /* the agent's end, the store's */

static _unused_ void step_between(int pair[static 2])
{
	int other[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, other), 0);
	between[0] = pair[1];
	between[1] = other[0];
	pair[1] = other[1];
}

static _unused_ void stop_between(void)
{
	be_between = false;
	close(between[0]);
	close(between[1]);
}

static _unused_ void start_store(struct life *l)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	if (be_between)
		step_between(pair);
	l->store_pid = fork();
	assert_true(l->store_pid >= 0);
	if (l->store_pid == 0) {
		char path[128];

		snprintf(path, sizeof(path), "%s" STORE_DIR, l->dir);
		close(pair[0]);
		if (be_between)
			stop_between();
		_exit(store_role_run(&l->env, pair[1], path));
	}
	close(pair[1]);
	assert_int_equal(link_new(l->loop, pair[0], NULL, link_closed, l, &l->link), 0);
	store_set_link(l->store, l->link);
}

static _unused_ void answer(struct loop *loop, void *ctx)
{
	struct life *l = ctx;
	enum carry how = l->n_tried <= l->n_plan ? l->plan[l->n_tried - 1] : CARRY_DELIVERED;

	(void)loop;
	if (l->quit_after_tries && l->n_tried >= l->quit_after_tries) {
		loop_quit(l->loop, 0);
		return;
	}
	l->done(how, l->retry_after_s, "because", l->done_ctx);
	if (l->quit_when_empty && outbox_depth(l->outbox) == 0)
		loop_quit(l->loop, 0);
}

static _unused_ int carry(const struct signal *s, carry_done_fn *done, void *done_ctx, void *ctx)
{
	struct life *l = ctx;

	if (l->ending)
		return -ESHUTDOWN;
	assert_true(l->n_tried < LOG_MAX_);
	l->tried_at[l->n_tried] = loop_now(l->loop);
	snprintf(l->tried[l->n_tried++], sizeof(l->tried[0]), "%.60s:%.30s", s->key, s->reason);
	l->done = done;
	l->done_ctx = done_ctx;
	loop_timer_arm(l->answer, l->answer_ms);
	return 0;
}

static _unused_ int give_up(void *ctx)
{
	struct life *l = ctx;

	l->n_dropped++;
	if (l->drop_answer == 0)
		loop_timer_disarm(l->answer);
	return l->drop_answer;
}

static _unused_ void told(const struct signal *s, enum carry how, const char *why, void *ctx)
{
	struct life *l = ctx;

	(void)why;
	if (l->ending)
		return;
	assert_true(l->n_told < LOG_MAX_);
	snprintf(l->told[l->n_told++], sizeof(l->told[0]), "%.60s:%s", s->key, carry_names[how]);
}

static _unused_ void loaded(int status, void *ctx)
{
	struct life *l = ctx;

	l->loaded = true;
	l->loaded_status = status;
	if (l->quit_when_loaded)
		loop_quit(l->loop, 0);
}

static _unused_ void accepted(int status, void *ctx)
{
	struct life *l = ctx;

	l->accepted[l->n_accepted++] = status;
	if (l->quit_after_accepted && l->n_accepted >= l->quit_after_accepted)
		loop_quit(l->loop, 0);
}

/* Long waits of the outbox cost nothing: the boot clock is moved on by the test. */
static int64_t clock_offset_ms;

static _unused_ int64_t test_boot_ms(void)
{
	return clock_boot_ms() + clock_offset_ms;
}

static _unused_ void too_long(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, -ETIME);
}

static _unused_ void begin(struct life *l, const char *dir)
{
	struct outbox_setup setup = {
		.carry = carry, .drop = give_up, .told = told, .loaded = loaded, .ctx = l};

	memset(l, 0, sizeof(*l));
	snprintf(l->dir, sizeof(l->dir), "%s", dir);
	assert_int_equal(env_init(&l->env, dir), 0);
	l->env.boot_ms = test_boot_ms;
	l->retry_after_s = -1;
	assert_int_equal(loop_new(&l->env, &l->loop), 0);
	assert_int_equal(store_new(l->loop, &l->store), 0);
	start_store(l);
	assert_int_equal(store_bind(l->store, SERVER), 0);
	setup.loop = l->loop;
	setup.store = l->store;
	assert_int_equal(outbox_new(&setup, &l->outbox), 0);
	assert_int_equal(loop_timer_new(l->loop, 0, answer, l, &l->answer), 0);
	assert_int_equal(loop_timer_new(l->loop, 0, too_long, l, &l->limit), 0);
}

static _unused_ int run(struct life *l, int64_t limit_ms)
{
	loop_timer_arm(l->limit, limit_ms);
	return loop_run(l->loop);
}

/* Until that many tries were made, however slow the machine and its disk are. */
static _unused_ void until_tried(struct life *l, unsigned n)
{
	for (int i = 0; i < 12000 && l->n_tried < n; i++)
		(void)run(l, 5);
	assert_int_equal(l->n_tried, n);
}

/* Hands on one message of either side; until it is there the agent runs. */
static _unused_ void hand_on(struct life *l, unsigned from)
{
	_Alignas(struct cmsghdr) char control[256];
	char bytes[LINK_PAYLOAD_MAX + LINK_HEADER];
	struct iovec iov = {bytes, sizeof(bytes)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct pollfd said = {.fd = between[from], .events = POLLIN};
	ssize_t got;

	while (poll(&said, 1, 0) == 0)
		(void)run(l, 5);
	got = recvmsg(between[from], &m, 0);
	assert_true(got > 0);
	iov.iov_len = (size_t)got;
	assert_int_equal(sendmsg(between[!from], &m, MSG_NOSIGNAL), got);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
			close(((int *)(void *)CMSG_DATA(c))[i]);
}

/* The agent ends; the store goes on with what it has been sent, unless the test has killed it. */
static _unused_ void end(struct life *l)
{
	bool dead = l->store_pid > 0 && waitpid(l->store_pid, NULL, WNOHANG) == l->store_pid;

	l->ending = true;
	for (int i = 0; i < 500 && l->link && (dead || store_pending(l->store) > 0); i++)
		(void)run(l, 10);
	outbox_free(l->outbox);
	store_free(l->store);
	link_free(l->link);
	loop_timer_free(l->answer);
	loop_timer_free(l->limit);
	loop_free(l->loop);
	if (l->store_pid > 0)
		waitpid(l->store_pid, NULL, 0);
}

static _unused_ struct signal make(enum signal_kind kind, const char *key, const char *reason)
{
	struct signal s = {.kind = kind, .made_real_ms = 1767323045123};

	snprintf(s.key, sizeof(s.key), "%s", key);
	s.target = strdup("handle");
	s.status = strdup("SUCCESS");
	s.reason = strdup(reason);
	s.id = strdup(SERVER);
	return s;
}

static _unused_ void add(struct life *l, enum signal_kind kind, const char *key, const char *reason)
{
	struct signal s = make(kind, key, reason);

	assert_int_equal(outbox_add(l->outbox, &s, accepted, l), 0);
	assert_null(s.target); /* taken */
}

static _unused_ void add_urgent(struct life *l, const char *reason)
{
	struct signal s = make(SIGNAL_HEALTH, "health", reason);

	s.urgent = true;
	assert_int_equal(outbox_add(l->outbox, &s, NULL, NULL), 0);
}

static _unused_ char *new_dir(char template[static 32])
{
	char path[128];

	snprintf(template, 32, "/tmp/outbox-XXXXXX");
	assert_non_null(mkdtemp(template));
	snprintf(path, sizeof(path), "%s" STORE_DIR, template);
	assert_int_equal(fs_mkdirs(path, 0700), 0);
	return template;
}

static _unused_ void remove_dir(const char *dir)
{
	char command[128];
	pid_t pid = fork();

	snprintf(command, sizeof(command), "%s", dir);
	if (pid == 0) {
		execlp("rm", "rm", "-rf", command, (char *)NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

static _unused_ unsigned spooled(const char *dir)
{
	char path[160];
	const struct dirent *entry;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s" STORE_DIR "/spool", dir);
	d = opendir(path);
	while (d && (entry = readdir(d)))
		n += entry->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}
