/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metric sinks on a workbench: a loop, a store process, a receiver that does what a plan says, and
 * a Keystone in it. Included by tests of this folder after cmocka.h.
 */
#pragma once

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "httpd.h"
#include "sink/metric_lane.h"
#include "sink/metric_set.h"
#include "tests/unit/store_child.h"

#define SERVER "8c1d0a9e-0000-4000-8000-000000000001"

static int64_t real_offset, boot_offset;

static _unused_ int64_t shifted_boot_ms(void)
{
	return clock_boot_ms() + boot_offset;
}

static _unused_ int64_t shifted_real_ms(void)
{
	return clock_real_ms() + real_offset;
}

static const struct env env = {.boot_ms = shifted_boot_ms, .real_ms = shifted_real_ms};

/* What the server is to do; a copy of it lives in its process. */
struct plan {
	unsigned fail_first; /* so many requests that hold points get fail_status */
	int fail_status;
	const char *fail_headers;
	const char *bad;      /* 400 while the body holds this word */
	unsigned delay_ms;    /* before points are answered */
	size_t too_large;     /* 413 over this many bytes; 0 = never */
	int64_t date_shift_s; /* its clock */
	int wrong_token;      /* 401s for tokens before this one */
	bool no_role;
	const char *down; /* 503 where the target holds this word */
};

struct fix {
	struct store_child role;
	char export_path[128];
	struct loop_timer *limit;
	struct http *http;
	struct keystone *keystone;
	struct metric_set *set;
	struct httpd *server;
	struct plan plan;
	unsigned round;
};

/* ---- the receiver ---- */

static char head[300], token_text[2000];
static unsigned failures, tokens;

static _unused_ void answer_token(const struct httpd_seen *seen, struct httpd_reply *r)
{
	char host[128];

	httpd_header(seen, "Host", host, sizeof(host));
	snprintf(head, sizeof(head), "X-Subject-Token: tok%u\r\n", ++tokens);
	snprintf(token_text, sizeof(token_text),
		 "{\"token\":{\"expires_at\":\"2099-01-01T00:00:00.000000Z\",\"issued_at\":\"2026-"
		 "01-01T00:00:00.000000Z\","
		 "\"user\":{\"id\":\"u1\"},\"project\":{\"id\":\"p1\"},\"catalog\":[{\"type\":"
		 "\"monitoring\",\"endpoints\":[{"
		 "\"interface\":\"public\",\"region\":\"R\",\"region_id\":\"R\",\"url\":\"http://"
		 "%s/v2.0\"}]}]}}",
		 host);
	r->status = 201;
	r->headers = head;
	r->body = token_text;
}

static _unused_ void put_date(const struct plan *p, const char *more)
{
	time_t t = time(NULL) + p->date_shift_s;
	struct tm tm;
	char date[64];

	gmtime_r(&t, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	snprintf(head, sizeof(head), "Date: %s\r\n%s", date, more ? more : "");
}

static _unused_ bool token_refused(const struct httpd_seen *seen, const struct plan *p,
				   struct httpd_reply *r)
{
	char token[64], want[16];

	httpd_header(seen, "X-Auth-Token", token, sizeof(token));
	snprintf(want, sizeof(want), "tok%d", p->wrong_token);
	if (p->no_role)
		put_date(p, "WWW-Authenticate: T, o, k, e, n\r\n");
	else if (p->wrong_token && strcmp(token, want) < 0)
		put_date(p, "WWW-Authenticate: Keystone uri=\"http://x\"\r\n");
	else
		return false;
	r->status = 401;
	return true;
}

static _unused_ void serve(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *r,
			   void *ctx)
{
	const struct plan *p = ctx;
	bool points = strstr(seen->body, "asDouble") || strstr(seen->body, "\"timestamp\"");

	(void)nth;
	r->status = strstr(seen->target, "/v2.0") ? 204 : 200;
	put_date(p, NULL);
	r->headers = head;
	r->delay_ms = points ? p->delay_ms : 0;
	if (strstr(seen->target, "/auth/tokens"))
		answer_token(seen, r);
	else if (token_refused(seen, p, r))
		;
	else if (points && failures < p->fail_first) {
		failures++;
		put_date(p, p->fail_headers);
		r->status = p->fail_status;
	} else if (p->too_large && seen->body_len > p->too_large) {
		r->status = 413;
	} else if (p->down && strstr(seen->target, p->down)) {
		r->status = 503;
	} else if (p->bad && strstr(seen->body, p->bad)) {
		r->status = 400;
		r->body = "{\"message\":\"no such thing\"}";
	}
}

/* ---- the agent's side ---- */

static _unused_ void stop(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, -ETIME);
}

static _unused_ void run_ms(struct fix *f, int64_t ms)
{
	loop_timer_arm(f->limit, ms);
	loop_run(f->role.loop);
	loop_timer_disarm(f->limit);
}

/* What earlier lives left is asked for, and not heard of yet. Without a store process: start one
 * before the end. */
static _unused_ void begin_life(struct fix *f, bool store_runs)
{
	struct metric_set_setup setup = {.labels = {.hostname = "web-1", .resource_id = SERVER},
					 .boot_id = "boot-1",
					 .server_uuid = SERVER,
					 .interval_ms = 300,
					 .timeout_ms = 3000,
					 .flush_ms = 400};

	store_child_begin(&f->role, SERVER);
	assert_int_equal(loop_timer_new(f->role.loop, 0, stop, f, &f->limit), 0);
	assert_int_equal(http_new(f->role.loop, &(struct http_setup){0}, &f->http, NULL), 0);
	if (store_runs)
		store_child_start(&f->role);
	setup.loop = f->role.loop;
	setup.http = f->http;
	setup.store = f->role.store;
	setup.keystone = f->keystone;
	assert_int_equal(metric_set_new(&setup, &f->set), 0);
	metric_set_start(f->set);
}

static _unused_ void begin(struct fix *f)
{
	begin_life(f, true);
	run_ms(f, 100);
	for (int i = 0; i < 300 && !f->set->loaded; i++) /* the store of a busy machine */
		run_ms(f, 50);
}

static _unused_ void end(struct fix *f)
{
	metric_set_end(f->set);
	run_ms(f, 100);
	f->set = metric_set_free(f->set);
	f->role.store = store_free(f->role.store);
	f->keystone = keystone_free(f->keystone);
	kill(f->role.pid, SIGKILL);
	while (f->role.link)
		run_ms(f, 1000);
	f->http = http_free(f->http);
	loop_timer_free(f->limit);
	store_child_end(&f->role);
}

static _unused_ int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	store_child_init(&f->role, &env);
	snprintf(f->export_path, sizeof(f->export_path), "%s/out.prom", f->role.dir);
	f->role.export_path = f->export_path;
	failures = tokens = 0;
	real_offset = boot_offset = 0;
	*state = f;
	return 0;
}

static _unused_ int teardown(void **state)
{
	struct fix *f = *state;

	httpd_stop(f->server);
	fs_remove_tree(f->role.dir);
	free(f);
	return 0;
}

static _unused_ void serve_plan(struct fix *f)
{
	f->server = httpd_start(&(struct httpd_setup){.fn = serve, .ctx = &f->plan});
	assert_non_null(f->server);
}

static _unused_ void configure(struct fix *f, const char *type, const char *path, bool trusted)
{
	char url[256] = "";
	struct sink_setting s = {.type = (char *)(uintptr_t)type, .trusted = trusted};
	struct problems problems = {0};

	if (path) {
		snprintf(url, sizeof(url), "%s", httpd_url(f->server, path));
		s.url = url;
	}
	if (strcmp(type, "textfile") == 0)
		s.path = url;
	assert_int_equal(metric_set_configure(f->set, &s, 1, true, &problems), 0);
	assert_int_equal(problems.n, 0);
	problems_deinit(&problems);
}

/* One sample of three values, one of which is @i. */
static _unused_ void add(struct fix *f, double i, bool urgent)
{
	static struct sample s;

	sample_reset(&s, clock_boot_ms(), shifted_real_ms());
	sample_add(&s, METRIC_MEM_USABLE_PERC, -1, 7.5);
	sample_add(&s, METRIC_MEM_FREE_MB, -1, i);
	sample_add(&s, METRIC_LOAD_1, -1, 0.25);
	assert_int_equal(metric_set_add(f->set, &s, urgent), 0);
}

static _unused_ json_t *status(const struct fix *f)
{
	json_t *list = metric_set_status(f->set), *first = json_incref(json_array_get(list, 0));

	json_decref(list);
	return first;
}

static _unused_ int64_t count(const struct fix *f, const char *name)
{
	_cleanup_json_ json_t *o = status(f);
	int64_t v = -1;

	assert_true(json_int(o, name, &v));
	return v;
}

static _unused_ bool state_is(const struct fix *f, const char *state)
{
	_cleanup_json_ json_t *o = status(f);

	return strcmp(json_str(o, "state"), state) == 0;
}

static _unused_ bool why_has(const struct fix *f, const char *word)
{
	_cleanup_json_ json_t *o = status(f);

	return json_str(o, "error") && strstr(json_str(o, "error"), word);
}

#define UNTIL(f, seconds, condition)                                                               \
	do {                                                                                       \
		for (int i_ = 0; i_ < (seconds)*20 && !(condition); i_++)                          \
			run_ms(f, 50);                                                             \
		if (!(condition)) {                                                                \
			json_t *j_ = metric_set_status((f)->set);                                  \
			json_dumpf(j_, stderr, 0);                                                 \
			json_decref(j_);                                                           \
		}                                                                                  \
		assert_true(condition);                                                            \
	} while (0)

/* How many of the requests had a body with @word. */
static _unused_ unsigned requests_with(const struct fix *f, const char *word)
{
	unsigned n = 0;

	for (unsigned i = 0; i < httpd_count(f->server); i++) {
		const struct httpd_seen *seen = httpd_seen(f->server, i);

		n += seen && strstr(seen->body, word) != NULL;
	}
	return n;
}

static _unused_ void give_keystone(struct fix *f)
{
	struct credentials c = {.kind = CREDENTIALS_APPLICATION};
	char url[128];

	snprintf(url, sizeof(url), "%s", httpd_url(f->server, "/v3"));
	c.auth_url = url;
	c.app_credential_id = (char *)(uintptr_t) "app";
	c.app_credential_secret = (char *)(uintptr_t) "secret";
	assert_int_equal(keystone_new(f->role.loop, f->http, &c, &f->keystone), 0);
	metric_set_keystone(f->set, f->keystone);
}
