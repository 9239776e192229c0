/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the agent role: make the rooms' objects in order, run the loop, take them down in
 * reverse.
 */
#include "command/agent.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "build_info.h"
#include "command/command.h"
#include "core/log.h"
#include "hooks/protocol.h"

#define LEAVE_MS  3000 /* both within the time that the runner gives */
#define LOOK_MS   10
#define FINISH_MS 2000

/* What was taken but whose answer was not read would be told again by the next life. */
static bool waits_for_answers(struct agent *a)
{
	bool metrics = a->metrics && agent_metrics_leave(a);
	bool signals = a->outbox && outbox_leave(a->outbox);

	return metrics || signals;
}

static void on_leave(struct loop *loop, void *ctx)
{
	struct agent *a = ctx;

	bool waits = waits_for_answers(a);

	if (waits && loop_now(loop) < a->leave_until) {
		loop_timer_arm(a->leave, LOOK_MS);
		return;
	}
	if (waits)
		log_info("answers are outstanding: what they are to is told again by the next life");
	loop_quit(loop, EXIT_GOOD);
}

static void on_stop(struct loop *loop, int signo _unused_, void *ctx)
{
	struct agent *a = ctx;

	if (a->leave)
		return;
	a->leave_until = loop_now(loop) + LEAVE_MS;
	if (loop_timer_new(loop, 0, on_leave, a, &a->leave))
		loop_quit(loop, EXIT_GOOD);
	else
		on_leave(loop, a);
}

static int make_http(struct agent *a, struct err *e)
{
	const struct http_setup setup = {
		.ca_file = a->conf->ca_file,
		.http_proxy = a->conf->http_proxy,
		.https_proxy = a->conf->https_proxy,
		.no_proxy = a->conf->no_proxy,
		.user_agent = "heat-pulse/" HEAT_PULSE_VERSION,
	};

	return http_new(a->loop, &setup, &a->http, e);
}

static int make_queue(struct agent *a, struct err *e)
{
	const struct hook_queue_setup setup = {
		.loop = a->loop,
		.conf = a->conf,
		.store = a->store,
		.one_pass = a->setup->one_pass,
		.report = agent_on_hook_report,
		.idle = agent_on_hooks_idle,
		.ctx = a,
	};
	int r = hook_queue_new(&setup, &a->queue);

	if (r)
		return err_sys(e, -r, "cannot make the queue of hooks");
	hook_queue_set_runner(a->queue, a->runner);
	return 0;
}

static int make_watch(struct agent *a, struct err *e)
{
	struct watch_setup setup = {
		.loop = a->loop,
		.http = a->http,
		.conf = a->conf,
		.creds = &a->creds,
		.open_fd = agent_open_fd,
		.open_ctx = a,
		.one_pass = a->setup->one_pass,
		.events = {agent_on_document, agent_on_problem, agent_on_round_done, a,
			   agent_on_transport},
	};
	int r = credentials_find(a->conf, agent_open_fd, a, &a->creds, &a->problems);

	if (!r)
		r = agent_transport_recall(a, &setup.primed_is_newest);
	if (r)
		return err_sys(e, -r, "cannot look for credentials");
	for (size_t i = 0; i < a->problems.n; i++)
		if (a->problems.list[i].level != PROBLEM_OK)
			log_warn("%s: %s", a->problems.list[i].code, a->problems.list[i].text);
	return watch_new(&setup, &a->watch, e);
}

/* One pass needs the metadata and the hooks, and nothing that goes on for longer. */
static int make_pulse(struct agent *a, struct err *e)
{
	int r;

	if (a->setup->one_pass)
		return 0;
	agent_prime_document(a);
	r = agent_carry_start(a, e);
	if (!r)
		r = agent_deploy_start(a, e);
	if (!r)
		r = agent_metrics_start(a, e);
	if (!r)
		r = agent_pulse_start(a, e);
	if (!r)
		r = agent_foresee_start(a, e);
	if (!r)
		r = agent_action_start(a, e);
	if (!r)
		r = agent_memory_start(a, e);
	if (!r)
		r = agent_identity_start(a, e);
	if (!r && agent_control_start(a))
		log_warn("the control socket cannot be served; `heat-pulse status` will find no "
			 "agent");
	return r;
}

static int make_all(struct agent *a, int link_fd, struct err *e)
{
	int r = loop_new(a->setup->env, &a->loop);

	if (!r)
		r = loop_signal_add(a->loop, SIGTERM, on_stop, a);
	if (!r)
		r = link_new(a->loop, link_fd, agent_on_runner, agent_on_runner_gone, a,
			     &a->runner);
	if (r)
		return err_sys(e, -r, "cannot make the event loop");
	r = agent_connect(a, e);
	if (!r)
		r = make_http(a, e);
	if (!r)
		r = make_queue(a, e);
	if (!r)
		r = make_watch(a, e);
	if (!r)
		r = make_pulse(a, e);
	if (!r)
		r = agent_switch_and_hooks(a, e);
	return r;
}

/* What has been put last: places, the mark of a peaceful end, signals that are delivered. */
static void hand_state_over(struct agent *a)
{
	int r = a->store ? store_finish(a->store, FINISH_MS) : 0;

	if (r && store_pending(a->store))
		log_warn("the state of the last moments is not kept: %s", strerror(-r));
}

static void free_all(struct agent *a)
{
	agent_identity_stop(a);
	agent_carry_stop(a); /* tells those that wait */
	a->control = control_free(a->control);
	a->prober_link = link_free(a->prober_link);
	if (a->sampler)
		sampler_set_prober(a->sampler, NULL); /* what was asked of it is given up */
	agent_metrics_stop(a);
	agent_memory_stop(a);
	agent_action_stop(a);
	agent_foresee_stop(a);
	agent_pulse_stop(a);
	a->watch = watch_free(a->watch);
	a->queue = hook_queue_free(a->queue);
	a->deployments = deploy_queue_free(a->deployments);
	a->http = http_free(a->http);
	hand_state_over(a);
	a->store = store_free(
		a->store); /* after all that it answers into, with no turn of the loop in between */
	loop_timer_free(a->store_timer);
	loop_timer_free(a->leave);
	a->store_link = link_free(a->store_link);
	a->runner = link_free(a->runner);
	loop_timer_free(a->roles_timer); /* after what the runner may still answer */
	loop_free(a->loop);
	credentials_set_deinit(&a->creds);
	settings_deinit(&a->settings);
	hookset_deinit(&a->hooks_seen);
	problems_deinit(&a->problems);
}

int agent_main(const struct agent_setup *setup, int link_fd)
{
	struct agent a = {.setup = setup, .conf = setup->conf};
	struct err e = ERR_INIT;
	int r = make_all(&a, link_fd, &e);

	if (r) {
		log_err("%s", e.code ? e.text : strerror(-r));
		r = EXIT_CONFIG;
	} else {
		if (link_send(a.runner, RUNNER_READY, NULL, NULL, 0))
			log_warn("cannot tell the runner that the agent is up");
		r = loop_run(a.loop);
	}
	free_all(&a);
	return r < 0 ? EXIT_CONFIG : r;
}
