/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From documents to hooks and settings: what the wiring does when a document, a problem or a hook's
 * result comes.
 */
#include "command/agent.h"

#include <errno.h>
#include <string.h>

#include "command/command.h"
#include "command/documents.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "hooks/protocol.h"
#include "metadata/document.h"

#define PRIME_WAIT_MS 2000

const struct document *agent_own_document(void *ctx)
{
	const struct agent *a = ctx;

	return a->watch ? watch_document(a->watch, NULL) : NULL;
}

const char *agent_server_id(const struct agent *a)
{
	const struct document *own = a->watch ? watch_document(a->watch, NULL) : NULL;
	bool weak = identity_is_weak(&a->identity);

	/* Heat knows a deployed server by the id it made up for it, which only the document tells.
	 */
	return weak && own && own->physical_id ? own->physical_id : a->identity.server_uuid;
}

static bool is_own(const struct agent *a, const struct document *doc)
{
	const struct document *own = watch_document(a->watch, NULL);

	return own && text_equal(own->resource, doc->resource) &&
	       text_equal(own->source, doc->source);
}

/* A URL's query may be a signature. */
static const char *loggable(const char *target)
{
	if (!target)
		return "-";
	return strchr(target, '?') ? "a URL" : target;
}

static void log_settings(const struct settings *s)
{
	log_info("settings from metadata: boot=%s health=%s action=%s", loggable(s->boot), loggable(s->health),
		 loggable(s->action));
}

static void take_settings(struct agent *a, const struct document *doc)
{
	_cleanup_json_ json_t *metadata = agent_deploy_metadata(a, doc);
	struct problems found = {0};
	struct settings fresh;

	if (settings_from_metadata(metadata, a->conf->trust_metadata == CONF_TRUST_FULL, &fresh, &found)) {
		log_err("settings of the document not taken over: out of memory");
		return;
	}
	problems_remove(&a->problems, "metadata-setting");
	problems_remove(&a->problems, "metadata-refused");
	for (size_t i = 0; i < found.n; i++)
		problems_add(&a->problems, found.list[i].level, found.list[i].code,
			     found.list[i].remedy, "%s", found.list[i].text);
	problems_deinit(&found);
	if (!settings_equal(&fresh, &a->settings))
		log_settings(&fresh);
	settings_deinit(&a->settings);
	a->settings = fresh;
	agent_trust_apply(a, doc);
	agent_metrics_configure(a, true);
	if (agent_foresee_apply(a))
		log_warn("what metadata say of sampling is not taken over: out of memory");
}

static void keep_document(struct agent *a, const struct document *doc, bool own)
{
	char name[STORE_NAME_MAX];
	_cleanup_free_ char *text = document_save(doc);

	if (!text || store_put(a->store, documents_entry(own ? NULL : doc->resource, name), text,
			       strlen(text), NULL, NULL))
		log_warn("the document of %s is not kept on disk: out of memory", doc->resource);
}

/* What cron runs each minute must not chatter about what runs no hook. */
static void log_document(const struct agent *a, const struct document *doc, bool changed)
{
	const char *what = watch_changes(a->watch, doc);

	log_at(a->setup->one_pass ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
	       "%s document of %s from source %s%s%s%s", changed ? "new" : "first",
	       doc->resource ? doc->resource : "this guest", doc->source,
	       doc->in_progress ? " (its resource is in progress: hooks wait)" : "",
	       *what ? ": " : "", what);
}

void agent_on_document(const struct document *doc, bool changed, void *ctx)
{
	struct agent *a = ctx;
	bool own = is_own(a, doc);

	if (changed || (own && !a->document_seen)) {
		log_document(a, doc, changed);
		if (own)
			take_settings(a, doc);
		keep_document(a, doc, own);
		if (own)
			agent_deploy_document(a, doc);
	}
	if (hook_queue_offer(a->queue, doc))
		log_err("the document of %s was not offered to the hooks: out of memory",
			doc->resource);
	if (own && !doc->in_progress)
		a->document_seen = true;
	if (own && a->outbox)
		outbox_route_changed(a->outbox);
	agent_judge_boot(a);
	if (own) {
		agent_judge_action(a);
		agent_health_due(a); /* a later life, whose boot was told, has nothing else to begin with */
	}
	if (own && !changed && !store_pending(a->store))
		watch_kept(a->watch);
}

void agent_on_problem(enum problem_level level, const char *code, const char *text,
		      const char *remedy, void *ctx)
{
	struct agent *a = ctx;

	a->nothing_to_ask =
		a->nothing_to_ask || text_equal(code, "no-source") || text_equal(code, "source");
	if (level == PROBLEM_OK) {
		problems_remove(&a->problems, code);
		log_info("%s: %s", code, text);
		return;
	}
	problems_add(&a->problems, level, code, remedy, "%s", text);
	log_at(level == PROBLEM_ERROR ? LOG_LEVEL_ERR : LOG_LEVEL_WARN, "%s: %s%s%s", code, text,
	       remedy ? "; " : "", remedy ? remedy : "");
}

static uint32_t one_pass_result(const struct agent *a)
{
	if (a->hooks_failed)
		return EXIT_HOOK;
	if (a->nothing_to_ask)
		return EXIT_CONFIG;
	return a->round_failures ? EXIT_NETWORK : EXIT_GOOD;
}

/* The exit code says that something failed; these lines say what, also when no hook ran in this pass. */
static void name_waiting_hooks(struct agent *a)
{
	_cleanup_json_ json_t *hooks = hook_queue_status(a->queue);
	const json_t *one;
	size_t at;

	json_array_foreach(hooks, at, one) {
		const char *state = json_str(one, "state");

		if (text_equal(state, "retrying"))
			log_warn("hook %s failed; a later pass tries it again", json_str(one, "name"));
		else if (text_equal(state, "gave-up"))
			log_debug("hook %s was given up until its value changes", json_str(one, "name"));
	}
}

/* One pass is over when every resource was asked for and no hook is left to run. */
static void end_one_pass(struct agent *a)
{
	struct msg_writer w;

	msg_writer_init(&w);
	if (!a->setup->one_pass || !a->round_over || !hook_queue_idle(a->queue) ||
	    store_pending(a->store))
		return;
	if (a->hooks_failed)
		name_waiting_hooks(a);
	msg_put_u32(&w, one_pass_result(a));
	if (link_send(a->runner, RUNNER_DONE, &w, NULL, 0))
		loop_quit(a->loop, EXIT_CONFIG);
	a->round_over = false;
}

static void on_one_pass_tick(struct loop *loop _unused_, void *ctx)
{
	struct agent *a = ctx;

	end_one_pass(a);
	if (a->round_over)
		loop_timer_arm(a->store_timer, 20);
}

/* Ends now or as soon as the store has acknowledged what the hooks' states are. */
static void want_end(struct agent *a)
{
	if (!a->setup->one_pass)
		return;
	if (!a->store_timer && loop_timer_new(a->loop, 0, on_one_pass_tick, a, &a->store_timer)) {
		loop_quit(a->loop, EXIT_CONFIG);
		return;
	}
	loop_timer_arm(a->store_timer, 1);
}

void agent_on_round_done(unsigned failed, void *ctx)
{
	struct agent *a = ctx;

	a->round_over = true;
	a->round_failures = failed;
	hook_queue_round_over(a->queue);
	want_end(a);
}

void agent_on_hooks_idle(unsigned failed, void *ctx)
{
	struct agent *a = ctx;

	a->hooks_failed = failed;
	want_end(a);
	agent_judge_boot(a);
}

static void describe_end(const struct run_result *r, char *out, size_t n)
{
	static const struct {
		const char *text;
		bool with_code;
	} ends[] = {
		[RUN_EXITED] = {"exit code ", true},
		[RUN_SIGNALLED] = {"killed by signal ", true},
		[RUN_TIMED_OUT] = {"stopped at its time limit", false},
		[RUN_NOT_STARTED] = {"not started", false},
		[RUN_CUT_OFF] = {"cut off half-way", false},
	};
	char code[16] = "";

	if (ends[r->end].with_code)
		snprintf(code, sizeof(code), "%d", r->code);
	snprintf(out, n, "%s%s%s%s", ends[r->end].text, code, r->why ? ": " : "",
		 r->why ? r->why : "");
}

void agent_on_hook_report(const struct hook_report *report, void *ctx)
{
	struct agent *a = ctx;
	bool good = report->result->end == RUN_EXITED && report->result->code == 0;
	char end[256];

	describe_end(report->result, end, sizeof(end));
	if (good)
		log_info("hook %s (%s on %s): done", report->hook, report->trigger,
			 report->resource);
	else
		log_at(LOG_LEVEL_ERR, "hook %s (%s on %s): %s at try %u%s", report->hook,
		       report->trigger, report->resource, end, report->attempt,
		       report->gave_up ? "; given up until the value changes again"
		       : report->final ? ""
				       : "; it will be tried again");
	if (report->gave_up)
		text_print(a->failed_hook, sizeof(a->failed_hook), "%s", report->hook);
	else if (report->final && text_equal(a->failed_hook, report->hook))
		a->failed_hook[0] = '\0';
	agent_judge_boot(a);
	agent_health_due(a);
}

/* Return: whether there was one on disk that the watch now knows. @resource: NULL = the guest's own. */
static bool prime(struct agent *a, const char *resource, struct document *doc)
{
	char name[STORE_NAME_MAX];
	_cleanup_buf_ struct buf text = BUF_INIT(STORE_ENTRY_MAX);
	struct err e = ERR_INIT;

	if (!a->store_link ||
	    store_get_wait(a->store_link, documents_entry(resource, name), PRIME_WAIT_MS, &text))
		return false;
	if (document_load(text.data, text.len, doc, &e)) {
		log_warn("the last good document cannot be used: %s; waiting for a new one",
			 e.text);
		return false;
	}
	return watch_prime(a->watch, doc) == 0;
}

void agent_prime_document(struct agent *a)
{
	_cleanup_(document_cleanup) struct document doc = {0};

	if (!prime(a, NULL, &doc))
		return;
	take_settings(a, &doc);
	log_info("last good document of %s read from disk",
		 doc.resource ? doc.resource : "this guest");
}

void agent_prime_pass(struct agent *a, const char *const *names, size_t n)
{
	_cleanup_(document_cleanup) struct document own = {0};

	prime(a, NULL, &own);
	for (size_t i = 0; i < n; i++) {
		_cleanup_(document_cleanup) struct document doc = {0};

		prime(a, names[i], &doc);
	}
}
