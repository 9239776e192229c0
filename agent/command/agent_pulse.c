/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot result and health: when they are told and what they say.
 */
#include "command/agent.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"

#define MARKER_WAIT_MS    60000 /* for a disk that does not say whether the boot result was told */
#define MARKER_ASK_MS     2000
#define HEALTH_SOON_MS    1000 /* lets what changes together be told together */
#define HEALTH_MIN_GAP_MS (5 * 60 * 1000)

static const char *boot_target(const struct agent *a)
{
	return a->settings.boot ? a->settings.boot : a->conf->signal_boot;
}

static const char *health_target(const struct agent *a)
{
	return a->settings.health ? a->settings.health : a->conf->signal_health;
}

/* @list: room for AGENT_HEALTH_FINDINGS, which the answer points into. */
static struct health current_health(struct agent *a, struct finding *list)
{
	const struct document *own = agent_own_document(a);
	struct health h = {.state = agent_state(a),
			   .findings = list,
			   .n_findings = agent_findings(a, list, AGENT_HEALTH_FINDINGS),
			   .stack_id = own && own->stack_id ? own->stack_id : NULL,
			   .problems = &a->problems};

	h.risk = agent_risk(a, &h.horizon_s);
	return h;
}

struct identity agent_signal_identity(const struct agent *a)
{
	struct identity who = a->identity;

	snprintf(who.server_uuid, sizeof(who.server_uuid), "%s", agent_server_id(a));
	return who;
}

static void tell_boot(struct agent *a, bool success, const char *why)
{
	struct identity who = agent_signal_identity(a);
	struct finding list[AGENT_HEALTH_FINDINGS];
	struct health h = current_health(a, list);
	struct signal s = {0};
	struct err e = ERR_INIT;
	int r = signal_build_boot(success, why, &h, &who, seqkey_next(a->seqkey),
				  a->setup->env->real_ms(), seqkey_key(a->seqkey), boot_target(a),
				  &s, &e);

	if (!r)
		r = agent_accept(a, &s);
	signal_deinit(&s);
	if (r) {
		log_err("the boot result cannot be told: %s", e.code ? e.text : strerror(-r));
		return;
	}
	a->boot_told = true;
	if (seqkey_set_boot_told(a->seqkey, success))
		log_warn("that the boot result was told is not kept on disk");
	log_info("boot result %s: %s", success ? "SUCCESS" : "FAILURE", why);
	agent_health_due(a);
}

/* An earlier life was killed after its result was on disk and before it had noted that: it is told
 * all the same, and another one must not follow it. */
static void note_spooled_boot(struct agent *a)
{
	a->boot_spooled = false;
	a->boot_told = true;
	if (seqkey_set_boot_told(a->seqkey, true))
		log_warn("that the boot result was told is not kept on disk");
}

/* Signals go out without a disk that hangs, but a second boot result would be judged by whoever
 * waits for the first: that one waits a while until the disk has said. */
static bool marker_is_awaited(struct agent *a)
{
	if (seqkey_boot_known(a->seqkey) || loop_now(a->loop) - a->started_ms >= MARKER_WAIT_MS)
		return false;
	loop_timer_arm(a->boot_timer, MARKER_ASK_MS);
	return true;
}

static bool boot_is_open(struct agent *a)
{
	if (a->boot_told || !a->seqkey_ready || !a->outbox_loaded || !a->boot_timer)
		return false;
	if (a->boot_spooled)
		note_spooled_boot(a);
	a->boot_told = a->boot_told || seqkey_boot_told(a->seqkey);
	return !a->boot_told && boot_target(a) && !marker_is_awaited(a);
}

void agent_judge_boot(struct agent *a)
{
	char why[160];
	int64_t next_ms = 0;
	enum boot_verdict verdict;

	agent_note_critical(a);
	if (!boot_is_open(a))
		return;
	const struct boot_facts facts = {
		.now_boot_ms = loop_now(a->loop),
		.started_boot_ms = a->started_ms,
		.document_seen = a->document_seen,
		.hooks_idle = a->document_seen && hook_queue_idle(a->queue) &&
			      hook_queue_retrying(a->queue) == 0,
		.hooks_failed = a->failed_hook[0] ? 1 : a->hooks_failed,
		.failed_hook = a->failed_hook[0] ? a->failed_hook : NULL,
		.critical_last_boot_ms = a->critical_last_ms,
	};
	verdict = boot_judge(&facts, a->conf->boot_quiet_ms, a->conf->boot_timeout_ms, &next_ms,
			     why, sizeof(why));
	if (verdict == BOOT_WAIT)
		loop_timer_arm(a->boot_timer, next_ms);
	else
		tell_boot(a, verdict == BOOT_SUCCESS, why);
}

static void on_boot_timer(struct loop *loop _unused_, void *ctx)
{
	agent_judge_boot(ctx);
}

static void tell_health(struct agent *a)
{
	struct identity who = agent_signal_identity(a);
	struct finding list[AGENT_HEALTH_FINDINGS];
	struct health h = current_health(a, list);
	struct signal s = {0};
	struct err e = ERR_INIT;
	int r = signal_build_health(&h, &who, seqkey_next(a->seqkey), a->setup->env->real_ms(),
				    seqkey_key(a->seqkey), health_target(a), &s, &e);

	if (!r) {
		agent_metrics_health(a, list, h.n_findings, s.data);
		r = agent_accept(a, &s);
	}
	signal_deinit(&s);
	if (r)
		log_err("health cannot be told: %s", e.code ? e.text : strerror(-r));
	else
		snprintf(a->health_state, sizeof(a->health_state), "%s", h.state);
}

static void on_health_timer(struct loop *loop _unused_, void *ctx)
{
	struct agent *a = ctx;
	int64_t period = a->conf->health_interval_ms < HEALTH_MIN_GAP_MS
				 ? HEALTH_MIN_GAP_MS
				 : a->conf->health_interval_ms;

	a->health_soon = false;
	/* Until a document came nothing says where to, and Heat's id of this server is not known.
	 */
	if (a->seqkey_ready && health_target(a) && a->document_seen)
		tell_health(a);
	loop_timer_arm(a->health_timer, period);
}

void agent_health_due(struct agent *a)
{
	bool first = !a->health_state[0];

	if (!a->health_timer || !health_target(a) || !a->document_seen)
		return;
	if (a->health_soon || (!first && !strcmp(a->health_state, agent_state(a))))
		return; /* armed anew by each, a series of changes would hold it up */
	a->health_soon = true;
	loop_timer_arm(a->health_timer, HEALTH_SOON_MS);
}

void agent_health_now(struct agent *a)
{
	if (!a->health_timer || !health_target(a) || !a->document_seen)
		return;
	on_health_timer(a->loop, a);
}

static void on_seqkey_ready(int status, void *ctx)
{
	struct agent *a = ctx;

	a->seqkey_ready = true;
	if (status)
		log_warn("%s", seqkey_problem(a->seqkey)
				       ? seqkey_problem(a->seqkey)
				       : "what was told before cannot be read yet");
	agent_judge_boot(a);
	agent_judge_action(a);
	agent_health_due(a);
}

int agent_pulse_start(struct agent *a, struct err *e)
{
	int r;

	a->critical_last_ms = -1;
	a->started_ms = loop_now(a->loop);
	r = loop_timer_new(a->loop, 500, on_boot_timer, a, &a->boot_timer);
	if (!r)
		r = loop_timer_new(a->loop, 1000, on_health_timer, a, &a->health_timer);
	if (!r)
		r = seqkey_new(a->loop, a->store, a->owner, on_seqkey_ready, a, &a->seqkey);
	if (!r && a->conf->signal_key && seqkey_give(a->seqkey, a->conf->signal_key)) {
		problems_add(&a->problems, PROBLEM_ERROR, "signing-key", "correct key in [signal]",
			     "the key in [signal] is not base64 of 32 bytes: the guest signs with its own");
		log_warn("the key in [signal] is not base64 of 32 bytes: the guest signs with its own");
	}
	return r ? err_sys(e, -r, "cannot prepare the signals") : 0;
}

void agent_pulse_stop(struct agent *a)
{
	a->seqkey = seqkey_free(a->seqkey);
	a->boot_timer = loop_timer_free(a->boot_timer);
	a->health_timer = loop_timer_free(a->health_timer);
}
