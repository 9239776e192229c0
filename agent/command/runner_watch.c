/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who watches whom: the service manager waits for the runner's word, the runner for the agent's. An
 * agent that does not come back to its loop is killed and started again; its state is on disk and
 * running hooks have their shepherds. Counted in questions, not in time: when the guest was paused or
 * migrated, all clocks jump at once, and the agent answers before the next question is due.
 */
#include "command/runner_main.h"

#include <signal.h>
#include <string.h>

#include "core/log.h"
#include "core/notify.h"
#include "hooks/protocol.h"

#define WATCH_MS       60000
#define UNANSWERED_MAX 3

void runner_tell(const char *state)
{
	int r = notify_send(state);

	if (r < 0)
		log_warn("cannot tell the service manager \"%s\": %s", state, strerror(-r));
}

void runner_watch_alive(struct runner_main *m)
{
	m->unanswered = 0;
}

static void end_agent(struct runner_main *m)
{
	pid_t pid = roles_pid(m->roles, ROLE_AGENT);

	log_err("the agent has not answered %d times, every %lld s; killing it", UNANSWERED_MAX,
		(long long)m->watch_ms / 1000);
	m->unanswered = 0;
	if (pid > 0)
		kill(pid, SIGKILL);
}

static void on_watch(struct loop *loop _unused_, void *ctx)
{
	struct runner_main *m = ctx;

	loop_timer_arm(m->watch, m->watch_ms);
	runner_tell(NOTIFY_ALIVE);
	if (!m->agent || m->stopping)
		return;
	if (m->unanswered >= UNANSWERED_MAX) {
		end_agent(m);
		return;
	}
	/* A full queue is an agent that has long not read. */
	(void)!link_send(m->agent, RUNNER_ALIVE, NULL, NULL, 0);
	m->unanswered++;
}

int runner_watch_start(struct runner_main *m)
{
	int64_t wanted = notify_watchdog_ms();
	int r;

	if (m->options->one_pass)
		return 0;
	m->watch_ms = wanted > 0 ? wanted : WATCH_MS;
	r = loop_timer_new(m->loop, m->watch_ms / 10, on_watch, m, &m->watch);
	if (!r)
		loop_timer_arm(m->watch, m->watch_ms);
	return r;
}
