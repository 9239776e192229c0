/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between queue and runner. What was with a runner before (this agent's, or one before it) is asked
 * first: ended runs are taken over, running ones waited for. Only then, and one at a time, the
 * oldest run that is due is started. A run's id is made from what is on disk, so asking for it
 * twice can start it only once.
 */
#include "hooks/queue_private.h"

#include <errno.h>
#include <string.h>

#include "core/fs.h"
#include "core/log.h"
#include "hooks/finding.h"
#include "hooks/run_answer.h"
#include "hooks/value_text.h"

#define QUERY_TIMEOUT_MS 30000
#define RUN_MARGIN_MS    120000 /* the shepherd's own grace, the disk, a machine that is slow */
#define AGAIN_MS         5000

/* ---- answers ---- */

/* The question failed, not the hook: whether the run exists must be asked again. */
static void unresolved(struct queue_hook *h, int status)
{
	struct pending *p = h->asked;

	p->phase = PENDING_UNRESOLVED;
	p->ask_ms = loop_now(h->q->setup.loop) + AGAIN_MS;
	h->asked = NULL;
	if (status == -ECONNRESET)
		h->q->runner_lost = true;
	queue_kick(h->q, 0);
}

static void take_result(struct queue_hook *h, struct link_msg *msg)
{
	struct run_result result = {0};

	if (run_answer_read(msg, &result) < 0) {
		log_err("hook %s: the runner's answer makes no sense; asking again", h->def.name);
		unresolved(h, -EBADMSG);
	} else {
		queue_hook_ended(h, &result);
	}
	run_result_deinit(&result);
	queue_kick(h->q, 0);
}

static void held(struct queue_hook *h)
{
	h->asked->phase = PENDING_READY;
	h->asked->held = true;
	h->asked->due_ms = loop_now(h->q->setup.loop) + HELD_MS;
	h->asked = NULL;
	queue_kick(h->q, 0);
}

static void refused(struct queue_hook *h, int status)
{
	char why[] = "the runner does not start it";
	struct run_result result = {.end = RUN_NOT_STARTED, .code = -status, .why = why};

	result.started_real_ms = result.ended_real_ms = loop_env(h->q->setup.loop)->real_ms();
	queue_hook_ended(h, &result);
}

/* One row per answer that is not a result. */
static void run_failed(struct queue_hook *h, int status)
{
	switch (status) {
	case -ECONNRESET:
	case -ETIMEDOUT:
	case -EBUSY:
	case -ENOMEM:
	case -ENOBUFS:
	case -EWOULDBLOCK:
		unresolved(h, status);
		break;
	case -ESHUTDOWN:
		held(h);
		break;
	default:
		refused(h, status);
		break;
	}
}

static void on_run(struct link *link, int status, struct link_msg *msg, void *ctx)
{
	struct queue_hook *h = ctx;

	/* An answer of a runner that has been replaced: its successor is asked instead. */
	if (link != h->q->runner || !h->asked)
		return;
	if (status < 0 || !msg)
		run_failed(h, status < 0 ? status : -EBADMSG);
	else
		take_result(h, msg);
}

/* ---- RUNNER_RUN ---- */

static int value_blob(json_t *value)
{
	_cleanup_buf_ struct buf text = BUF_INIT(RUN_VALUE_MAX);
	int r = value_text(value, &text);

	return r < 0 ? r : fs_blob("hook-value", buf_str(&text), text.len);
}

struct values {
	int fds[2];
	size_t n;
	uint32_t flags;
};

static int add_value(struct values *v, json_t *value, uint32_t flag)
{
	int fd = value ? value_blob(value) : -1;

	if (!value)
		return 0;
	if (fd < 0)
		return fd;
	v->fds[v->n++] = fd;
	v->flags |= flag;
	return 0;
}

/* A service event changes no value: the hook gets the one that holds. A finding is its own value. */
static int make_values(const struct queue_hook *h, const struct pending *p, struct values *v)
{
	bool has_old = h->state.known && !pending_is_event(p);
	int r = add_value(v, has_old ? h->state.accepted : NULL, RUN_HAS_OLD);

	return r < 0 ? r : add_value(v, p->service ? h->state.accepted : p->value, RUN_HAS_NEW);
}

static void put_finding(struct msg_writer *w, const json_t *value)
{
	struct hook_finding f;

	if (finding_from_json(value, &f) < 0)
		return; /* the runner refuses a request without it */
	msg_put_str(w, f.class_name);
	msg_put_str(w, f.entity);
	msg_put_u32(w, (uint32_t)f.level);
	msg_put_u32(w, (uint32_t)f.event);
	msg_put_str(w, f.evidence);
	msg_put_i64(w, f.eta_s);
}

static int send_run(struct queue_hook *h, const struct pending *p, const struct values *v)
{
	struct msg_writer w;

	msg_writer_init(&w);
	msg_put_str(&w, h->asked_id);
	msg_put_str(&w, h->def.name);
	msg_put_u32(&w, p->trigger);
	msg_put_str(&w, h->def.path.resource);
	msg_put_str(&w, p->service);
	msg_put_u32(&w, p->attempt);
	msg_put_u32(&w, v->flags);
	if (p->trigger == TRIGGER_FINDING)
		put_finding(&w, p->value);
	return link_call(h->q->runner, RUNNER_RUN, &w, v->fds, v->n,
			 h->def.timeout_ms + RUN_MARGIN_MS, on_run, h);
}

static int ask_run(struct queue_hook *h, struct pending *p)
{
	struct values v = {.n = 0};
	int r = make_values(h, p, &v);

	if (r == 0)
		r = hook_state_run_id(&h->state, p, h->asked_id);
	if (r == 0)
		r = send_run(h, p, &v);
	for (size_t i = 0; i < v.n; i++)
		close(v.fds[i]);
	return r;
}

static void start(struct queue_hook *h, struct pending *p)
{
	int r = ask_run(h, p);

	if (r < 0) {
		log_err("hook %s: cannot be handed to the runner (%s); trying again", h->def.name,
			strerror(-r));
		p->due_ms = loop_now(h->q->setup.loop) + AGAIN_MS;
		queue_kick(h->q, AGAIN_MS);
		return;
	}
	p->phase = PENDING_ASKED;
	p->held = false;
	h->asked = p;
	h->running = true;
}

/* ---- RUNNER_QUERY ---- */

static void take_state(struct queue_hook *h, enum run_state state, struct link_msg *msg)
{
	static const struct run_result cut_off = {.end = RUN_CUT_OFF};
	struct pending *p = h->asked;

	switch (state) {
	case RUN_STATE_ENDED:
		take_result(h, msg);
		break;
	case RUN_STATE_CUT_OFF:
		queue_hook_ended(h, &cut_off);
		break;
	case RUN_STATE_RUNNING:
		h->asked = NULL;
		p->phase = PENDING_READY;
		start(h, p); /* asked for again, a running run is waited for */
		break;
	default:
		h->asked = NULL;
		p->phase = PENDING_READY;
		queue_hook_take_offer(h); /* not started yet: a newer value replaces it */
		break;
	}
	queue_kick(h->q, 0);
}

static void on_query(struct link *link, int status, struct link_msg *msg, void *ctx)
{
	struct queue_hook *h = ctx;

	if (link != h->q->runner || !h->asked)
		return;
	if (status < 0 || !msg)
		unresolved(h, status);
	else
		take_state(h, (enum run_state)msg_get_u32(&msg->body), msg);
}

static void query(struct queue_hook *h, struct pending *p)
{
	struct msg_writer w;
	int r = hook_state_run_id(&h->state, p, h->asked_id);

	msg_writer_init(&w);
	msg_put_str(&w, h->asked_id);
	if (r == 0)
		r = link_call(h->q->runner, RUNNER_QUERY, &w, NULL, 0, QUERY_TIMEOUT_MS, on_query,
			      h);
	if (r < 0) {
		p->ask_ms = loop_now(h->q->setup.loop) + AGAIN_MS;
		return;
	}
	p->phase = PENDING_ASKED;
	h->asked = p;
	h->running = false;
}

/* ---- RUNNER_FORGET ---- */

static void forget_old(struct queue_hook *h)
{
	struct hook_state *s = &h->state;
	size_t kept = 0;

	for (size_t i = 0; i < s->n_forgets; i++) {
		struct msg_writer w;

		msg_writer_init(&w);
		msg_put_str(&w, s->forgets[i].id);
		if (s->forgets[i].gen > h->durable_gen ||
		    link_send(h->q->runner, RUNNER_FORGET, &w, NULL, 0) < 0)
			s->forgets[kept++] = s->forgets[i];
	}
	s->n_forgets = kept;
}

/* ---- one turn ---- */

static struct pending *first_unresolved(const struct queue_hook *h)
{
	for (struct pending *p = h->state.list; p; p = p->next)
		if (p->phase == PENDING_UNRESOLVED)
			return p;
	return NULL;
}

static void keep_earliest(int64_t *wait_ms, int64_t due_ms, int64_t now)
{
	int64_t left = due_ms > now ? due_ms - now : 1;

	if (*wait_ms < 0 || left < *wait_ms)
		*wait_ms = left;
}

/* Return: true when nothing is open with the runner and nothing has to be asked. */
static bool resolve(struct hook_queue *q, int64_t now, int64_t *wait_ms)
{
	bool clear = true;

	for (struct queue_hook *h = q->hooks; h; h = h->next) {
		struct pending *p = first_unresolved(h);

		clear = clear && h->loaded && !h->asked && !p;
		if (!h->loaded || h->asked || !p)
			continue;
		if (p->ask_ms <= now)
			query(h, p);
		if (!h->asked)
			keep_earliest(wait_ms, p->ask_ms, now);
	}
	return clear;
}

/* One pass: once at most, and when every document is there: then it is known whether a value is
 * still the one that was to be told, and hooks of several resources run in load order, whoever
 * answered first. */
static bool may_run(const struct hook_queue *q, const struct pending *p)
{
	if (p->phase != PENDING_READY)
		return false;
	return !q->setup.one_pass || (!p->failed_here && q->round_over && !q->docs);
}

static bool goes_first(const struct hook_queue *q, const struct queue_hook *h, const struct pending *p,
		       const struct queue_hook *found, const struct pending *other)
{
	return p->seq < other->seq && (!q->setup.one_pass || h == found);
}

/* The oldest that is due. */
static struct queue_hook *oldest_due(struct hook_queue *q, int64_t now, int64_t *wait_ms,
				     struct pending **ret)
{
	struct queue_hook *found = NULL;

	for (struct queue_hook *h = q->hooks; h; h = h->next) {
		for (struct pending *p = h->state.list; p; p = p->next) {
			if (!may_run(q, p))
				continue;
			if (p->due_ms > now) {
				keep_earliest(wait_ms, p->due_ms, now);
			} else if (!found || goes_first(q, h, p, found, *ret)) {
				found = h;
				*ret = p;
			}
		}
	}
	return found;
}

static void run_next(struct hook_queue *q, int64_t now, int64_t *wait_ms)
{
	struct pending *p = NULL;
	struct queue_hook *h = q->disabled ? NULL : oldest_due(q, now, wait_ms, &p);

	/* Not yet on disk: its save's answer brings the next turn. */
	if (h && p->gen <= h->answered_gen)
		start(h, p);
}

void queue_run_turn(struct hook_queue *q)
{
	int64_t now = loop_now(q->setup.loop), wait_ms = -1;

	if (!q->runner || q->runner_lost)
		return;
	for (struct queue_hook *h = q->hooks; h; h = h->next)
		forget_old(h);
	if (resolve(q, now, &wait_ms))
		run_next(q, now, &wait_ms);
	if (wait_ms > 0)
		queue_kick(q, wait_ms);
}
