/* SPDX-License-Identifier: Apache-2.0 */
/* Signals to URLs and to stdout, and the pure helpers: bodies, references, paths. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench.h"
#include "httpd.h"
#include "sink/cfn_put.h"
#include "sink/handle_kind.h"
#include "sink/heat_ref.h"
#include "sink/minted.h"

static void answer(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *r, void *ctx)
{
	bool aws = strstr(seen->body, "\"UniqueId\"") != NULL;

	(void)nth;
	(void)ctx;
	r->body = "<resource>h</resource>";
	if (strstr(seen->target, "/aws") && !aws) {
		r->status = 500;
		r->body = "ValueError: Metadata format invalid";
	} else if (strstr(seen->target, "/expired")) {
		r->status = 403;
	} else if (strstr(seen->target, "/odd")) {
		r->body = "\"The Stack (x) could not be found.\"";
	}
}

static struct httpd *begin(struct bench *b)
{
	struct httpd *h = httpd_start(&(struct httpd_setup){.fn = answer});

	assert_non_null(h);
	bench_begin(b, NULL);
	return h;
}

/* A presigned URL is used byte for byte; its kind is found out and remembered; it needs neither document nor
 * credentials. */
static void presigned(void **state)
{
	struct bench b;
	struct httpd *h = begin(&b);

	(void)state;
	bench_open(&b);
	assert_int_equal(
		bench_send(&b, httpd_url(h, "/v1/waitcondition/arn%3Ax/aws?Signature=a%2Fb%3D&Timestamp=1"),
			   "x"),
		CARRY_DELIVERED);
	assert_int_equal(bench_send(&b, httpd_url(h, "/v1/waitcondition/arn%3Ax/aws?Signature=c"), "y"),
			 CARRY_DELIVERED);
	assert_int_equal(httpd_count(h), 3);
	assert_string_equal(httpd_seen(h, 0)->method, "PUT");
	assert_string_equal(httpd_seen(h, 1)->target,
			    "/v1/waitcondition/arn%3Ax/aws?Signature=a%2Fb%3D&Timestamp=1");
	bench_end(&b);
	httpd_stop(h);
}

/* Refusals name the status and never the query; a bare string in a 200 is one. */
static void refused(void **state)
{
	struct bench b;
	struct httpd *h = begin(&b);

	(void)state;
	bench_open(&b);
	assert_int_equal(bench_send(&b, httpd_url(h, "/expired?Signature=SECRET"), "x"), CARRY_SLOWLY);
	assert_null(strstr(b.why, "SECRET"));
	assert_int_equal(bench_send(&b, httpd_url(h, "/odd?Signature=SECRET"), "x"), CARRY_SLOWLY);
	assert_non_null(strstr(b.why, "could not be found"));
	assert_int_equal(bench_send(&b, "http://bad host/", "x"), CARRY_REFUSED);
	assert_int_equal(bench_send(&b, "http://127.0.0.1:1/v1/waitcondition/x?Signature=SECRET", "x"),
			 CARRY_RETRY);
	assert_null(strstr(b.why, "SECRET"));
	bench_end(&b);
	httpd_stop(h);
}

/* The configured token goes with a POST to the origin configured beside it, and to no other, whoever asks. */
static void token_endpoint(void **state)
{
	struct bench b;
	struct httpd *h = begin(&b), *other = httpd_start(&(struct httpd_setup){.fn = answer});
	char value[64];

	(void)state;
	b.conf.signal_token = strdup("tok");
	b.conf.signal_boot = strdup(httpd_url(h, "/v1/p/stacks/web/x/resources/h/signal"));
	bench_open(&b);
	assert_int_equal(bench_send(&b, b.conf.signal_boot, "x"), CARRY_DELIVERED);
	assert_string_equal(httpd_seen(h, 0)->method, "POST");
	assert_string_equal(httpd_header(httpd_seen(h, 0), "X-Auth-Token", value, sizeof(value)), "tok");
	assert_int_equal(bench_send(&b, httpd_url(other, "/v1/p/stacks/web/x/resources/h/signal"), "x"),
			 CARRY_DELIVERED);
	assert_string_equal(httpd_header(httpd_seen(other, 0), "X-Auth-Token", value, sizeof(value)), "");
	assert_int_equal(bench_send(&b, httpd_url(h, "/v1/waitcondition/x"), "x"), CARRY_DELIVERED);
	assert_string_equal(httpd_header(httpd_seen(h, 1), "X-Auth-Token", value, sizeof(value)), "");
	bench_end(&b);
	httpd_stop(h);
	httpd_stop(other);
}

/* An alarm URL gets a POST, whatever its path, and the body that a workflow takes as its input. */
static void alarm_url(void **state)
{
	struct bench b;
	struct httpd *h = begin(&b);

	(void)state;
	bench_open(&b);
	assert_int_equal(bench_send_it(&b, bench_action(httpd_url(h, "/hook?x=1"))), CARRY_DELIVERED);
	assert_string_equal(httpd_seen(h, 0)->method, "POST");
	assert_string_equal(httpd_seen(h, 0)->body,
			    "{\"probability\":0.95,\"reason\":\"hp1\",\"resource\":\"srv\"}");
	bench_end(&b);
	httpd_stop(h);
}

static char *captured(struct bench *b, const char *target, const char *reason, enum carry *how)
{
	int pair[2], saved = dup(STDOUT_FILENO);
	char *text = calloc(1, 8192);

	fflush(stdout);
	assert_int_equal(pipe(pair), 0);
	dup2(pair[1], STDOUT_FILENO);
	*how = bench_send(b, target, reason);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(pair[1]);
	assert_true(read(pair[0], text, 8191) >= 0);
	close(pair[0]);
	return text;
}

/* Without any credentials the printer stands in for sending: one JSON line, once however often the same
 * signal comes. */
static void printed_once(void **state)
{
	_cleanup_free_ char *first = NULL, *again = NULL;
	_cleanup_json_ json_t *o = NULL;
	struct bench b;
	enum carry how;

	(void)state;
	bench_begin(&b, NULL);
	b.conf.signal_print = true;
	bench_open(&b);
	first = captured(&b, "health", "r", &how);
	assert_int_equal(how, CARRY_DELIVERED);
	again = captured(&b, "health", "r", &how);
	assert_string_equal(again, "");
	assert_int_equal(first[strlen(first) - 1], '\n');
	o = json_loads(first, 0, NULL);
	assert_string_equal(json_str(o, "reason"), "r");
	assert_int_equal(json_integer_value(json_object_get(o, "v")), 1);
	assert_non_null(strstr(first, "0.93,"));
	bench_end(&b);
}

/* Without printing and without credentials a name has no route; a presigned URL is printed without its query.
 */
static void print_or_not(void **state)
{
	_cleanup_free_ char *none = NULL, *url = NULL;
	struct bench b;
	struct httpd *h = begin(&b);
	enum carry how;

	(void)state;
	bench_open(&b);
	none = captured(&b, "health", "r", &how);
	assert_int_equal(how, CARRY_NO_ROUTE);
	assert_string_equal(none, "");
	bench_end(&b);
	bench_begin(&b, NULL);
	b.conf.signal_print = true;
	bench_open(&b);
	url = captured(&b, httpd_url(h, "/v1/waitcondition/x?Signature=SECRET"), "r", &how);
	assert_int_equal(how, CARRY_DELIVERED);
	assert_non_null(strstr(url, "/v1/waitcondition/x\""));
	assert_null(strstr(url, "SECRET"));
	bench_end(&b);
	httpd_stop(h);
}

/* AWS handles want all four keys, whatever the signal lacks; OS::Heat ones get no key that it has not. */
static void bodies(void **state)
{
	struct signal s = {.key = "custom-1", .target = "h", .status = "SUCCESS"};
	_cleanup_buf_ struct buf a = BUF_INIT(1000), b = BUF_INIT(1000);

	(void)state;
	assert_int_equal(handle_body(HANDLE_AWS, &s, &a), 0);
	assert_string_equal(
		buf_str(&a),
		"{\"Data\":\"\",\"Reason\":\"\",\"Status\":\"SUCCESS\",\"UniqueId\":\"custom-1\"}");
	assert_int_equal(handle_body(HANDLE_HEAT, &s, &b), 0);
	assert_string_equal(buf_str(&b), "{\"status\":\"SUCCESS\"}");
}

/* Both forms of a stack id are read, and nothing that could bend a path. */
static void references(void **state)
{
	static const char *const bad[] = {"",
					  "web",
					  "web/",
					  "/x",
					  "web/../x",
					  "a b/c",
					  "arn:openstack:heat::t:stacks/web",
					  "arn:openstack:heat:::stacks/w/u",
					  "arn:aws:x::t:stacks/w/u",
					  "w%2f/u",
					  "w?/u",
					  "..%/u"};
	_cleanup_buf_ struct buf arn = BUF_INIT(1000);
	struct heat_ref ref;

	(void)state;
	assert_int_equal(heat_ref_parse(STACK_ARN, &ref), 0);
	assert_string_equal(ref.tenant, "5e1f0a");
	assert_int_equal(heat_ref_arn(&ref, "other", "100%/a b", &arn), 0);
	assert_string_equal(buf_str(&arn), STACK_ARN "/resources/100%25%2Fa b");
	heat_ref_deinit(&ref);
	assert_int_equal(heat_ref_parse("web/" STACK_UUID, &ref), 0);
	assert_null(ref.tenant);
	heat_ref_deinit(&ref);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(heat_ref_parse(bad[i], &ref), -EINVAL);
	assert_int_equal(heat_ref_parse(NULL, &ref), -EINVAL);
}

/* Every ending that Heat and its files give a URL leads to the same request. */
static void base_urls(void **state)
{
	static const struct {
		const char *base, *want;
	} paths[] = {{"/v1/", "/v1/waitcondition/A"},
		     {"/v1", "/v1/waitcondition/A"},
		     {"/", "/v1/waitcondition/A"},
		     {"/heat-api-cfn/v1/", "/heat-api-cfn/v1/waitcondition/A"},
		     {"/heat%20cfn", "/heat cfn/v1/waitcondition/A"}};
	static const char *const auth[] = {"http://k:5000", "http://k:5000/", "http://k:5000/v3",
					   "http://k:5000/v3/", "http://k:5000/v2.0"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(1000);

		assert_int_equal(cfn_path(paths[i].base, "waitcondition", "A", &out), 0);
		assert_string_equal(buf_str(&out), paths[i].want);
	}
	for (size_t i = 0; i < ARRAY_SIZE(auth); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(1000);

		assert_int_equal(minted_base_url(auth[i], &out), 0);
		assert_string_equal(buf_str(&out), "http://k:5000/v3");
	}
}

/* Only a name, a UUID and something behind it is a target in another stack. */
static void targets(void **state)
{
	static const struct {
		const char *target, *name, *resource;
	} rows[] = {
		{"web/" STACK_UUID "/health", "web", "health"},
		{"web/" STACK_UUID "/a/b c", "web", "a/b c"},
		{"web/" STACK_UUID "/", NULL, NULL},
		{"web/" STACK_UUID, NULL, NULL},
		{"web/not-a-uuid/health", NULL, NULL},
		{"health", NULL, NULL},
		{"", NULL, NULL},
		{"/", NULL, NULL},
		{"..//x", NULL, NULL},
		{"../" STACK_UUID "/health", NULL, NULL},
	};
	struct heat_ref ref;
	const char *resource;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(heat_ref_target(rows[i].target, &ref, &resource), rows[i].name ? 0 : -EINVAL);
		if (rows[i].name) {
			assert_string_equal(ref.name, rows[i].name);
			assert_string_equal(ref.uuid, STACK_UUID);
			assert_string_equal(resource, rows[i].resource);
		}
		heat_ref_deinit(&ref);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(presigned),	  cmocka_unit_test(refused),
		cmocka_unit_test(alarm_url),	  cmocka_unit_test(token_endpoint),
		cmocka_unit_test(printed_once),
		cmocka_unit_test(print_or_not),	  cmocka_unit_test(bodies),
		cmocka_unit_test(references),	  cmocka_unit_test(base_urls),
		cmocka_unit_test(targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
