/* SPDX-License-Identifier: Apache-2.0 */
/* How the result of a deployment gets out: each way, and what is tried where it is closed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "bench.h"
#include "httpd.h"

#define ID	   "3f0700ec-79de-48d9-bbf1-d175605f8de6"
#define SIGNAL_PATH "/v1/signal/arn%3Aopenstack%3Aheat%3A%3A5e1f0a%3Astacks/web/7b1c/resources/dep"

/* Paths and what is in the request say what is answered:
 *	a Timestamp of 2001   403 (a URL that has died)
 *	.../auth/tokens       201 and a catalog that leads back here; with the user "bad" 401
 *	everything else       200 */
static void answer(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply, void *ctx)
{
	static char body[2048];
	char host[128];

	(void)nth;
	(void)ctx;
	reply->body = "";
	if (strstr(seen->target, "Timestamp=2001")) {
		reply->status = 403;
		reply->body = "<ErrorResponse><Error><Message>User is not authorized</Message></Error></ErrorResponse>";
	} else if (strstr(seen->target, "/auth/tokens")) {
		httpd_header(seen, "Host", host, sizeof(host));
		reply->status = strstr(seen->body, "\"bad\"") ? 401 : 201;
		reply->headers = "X-Subject-Token: tok\r\n";
		snprintf(body, sizeof(body),
			 "{\"token\":{\"expires_at\":\"2099-01-01T00:00:00.000000Z\",\"issued_at\":\"2026-01-01T00:00:00.000000Z\","
			 "\"project\":{\"id\":\"p1\"},\"user\":{\"id\":\"u1\"},\"catalog\":["
			 "{\"type\":\"orchestration\",\"endpoints\":[{\"interface\":\"public\",\"url\":\"http://%s/v1/p1\"}]},"
			 "{\"type\":\"messaging\",\"endpoints\":[{\"interface\":\"public\",\"url\":\"http://%s\"}]}]}}",
			 host, host);
		reply->body = body;
	}
}

static struct httpd *begin(struct bench *b)
{
	struct httpd *h = httpd_start(&(struct httpd_setup){.fn = answer});

	assert_non_null(h);
	bench_begin(b, STACK_ARN);
	return h;
}

static void finish(struct bench *b, struct httpd *h)
{
	bench_end(b);
	httpd_stop(h);
}

static void give_keys(struct bench *b, struct httpd *h)
{
	b->creds.cfn = (struct credentials){.kind = CREDENTIALS_EC2,
					    .metadata_url = strdup(httpd_url(h, "/v1/")),
					    .access_key = strdup("ak"),
					    .secret_key = strdup("sk")};
}

static void give_user(struct bench *b, struct httpd *h)
{
	b->creds.heat = (struct credentials){.kind = CREDENTIALS_PASSWORD,
					     .auth_url = strdup(httpd_url(h, "/v3")),
					     .user_id = strdup("own"),
					     .password = strdup("pw"),
					     .project_id = strdup("p1")};
}

static enum carry tell(struct bench *b, json_t *route, json_t *outputs, int64_t received_ms)
{
	struct signal s;
	unsigned before = b->answers;

	assert_int_equal(signal_build_deployment(ID, "dep", true, route, outputs, received_ms, clock_real_ms(), &s,
						 NULL),
			 0);
	assert_int_equal(sink_set_send(b->set, &s, bench_done, b), 0);
	loop_timer_arm(b->limit, 20000);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->answers, before + 1);
	signal_deinit(&s);
	json_decref(route);
	json_decref(outputs);
	return b->how;
}

static json_t *url_route(struct httpd *h, const char *path, const char *verb)
{
	return json_pack("{s:s, s:s}", "deploy_signal_id", httpd_url(h, path), "deploy_signal_verb", verb);
}

static json_t *user_route(struct httpd *h, const char *user, const char *queue)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*}", "deploy_auth_url", httpd_url(h, "/v3/"), "deploy_user_id",
			 user, "deploy_password", "SECRET", "deploy_project_id", "p1", "deploy_stack_id",
			 "nested/" STACK_UUID, "deploy_queue_id", queue);
}

static json_t *good(void)
{
	return json_pack("{s:s, s:i}", "deploy_stdout", "words", "deploy_status_code", 0);
}

/* The URL byte for byte, by POST, with the outputs as body. */
static void test_url(void **state)
{
	struct bench b;
	struct httpd *h = begin(&b);
	char type[64];

	(void)state;
	bench_open(&b);
	assert_int_equal(tell(&b, url_route(h, SIGNAL_PATH "?Signature=a%2Fb&Timestamp=2026", "POST"), good(), 0),
			 CARRY_DELIVERED);
	assert_int_equal(httpd_count(h), 1);
	assert_string_equal(httpd_seen(h, 0)->method, "POST");
	assert_string_equal(httpd_seen(h, 0)->target, SIGNAL_PATH "?Signature=a%2Fb&Timestamp=2026");
	assert_string_equal(httpd_seen(h, 0)->body, "{\"deploy_status_code\":0,\"deploy_stdout\":\"words\"}");
	assert_string_equal(httpd_header(httpd_seen(h, 0), "Content-Type", type, sizeof(type)), "application/json");
	finish(&b, h);
}

/* A URL that has died: the same path, signed anew; without keys it may heal, and no word of it is told. */
static void test_died(void **state)
{
	struct bench b;
	struct httpd *h = begin(&b);

	(void)state;
	bench_open(&b);
	assert_int_equal(tell(&b, url_route(h, SIGNAL_PATH "?Signature=SECRET&Timestamp=2001", "POST"), good(), 0),
			 CARRY_SLOWLY);
	assert_null(strstr(b.why, "SECRET"));
	assert_int_equal(httpd_count(h), 1);
	b.set = sink_set_close(b.set);
	give_keys(&b, h);
	bench_open(&b);
	assert_int_equal(tell(&b, url_route(h, SIGNAL_PATH "?Signature=SECRET&Timestamp=2001", "POST"), good(), 0),
			 CARRY_DELIVERED);
	assert_int_equal(httpd_count(h), 3);
	assert_non_null(strstr(httpd_seen(h, 2)->target, "/v1/signal/arn:openstack:heat::5e1f0a:stacks/web/7b1c/"
							 "resources/dep?AWSAccessKeyId=ak&"));
	assert_non_null(strstr(httpd_seen(h, 2)->target, "Timestamp="));
	assert_null(strstr(httpd_seen(h, 2)->target, "SECRET"));
	assert_string_equal(httpd_seen(h, 2)->body, httpd_seen(h, 0)->body);
	finish(&b, h);
}

/* A URL that is none is not a server that is away, for which everything else would wait: another
 * way is taken, and where there is none the result is given up. The same for a Keystone that is
 * none, whose own way may be corrected. */
static void test_no_url(void **state)
{
	static const char *const bad[] = {"nonsense", "ftp://host/v1/signal/x",
					  "http://user:SECRET@host/x", "http://"};
	struct bench b;
	struct httpd *h = begin(&b);

	(void)state;
	bench_open(&b);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(
			tell(&b, json_pack("{s:s}", "deploy_signal_id", bad[i]), good(), 0),
			CARRY_REFUSED);
		assert_null(strstr(b.why, "SECRET"));
	}
	assert_int_equal(tell(&b,
			      json_pack("{s:s, s:s}", "deploy_signal_id", bad[0],
					"deploy_signal_verb", "PUT"),
			      good(), 0),
			 CARRY_REFUSED);
	assert_int_equal(tell(&b,
			      json_pack("{s:s, s:s, s:s}", "deploy_auth_url", bad[0],
					"deploy_user_id", "u", "deploy_password", "p"),
			      good(), 0),
			 CARRY_SLOWLY);
	assert_int_equal(httpd_count(h), 0);
	b.set = sink_set_close(b.set);
	give_keys(&b, h);
	bench_open(&b);
	assert_int_equal(tell(&b, json_pack("{s:s}", "deploy_signal_id", bad[0]), good(), 0),
			 CARRY_DELIVERED);
	finish(&b, h);
}

/* A temporary URL: PUT, not within the first two seconds; it has no second way. */
static void test_temp_url(void **state)
{
	struct bench b;
	struct httpd *h = begin(&b);
	int64_t started = clock_boot_ms();

	(void)state;
	give_keys(&b, h);
	bench_open(&b);
	assert_int_equal(tell(&b, url_route(h, "/v1/AUTH_x/c/o?temp_url_sig=1", "PUT"), good(), clock_real_ms()),
			 CARRY_DELIVERED);
	assert_true(clock_boot_ms() - started >= 1900);
	assert_string_equal(httpd_seen(h, 0)->method, "PUT");
	started = clock_boot_ms();
	assert_int_equal(tell(&b, url_route(h, "/v1/AUTH_x/c/o?Timestamp=2001", "PUT"), good(), 1), CARRY_SLOWLY);
	assert_int_equal(httpd_count(h), 2);
	finish(&b, h);
}

/* The deployment's own user, in the stack that its inputs name: a nested one for those of a group. */
static void test_heat(void **state)
{
	struct bench b;
	struct httpd *h = begin(&b);
	char token[64];

	(void)state;
	bench_open(&b);
	assert_int_equal(tell(&b, user_route(h, "u1", NULL), good(), 0), CARRY_DELIVERED);
	assert_string_equal(httpd_seen(h, 1)->target, "/v1/p1/stacks/nested/" STACK_UUID "/resources/dep/signal");
	assert_string_equal(httpd_header(httpd_seen(h, 1), "X-Auth-Token", token, sizeof(token)), "tok");
	finish(&b, h);
}

/* That user is refused: our own user tells it; without one, our own keys. */
static void test_refused_user(void **state)
{
	struct bench b;
	struct httpd *h = begin(&b);

	(void)state;
	bench_open(&b);
	assert_int_equal(tell(&b, user_route(h, "bad", NULL), good(), 0), CARRY_SLOWLY);
	assert_null(strstr(b.why, "SECRET"));
	b.set = sink_set_close(b.set);
	give_keys(&b, h);
	bench_open(&b);
	assert_int_equal(tell(&b, user_route(h, "bad", NULL), good(), 0), CARRY_DELIVERED);
	assert_non_null(strstr(httpd_seen(h, httpd_count(h) - 1)->target,
			       "/v1/signal/arn:openstack:heat::5e1f0a:stacks/nested/" STACK_UUID "/resources/dep?"));
	finish(&b, h);
	h = begin(&b);
	give_user(&b, h);
	bench_open(&b);
	assert_int_equal(tell(&b, user_route(h, "bad", NULL), good(), 0), CARRY_DELIVERED);
	assert_string_equal(httpd_seen(h, 2)->target, "/v1/p1/stacks/nested/" STACK_UUID "/resources/dep/signal");
	finish(&b, h);
}

/* A queue takes less than Heat: the output is cut once more. */
static void test_queue(void **state)
{
	struct bench b;
	struct httpd *h = begin(&b);
	char client[64], *big = calloc(1, 900001);

	(void)state;
	memset(big, 'x', 900000);
	bench_open(&b);
	assert_int_equal(tell(&b, user_route(h, "u1", "q 1"), json_pack("{s:s}", "deploy_stdout", big), 0),
			 CARRY_DELIVERED);
	assert_string_equal(httpd_seen(h, 1)->target, "/v2/queues/q%201/messages");
	assert_string_equal(httpd_header(httpd_seen(h, 1), "Client-ID", client, sizeof(client)), ID);
	assert_in_range(httpd_seen(h, 1)->body_len, 240000, 256 * 1024);
	free(big);
	finish(&b, h);
}

/* Heat is away: tried again later. */
static void test_away(void **state)
{
	struct bench b;
	struct httpd *h = begin(&b);
	json_t *route = json_pack("{s:s}", "deploy_signal_id", "http://127.0.0.1:1/v1/signal/x?Signature=SECRET");

	(void)state;
	bench_open(&b);
	assert_int_equal(tell(&b, route, good(), 0), CARRY_RETRY);
	assert_null(strstr(b.why, "SECRET"));
	finish(&b, h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url),    cmocka_unit_test(test_died),
		cmocka_unit_test(test_no_url), cmocka_unit_test(test_temp_url),
		cmocka_unit_test(test_heat),   cmocka_unit_test(test_refused_user),
		cmocka_unit_test(test_queue),  cmocka_unit_test(test_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
