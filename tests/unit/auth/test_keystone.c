/* SPDX-License-Identifier: Apache-2.0 */
/* The Keystone session against a fake that counts: what is asked, how often, and what is made of
 * each answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include "auth/keystone_private.h"
#include "core/json.h"
#include "httpd.h"
#include "tests/unit/turns.h"

#define SECRET "s3cr%t\"^&"

static const char catalog[] =
	"{\"token\":{\"issued_at\":\"2001-01-01T00:00:00.000000Z\",\"expires_at\":\"2001-01-01T00:"
	"00:%02dZ\","
	"\"user\":{\"id\":\"u1\"},\"project\":{\"id\":\"p-of-token\"},\"catalog\":["
	"{\"type\":\"orchestration\",\"endpoints\":["
	"{\"interface\":\"admin\",\"region_id\":\"One\",\"url\":\"http://admin/\"},"
	"{\"interface\":\"public\",\"region_id\":\"Two\",\"url\":\"http://two:8004/v1/p\"},"
	"{\"interface\":\"public\",\"region_id\":\"One\",\"url\":\"http://one:8004/v1/p/\"}]},"
	"{\"type\":\"cloudformation\",\"endpoints\":[{\"interface\":\"public\",\"region\":\"One\","
	"\"url\":\"http://one:8000/v1\"}]},"
	"{\"type\":\"odd\",\"endpoints\":[{\"interface\":\"public\",\"region\":\"One\",\"url\":"
	"\"file:///etc\"}]},"
	"{\"endpoints\":7},8,null]}}";

struct script {
	int life_s;
	int status; /* from request number @after on */
	unsigned after;
	const char *headers;
};

static void answer(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply,
		   void *ctx)
{
	static char body[2048], headers[100];
	const struct script *s = ctx;

	(void)seen;
	if (s->status && nth >= s->after) {
		reply->status = s->status;
		reply->headers = s->headers;
		return;
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(body, sizeof(body), catalog, s->life_s);
#pragma GCC diagnostic pop
	snprintf(headers, sizeof(headers), "X-Subject-Token: token%u\r\n", nth);
	reply->status = 201;
	reply->headers = headers;
	reply->body = body;
}

static int64_t jump; /* time that has passed for the session, beyond what really did */

static int64_t boot_ms(void)
{
	return clock_boot_ms() + jump;
}

struct world {
	struct env env;
	struct loop *loop;
	struct http *http;
	struct keystone *k;
	struct httpd *server;
	char auth_url[100], region[8], user[8], password[16], project[8];
	struct answers answers;
	int status;
	char token[64], why[400];
	bool inside, was_inside;
};

static void world_open(struct world *w, struct script *script)
{
	struct credentials cred = {.kind = CREDENTIALS_PASSWORD};

	*w = (struct world){.region = "One", .user = "u1", .password = SECRET, .project = "p1"};
	assert_int_equal(env_init(&w->env, ""), 0);
	w->env.boot_ms = boot_ms;
	w->server = httpd_start(&(struct httpd_setup){.fn = answer, .ctx = script});
	assert_non_null(w->server);
	snprintf(w->auth_url, sizeof(w->auth_url), "%s", httpd_url(w->server, "/identity/v3/"));
	cred.auth_url = w->auth_url;
	cred.region = w->region;
	cred.user_id = w->user;
	cred.password = w->password;
	cred.project_id = w->project;
	assert_int_equal(loop_new(&w->env, &w->loop), 0);
	assert_int_equal(http_new(w->loop, &(struct http_setup){0}, &w->http, NULL), 0);
	assert_int_equal(keystone_new(w->loop, w->http, &cred, &w->k), 0);
	w->answers.loop = w->loop;
}

static void world_close(struct world *w)
{
	keystone_free(w->k);
	http_free(w->http);
	loop_free(w->loop);
	httpd_stop(w->server);
}

static void got(int status, const char *why, const char *token, void *ctx)
{
	struct world *w = ctx;

	answers_count(&w->answers);
	w->status = status;
	w->was_inside |= w->inside;
	snprintf(w->why, sizeof(w->why), "%s", why);
	snprintf(w->token, sizeof(w->token), "%s", token ? token : "");
}

static void get(struct world *w, keystone_fn *fn)
{
	w->inside = true;
	assert_int_equal(keystone_get(w->k, fn, w), 0);
	w->inside = false;
}

/* Asks, and waits for the answer: the @nth in all. */
static void ask(struct world *w, unsigned nth)
{
	get(w, got);
	answers_until(&w->answers, nth);
}

/* Many ask at once: one request, one token for all, later ones get it without a request; never from
 * inside. */
static void test_shared(void **state)
{
	struct script s = {.life_s = 59};
	struct world w;

	(void)state;
	world_open(&w, &s);
	assert_null(keystone_endpoint(w.k, "orchestration"));
	for (int i = 0; i < 5; i++)
		get(&w, got);
	answers_until(&w.answers, 5);
	assert_int_equal(w.status, 0);
	assert_string_equal(w.token, "token0");
	ask(&w, 6);
	assert_int_equal(httpd_count(w.server), 1);
	assert_false(w.was_inside);
	assert_string_equal(httpd_seen(w.server, 0)->target, "/identity/v3/auth/tokens");
	world_close(&w);
}

/* Endpoints: public, of the region, http only, no slash at the end. */
static void test_endpoints(void **state)
{
	struct script s = {.life_s = 59};
	struct world w;

	(void)state;
	world_open(&w, &s);
	ask(&w, 1);
	assert_string_equal(keystone_endpoint(w.k, "orchestration"), "http://one:8004/v1/p");
	assert_string_equal(keystone_endpoint(w.k, "cloudformation"), "http://one:8000/v1");
	assert_null(keystone_endpoint(w.k, "odd"));
	assert_null(keystone_endpoint(w.k, "messaging"));
	assert_string_equal(keystone_project_id(w.k), "p-of-token");
	assert_string_equal(keystone_user_id(w.k), "u1");
	world_close(&w);
}

/* Renewed at 80 % of its life by the server's clock (which is years off here); while renewing fails
 * the old one serves to its end. */
static void test_renewal(void **state)
{
	struct script s = {
		.life_s = 50, .status = 503, .after = 1, .headers = "Retry-After: 5\r\n"};
	struct world w;

	(void)state;
	world_open(&w, &s);
	ask(&w, 1);
	jump += 20000;
	ask(&w, 2);
	assert_int_equal(httpd_count(w.server), 1);
	jump += 20000;
	ask(&w, 3);
	assert_int_equal(httpd_count(w.server), 2);
	assert_int_equal(w.status, 0);
	assert_string_equal(w.token, "token0");
	assert_int_equal(keystone_retry_after_s(w.k), 5);
	/* Not to the very moment for which the loop's timer is set already: the kernel's clock has
	 * not jumped. */
	jump += 11000;
	ask(&w, 4);
	assert_int_equal(w.status, -EBUSY);
	assert_int_equal(httpd_count(w.server), 3);
	world_close(&w);
}

/* A token that a service refused is not handed out again; another one's refusal changes nothing. */
static void test_reject(void **state)
{
	struct script s = {.life_s = 59};
	struct world w;

	(void)state;
	world_open(&w, &s);
	ask(&w, 1);
	keystone_reject(w.k, "other");
	keystone_reject(w.k, NULL);
	ask(&w, 2);
	assert_string_equal(w.token, "token0");
	keystone_reject(w.k, "token0");
	ask(&w, 3);
	assert_string_equal(w.token, "token1");
	world_close(&w);
}

/* Each refusal has its class and a clause that names the user and never the secret. */
static void test_refusals(void **state)
{
	static const struct {
		int http, status;
	} rows[] = {{401, -EACCES}, {403, -EACCES},    {404, -ENOENT}, {400, -EINVAL},
		    {429, -EBUSY},  {500, -EREMOTEIO}, {503, -EBUSY},  {302, -EPROTO}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct script s = {.status = rows[i].http};
		struct world w;

		world_open(&w, &s);
		ask(&w, 1);
		assert_int_equal(w.status, rows[i].status);
		assert_string_equal(w.token, "");
		assert_non_null(strstr(w.why, "password of user u1"));
		assert_null(strstr(w.why, "s3cr"));
		world_close(&w);
	}
}

/* No Keystone at all. */
static void test_unreachable(void **state)
{
	struct script s = {0};
	struct world w;

	(void)state;
	world_open(&w, &s);
	w.server = httpd_stop(w.server);
	ask(&w, 1);
	assert_int_equal(w.status, -EHOSTUNREACH);
	world_close(&w);
}

static void asks_again(int status, const char *why, const char *token, void *ctx)
{
	struct world *w = ctx;

	got(status, why, token, ctx);
	keystone_reject(w->k, token);
	if (w->answers.n < 3 && status == 0)
		assert_int_equal(keystone_get(w->k, asks_again, w), 0);
}

static void frees(int status, const char *why, const char *token, void *ctx)
{
	struct world *w = ctx;

	got(status, why, token, ctx);
	w->k = keystone_free(w->k);
}

/* Callbacks may ask, cancel and free; every waiter is told once or not at all. */
static void test_from_inside(void **state)
{
	struct script s = {.life_s = 59};
	struct world w;

	(void)state;
	world_open(&w, &s);
	get(&w, asks_again);
	answers_until(&w.answers, 3);
	assert_string_equal(w.token, "token2");
	get(&w, got);
	keystone_cancel(w.k, &w);
	assert_int_equal(run_loop(w.loop, 100), OUT_OF_TIME);
	assert_int_equal(w.answers.n, 3);
	get(&w, frees);
	ask(&w, 5);
	assert_int_equal(w.status, -ECANCELED);
	world_close(&w);
}

/* A session of nobody refuses; one that becomes another user's asks anew for those who wait, and hands out no
 * token of before; a URL that is none leaves it as it was. */
static void test_replaced(void **state)
{
	static const struct credentials none;
	struct script s = {.life_s = 59};
	struct credentials other = {.kind = CREDENTIALS_PASSWORD, .user_id = (char[]){"u2"}, .password = (char[]){"pw"}};
	char auth_url[100];
	struct world w;

	(void)state;
	world_open(&w, &s);
	ask(&w, 1);
	get(&w, got);
	snprintf(auth_url, sizeof(auth_url), "%s", httpd_url(w.server, "/v3"));
	other.auth_url = auth_url;
	assert_int_equal(keystone_replace(w.k, &other), 0);
	answers_until(&w.answers, 2);
	assert_string_equal(w.token, "token1");
	assert_non_null(strstr(httpd_seen(w.server, 1)->body, "u2"));
	other.auth_url = (char[]){"nowhere"};
	assert_int_equal(keystone_replace(w.k, &other), -EINVAL);
	ask(&w, 3);
	assert_string_equal(w.token, "token1");
	assert_int_equal(keystone_replace(w.k, &none), 0);
	ask(&w, 4);
	assert_int_equal(w.status, -EINVAL);
	assert_string_equal(w.why, "no Keystone credentials are known");
	assert_int_equal(httpd_count(w.server), 2);
	world_close(&w);
}

/* Freed while a request is under way. */
static void test_free_waiting(void **state)
{
	struct script s = {.life_s = 59};
	struct world w;

	(void)state;
	world_open(&w, &s);
	get(&w, got);
	get(&w, got);
	assert_int_equal(run_loop(w.loop, 1), OUT_OF_TIME);
	world_close(&w);
	assert_int_equal(w.answers.n, 2);
}

/* auth_url in all the forms that Heat, openrc files and people write. */
static void test_auth_url(void **state)
{
	static const char *const same[] = {"http://k:5000",
					   "http://k:5000/",
					   "http://k:5000/v3",
					   "http://k:5000/v3/",
					   "http://k:5000/v2.0",
					   "http://k:5000/v2.0//",
					   "http://k:5000/v3/auth/tokens"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(1000);

		assert_int_equal(keystone_auth_url(same[i], &out), 0);
		assert_string_equal(buf_str(&out), "http://k:5000/v3/auth/tokens");
	}
	assert_int_equal(keystone_auth_url("http://k/v3?x", NULL), -EINVAL);
	assert_int_equal(keystone_auth_url("k:5000", NULL), -EINVAL);
	assert_int_equal(keystone_auth_url(NULL, NULL), -EINVAL);
}

static void check_request(struct credentials *c, const char *want)
{
	_cleanup_buf_ struct buf out = BUF_INIT(4000);
	_cleanup_json_ json_t *a = NULL, *b = json_loads(want, 0, NULL);

	assert_non_null(b);
	assert_int_equal(keystone_request(c, &out), 0);
	a = json_loads(buf_str(&out), 0, NULL);
	assert_true(json_equal(a, b));
}

/* The bodies that Keystone's API asks for; secrets with any punctuation arrive whole. */
static void test_requests(void **state)
{
	char id[] = "u1", name[] = "bob", domain[] = "d1", secret[] = SECRET, project[] = "p1",
	     app[] = "a1";
	struct credentials c = {.kind = CREDENTIALS_PASSWORD,
				.user_id = id,
				.password = secret,
				.project_id = project};

	(void)state;
	check_request(&c, "{\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":{"
			  "\"user\":{\"id\":\"u1\",\"password\":\"s3cr%t\\\"^&\"}}},"
			  "\"scope\":{\"project\":{\"id\":\"p1\"}}}}");
	c = (struct credentials){.kind = CREDENTIALS_PASSWORD,
				 .username = name,
				 .user_domain_id = domain,
				 .password = secret};
	check_request(&c, "{\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":{"
			  "\"user\":{\"name\":\"bob\",\"domain\":{\"id\":\"d1\"},"
			  "\"password\":\"s3cr%t\\\"^&\"}}}}}");
	c = (struct credentials){.kind = CREDENTIALS_APPLICATION,
				 .app_credential_id = app,
				 .app_credential_secret = secret,
				 .project_id = project};
	check_request(&c, "{\"auth\":{\"identity\":{\"methods\":[\"application_credential\"],"
			  "\"application_credential\":{\"id\":\"a1\","
			  "\"secret\":\"s3cr%t\\\"^&\"}}}}");
	c.app_credential_secret = NULL;
	assert_int_equal(keystone_request(&c, &(struct buf){0}), -EINVAL);
	c = (struct credentials){.kind = CREDENTIALS_EC2};
	assert_int_equal(keystone_request(&c, &(struct buf){0}), -EINVAL);
	c = (struct credentials){.kind = CREDENTIALS_PASSWORD, .user_id = id};
	assert_int_equal(keystone_request(&c, &(struct buf){0}), -EINVAL);
}

/* Answers that are no token are errors, not tokens without endpoints. */
static void test_answers(void **state)
{
	static const char *const bad[] = {
		"", "{", "[]", "\"x\"", "null", "{\"token\":7}", "{\"error\":{}}"};
	struct keystone_token t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(keystone_token_parse(bad[i], strlen(bad[i]), NULL, 0, &t, NULL) < 0);
	assert_int_equal(keystone_token_parse("{\"token\":{}}", 12, NULL, 0, &t, NULL), 0);
	assert_int_equal(t.life_s, 0);
	keystone_token_deinit(&t);
	assert_true(keystone_token_good("gAAAAA-_="));
	assert_false(keystone_token_good(""));
	assert_false(keystone_token_good("a b"));
	assert_false(keystone_token_good("a\r\nX: y"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared),	    cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_renewal),	    cmocka_unit_test(test_reject),
		cmocka_unit_test(test_refusals),    cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_from_inside), cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_free_waiting),
		cmocka_unit_test(test_auth_url),    cmocka_unit_test(test_requests),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
