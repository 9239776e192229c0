/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between outbox and sinks, and the clients of the control socket that wait for a signal to be
 * told.
 */
#include "command/agent.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/log.h"

static int carry(const struct signal *s, carry_done_fn *done, void *done_ctx, void *ctx)
{
	struct agent *a = ctx;

	return sink_set_send(a->sinks, s, done, done_ctx);
}

static int drop(void *ctx)
{
	struct agent *a = ctx;

	return sink_set_drop(a->sinks);
}

static void waiter_answer(struct agent_waiter *w, const char *state, const char *why)
{
	control_answer_ticket(w->agent->control, w->ticket,
			      json_pack("{s:i,s:s,s:o*}", "v", 1, "state", state, "error",
					why ? json_text(why) : NULL));
	loop_timer_free(w->timer);
	*w = (struct agent_waiter){0};
}

static void on_wait_over(struct loop *loop _unused_, void *ctx)
{
	waiter_answer(ctx, "waiting", "not delivered yet; it stays in the spool");
}

/* Whoever has left meanwhile makes room. */
static struct agent_waiter *free_waiter(struct agent *a)
{
	for (size_t i = 0; i < AGENT_WAITERS_MAX; i++) {
		struct agent_waiter *w = &a->waiters[i];

		if (w->ticket && control_waits(a->control, w->ticket))
			continue;
		loop_timer_free(w->timer);
		*w = (struct agent_waiter){0};
		return w;
	}
	return NULL;
}

void agent_wait_for(struct agent *a, const char *key, uint64_t ticket, int64_t wait_s)
{
	struct agent_waiter *w = free_waiter(a);

	if (!w || loop_timer_new(a->loop, 200, on_wait_over, w, &w->timer)) {
		control_answer_ticket(a->control, ticket,
				      json_pack("{s:i,s:s,s:s}", "v", 1, "state", "accepted",
						"error", "too many wait; it is in the spool"));
		return;
	}
	w->ticket = ticket;
	w->agent = a;
	snprintf(w->key, sizeof(w->key), "%s", key);
	loop_timer_arm(w->timer, wait_s * 1000);
}

static void on_told(const struct signal *s, enum carry how, const char *why, void *ctx)
{
	struct agent *a = ctx;
	bool final = how == CARRY_DELIVERED || how == CARRY_REFUSED;

	if (how == CARRY_DELIVERED)
		log_info("%s signal %s delivered", signal_kind_names[s->kind], s->status);
	else
		log_at(final ? LOG_LEVEL_ERR : LOG_LEVEL_WARN, "%s signal %s: %s%s",
		       signal_kind_names[s->kind], s->status, why ? why : "not delivered",
		       final ? "; dropped" : "; kept and tried again");
	if (s->kind == SIGNAL_ACTION)
		agent_action_told(a, s, how, why);
	if (final && s->kind == SIGNAL_DEPLOYMENT && a->deployments)
		deploy_queue_told(a->deployments, s->id);
	for (size_t i = 0; final && i < AGENT_WAITERS_MAX; i++)
		if (a->waiters[i].ticket && !strcmp(a->waiters[i].key, s->key))
			waiter_answer(&a->waiters[i],
				      how == CARRY_DELIVERED ? "delivered" : "refused",
				      how == CARRY_DELIVERED ? NULL : why);
}

static void on_outbox_loaded(int status _unused_, void *ctx)
{
	struct agent *a = ctx;
	char key[64];

	a->outbox_loaded = true;
	signal_boot_key(agent_server_id(a), key);
	a->boot_spooled = outbox_holds(a->outbox, key);
	if (a->deployments)
		deploy_queue_outbox_loaded(a->deployments);
	agent_judge_boot(a);
	agent_judge_action(a);
}

int agent_accept(struct agent *a, struct signal *s)
{
	return outbox_add(a->outbox, s, NULL, NULL);
}

int agent_carry_start(struct agent *a, struct err *e)
{
	const struct outbox_setup setup = {.loop = a->loop,
					   .store = a->store,
					   .carry = carry,
					   .drop = drop,
					   .told = on_told,
					   .loaded = on_outbox_loaded,
					   .ctx = a};
	int r;

	a->sink_setup = (struct sink_setup){.loop = a->loop,
					    .http = a->http,
					    .conf = a->conf,
					    .creds = &a->creds,
					    .keystone = watch_keystone(a->watch),
					    .store = a->store,
					    .document = agent_own_document,
					    .ctx = a};
	r = sink_set_open(&a->sink_setup, &a->sinks, e);
	if (r < 0)
		return r;
	r = outbox_new(&setup, &a->outbox);
	if (!r)
		r = outbox_load(a->outbox);
	return r ? err_sys(e, -r, "cannot open the outbox") : 0;
}

void agent_carry_stop(struct agent *a)
{
	for (size_t i = 0; i < AGENT_WAITERS_MAX; i++)
		if (a->waiters[i].ticket)
			waiter_answer(&a->waiters[i], "waiting",
				      "the agent stops; the signal stays in the spool");
	/* The sinks first: what is under way is not answered any more, and the outbox keeps it on
	 * disk. */
	a->sinks = sink_set_close(a->sinks);
	a->outbox = outbox_free(a->outbox);
}
