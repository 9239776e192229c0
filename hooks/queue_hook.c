/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One hook: loading and saving its state, deciding what an offered value means, and what the end of
 * a run changes. Every change of the state is saved; a run starts only when the change that owes it
 * is on disk, or the disk has refused (then the hook runs all the same: a full disk must not stop
 * the hook that would clean it).
 */
#include "hooks/queue_private.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "hooks/finding.h"
#include "hooks/match.h"

/* ---- loading ---- */

static void take_state(struct queue_hook *h, struct hook_state *s)
{
	int64_t real = loop_env(h->q->setup.loop)->real_ms();

	hook_state_deinit(&h->state);
	h->state = *s;
	if (s->seq > h->q->seq)
		h->q->seq = s->seq;
	for (struct pending *p = h->state.list; p; p = p->next) {
		int64_t wait = p->next_real_ms - real;

		/* A clock that was set back must not keep a hook waiting for years. */
		if (wait > RETRY_CAP_MS)
			wait = RETRY_CAP_MS;
		p->due_ms = loop_now(h->q->setup.loop) + (wait > 0 ? wait : 0);
	}
}

static int fresh_state(struct queue_hook *h)
{
	h->state.hook = strdup(h->def.name);
	h->state.path = strdup(h->def.path_text);
	return h->state.hook && h->state.path ? 0 : -ENOMEM;
}

static bool same_hook(const struct queue_hook *h, const struct hook_state *s)
{
	return strcmp(s->hook, h->def.name) == 0 && strcmp(s->path, h->def.path_text) == 0;
}

static void on_loaded(int status, const char *p, size_t n, void *ctx)
{
	struct queue_hook *h = ctx;
	struct hook_state s = {0};
	struct err e = ERR_INIT;

	h->loaded = true;
	queue_kick(h->q, 0);
	if (status < 0) {
		if (status != -ENOENT)
			log_warn("hook %s: its state cannot be read (%s); it is taken as new",
				 h->def.name, strerror(-status));
		return;
	}
	if (hook_state_decode(p, n, &s, &e) < 0)
		log_warn("hook %s: %s; it is taken as new", h->def.name, e.text);
	else if (same_hook(h, &s))
		take_state(h, &s);
	else
		hook_state_deinit(&s);
}

/* A store that is slow must not make a hook run again. */
int queue_hook_load(struct queue_hook *h)
{
	int r = fresh_state(h);

	return r < 0 ? r : store_get_patient(h->q->setup.store, h->store_name, on_loaded, h);
}

struct queue_hook *queue_hook_free(struct queue_hook *h)
{
	if (!h)
		return NULL;
	hook_deinit(&h->def);
	hook_state_deinit(&h->state);
	json_decref(h->offer);
	free(h);
	return NULL;
}

/* ---- saving ---- */

static void save(struct queue_hook *h);

static void on_saved(int status, void *ctx)
{
	struct queue_hook *h = ctx;

	h->saving = false;
	h->answered_gen = h->sent_gen;
	if (status == 0)
		h->durable_gen = h->sent_gen;
	else
		log_warn("hook %s: its state is kept in memory only: %s", h->def.name,
			 strerror(-status));
	if (h->gen != h->sent_gen)
		save(h);
	queue_kick(h->q, 0);
}

static void save(struct queue_hook *h)
{
	_cleanup_free_ char *text = hook_state_encode(&h->state);
	int r = text ? store_put(h->q->setup.store, h->store_name, text, strlen(text), on_saved, h)
		     : -ENOMEM;

	h->sent_gen = h->gen;
	h->saving = r == 0;
	if (r < 0) {
		h->answered_gen = h->gen;
		log_warn("hook %s: its state is kept in memory only: %s", h->def.name,
			 strerror(-r));
	}
}

void queue_hook_changed(struct queue_hook *h)
{
	h->gen++;
	if (!h->saving)
		save(h);
}

/* ---- deciding ---- */

static uint64_t next_seq(struct queue_hook *h)
{
	uint64_t real = (uint64_t)loop_env(h->q->setup.loop)->real_ms();

	/* From the clock, so that ids differ from those of a state that was lost. */
	h->q->seq = h->q->seq + 1 > real ? h->q->seq + 1 : real;
	h->state.seq = h->q->seq;
	return h->q->seq;
}

static void owe(struct queue_hook *h, struct pending *p)
{
	if (!p) {
		log_err("hook %s: no memory to queue its run", h->def.name);
		return;
	}
	p->seq = next_seq(h);
	p->gen = h->gen + 1;
	hook_state_add(&h->state, p);
	queue_hook_changed(h);
}

static void drop_value(struct queue_hook *h)
{
	struct pending *p = hook_state_value(&h->state);

	if (p)
		hook_state_drop(&h->state, p);
}

/* Back to the accepted value: nothing is owed any more, as with the old tool. */
static void decide_nothing(struct queue_hook *h)
{
	if (!hook_state_value(&h->state))
		return;
	log_info("hook %s: the value is back to what was accepted; its run is dropped",
		 h->def.name);
	drop_value(h);
	queue_hook_changed(h);
}

static void decide_baseline(struct queue_hook *h, json_t *value)
{
	drop_value(h);
	hook_state_accept(&h->state, value);
	h->state.gave_up[0] = '\0';
	queue_hook_changed(h);
}

static bool same_value(const json_t *a, const json_t *b)
{
	return a == b || (a && b && json_equal(a, b));
}

static void decide_run(struct queue_hook *h, json_t *value, unsigned trigger)
{
	const struct pending *old = hook_state_value(&h->state);

	if (old && old->trigger == trigger && same_value(old->value, value))
		return;
	drop_value(h);
	h->state.gave_up[0] = '\0';
	owe(h, pending_new(trigger, value, NULL));
}

static void keep_offer(struct queue_hook *h, json_t *value)
{
	json_incref(value);
	json_decref(h->offer);
	h->offer = value;
	h->has_offer = true;
}

static void drop_offer(struct queue_hook *h)
{
	json_decref(h->offer);
	h->offer = NULL;
	h->has_offer = false;
}

void queue_hook_decide(struct queue_hook *h, json_t *value)
{
	const struct match_state state = {h->state.known, h->state.accepted};
	const struct pending *owed = hook_state_value(&h->state);
	struct match_result m;

	if (owed && owed->phase != PENDING_READY) {
		keep_offer(h, value);
		return;
	}
	drop_offer(h); /* an older one must not come after this */
	m = match_decide(&state, value, h->def.triggers,
			 h->q->setup.conf->compat == CONF_COMPAT_HEAT);
	switch (m.action) {
	case MATCH_NOTHING:
		decide_nothing(h);
		break;
	case MATCH_BASELINE:
		decide_baseline(h, value);
		break;
	case MATCH_RUN:
		decide_run(h, value, m.trigger);
		break;
	}
}

static bool event_waits(const struct queue_hook *h, const char *service)
{
	for (const struct pending *p = h->state.list; p; p = p->next)
		if (p->service && strcmp(p->service, service) == 0 && p->phase == PENDING_READY)
			return true;
	return false;
}

static size_t count_owed(const struct queue_hook *h)
{
	size_t n = 0;

	for (const struct pending *p = h->state.list; p; p = p->next)
		n++;
	return n;
}

void queue_hook_event(struct queue_hook *h, const char *service)
{
	if (event_waits(h, service))
		return;
	if (count_owed(h) >= PENDING_MAX - 1)
		log_err("hook %s: too many restarted services wait; %s is not told", h->def.name,
			service);
	else
		owe(h, pending_new(TRIGGER_SERVICE_RESTARTED, NULL, service));
}

static struct pending *waiting_finding(const struct queue_hook *h, const json_t *value)
{
	for (struct pending *p = h->state.list; p; p = p->next)
		if (p->trigger == TRIGGER_FINDING && p->phase == PENDING_READY &&
		    finding_same(p->value, value))
			return p;
	return NULL;
}

/* To the end of the line: after an opened and a closed, a finding that opens again must be the last
 * word. */
void queue_hook_finding(struct queue_hook *h, json_t *value)
{
	struct pending *p = pending_new(TRIGGER_FINDING, value, NULL), *old;

	while (p && (old = waiting_finding(h, value)))
		hook_state_drop(&h->state, old);
	if (p && count_owed(h) >= PENDING_MAX - 1) {
		log_err("hook %s: too many findings wait; one is not told", h->def.name);
		pending_free(p);
		return;
	}
	owe(h, p);
}

/* ---- the end of a run ---- */

static int64_t retry_delay(const struct hook_queue *q, unsigned attempt)
{
	int64_t delay = q->setup.conf->hook_retry_ms;
	int64_t cap = delay > RETRY_CAP_MS ? delay : RETRY_CAP_MS;

	for (unsigned i = 1; i < attempt && delay < cap; i++)
		delay *= 2;
	return delay < cap ? delay : cap;
}

static void retry(struct queue_hook *h, struct pending *p)
{
	int64_t delay = retry_delay(h->q, p->attempt);

	p->attempt++;
	p->again = false;
	p->failed_here = true;
	p->due_ms = loop_now(h->q->setup.loop) + delay;
	p->next_real_ms = loop_env(h->q->setup.loop)->real_ms() + delay;
	p->gen = h->gen + 1;
}

static void run_again(struct queue_hook *h, struct pending *p)
{
	p->again = true;
	p->due_ms = 0;
	p->gen = h->gen + 1;
}

static void accept(struct queue_hook *h, const struct pending *p)
{
	if (!pending_is_event(p))
		hook_state_accept(&h->state, p->value);
}

static void give_up(struct queue_hook *h, struct pending *p)
{
	if (hook_state_digest(p->value, h->state.gave_up) < 0)
		memcpy(h->state.gave_up, "?", 2);
	accept(h, p);
	hook_state_drop(&h->state, p);
}

static void succeed(struct queue_hook *h, struct pending *p)
{
	accept(h, p);
	h->state.gave_up[0] = '\0';
	hook_state_drop(&h->state, p);
}

static void tell(const struct queue_hook *h, const struct pending *p,
		 const struct run_result *result, bool gave_up, bool good)
{
	const struct hook_report report = {
		.hook = h->def.name,
		.resource = p->trigger == TRIGGER_FINDING ? json_str(p->value, "entity")
							  : h->def.path.resource,
		.trigger = trigger_name(p->trigger),
		.result = result,
		.attempt = p->attempt,
		.gave_up = gave_up,
		.final = good || gave_up,
	};

	if (h->q->setup.report)
		h->q->setup.report(&report, h->q->setup.ctx);
}

static void note_last(struct queue_hook *h, const struct pending *p,
		      const struct run_result *result)
{
	h->has_last = true;
	h->last_trigger = p->trigger;
	h->last_attempt = p->attempt;
	h->last = *result;
	h->last.tail = NULL;
	h->last.why = NULL;
}

/* When the state without the run is on disk, its record has no more to say. */
static void plan_forget(struct queue_hook *h)
{
	struct hook_state *s = &h->state;
	struct forget *f;

	if (s->n_forgets == FORGETS_MAX) {
		memmove(&s->forgets[0], &s->forgets[1], sizeof(s->forgets[0]) * (FORGETS_MAX - 1));
		s->n_forgets--;
	}
	f = &s->forgets[s->n_forgets++];
	memcpy(f->id, h->asked_id, sizeof(f->id));
	f->gen = h->gen + 1;
}

void queue_hook_take_offer(struct queue_hook *h)
{
	_cleanup_json_ json_t *value = h->offer;

	if (!h->has_offer)
		return;
	h->has_offer = false;
	h->offer = NULL;
	queue_hook_decide(h, value);
}

void queue_hook_ended(struct queue_hook *h, const struct run_result *result)
{
	struct pending *p = h->asked;
	bool good = result->end == RUN_EXITED && result->code == 0;
	bool again = result->end == RUN_CUT_OFF && !p->again;
	bool last = !good && !again && p->attempt >= (unsigned)h->q->setup.conf->hook_tries;

	h->asked = NULL;
	p->phase = PENDING_READY;
	note_last(h, p, result);
	plan_forget(h);
	tell(h, p, result, last, good);
	if (good)
		succeed(h, p);
	else if (again)
		run_again(h, p);
	else if (last)
		give_up(h, p);
	else
		retry(h, p);
	queue_hook_changed(h);
	queue_hook_take_offer(h);
	h->q->tell_idle = true;
	queue_kick(h->q, 0);
}
