/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong clocks, and when the heat source is asked for the full document. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "metadata/told.h"

/* ---- clocks ---- */

#define IN_1970 INT64_MIN

static int64_t real_offset_ms;

static int64_t shifted_real_ms(void)
{
	return real_offset_ms == IN_1970 ? 1000 : clock_real_ms() + real_offset_ms;
}

static void use_clock(struct rig *rig, int64_t offset_ms)
{
	real_offset_ms = offset_ms;
	http_free(rig->http);
	loop_timer_free(rig->limit);
	loop_free(rig->loop);
	rig->env.real_ms = shifted_real_ms;
	assert_int_equal(loop_new(&rig->env, &rig->loop), 0);
	assert_int_equal(http_new(rig->loop, &(struct http_setup){0}, &rig->http, NULL), 0);
	assert_int_equal(loop_timer_new(rig->loop, 0, rig_too_late, NULL, &rig->limit), 0);
	rig->setup.loop = rig->loop;
	rig->setup.http = rig->http;
}

/* Before the build date nothing is sent over TLS; plain http goes on; once the clock is right the
 * poll comes. */
static void clock_before_build(void **state)
{
	struct script sc = {0};
	struct told t = {.stop_problems = 1};
	struct rig rig;
	struct httpd *h;
	char url[128];

	(void)state;
	prepare(&rig, 20);
	use_clock(&rig, IN_1970);
	h = serve(&rig, &sc);
	snprintf(url, sizeof(url), "https%s", rig.creds.cfn.metadata_url + 4);
	free(rig.creds.cfn.metadata_url);
	rig.creds.cfn.metadata_url = strdup(url);
	start(&rig, &t);
	rig_run(&rig);
	assert_string_equal(t.code, "clock");
	rig_run_for(&rig, 100);
	assert_int_equal(httpd_count(h), 0);
	assert_int_equal(t.problems, 1);
	real_offset_ms = 0;
	t.stop_clears = 1;
	watch_poll_now(t.w);
	rig_run(&rig);
	assert_string_equal(t.cleared, "clock");
	finish(&rig, &t, h);
	prepare(&rig, 20);
	use_clock(&rig, IN_1970);
	h = serve(&rig, &sc);
	t = (struct told){.stop_documents = 1};
	start(&rig, &t);
	rig_run(&rig);
	assert_int_equal(t.problems, 0);
	finish(&rig, &t, h);
}

static void answer_dated(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply,
			 void *ctx)
{
	static char header[128];
	time_t at = time(NULL);
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(header, sizeof(header), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
	answer(seen, nth, reply, ctx);
	reply->headers = header;
}

/* The server's time is known from its answers; a guest behind is told that it is the clock. */
static void skew(void **state)
{
	struct script good = {0}, refused = {.refuse_to = 1000};
	struct told t = {.stop_documents = 1};
	struct rig rig;
	struct httpd *h;

	(void)state;
	prepare(&rig, 60000);
	use_clock(&rig, 600 * 1000);
	h = httpd_start(&(struct httpd_setup){.fn = answer_dated, .ctx = &good});
	rig_cfn(&rig, httpd_url(h, "/v1/"));
	start(&rig, &t);
	rig_run(&rig);
	assert_true(watch_clock_skew_ms(t.w) < -597000 && watch_clock_skew_ms(t.w) > -603000);
	finish(&rig, &t, h);
	prepare(&rig, 60000);
	use_clock(&rig, -1200 * 1000);
	h = httpd_start(&(struct httpd_setup){.fn = answer_dated, .ctx = &refused});
	rig_cfn(&rig, httpd_url(h, "/v1/"));
	t = (struct told){.stop_problems = 1};
	start(&rig, &t);
	rig_run(&rig);
	assert_string_equal(t.code, "cfn-clock-skew");
	assert_int_equal(httpd_count(h), 4); /* the rung with the server's time was tried too */
	finish(&rig, &t, h);
}

/* ---- heat ---- */

static void answer_heat(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply,
			void *ctx)
{
	static char body[512];
	char host[128];

	(void)nth;
	(void)ctx;
	if (strcmp(seen->method, "POST") != 0) {
		reply->body = strstr(seen->target, "/software_deployments/") ? "{\"metadata\":[]}"
									     : "{\"metadata\":{}}";
		return;
	}
	snprintf(body, sizeof(body),
		 "{\"token\":{\"expires_at\":\"2099-01-01T00:00:00Z\",\"catalog\":[{\"type\":"
		 "\"orchestration\","
		 "\"endpoints\":[{\"interface\":\"public\",\"url\":\"http://%s/v1/p1\"}]}]}}",
		 httpd_header(seen, "Host", host, sizeof(host)));
	reply->status = 201;
	reply->headers = "X-Subject-Token: tok\r\n";
	reply->body = body;
}

static unsigned light_requests(struct httpd *h, unsigned from)
{
	unsigned n = 0;

	for (unsigned i = from; i < httpd_count(h); i++)
		n += httpd_seen(h, i) && strstr(httpd_seen(h, i)->target, "/software_deployments/");
	return n;
}

/* Light polls with a full one now and then; once a hook depends on the resource every poll is full.
 */
static void light_polls(void **state)
{
	static const char *const names[] = {"srv"};
	struct told t = {.stop_documents = 21};
	struct rig rig;
	struct httpd *h;
	unsigned count, light;

	(void)state;
	prepare(&rig, 10);
	rig.conf.full_every = 5;
	h = httpd_start(&(struct httpd_setup){.fn = answer_heat});
	rig_heat(&rig, httpd_url(h, "/v3"));
	rig.creds.physical_id = strdup("srv-uuid");
	start(&rig, &t);
	assert_non_null(watch_keystone(t.w));
	rig_run(&rig);
	/* polls 1, 6, 11, 16, 21 are full; the first light one goes on to the full form */
	light = light_requests(h, 0);
	count = httpd_count(h) - 1;
	assert_int_equal(light, 16);
	assert_int_equal(count - light, 6);
	assert_int_equal(t.changes, 1);
	assert_int_equal(watch_set_resources(t.w, names, 1), 0);
	count = httpd_count(h);
	t.stop_documents = 30;
	rig_run(&rig);
	assert_int_equal(light_requests(h, count), 0);
	finish(&rig, &t, h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_before_build),
		cmocka_unit_test(skew),
		cmocka_unit_test(light_polls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
