/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of sources and watch share: a loop, an HTTP client, configuration and credentials,
 * and one fetch run to its answer. Include after cmocka.h.
 */
#pragma once

#include <string.h>

#include "httpd.h"
#include "metadata/source.h"

struct rig {
	struct env env;
	struct loop *loop;
	struct http *http;
	struct conf conf;
	struct credentials_set creds;
	struct watch_setup setup;
	struct loop_timer *limit;
	/* the last answer */
	unsigned answers;
	enum fetch_class class;
	struct document doc;
	char why[320];
	int64_t retry_after_s;
};

static _unused_ void rig_too_late(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, -1);
}

static _unused_ void rig_init(struct rig *rig)
{
	struct err e = ERR_INIT;

	memset(rig, 0, sizeof(*rig));
	assert_int_equal(env_init(&rig->env, ""), 0);
	assert_int_equal(loop_new(&rig->env, &rig->loop), 0);
	assert_int_equal(http_new(rig->loop, &(struct http_setup){0}, &rig->http, &e), 0);
	assert_int_equal(conf_init(&rig->conf), 0);
	assert_int_equal(loop_timer_new(rig->loop, 0, rig_too_late, NULL, &rig->limit), 0);
	rig->conf.request_timeout_ms = 5000;
	rig->setup = (struct watch_setup){
		.loop = rig->loop, .http = rig->http, .conf = &rig->conf, .creds = &rig->creds};
}

static _unused_ void rig_deinit(struct rig *rig)
{
	document_deinit(&rig->doc);
	loop_timer_free(rig->limit);
	http_free(rig->http);
	loop_free(rig->loop);
	conf_deinit(&rig->conf);
	credentials_set_deinit(&rig->creds);
}

/* Runs the loop until somebody quits it; fails after ten seconds. */
static _unused_ void rig_run(struct rig *rig)
{
	loop_timer_arm(rig->limit, 10000);
	assert_int_equal(loop_run(rig->loop), 0);
	loop_timer_disarm(rig->limit);
}

static _unused_ void rig_quit(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, 0);
}

/* Runs the loop for that long. */
static _unused_ void rig_run_for(struct rig *rig, int64_t ms)
{
	struct loop_timer *t;

	assert_int_equal(loop_timer_new(rig->loop, 0, rig_quit, NULL, &t), 0);
	loop_timer_arm(t, ms);
	rig_run(rig);
	loop_timer_free(t);
}

static _unused_ void rig_answered(const struct fetch_result *r, void *ctx)
{
	struct rig *rig = ctx;

	rig->answers++;
	rig->class = r->class;
	rig->retry_after_s = r->retry_after_s;
	snprintf(rig->why, sizeof(rig->why), "%s", r->why);
	document_deinit(&rig->doc);
	if (r->class == FETCH_OK)
		assert_int_equal(document_copy(&rig->doc, &r->doc), 0);
	loop_quit(rig->loop, 0);
}

static _unused_ enum fetch_class rig_fetch(struct rig *rig, const struct source_ops *ops,
					   struct source *s, const char *resource, bool full)
{
	rig->answers = 0;
	assert_int_equal(ops->fetch(s, resource, full, rig_answered, rig), 0);
	assert_int_equal(rig->answers, 0); /* never from inside */
	rig_run(rig);
	assert_int_equal(rig->answers, 1);
	return rig->class;
}

static _unused_ void rig_cfn(struct rig *rig, const char *url)
{
	struct credentials *c = &rig->creds.cfn;

	c->kind = CREDENTIALS_EC2;
	c->metadata_url = strdup(url);
	c->access_key = strdup("0f1e2d3c4b5a69788796a5b4c3d2e1f0");
	c->secret_key = strdup("p%Q^r!S&t*U1v2W3x4Y5z6A7b8C9d0E@");
	c->stack = strdup("web");
	c->resource = strdup("srv");
}

static _unused_ void rig_heat(struct rig *rig, const char *auth_url)
{
	struct credentials *c = &rig->creds.heat;

	c->kind = CREDENTIALS_PASSWORD;
	c->auth_url = strdup(auth_url);
	c->user_id = strdup("u1");
	c->password = strdup("pw-7%^&");
	c->project_id = strdup("p1");
	c->stack = strdup("web/7b1c");
	c->resource = strdup("srv");
}

/* A source and the server that it asks. */
struct asked {
	struct rig rig;
	struct httpd *h;
	const struct source_ops *ops;
	struct source *s;
};

/* rig_init() and a server; the credentials for it and asked_open() are the caller's. */
static _unused_ void asked_serve(struct asked *k, const struct source_ops *ops, httpd_fn *fn,
				 void *ctx)
{
	rig_init(&k->rig);
	k->ops = ops;
	k->h = httpd_start(&(struct httpd_setup){.fn = fn, .ctx = ctx});
	assert_non_null(k->h);
}

static _unused_ void asked_open(struct asked *k)
{
	struct err e = ERR_INIT;

	assert_int_equal(k->ops->open(&k->rig.setup, &k->s, &e), 0);
}

static _unused_ enum fetch_class asked_fetch(struct asked *k, const char *resource, bool full)
{
	return rig_fetch(&k->rig, k->ops, k->s, resource, full);
}

static _unused_ void asked_close(struct asked *k)
{
	k->ops->close(k->s);
	keystone_free(k->rig.setup.keystone);
	httpd_stop(k->h);
	rig_deinit(&k->rig);
}
