/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the watch share: its events counted, and a server that plays heat-api-cfn. */
#pragma once

#include "core/json.h"
#include "metadata/rig.h"
#include "metadata/watch.h"

#define GOOD(resource, metadata, status)                                                           \
	"{\"DescribeStackResourceResponse\":{\"DescribeStackResourceResult\":{"                    \
	"\"StackResourceDetail\":{\"StackId\":"                                                    \
	"\"arn:openstack:heat::p:stacks/web/7b1c\",\"LogicalResourceId\":\"" resource              \
	"\",\"Metadata\":" metadata ","                                                            \
	"\"ResourceStatus\":\"" status "\"}}}}"
#define DENIED                                                                                     \
	"<ErrorResponse><Error><Code>AccessDenied</Code><Message>User is not authorized to "       \
	"perform action</Message></Error></ErrorResponse>"

struct told {
	struct rig *rig;
	struct watch *w;
	unsigned documents, changes, problems, clears, rounds, failures;
	unsigned stop_documents, stop_problems, stop_clears; /* quit the loop when that many came */
	bool stop_round, drop_in_event;
	char code[32], cleared[32], text[512], note[64], resource[64];
	char what[256]; /* watch_changes() */
};

static _unused_ void on_document(const struct document *doc, bool changed, void *ctx)
{
	struct told *t = ctx;

	t->documents++;
	t->changes += changed;
	snprintf(t->resource, sizeof(t->resource), "%s", doc->resource);
	snprintf(t->note, sizeof(t->note), "%s",
		 json_str(doc->metadata, "note") ? json_str(doc->metadata, "note") : "");
	snprintf(t->what, sizeof(t->what), "%s", watch_changes(t->w, doc));
	if (t->drop_in_event)
		assert_int_equal(watch_set_resources(t->w, NULL, 0), 0);
	if (t->documents == t->stop_documents)
		loop_quit(t->rig->loop, 0);
}

static _unused_ void on_problem(enum problem_level level, const char *code, const char *text,
				const char *remedy, void *ctx)
{
	struct told *t = ctx;

	assert_true(strlen(code) < 32 && *text);
	assert_int_equal(remedy == NULL, level == PROBLEM_OK);
	if (level == PROBLEM_OK)
		t->clears++;
	else
		t->problems++;
	snprintf(level == PROBLEM_OK ? t->cleared : t->code, sizeof(t->code), "%s", code);
	snprintf(t->text, sizeof(t->text), "%s", text);
	if ((level != PROBLEM_OK && t->problems == t->stop_problems) ||
	    (level == PROBLEM_OK && t->clears == t->stop_clears))
		loop_quit(t->rig->loop, 0);
}

static _unused_ void on_round(unsigned failures, void *ctx)
{
	struct told *t = ctx;

	t->rounds++;
	t->failures = failures;
	if (t->stop_round)
		loop_quit(t->rig->loop, 0);
}

static _unused_ void start(struct rig *rig, struct told *t)
{
	struct err e = ERR_INIT;

	*t = (struct told){.rig = rig,
			   .stop_documents = t->stop_documents,
			   .stop_problems = t->stop_problems,
			   .stop_clears = t->stop_clears,
			   .stop_round = t->stop_round};
	rig->setup.events = (struct watch_events){on_document, on_problem, on_round, t};
	assert_int_equal(watch_new(&rig->setup, &t->w, &e), 0);
	assert_int_equal(t->documents + t->problems + t->rounds, 0); /* nothing from inside */
}

static _unused_ void prepare(struct rig *rig, int64_t interval_ms)
{
	rig_init(rig);
	rig->conf.interval_ms = interval_ms;
	rig->conf.splay_ms = 0;
}

/* What the server does by resource and count; a fork has its own copy. */
struct script {
	unsigned refuse_from, refuse_to; /* requests that get 403 */
	unsigned bad_from;               /* from then on: broken JSON */
	const char *retry_after;         /* with a 503, always */
	const char *status;
	bool hang;
	unsigned delay_ms;
	unsigned changes_at; /* from that request on the metadata differ */
};

static _unused_ void answer(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply,
			    void *ctx)
{
	const struct script *sc = ctx;
	bool other = strstr(seen->target, "LogicalResourceId=other") != NULL;

	reply->delay_ms = sc->delay_ms;
	if (sc->hang) {
		reply->act = HTTPD_HANG;
	} else if (sc->retry_after) {
		reply->status = 503;
		reply->headers = sc->retry_after;
	} else if (nth >= sc->refuse_from && nth < sc->refuse_to) {
		reply->status = 403;
		reply->body = DENIED;
	} else if (sc->bad_from && nth >= sc->bad_from) {
		reply->body = "{";
	} else if (sc->status) {
		reply->body = GOOD("srv", "{}", "UPDATE_IN_PROGRESS");
	} else {
		reply->body = other ? GOOD("other", "{\"note\":\"o\"}", "CREATE_COMPLETE")
			      : sc->changes_at && nth >= sc->changes_at
				      ? GOOD("srv", "{\"note\":\"t\"}", "UPDATE_COMPLETE")
				      : GOOD("srv", "{\"note\":\"s\"}", "CREATE_COMPLETE");
	}
}

static _unused_ struct httpd *serve(struct rig *rig, struct script *sc)
{
	struct httpd *h = httpd_start(&(struct httpd_setup){.fn = answer, .ctx = sc});

	assert_non_null(h);
	rig_cfn(rig, httpd_url(h, "/v1/"));
	return h;
}

static _unused_ void finish(struct rig *rig, struct told *t, struct httpd *h)
{
	watch_free(t->w);
	httpd_stop(h);
	rig_deinit(rig);
}

/* A watch of such a server. */
struct watched {
	struct rig rig;
	struct httpd *h;
	struct told t;
};

/* After prepare(), for who changes something in between. */
static _unused_ void watched_start(struct watched *w, struct script *sc)
{
	w->h = serve(&w->rig, sc);
	start(&w->rig, &w->t);
}

static _unused_ void watched_open(struct watched *w, struct script *sc, int64_t interval_ms)
{
	prepare(&w->rig, interval_ms);
	watched_start(w, sc);
}

static _unused_ void watched_close(struct watched *w)
{
	finish(&w->rig, &w->t, w->h);
}
