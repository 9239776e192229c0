/* SPDX-License-Identifier: Apache-2.0 */
/* What a person may ask the running agent through the control socket: one row per request. */
#include "command/agent.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/log.h"
#include "hooks/protocol.h"
#include "sample/hypervisor.h"

#define CUSTOM_DEADLINE_MS                                                                         \
	(24 * 60 * 60 * 1000LL) /* a signal by hand is worth telling for a day                     \
				 */
#define WORTH_SHOWING 0.5

static json_t *problem_json(const struct problem *p)
{
	static const char *const words[] = {"ok", "warn", "error"};

	return json_pack("{s:s,s:s,s:o,s:o*}", "level", words[p->level], "code", p->code, "text",
			 json_text(p->text), "remedy", p->remedy ? json_text(p->remedy) : NULL);
}

static void add_problems(json_t *list, const struct problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		if (problems->list[i].level != PROBLEM_OK)
			json_array_append_new(list, problem_json(&problems->list[i]));
}

static void add_sentence(json_t *list, const char *code, const char *text)
{
	if (text)
		json_array_append_new(list, json_pack("{s:s,s:s,s:o}", "level", "warn", "code",
						      code, "text", json_text(text)));
}

static json_t *all_problems(struct agent *a)
{
	json_t *list = json_array();
	struct problems probes = {0};

	add_problems(list, a->setup->problems);
	add_problems(list, &a->problems);
	if (a->sampler)
		sampler_problems(a->sampler, &probes);
	add_problems(list, &probes);
	problems_deinit(&probes);
	add_sentence(list, "store", store_problem(a->store));
	add_sentence(list, "signing-key", a->seqkey ? seqkey_problem(a->seqkey) : NULL);
	return list;
}

static json_t *health_of_agent(struct agent *a)
{
	const struct loop_stats *stats = loop_get_stats(a->loop);

	return json_pack("{s:I,s:I,s:I,s:I}", "memory_locked", (json_int_t)a->memory_locked,
			 "wakeups", (json_int_t)stats->wakeups, "late_ticks",
			 (json_int_t)stats->late_ticks, "late_max_ms",
			 (json_int_t)stats->late_max_ms);
}

static double three_decimals(double v)
{
	return (double)(int64_t)(v * 1000 + (v < 0 ? -0.5 : 0.5)) / 1000;
}

static json_t *seconds(double s)
{
	return s < 0 ? json_null() : json_integer((json_int_t)s);
}

static json_t *findings_json(struct agent *a)
{
	struct finding list[FINDINGS_MAX];
	size_t n = agent_findings(a, list, FINDINGS_MAX);
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct finding *f = &list[i];

		json_array_append_new(all, json_pack("{s:s,s:o,s:s,s:o,s:f,s:o,s:I}", "class",
						     f->class_name, "entity", json_text(f->entity),
						     "level", finding_level_names[f->level],
						     "evidence", json_text(f->evidence), "risk",
						     three_decimals(f->risk), "eta_s",
						     seconds((double)f->eta_s), "since",
						     (json_int_t)(f->since_real_ms / 1000)));
	}
	return all;
}

/* Series that say something: a date, or half of their limit used. */
static json_t *forecasts_json(struct agent *a)
{
	struct foresee_line line;
	json_t *all = json_array();

	for (size_t i = 0; a->foresee && foresee_forecast(a->foresee, i, &line); i++) {
		if (!line.what[0] ||
		    (line.view.eta_s < 0 && !line.view.open && line.view.used < WORTH_SHOWING))
			continue;
		json_array_append_new(all, json_pack("{s:s,s:o,s:f,s:f,s:o,s:o,s:o,s:b}", "what",
						     line.what, "entity", json_text(line.entity),
						     "used", three_decimals(line.view.used),
						     "per_hour", three_decimals(line.view.per_hour),
						     "eta_s", seconds(line.view.eta_s), "eta_low_s",
						     seconds(line.view.eta_low_s), "eta_high_s",
						     seconds(line.view.eta_high_s), "open",
						     line.view.open));
	}
	return all;
}

static json_t *text_or_null(const char *text)
{
	return json_text(text[0] ? text : NULL);
}

static void put_identity(json_t *answer, const struct agent *a)
{
	const struct identity *id = &a->identity;

	json_object_set_new(answer, "server_name", text_or_null(id->name));
	json_object_set_new(answer, "project_id", text_or_null(id->project_id));
	json_object_set_new(answer, "zone", text_or_null(id->zone));
	json_object_set_new(answer, "details_from", text_or_null(id->details_from));
	json_object_set_new(answer, "hypervisor",
			    json_string(hypervisor_names[hypervisor_detect(a->setup->env)]));
}

static json_t *status(struct agent *a)
{
	char key[KEY_TEXT_MAX] = "";
	int64_t horizon_s;
	double risk = agent_risk(a, &horizon_s);
	json_t *answer = json_object();

	if (a->seqkey_ready && seqkey_key(a->seqkey))
		signing_key_text(seqkey_key(a->seqkey)->public, key);
	json_object_set_new(answer, "v", json_integer(1));
	json_object_set_new(answer, "state", json_string(agent_state(a)));
	json_object_set_new(answer, "risk", json_real(three_decimals(risk)));
	json_object_set_new(answer, "horizon_s",
			    horizon_s < 0 ? json_null() : json_integer(horizon_s));
	json_object_set_new(answer, "seq",
			    json_integer(a->seqkey_ready ? seqkey_last(a->seqkey) : 0));
	json_object_set_new(answer, "key", key[0] ? json_string(key) : json_null());
	json_object_set_new(answer, "server_id", json_string(agent_server_id(a)));
	json_object_set_new(answer, "server_id_from", json_string(a->identity.server_from));
	put_identity(answer, a);
	json_object_set_new(answer, "boot_told", json_boolean(a->boot_told));
	json_object_set_new(answer, "action", agent_action_status(a));
	json_object_set_new(answer, "hooks_disabled", json_boolean(a->hooks_off));
	json_object_set_new(answer, "sources", watch_status(a->watch));
	json_object_set_new(answer, "sinks", sink_set_status(a->sinks));
	agent_metrics_status(a, json_object_get(answer, "sinks"), answer);
	json_object_set_new(answer, "spool", outbox_status(a->outbox));
	json_object_set_new(answer, "findings", findings_json(a));
	json_object_set_new(answer, "forecasts", forecasts_json(a));
	json_object_set_new(answer, "hooks", hook_queue_status(a->queue));
	json_object_set_new(answer, "deployments", deploy_queue_status(a->deployments));
	json_object_set_new(answer, "problems", all_problems(a));
	json_object_set_new(answer, "agent", health_of_agent(a));
	return answer;
}

static void serve_status(struct agent *a, struct control_client *client,
			 const json_t *request _unused_)
{
	control_answer(client, status(a));
}

static void refuse(struct control_client *client, const char *why)
{
	control_answer(client, json_pack("{s:i,s:s,s:o}", "v", 1, "state", "refused", "error",
					 json_text(why)));
}

struct accepting { /* a client that waits for the spool's word */
	struct agent *agent;
	uint64_t ticket;
};

static void on_accepted(int status, void *ctx)
{
	_cleanup_free_ struct accepting *w = ctx;

	control_answer_ticket(
		w->agent->control, w->ticket,
		json_pack("{s:i,s:s,s:s*}", "v", 1, "state", "accepted", "error",
			  status ? "kept in memory only: the state cannot be written" : NULL));
}

static int build_signal(struct agent *a, const json_t *request, struct signal *s, struct err *e)
{
	const char *target = json_str(request, "target"), *state = json_str(request, "status"),
		   *id = json_str(request, "id");
	int64_t now = a->setup->env->real_ms();

	if (!target || !state)
		return err_set(e, -EINVAL, "a signal needs target and status");
	if (!a->seqkey_ready)
		return err_set(e, -EAGAIN, "the agent has just started; try again in a moment");
	return signal_build_custom(target, state, json_str(request, "reason"),
				   id ? id : agent_server_id(a), json_object_get(request, "data"),
				   seqkey_next(a->seqkey), now, now + CUSTOM_DEADLINE_MS, s, e);
}

/* Takes the content of @s on success. It may be told before the disk has it: whoever waits for that
 * waits from now on. */
static int accept_signal(struct agent *a, struct signal *s, uint64_t ticket, int64_t wait_s)
{
	_cleanup_free_ struct accepting *w = wait_s > 0 ? NULL : calloc(1, sizeof(*w));
	char key[sizeof(s->key)];
	int r;

	if (wait_s <= 0 && !w)
		return -ENOMEM;
	if (w)
		*w = (struct accepting){.agent = a, .ticket = ticket};
	memcpy(key, s->key, sizeof(key));
	r = outbox_add(a->outbox, s, w ? on_accepted : NULL, w);
	if (r < 0)
		return r;
	w = NULL;
	if (wait_s > 0)
		agent_wait_for(a, key, ticket,
			       wait_s < CONTROL_WAIT_MAX_S ? wait_s : CONTROL_WAIT_MAX_S);
	return 0;
}

static void serve_signal(struct agent *a, struct control_client *client, const json_t *request)
{
	struct signal s = {0};
	struct err e = ERR_INIT;
	int64_t wait_s = 0;
	int r = build_signal(a, request, &s, &e);

	if (r < 0) {
		refuse(client, e.code ? e.text : "out of memory");
		return;
	}
	json_int(request, "wait_s", &wait_s);
	r = accept_signal(a, &s, control_ticket(client), wait_s);
	signal_deinit(&s);
	if (r < 0)
		refuse(client, r == -ENOSPC || r == -ENOBUFS
				       ? "the spool is full: too many signals wait"
			       : r == -EFBIG ? "the signal is too large"
					     : strerror(-r));
}

static void serve_metrics(struct agent *a, struct control_client *client, const json_t *request)
{
	struct err e = ERR_INIT;

	if (agent_metrics_points(a, json_object_get(request, "points"), json_str(request, "watch"),
				 &e) < 0)
		refuse(client, e.text);
	else
		control_answer(client, json_pack("{s:i,s:s}", "v", 1, "state", "accepted"));
}

static const struct {
	const char *word;
	void (*serve)(struct agent *a, struct control_client *client, const json_t *request);
} questions[] = {
	{"status", serve_status},
	{"signal", serve_signal},
	{"metrics", serve_metrics},
};

static void on_question(struct control_client *client, const json_t *request, void *ctx)
{
	const char *word = json_str(request, "do");

	for (size_t i = 0; word && i < ARRAY_SIZE(questions); i++)
		if (!strcmp(questions[i].word, word)) {
			questions[i].serve(ctx, client, request);
			return;
		}
	refuse(client, "unknown request");
}

int agent_control_start(struct agent *a)
{
	struct link_msg answer;
	int r = link_call_wait(a->runner, RUNNER_CONTROL, NULL, NULL, 0, 5000, &answer);

	if (r || answer.n_fds != 1)
		return r == -ENOENT ? 0 : r ? r : -EBADMSG;
	return control_new(a->loop, take_fd(&answer.fds[0]), on_question, a, &a->control);
}
