/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The action signal: asks signal/action.h whether one is due, hands it to the outbox, and keeps on
 * disk what was told. The note goes to the store right behind the signal, and the store keeps that
 * order: killed between the two, the next life finds the signal in its spool and takes it for told.
 * What was delivered and not yet removed when the agent was killed is told once more: a scaling
 * policy's cooldown and a workflow's look at the server are the guards then.
 */
#include "command/agent.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/log.h"
#include "core/text.h"

#define ACTION_ENTRY   "action"
#define ACTION_KEY     "action"
#define READ_WAIT_MS   2000
#define MEMORY_WAIT_MS 60000 /* for a disk that does not say what was told */
#define MEMORY_ASK_MS  2000
#define MEMORY_RARE_MS 30000
#define DEADLINE_MS    (3600 * 1000) /* nobody wants to be healed of what was wrong an hour ago */
#define REJUDGE_MAX_MS (3600 * 1000)

static const char *target_of(const struct agent *a)
{
	return a->settings.action ? a->settings.action : a->conf->signal_action;
}

static double threshold_of(const struct agent *a)
{
	return a->settings.threshold > 0 ? a->settings.threshold
					 : (double)a->conf->action_threshold / 1000;
}

static struct action_facts facts_of(const struct agent *a, struct finding *list)
{
	const struct document *own = agent_own_document((void *)(uintptr_t)a);
	int64_t real_ms = a->setup->env->real_ms();

	return (struct action_facts){
		.boot_id = a->identity.boot_id,
		.uptime_ms = loop_now(a->loop),
		.real_ms = real_ms,
		.clock_wrong = clock_is_before_build(real_ms),
		.threshold = threshold_of(a),
		.least_uptime_ms = a->conf->action_uptime_ms,
		.pause_ms = a->conf->action_pause_ms,
		.most_a_day = a->conf->action_per_day,
		.open = list,
		.n_open = agent_findings(a, list, FINDINGS_MAX),
		.in_progress = own && own->in_progress,
	};
}

/* What could not be read is not overwritten. */
static void keep(struct agent *a)
{
	_cleanup_buf_ struct buf text = BUF_INIT(64 << 10);

	if (!a->action_known)
		return;
	if (action_save(&a->action, &text) || buf_error(&text) ||
	    store_put(a->store, ACTION_ENTRY, text.data, text.len, NULL, NULL))
		log_warn("that the action was signalled is not kept on disk: out of memory");
}

/* ---- what earlier lives told ---- */

static void take_memory(struct agent *a, int status, const char *p, size_t n)
{
	struct action earlier;

	a->action_known =
		status == 0 || status == -ENOENT || status == -ESTALE || status == -EBADMSG;
	if (status == 0 && action_load(p, n, &earlier) == 0)
		action_merge(&a->action, &earlier);
	else if (status == 0)
		log_warn("what was signalled before cannot be read: findings that are open may be "
			 "acted on again");
}

static void got_memory(int status, const char *p, size_t n, void *ctx)
{
	struct agent *a = ctx;

	a->action_asked = false;
	take_memory(a, status, p, n);
	if (!a->action_known)
		return;
	keep(a); /* this life may have told something meanwhile */
	agent_judge_action(a);
}

/* A guest that an action restarts again and again, on a disk that is slow when it comes up, must
 * not forget the others. */
static bool memory_is_awaited(struct agent *a)
{
	bool early = loop_now(a->loop) - a->started_ms < MEMORY_WAIT_MS;

	if (a->action_known)
		return false;
	if (!a->action_asked)
		a->action_asked = store_get(a->store, ACTION_ENTRY, got_memory, a) == 0;
	loop_timer_arm(a->action_timer, early ? MEMORY_ASK_MS : MEMORY_RARE_MS);
	if (early)
		a->action_waits = "the disk has not said what was signalled before";
	return early;
}

/* ---- what waits in the outbox ---- */

struct asked { /* the signal's id, taken apart */
	char boot_id[40], class_name[32], entity[64];
};

/* A guest whose boot has no id has an empty first word. */
static bool take_word(const char **p, char *out, size_t size)
{
	size_t n = strcspn(*p, " ");

	if (n >= size || (*p)[n] != ' ')
		return false;
	memcpy(out, *p, n);
	out[n] = '\0';
	*p += n + 1;
	return true;
}

static bool parse_id(const struct signal *s, struct asked *ret)
{
	const char *p = s->id ? s->id : "";

	if (!take_word(&p, ret->boot_id, sizeof(ret->boot_id)) ||
	    !take_word(&p, ret->class_name, sizeof(ret->class_name)))
		return false;
	snprintf(ret->entity, sizeof(ret->entity), "%s", p);
	return true;
}

static bool still_open(const struct action_facts *f, const struct asked *q)
{
	for (size_t i = 0; i < f->n_open; i++)
		if (!strcmp(f->open[i].class_name, q->class_name) &&
		    !strcmp(f->open[i].entity, q->entity))
			return true;
	return false;
}

/* Why it should not be told any more; NULL: it should. */
static const char *is_moot(const struct agent *a, const struct action_facts *f,
			   const struct signal *s, const struct asked *q)
{
	if (!target_of(a) || strcmp(target_of(a), s->target) != 0)
		return "another action was set";
	if (strcmp(q->boot_id, f->boot_id) != 0)
		return "it is of an earlier boot";
	return still_open(f, q) ? NULL : "its finding is over";
}

/* Return: true when a signal waits and is to go on waiting. */
static bool look_at_waiting(struct agent *a, const struct action_facts *f)
{
	const struct signal *s = outbox_peek(a->outbox, ACTION_KEY);
	struct asked q = {.boot_id = ""};
	const char *moot;

	if (!s)
		return false;
	moot = parse_id(s, &q) ? is_moot(a, f, s, &q) : "it cannot be read";
	if (moot) {
		log_info("action signal withdrawn before it was told: %s", moot);
		outbox_withdraw(a->outbox, ACTION_KEY);
		action_undo(&a->action, q.class_name, q.entity);
		keep(a);
		return false;
	}
	/* killed before it was noted */
	if (a->action_known && !action_knows(&a->action, q.class_name, q.entity)) {
		action_note(&a->action, f);
		keep(a);
	}
	return true;
}

/* ---- telling ---- */

static int build(struct agent *a, const struct action_facts *f, const struct action_choice *choice,
		 struct signal *s, struct err *e)
{
	const struct document *own = agent_own_document(a);
	struct identity who = agent_signal_identity(a);
	struct action_words w = {.resource = own ? own->resource : NULL,
				 .finding = choice->finding,
				 .state = agent_state(a)};

	w.risk = agent_risk(a, &w.horizon_s);
	return signal_build_action(&w, &who, seqkey_next(a->seqkey), f->real_ms,
				   f->real_ms + DEADLINE_MS, target_of(a), s, e);
}

static void tell(struct agent *a, const struct action_facts *f, const struct action_choice *choice)
{
	struct signal s = {0};
	struct err e = ERR_INIT;
	int r = build(a, f, choice, &s, &e);

	if (!r)
		r = agent_accept(a, &s);
	signal_deinit(&s);
	if (r) {
		log_err("the action cannot be signalled: %s", e.code ? e.text : strerror(-r));
		loop_timer_arm(a->action_timer, f->pause_ms > 10000 ? f->pause_ms : 10000);
		return;
	}
	log_warn("action signalled for %s of %s: risk %.3f", choice->finding->class_name,
		 choice->finding->entity, choice->risk);
	action_note(&a->action, f);
	keep(a);
}

static bool is_ready(const struct agent *a)
{
	return a->action_timer && a->seqkey_ready && a->outbox_loaded && a->foresee;
}

void agent_judge_action(struct agent *a)
{
	struct finding list[FINDINGS_MAX];
	struct action_facts f;
	struct action_choice choice;
	enum action_verdict verdict;
	size_t before = a->action.n_told;

	a->action_waits = NULL;
	if (!is_ready(a))
		return;
	f = facts_of(a, list);
	if (look_at_waiting(a, &f) || memory_is_awaited(a))
		return;
	verdict = action_judge(&a->action, &f, &choice);
	if (before != a->action.n_told)
		keep(a);
	if (verdict == ACTION_NONE || !target_of(a))
		return;
	if (verdict == ACTION_TELL) {
		tell(a, &f, &choice);
		return;
	}
	a->action_waits = choice.why;
	if (choice.wait_ms >= 0)
		loop_timer_arm(a->action_timer, choice.wait_ms < REJUDGE_MAX_MS ? choice.wait_ms + 1
										: REJUDGE_MAX_MS);
}

static void on_timer(struct loop *loop _unused_, void *ctx)
{
	agent_judge_action(ctx);
}

void agent_action_told(struct agent *a, const struct signal *s, enum carry how, const char *why)
{
	struct finding list[FINDINGS_MAX];
	struct action_facts f;
	struct asked q;

	snprintf(a->action_last, sizeof(a->action_last), "%s", carry_names[how]);
	text_print(a->action_error, sizeof(a->action_error), "%s",
		   how == CARRY_DELIVERED || !why ? "" : why);
	if (!is_ready(a) || !parse_id(s, &q) || strcmp(q.boot_id, a->identity.boot_id) != 0)
		return;
	f = facts_of(a, list);
	if (still_open(&f, &q) && !action_knows(&a->action, q.class_name, q.entity)) {
		action_note(&a->action, &f); /* an earlier life's, told before it was looked at */
		keep(a);
	}
}

/* ---- status ---- */

/* A URL may be presigned: its query is nobody's business. */
static json_t *shown(const char *target)
{
	size_t n = target ? strlen(target) : 0;

	if (target && (text_starts(target, "http://") || text_starts(target, "https://")))
		n = strcspn(target, "?#");
	return target ? json_stringn(target, n) : json_null();
}

static const char *state_of(const struct agent *a)
{
	if (a->outbox && outbox_peek(a->outbox, ACTION_KEY))
		return a->action_last[0] && strcmp(a->action_last, "delivered") != 0
			       ? a->action_last
			       : "sending";
	if (a->action_waits)
		return "waiting";
	return a->action.n_told ? "told" : "idle";
}

json_t *agent_action_status(const struct agent *a)
{
	json_t *told = json_array();

	for (size_t i = 0; i < a->action.n_told; i++)
		json_array_append_new(told,
				      json_pack("{s:s,s:o}", "class", a->action.told[i].class_name,
						"entity", json_text(a->action.told[i].entity)));
	return json_pack("{s:o,s:f,s:s,s:s?,s:s?,s:o,s:I,s:o}", "target", shown(target_of(a)),
			 "threshold", (double)(int64_t)(threshold_of(a) * 1000 + 0.5) / 1000,
			 "state", target_of(a) ? state_of(a) : "off", "waits_for", a->action_waits,
			 "last", a->action_last[0] ? a->action_last : NULL, "error",
			 json_text(a->action_error[0] ? a->action_error : NULL), "in_24_h",
			 (json_int_t)a->action.n_at, "told", told);
}

/* ---- life ---- */

int agent_action_start(struct agent *a, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_INIT(STORE_ENTRY_MAX);
	int r = loop_timer_new(a->loop, 200, on_timer, a, &a->action_timer);

	if (r)
		return err_sys(e, -r, "cannot prepare the action");
	r = a->store_link ? store_get_wait(a->store_link, ACTION_ENTRY, READ_WAIT_MS, &text)
			  : -ENOTCONN;
	take_memory(a, r, text.data, text.len);
	agent_judge_action(a);
	return 0;
}

void agent_action_stop(struct agent *a)
{
	a->action_timer = loop_timer_free(a->action_timer);
}
