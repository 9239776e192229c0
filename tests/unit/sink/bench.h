/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sinks on a workbench: a loop, HTTP, credentials and a document to fill in, and send() that waits for the
 * one answer. No store: nothing is remembered but in memory. Included by the tests of this folder after
 * cmocka.h.
 */
#pragma once

#include "core/json.h"
#include "sink/rows.h"
#include "sink/sink.h"

#define STACK_UUID "7b1c0000-0000-4000-8000-000000000007"
#define STACK_ARN  "arn:openstack:heat::5e1f0a:stacks/web/" STACK_UUID
#define SERVER_ID  "8c1d0a9e-0000-4000-8000-000000000001"

struct bench {
	struct env env;
	struct loop *loop;
	struct http *http;
	struct conf conf;
	struct credentials_set creds;
	struct keystone *keystone;
	struct document doc;
	bool has_doc;
	struct sink_set *set;
	struct loop_timer *limit;
	/* the answer */
	unsigned answers;
	enum carry how;
	int64_t retry_after_s;
	char why[300];
};

static const struct document *bench_document(void *ctx)
{
	const struct bench *b = ctx;

	return b->has_doc ? &b->doc : NULL;
}

static void bench_too_long(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, -ETIME);
}

static int64_t bench_clock_offset_ms;

static int64_t bench_real_ms(void)
{
	return clock_real_ms() + bench_clock_offset_ms;
}

static void bench_begin(struct bench *b, const char *stack_id)
{
	memset(b, 0, sizeof(*b));
	assert_int_equal(env_init(&b->env, NULL), 0);
	b->env.real_ms = bench_real_ms;
	assert_int_equal(loop_new(&b->env, &b->loop), 0);
	assert_int_equal(http_new(b->loop, &(struct http_setup){0}, &b->http, NULL), 0);
	assert_int_equal(conf_init(&b->conf), 0);
	b->conf.request_timeout_ms = 5000;
	b->has_doc = stack_id != NULL;
	b->doc = (struct document){.source = "cfn", .stack_id = stack_id ? strdup(stack_id) : NULL};
	assert_int_equal(loop_timer_new(b->loop, 0, bench_too_long, b, &b->limit), 0);
}

/* After the credentials were filled in. */
static void bench_open(struct bench *b)
{
	struct sink_setup setup = {.loop = b->loop,
				   .http = b->http,
				   .conf = &b->conf,
				   .creds = &b->creds,
				   .document = bench_document,
				   .ctx = b};
	struct err e = ERR_INIT;

	if (b->creds.heat.kind != CREDENTIALS_NONE)
		assert_int_equal(keystone_new(b->loop, b->http, &b->creds.heat, &b->keystone), 0);
	setup.keystone = b->keystone;
	assert_int_equal(sink_set_open(&setup, &b->set, &e), 0);
}

static void bench_end(struct bench *b)
{
	b->set = sink_set_close(b->set);
	keystone_free(b->keystone);
	http_free(b->http);
	loop_timer_free(b->limit);
	loop_free(b->loop);
	conf_deinit(&b->conf);
	credentials_set_deinit(&b->creds);
	document_deinit(&b->doc);
}

static void bench_done(enum carry how, int64_t retry_after_s, const char *why, void *ctx)
{
	struct bench *b = ctx;

	b->answers++;
	b->how = how;
	b->retry_after_s = retry_after_s;
	snprintf(b->why, sizeof(b->why), "%s", why);
	loop_quit(b->loop, 0);
}

static struct signal bench_signal(const char *target, const char *reason)
{
	return (struct signal){.kind = SIGNAL_HEALTH,
			       .key = "health",
			       .target = strdup(target),
			       .status = strdup("SUCCESS"),
			       .reason = strdup(reason),
			       .id = strdup(SERVER_ID),
			       .data = json_pack("{s:i, s:f}", "v", 1, "risk", 0.93)};
}

static _unused_ struct signal bench_action(const char *target)
{
	return (struct signal){.kind = SIGNAL_ACTION,
			       .key = "action",
			       .target = strdup(target),
			       .status = strdup("SUCCESS"),
			       .reason = strdup("hp1"),
			       .id = strdup("boot memory_exhaustion guest"),
			       .data = json_pack("{s:s, s:s, s:f}", "resource", "srv", "reason", "hp1",
						 "probability", 0.95)};
}

/* One signal, one answer; a word of the expectation is shown where it is not met. */
static enum carry bench_send_it(struct bench *b, struct signal s)
{
	unsigned before = b->answers;

	assert_int_equal(sink_set_send(b->set, &s, bench_done, b), 0);
	assert_int_equal(b->answers, before); /* never from inside */
	loop_timer_arm(b->limit, 20000);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->answers, before + 1);
	signal_deinit(&s);
	return b->how;
}

static _unused_ enum carry bench_send(struct bench *b, const char *target, const char *reason)
{
	return bench_send_it(b, bench_signal(target, reason));
}
