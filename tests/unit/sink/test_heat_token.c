/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals by name with only a Keystone user: keys are minted for the synchronous PUT; where that cannot be,
 * native POSTs, which Heat accepts before it looks at them. One small server plays Keystone, heat-api and
 * heat-api-cfn.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "bench.h"
#include "httpd.h"

struct world { /* how the server behaves; it has a copy */
	bool mint_refused, no_cfn, put_refused, readable, aws, suspended, first_token_refused;
};

static char reply_text[8192], stored_reason[256];
static unsigned tokens;

static bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *s, const char *ending)
{
	size_t n = strcspn(s, "?"), m = strlen(ending);

	return n >= m && strncmp(s + n - m, ending, m) == 0;
}

static void answer_token(const struct httpd_seen *seen, const struct world *w, struct httpd_reply *r)
{
	static char header[64];
	char host[128];

	httpd_header(seen, "Host", host, sizeof(host));
	snprintf(header, sizeof(header), "X-Subject-Token: tok%u\r\n", ++tokens);
	snprintf(reply_text, sizeof(reply_text),
		 "{\"token\":{\"expires_at\":\"2099-01-01T00:00:00.000000Z\",\"issued_at\":\"2026-01-01T00:"
		 "00:00.000000Z\",\"user\":{\"id\":\"u1\"},"
		 "\"project\":{\"id\":\"p1\"},\"catalog\":[{\"type\":\"orchestration\",\"endpoints\":[{"
		 "\"interface\":\"public\",\"region\":\"R\",\"region_id\":\"R\","
		 "\"url\":\"http://%s/native/"
		 "p1\"}]},{\"type\":\"%s\",\"endpoints\":[{\"interface\":\"public\",\"region\":\"R\","
		 "\"region_id\":\"R\",\"url\":"
		 "\"http://%s/v1\"}]}]}}",
		 host, w->no_cfn ? "other" : "cloudformation", host);
	r->status = 201;
	r->headers = header;
	r->body = reply_text;
}

/* As a handle would: only its own kind is stored. */
static bool store(const struct httpd_seen *seen, const struct world *w)
{
	json_t *o = json_loads(seen->body, 0, NULL);
	const char *reason = json_str(o, w->aws ? "Reason" : "reason");
	bool good = reason && json_object_size(o) == 4;

	if (good)
		snprintf(stored_reason, sizeof(stored_reason), "%s", reason);
	json_decref(o);
	return good;
}

static const char *metadata_json(const struct world *w)
{
	snprintf(reply_text, sizeof(reply_text),
		 "{\"resource\":\"h\",\"metadata\":{\"" SERVER_ID
		 "\":{\"%s\":\"SUCCESS\",\"%s\":\"%s\",\"%s\":1}}}",
		 w->aws ? "Status" : "status", w->aws ? "Reason" : "reason", stored_reason,
		 w->aws ? "Data" : "data");
	return reply_text;
}

static void answer_put(const struct httpd_seen *seen, const struct world *w, struct httpd_reply *r)
{
	r->status = w->put_refused ? 403 : 200;
	r->body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></"
		  "ErrorResponse>";
	if (w->put_refused)
		return;
	if (!store(seen, w)) {
		r->status = 500;
		r->body = "ValueError: resources.h: Metadata format invalid";
		return;
	}
	r->body = metadata_json(w);
}

static void answer_native(const struct httpd_seen *seen, const struct world *w, struct httpd_reply *r)
{
	char token[128];

	httpd_header(seen, "X-Auth-Token", token, sizeof(token));
	if (w->first_token_refused && strcmp(token, "tok1") == 0) {
		r->status = 401;
	} else if (ends(seen->target, "/signal")) {
		r->status = w->suspended ? 400 : 200;
		r->body = w->suspended
				  ? "{\"explanation\":\"Signal resource during SUSPEND is not supported.\"}"
				  : "null";
		if (!w->suspended)
			(void)store(seen, w);
	} else {
		r->status = w->readable ? 200 : 403;
		r->body = w->readable ? metadata_json(w) : "{\"explanation\":\"Forbidden\"}";
	}
}

static void answer(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *r, void *ctx)
{
	const struct world *w = ctx;

	(void)nth;
	if (ends(seen->target, "/auth/tokens")) {
		answer_token(seen, w, r);
	} else if (starts(seen->target, "/v3/users/u1/credentials/OS-EC2")) {
		r->status = w->mint_refused ? 403 : strcmp(seen->method, "DELETE") == 0 ? 204 : 201;
		r->body = w->mint_refused ? "{\"error\":{\"message\":\"You are not authorized\"}}"
					  : "{\"credential\":{\"access\":\"ak\",\"secret\":\"s%cret\"}}";
	} else if (starts(seen->target, "/v1/waitcondition/")) {
		answer_put(seen, w, r);
	} else if (starts(seen->target, "/native/p1/stacks/web/" STACK_UUID "/resources/h/")) {
		answer_native(seen, w, r);
	} else {
		r->status = 404;
	}
}

static struct httpd *begin(struct bench *b, struct world *w)
{
	struct httpd *h = httpd_start(&(struct httpd_setup){.fn = answer, .ctx = w});

	assert_non_null(h);
	bench_begin(b, "web/" STACK_UUID);
	b->creds.heat = (struct credentials){.kind = CREDENTIALS_PASSWORD,
					     .auth_url = strdup(httpd_url(h, "/v3/")),
					     .user_id = strdup("u1"),
					     .password = strdup("pw"),
					     .project_id = strdup("p1"),
					     .region = strdup("R")};
	bench_open(b);
	return h;
}

/* The wire as "POST token, POST mint, PUT …" */
static void wire(const struct httpd *h, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < httpd_count(h); i++) {
		const struct httpd_seen *s = httpd_seen(h, i);
		const char *what = ends(s->target, "/auth/tokens")	  ? "token"
				   : strstr(s->target, "OS-EC2")	  ? "keys"
				   : strstr(s->target, "/waitcondition/") ? "PUT"
				   : ends(s->target, "/signal")
					   ? (strstr(s->body, "\"Status\"") ? "POST-aws" : "POST-heat")
					   : "GET";

		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? " " : "", what);
	}
}

static void expect_wire(const struct httpd *h, const char *want)
{
	char got[512];

	wire(h, got, sizeof(got));
	assert_string_equal(got, want);
}

/* Keys are minted once and used for every signal; the kind is learned by the PUT; the tenant in the ARN is
 * the user's own project. */
static void minted_keys(void **state)
{
	struct world w = {.aws = true};
	struct bench b;
	struct httpd *h = begin(&b, &w);

	(void)state;
	assert_int_equal(bench_send(&b, "h", "one"), CARRY_DELIVERED);
	assert_int_equal(bench_send(&b, "h", "two"), CARRY_DELIVERED);
	expect_wire(h, "token keys PUT PUT PUT");
	assert_string_equal(httpd_seen(h, 1)->body, "{\"tenant_id\":\"p1\"}");
	assert_non_null(strstr(httpd_seen(h, 2)->target,
			       "arn:openstack:heat::p1:stacks/web/" STACK_UUID "/resources/h?"));
	bench_end(&b);
	httpd_stop(h);
}

/* No minting, and a handle that may be read: read back, and its kind known from then on. */
static void read_back(void **state)
{
	struct world w = {.mint_refused = true, .readable = true};
	struct bench b;
	struct httpd *h = begin(&b, &w);

	(void)state;
	assert_int_equal(bench_send(&b, "h", "one"), CARRY_DELIVERED);
	assert_int_equal(bench_send(&b, "h", "two"), CARRY_DELIVERED);
	expect_wire(h, "token keys POST-heat GET POST-heat");
	bench_end(&b);
	httpd_stop(h);
}

/* The same with an AWS handle: the wrong kind is answered 200 and vanishes, which is seen, and the right one
 * follows. */
static void read_back_aws(void **state)
{
	struct world w = {.no_cfn = true, .readable = true, .aws = true};
	struct bench b;
	struct httpd *h = begin(&b, &w);

	(void)state;
	assert_int_equal(bench_send(&b, "h", "one"), CARRY_DELIVERED);
	expect_wire(h, "token POST-heat GET GET GET POST-aws GET");
	assert_int_equal(bench_send(&b, "h", "two"), CARRY_DELIVERED);
	expect_wire(h, "token POST-heat GET GET GET POST-aws GET POST-aws");
	bench_end(&b);
	httpd_stop(h);
}

/* Neither keys nor reading: both kinds are sent, so that the signal cannot vanish; reading is not tried
 * again. */
static void both_kinds(void **state)
{
	struct world w = {.mint_refused = true, .aws = true};
	struct bench b;
	struct httpd *h = begin(&b, &w);

	(void)state;
	assert_int_equal(bench_send(&b, "h", "one"), CARRY_DELIVERED);
	assert_int_equal(bench_send(&b, "h", "two"), CARRY_DELIVERED);
	expect_wire(h, "token keys POST-heat GET POST-aws POST-heat POST-aws");
	bench_end(&b);
	httpd_stop(h);
}

/* Keys that Heat refuses while the token works (a Heat without the service token): the signal arrives, and
 * the keys are left alone for a while. */
static void keys_refused(void **state)
{
	struct world w = {.put_refused = true, .readable = true};
	struct bench b;
	struct httpd *h = begin(&b, &w);

	(void)state;
	assert_int_equal(bench_send(&b, "h", "one"), CARRY_DELIVERED);
	expect_wire(h, "token keys PUT PUT PUT POST-heat GET");
	assert_int_equal(bench_send(&b, "h", "two"), CARRY_DELIVERED);
	expect_wire(h, "token keys PUT PUT PUT POST-heat GET POST-heat");
	bench_end(&b);
	httpd_stop(h);
}

/* A token that was revoked is renewed once within the signal. */
static void token_revoked(void **state)
{
	struct world w = {
		.mint_refused = true, .no_cfn = true, .readable = true, .first_token_refused = true};
	struct bench b;
	struct httpd *h = begin(&b, &w);

	(void)state;
	assert_int_equal(bench_send(&b, "h", "one"), CARRY_DELIVERED);
	expect_wire(h, "token POST-heat token POST-heat GET");
	bench_end(&b);
	httpd_stop(h);
}

/* A suspended stack says 400 here: slowly, with Heat's words. */
static void suspended(void **state)
{
	struct world w = {.no_cfn = true, .suspended = true};
	struct bench b;
	struct httpd *h = begin(&b, &w);

	(void)state;
	assert_int_equal(bench_send(&b, "h", "one"), CARRY_SLOWLY);
	assert_non_null(strstr(b.why, "SUSPEND"));
	bench_end(&b);
	httpd_stop(h);
}

/* Closed with a request under way: no answer comes, nothing is touched afterwards. */
static void closed_under_way(void **state)
{
	struct world w = {.no_cfn = true, .readable = true};
	struct bench b;
	struct httpd *h = begin(&b, &w);
	struct signal s = bench_signal("h", "x");

	(void)state;
	assert_int_equal(sink_set_send(b.set, &s, bench_done, &b), 0);
	assert_int_equal(sink_set_send(b.set, &s, bench_done, &b), -EBUSY);
	loop_timer_arm(b.limit, 30);
	(void)loop_run(b.loop);
	b.set = sink_set_close(b.set);
	signal_deinit(&s);
	b.answers = 0;
	loop_timer_arm(b.limit, 100);
	assert_int_equal(loop_run(b.loop), -ETIME);
	assert_int_equal(b.answers, 0);
	bench_end(&b);
	httpd_stop(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(minted_keys),	 cmocka_unit_test(read_back),
		cmocka_unit_test(read_back_aws), cmocka_unit_test(both_kinds),
		cmocka_unit_test(keys_refused),	 cmocka_unit_test(token_revoked),
		cmocka_unit_test(suspended),	 cmocka_unit_test(closed_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
