/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals to sinks: every sink that takes a signal gets it; it is delivered when the last of them has it. Sinks are asked in the
 * order of their table.
 */
#include "command/agent.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/log.h"

struct carrying {
	struct agent *agent;
	const struct signal *signal; /* the outbox keeps it until done */
	carry_done_fn *done;
	void *done_ctx;
	size_t at;                   /* sink in turn */
	bool taken;
};

static void carry_next(struct carrying *c);

static void carry_end(struct carrying *c, enum carry how, int64_t retry_after_s, const char *why)
{
	carry_done_fn *done = c->done;
	void *ctx = c->done_ctx;

	free(c);
	done(how, retry_after_s, why, ctx);
}

static void on_sent(enum carry how, int64_t retry_after_s, const char *why, void *ctx)
{
	struct carrying *c = ctx;

	if (how != CARRY_DELIVERED) {
		carry_end(c, how, retry_after_s, why);
		return;
	}
	c->at++;
	carry_next(c);
}

static void carry_next(struct carrying *c)
{
	struct agent *a = c->agent;

	for (; sinks[c->at]; c->at++) {
		if (!a->sinks[c->at] || !sinks[c->at]->takes(&a->sink_setup, c->signal))
			continue;
		c->taken = true;
		if (sinks[c->at]->send(a->sinks[c->at], c->signal, on_sent, c))
			carry_end(c, CARRY_RETRY, -1, "out of memory");
		return;
	}
	if (c->taken)
		carry_end(c, CARRY_DELIVERED, -1, NULL);
	else
		carry_end(c, CARRY_NO_ROUTE, -1, "no credentials and no sink for it");
}

static void carry_deferred(struct loop *loop _unused_, void *ctx)
{
	carry_next(ctx);
}

static int carry(const struct signal *s, carry_done_fn *done, void *done_ctx, void *ctx)
{
	struct agent *a = ctx;
	struct carrying *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	*c = (struct carrying){.agent = a, .signal = s, .done = done, .done_ctx = done_ctx};
	r = loop_defer(a->loop, carry_deferred, c);
	if (r)
		free(c);
	return r;
}

static void waiter_answer(struct agent_waiter *w, const char *state, const char *why)
{
	control_answer(w->client, json_pack("{s:i,s:s,s:s*}", "v", 1, "state", state, "error", why));
	loop_timer_free(w->timer);
	*w = (struct agent_waiter){0};
}

static void on_wait_over(struct loop *loop _unused_, void *ctx)
{
	waiter_answer(ctx, "waiting", "not delivered yet; it stays in the spool");
}

void agent_wait_for(struct agent *a, const char *key, struct control_client *client, int64_t wait_s)
{
	for (size_t i = 0; i < AGENT_WAITERS_MAX; i++) {
		struct agent_waiter *w = &a->waiters[i];

		if (w->client || loop_timer_new(a->loop, 200, on_wait_over, w, &w->timer))
			continue;
		w->client = client;
		w->agent = a;
		snprintf(w->key, sizeof(w->key), "%s", key);
		loop_timer_arm(w->timer, wait_s * 1000);
		return;
	}
	control_answer(client, json_pack("{s:i,s:s,s:s}", "v", 1, "state", "accepted", "error", "too many wait; it is in the spool"));
}

static void on_told(const struct signal *s, enum carry how, const char *why, void *ctx)
{
	struct agent *a = ctx;
	bool final = how == CARRY_DELIVERED || how == CARRY_REFUSED;

	if (how == CARRY_DELIVERED)
		log_info("%s signal %s delivered", signal_kind_names[s->kind], s->status);
	else
		log_at(final ? LOG_LEVEL_ERR : LOG_LEVEL_WARN, "%s signal %s: %s%s", signal_kind_names[s->kind], s->status, why ? why : "not delivered",
		       final ? "; dropped" : "; kept and tried again");
	for (size_t i = 0; final && i < AGENT_WAITERS_MAX; i++)
		if (a->waiters[i].client && !strcmp(a->waiters[i].key, s->key))
			waiter_answer(&a->waiters[i], how == CARRY_DELIVERED ? "delivered" : "refused", why);
}

static void on_outbox_loaded(int status _unused_, void *ctx)
{
	struct agent *a = ctx;

	a->outbox_loaded = true;
	agent_judge_boot(a);
}

int agent_accept(struct agent *a, struct signal *s)
{
	return outbox_add(a->outbox, s, NULL, NULL);
}

int agent_carry_start(struct agent *a, struct err *e)
{
	const struct outbox_setup setup = {.loop = a->loop, .store = a->store, .carry = carry, .told = on_told, .loaded = on_outbox_loaded, .ctx = a};
	int r;

	a->sink_setup = (struct sink_setup){.loop = a->loop, .http = a->http, .conf = a->conf, .creds = &a->creds,
	                                    .keystone = watch_keystone(a->watch), .store = a->store, .document = agent_own_document, .ctx = a};
	for (size_t i = 0; sinks[i] && i < AGENT_SINKS_MAX; i++) {
		r = sinks[i]->open(&a->sink_setup, &a->sinks[i], e);
		if (r < 0)
			return r;
	}
	r = outbox_new(&setup, &a->outbox);
	if (!r)
		r = outbox_load(a->outbox);
	return r ? err_sys(e, -r, "cannot open the outbox") : 0;
}

void agent_carry_stop(struct agent *a)
{
	for (size_t i = 0; i < AGENT_WAITERS_MAX; i++)
		if (a->waiters[i].client)
			waiter_answer(&a->waiters[i], "waiting", "the agent stops; the signal stays in the spool");
	a->outbox = outbox_free(a->outbox);
	for (size_t i = 0; sinks[i] && i < AGENT_SINKS_MAX; i++)
		if (a->sinks[i])
			a->sinks[i] = sinks[i]->close(a->sinks[i]);
}
