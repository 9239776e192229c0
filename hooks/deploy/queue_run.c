/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One deployment with the runner: asked for, its result handed on. Asking again is always right:
 * the runner starts each id at most once and answers from its record afterwards.
 */
#include "hooks/deploy/queue_private.h"

#include <errno.h>
#include <string.h>

#include "core/fs.h"
#include "core/log.h"
#include "hooks/deploy/result.h"
#include "hooks/protocol.h"
#include "hooks/run_answer.h"

#define AGAIN_MS      5000
#define HELD_MS       30000 /* deployments are switched off: asked again */
#define RUN_MARGIN_MS 120000
#define CODE_NO_HOOK  127

/* ---- the result ---- */

static void accepted(int status, void *ctx)
{
	struct deploy_item *item = ctx;

	(void)status; /* the spool says by itself what it could not write */
	item->telling = false;
	if (!item->dropped)
		deploy_item_phase(item, DEPLOY_DONE);
	deploy_queue_changed(item->q);
}

static void log_end(const struct deploy_item *item)
{
	const struct deploy_note *n = &item->note;

	if (n->code == 0)
		log_info("deployment %s (%s, %s): done", n->id, n->name, n->action);
	else
		log_err("deployment %s (%s, %s): failed with status code %d", n->id, n->name,
			n->action, n->code);
}

/* Takes no reference. */
static void finish(struct deploy_item *item, const json_t *result)
{
	struct deploy_queue *q = item->q;
	int r = 1;

	item->note.code = deployment_status_code(result);
	item->note.ended_ms = loop_env(q->set.loop)->real_ms();
	if (item->dropped) { /* Heat does not list it any more: its successor must not be answered
				for */
		deploy_item_forget(item);
		deploy_queue_changed(q);
		return;
	}
	r = q->set.tell(&item->note.d, result, item->note.received_ms, accepted, item, q->set.ctx);
	if (r < 0) {
		log_err("deployment %s: its result is not accepted (%s); trying again",
			item->note.id, strerror(-r));
		item->due_ms = loop_now(q->set.loop) + AGAIN_MS;
		deploy_queue_changed(q);
		return;
	}
	log_end(item);
	item->telling = r == 0;
	if (r == 1)
		deploy_item_phase(item, DEPLOY_SIGNALLED);
	deploy_queue_changed(q);
}

static void finish_words(struct deploy_item *item, int code, const char *words)
{
	_cleanup_json_ json_t *result = deployment_result_words(code, words);

	finish(item, result);
}

/* What the shepherd made, or, where its output was lost, what is known of the end. */
static json_t *result_of(const struct run_result *run)
{
	static const struct json_limits limits = {2 * DEPLOYMENT_RESULT_MAX, 68, 65536 + 64,
						  32u << 20};
	struct deployment_end end = {
		.out = "", .err = "", .end = run->end, .code = run->code, .why = run->why};
	json_t *result = NULL;

	if (run->tail && json_parse(run->tail, strlen(run->tail), &limits, &result, NULL) == 0 &&
	    json_is_object(result))
		return result;
	json_decref(result);
	result = NULL;
	return deployment_result(&end, &result) < 0 ? NULL : result;
}

/* ---- the runner ---- */

static void ask_later(struct deploy_item *item, int64_t ms)
{
	item->due_ms = loop_now(item->q->set.loop) + ms;
	deploy_queue_kick(item->q, ms);
}

static void refused(struct deploy_item *item, int status)
{
	char words[DEPLOYMENT_GROUP_MAX + 128];

	switch (status) {
	case -ESHUTDOWN:
		if (!item->held)
			log_warn("deployment %s (%s) waits: deployments are disabled",
				 item->note.id, item->note.name);
		item->held = true;
		ask_later(item, HELD_MS);
		return;
	case -EEXIST:
		log_info("deployment %s (%s) was run by another agent, which tells its result",
			 item->note.id, item->note.name);
		item->note.foreign = true;
		deploy_item_phase(item, DEPLOY_SIGNALLED);
		deploy_queue_changed(item->q);
		return;
	case -ENOENT:
		snprintf(words, sizeof(words),
			 "heat-pulse: no hook serves the group %s on this guest", item->note.group);
		break;
	case -EPERM:
		snprintf(words, sizeof(words),
			 "heat-pulse: the hook of the group %s is not root's alone",
			 item->note.group);
		break;
	default:
		snprintf(words, sizeof(words), "heat-pulse: the runner does not start it: %s",
			 strerror(-status));
		break;
	}
	finish_words(item, CODE_NO_HOOK, words);
}

static bool passes(int status)
{
	static const int list[] = {ECONNRESET, ETIMEDOUT,   EBUSY, ENOMEM,
				   ENOBUFS,    EWOULDBLOCK, ENOSYS};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		if (status == -list[i])
			return true;
	return false;
}

static void take_result(struct deploy_item *item, struct link_msg *msg)
{
	struct run_result run = {0};

	if (run_answer_read(msg, &run) < 0) {
		log_err("deployment %s: the runner's answer makes no sense; asking again",
			item->note.id);
		ask_later(item, AGAIN_MS);
	} else {
		_cleanup_json_ json_t *result = result_of(&run);

		if (result)
			finish(item, result);
		else
			ask_later(item, AGAIN_MS);
	}
	run_result_deinit(&run);
}

static void on_answer(struct link *link, int status, struct link_msg *msg, void *ctx)
{
	struct deploy_item *item = ctx;

	(void)link;
	item->asked = false;
	if (status == 0 && msg)
		take_result(item, msg);
	else if (item->dropped || passes(status))
		ask_later(item, AGAIN_MS);
	else
		refused(item, status);
	deploy_queue_kick(item->q, 0);
}

static int ask_runner(struct deploy_item *item)
{
	_cleanup_free_ char *text = json_dumps(item->note.d.entry, JSON_COMPACT);
	_cleanup_close_ int fd = text ? fs_blob("deployment", text, strlen(text)) : -ENOMEM;
	struct msg_writer w;

	msg_writer_init(&w);
	if (fd < 0)
		return fd;
	msg_put_str(&w, item->note.id);
	msg_put_str(&w, item->note.group);
	msg_put_str(&w, item->note.name);
	return link_call(item->q->runner, RUNNER_DEPLOY, &w, &fd, 1,
			 item->q->set.conf->deployment_timeout_ms + RUN_MARGIN_MS, on_answer, item);
}

void deploy_item_run(struct deploy_item *item)
{
	struct deploy_queue *q = item->q;
	_cleanup_json_ json_t *result = NULL;
	int r;

	if (item->note.d.nothing) {
		finish_words(item, 0,
			     "heat-pulse: the component has no configuration for this action");
		return;
	}
	if (strcmp(item->note.group, DEPLOYMENT_SETTINGS) == 0) {
		result = q->set.settings(&item->note.d, q->set.ctx);
		if (result)
			finish(item, result);
		else
			ask_later(item, AGAIN_MS);
		return;
	}
	r = ask_runner(item);
	if (r < 0) {
		ask_later(item, AGAIN_MS);
		return;
	}
	item->asked = true;
	item->begun_ms = loop_now(q->set.loop);
}
