/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's half for queue tests: a real store process, a store client and a queue, beside the
 * runner of world.h. Each can be taken away and made anew, as crashes do.
 */
#pragma once

#include "world.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "core/store.h"
#include "hooks/queue.h"

#define SERVER_UUID      "11111111-2222-3333-4444-555555555555"
#define REPORTS_MAX      64
#define AGENT_STORE_NAME "hp-test-store"

struct seen_report {
	char hook[64], trigger[32];
	enum run_end end;
	int code;
	unsigned attempt;
	bool gave_up, final;
};

struct agent {
	struct world *w;
	pid_t store_pid;
	struct link *store_link;
	struct store *store;
	struct hook_queue *queue;
	bool one_pass;
	struct seen_report reports[REPORTS_MAX];
	size_t n_reports;
	unsigned idles, failed;
	unsigned wait_idles;
	size_t wait_reports;
	bool waiting;
	const char *done_log; /* gets a line for each success, or NULL */
};

/* One write, so that a kill leaves a line whole or not at all. */
static inline void agent_note_done(const char *path, const struct hook_report *report)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "done %s\n", report->hook);
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, line, (size_t)n) != n)
		fail_msg("cannot write %s", path);
	close(fd);
}

static inline void agent_check_wait(struct agent *a)
{
	if (a->waiting && a->idles >= a->wait_idles && a->n_reports >= a->wait_reports) {
		a->waiting = false;
		loop_quit(a->w->loop, 0);
	}
}

static inline void agent_on_report(const struct hook_report *report, void *ctx)
{
	struct agent *a = ctx;
	struct seen_report *r = &a->reports[a->n_reports % REPORTS_MAX];

	snprintf(r->hook, sizeof(r->hook), "%s", report->hook);
	snprintf(r->trigger, sizeof(r->trigger), "%s", report->trigger);
	r->end = report->result->end;
	r->code = report->result->code;
	r->attempt = report->attempt;
	r->gave_up = report->gave_up;
	r->final = report->final;
	a->n_reports++;
	if (a->done_log && r->end == RUN_EXITED && r->code == 0)
		agent_note_done(a->done_log, report);
	agent_check_wait(a);
}

static inline void agent_on_idle(unsigned failed, void *ctx)
{
	struct agent *a = ctx;

	a->idles++;
	a->failed = failed;
	agent_check_wait(a);
}

/* Waits until the queue was idle @idles more times and has made @reports more reports. */
static inline void agent_wait(struct agent *a, unsigned idles, size_t reports)
{
	a->wait_idles += idles;
	a->wait_reports += reports;
	a->waiting = true;
	if (a->idles >= a->wait_idles && a->n_reports >= a->wait_reports)
		return;
	world_run(a->w, 20000);
}

/* Forgets what was counted so far. */
static inline void agent_count_from_here(struct agent *a)
{
	a->wait_idles = a->idles;
	a->wait_reports = a->n_reports;
}

static inline void agent_start_store(struct agent *a)
{
	char dir[ENV_PATH_MAX];
	int fds[2];

	fixture_path(a->w->f, STORE_DIR, dir);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	a->store_pid = fork();
	if (a->store_pid == 0) {
		int fd = fcntl(fds[1], F_DUPFD, 100);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, AGENT_STORE_NAME);
		fs_close_range(3, 99);
		fs_close_range((unsigned)fd + 1, ~0U);
		_exit(store_role_run(&a->w->f->env, fd, dir));
	}
	close(fds[1]);
	assert_int_equal(link_new(a->w->loop, fds[0], world_on_notice, world_on_closed, NULL,
				  &a->store_link),
			 0);
}

static inline void agent_start_queue(struct agent *a)
{
	struct hook_queue_setup setup = {.loop = a->w->loop,
					 .conf = &a->w->f->conf,
					 .one_pass = a->one_pass,
					 .report = agent_on_report,
					 .idle = agent_on_idle,
					 .ctx = a};
	struct hookset set;
	char *text;

	assert_int_equal(store_new(a->w->loop, &a->store), 0);
	assert_int_equal(store_bind(a->store, SERVER_UUID), 0);
	store_set_link(a->store, a->store_link);
	setup.store = a->store;
	assert_int_equal(hook_queue_new(&setup, &a->queue), 0);
	text = hookset_to_json(&a->w->set);
	assert_int_equal(hookset_from_json(text, strlen(text), &set, NULL), 0);
	free(text);
	assert_int_equal(hook_queue_set_hooks(a->queue, &set), 0);
	hook_queue_set_runner(a->queue, a->w->agent_end);
}

/* Dies without a word: what was open with runner and store stays unanswered. */
static inline void agent_stop(struct agent *a)
{
	world_disconnect(a->w);
	store_set_link(a->store, NULL);
	a->store = store_free(a->store);
	a->queue = hook_queue_free(a->queue);
	kill(a->store_pid, SIGKILL);
	waitpid(a->store_pid, NULL, 0);
	world_turn(a->w, 1); /* the store's open calls end with their link */
	a->store_link = link_free(a->store_link);
}

static inline void agent_start(struct agent *a)
{
	agent_start_store(a);
	agent_start_queue(a);
	agent_count_from_here(a);
}

/* Lets the world turn until the store has all, for as long as a busy machine may need. */
static inline void agent_settle(const struct agent *a)
{
	world_turn(a->w, 50);
	for (int i = 0; i < 1000 && store_pending(a->store); i++)
		world_turn(a->w, 10);
	assert_int_equal(store_pending(a->store), 0);
}

/* The agent and its store die, the runner lives on. */
static inline void agent_restart(struct agent *a)
{
	agent_stop(a);
	world_connect(a->w);
	agent_start(a);
}

static inline struct agent *agent_new(struct fixture *f, const char *hooks)
{
	struct agent *a = calloc(1, sizeof(*a));

	assert_non_null(a);
	fixture_mkdir(f, STORE_DIR, 0700);
	a->w = world_new(f, hooks);
	agent_start(a);
	return a;
}

static inline void agent_free(struct agent *a)
{
	agent_stop(a);
	world_free(a->w);
	free(a);
}

/* @metadata: JSON or NULL = none. */
static inline void agent_offer(struct agent *a, const char *resource, const char *metadata)
{
	struct document doc = {.source = "test",
			       .resource = strdup(resource),
			       .physical_id = strdup("phys"),
			       .updated = strdup("2026-01-01T00:00:00Z")};

	doc.metadata = metadata ? json_loads(metadata, 0, NULL) : NULL;
	assert_true(doc.metadata || !metadata);
	assert_int_equal(hook_queue_offer(a->queue, &doc), 0);
	document_deinit(&doc);
}

static inline void agent_offer_and_wait(struct agent *a, const char *resource, const char *metadata)
{
	agent_count_from_here(a);
	agent_offer(a, resource, metadata);
	agent_wait(a, 1, 0);
}

static inline void assert_log(const struct agent *a, const char *expected)
{
	char *text = fixture_read(a->w->f, "/tmp/log");

	assert_string_equal(text, expected);
	free(text);
}

/* Lets the world turn until the log reads so, for as long as a busy machine may need. */
static inline void wait_log(const struct agent *a, const char *expected)
{
	for (int i = 0; i < 1000; i++) {
		char *text = fixture_read(a->w->f, "/tmp/log");
		bool same = strcmp(text, expected) == 0;

		free(text);
		if (same)
			return;
		world_turn(a->w, 20);
	}
	assert_log(a, expected);
}

static inline void clear_log(const struct agent *a)
{
	fixture_write(a->w->f, "/tmp/log", "", 0666);
}
