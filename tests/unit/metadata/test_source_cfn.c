/* SPDX-License-Identifier: Apache-2.0 */
/* The cfn source against a server that refuses as Heat does: which requests it sends, and what it
 * makes of the answers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "metadata/rig.h"

#define GOOD                                                                                       \
	"{\"DescribeStackResourceResponse\":{\"DescribeStackResourceResult\":{"                    \
	"\"StackResourceDetail\":{\"StackId\":"                                                    \
	"\"arn:openstack:heat::p:stacks/web/"                                                      \
	"7b1c\",\"StackName\":\"web\",\"LogicalResourceId\":\"srv\",\"Metadata\":{\"a\":1},"       \
	"\"ResourceStatus\":\"UPDATE_IN_PROGRESS\",\"PhysicalResourceId\":\"pid\"}}}}"
#define DENIED                                                                                     \
	"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User is not "  \
	"authorized to perform action"                                                             \
	"%s</Message></Error></ErrorResponse>"

static void start(struct asked *k, httpd_fn *fn, void *ctx, const char *path)
{
	asked_serve(k, &source_cfn, fn, ctx);
	rig_cfn(&k->rig, httpd_url(k->h, path));
	assert_true(source_cfn.usable(&k->rig.setup));
	asked_open(k);
}

static bool is_v4(const struct httpd_seen *seen)
{
	char value[512];

	return !strncmp(httpd_header(seen, "Authorization", value, sizeof(value)),
			"AWS4-HMAC-SHA256 ", 17);
}

static bool has_timestamp(const struct httpd_seen *seen)
{
	return strstr(seen->target, "Timestamp=") != NULL;
}

static void answer_good(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply,
			void *ctx)
{
	(void)seen;
	(void)nth;
	(void)ctx;
	reply->body = GOOD;
}

/* One request, signed in the header, by name first and by ARN afterwards; the document has what the
 * answer had. */
static void good(void **state)
{
	struct asked k;
	char value[512];

	(void)state;
	start(&k, answer_good, NULL, "/v1/");
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_OK);
	assert_string_equal(k.rig.doc.resource, "srv");
	assert_string_equal(k.rig.doc.physical_id, "pid");
	assert_true(k.rig.doc.in_progress);
	assert_int_equal(httpd_count(k.h), 1);
	assert_true(is_v4(httpd_seen(k.h, 0)));
	assert_string_equal(httpd_seen(k.h, 0)->method, "GET");
	assert_true(!strncmp(httpd_seen(k.h, 0)->target, "/v1/?", 5));
	assert_non_null(strstr(httpd_seen(k.h, 0)->target, "Action=DescribeStackResource"));
	assert_non_null(strstr(httpd_seen(k.h, 0)->target, "ContentType=JSON"));
	assert_non_null(strstr(httpd_seen(k.h, 0)->target, "LogicalResourceId=srv"));
	assert_non_null(strstr(httpd_seen(k.h, 0)->target, "StackName=web"));
	assert_non_null(strstr(httpd_seen(k.h, 0)->target, "Version=2010-05-15"));
	assert_int_equal(
		strlen(httpd_header(httpd_seen(k.h, 0), "X-Amz-Date", value, sizeof(value))), 16);
	assert_int_equal(asked_fetch(&k, "other 1", true), FETCH_OK);
	assert_non_null(strstr(httpd_seen(k.h, 1)->target,
			       "StackName=arn%3Aopenstack%3Aheat%3A%3Ap%3Astacks%2Fweb%2F7b1c"));
	assert_non_null(strstr(httpd_seen(k.h, 1)->target, "LogicalResourceId=other%201"));
	asked_close(&k);
}

struct url_case {
	const char *path, *sent;
};

/* The URL with or without /v1/, twice, and below a prefix: always one /v1/, the prefix kept. */
static void urls(void **state)
{
	static const struct url_case cases[] = {
		{"", "/v1/?"},
		{"/", "/v1/?"},
		{"/v1", "/v1/?"},
		{"/v1/", "/v1/?"},
		{"/v1/v1/", "/v1/?"},
		{"/heat-api-cfn/v1/", "/heat-api-cfn/v1/?"},
		{"/heat-api-cfn", "/heat-api-cfn/v1/?"},
		{"/a%20b/v1", "/a%20b/v1/?"},
		{"/xv1", "/xv1/v1/?"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct asked k;

		start(&k, answer_good, NULL, cases[i].path);
		assert_int_equal(asked_fetch(&k, NULL, true), FETCH_OK);
		assert_true(
			!strncmp(httpd_seen(k.h, 0)->target, cases[i].sent, strlen(cases[i].sent)));
		asked_close(&k);
	}
}

/* A URL that is none is an error of opening, not a crash. */
static void bad_urls(void **state)
{
	static const char *const urls[] = {"", "h:8000/v1/", "ftp://h/v1/", "http:///v1/",
					   "http://h/%zz/"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		struct rig rig;
		struct source *s = NULL;
		struct err e = ERR_INIT;

		rig_init(&rig);
		rig_cfn(&rig, urls[i]);
		assert_true(source_cfn.open(&rig.setup, &s, &e) < 0);
		assert_true(*e.text);
		rig_deinit(&rig);
	}
}

static void answer_v2_only(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply,
			   void *ctx)
{
	const char *want = ctx; /* "v2", "bare" */
	bool ok = !is_v4(seen) && (*want == 'v' || !has_timestamp(seen));

	(void)nth;
	reply->status = ok ? 200 : 403;
	reply->body = ok ? GOOD : DENIED;
}

/* Where V4 is refused V2 is tried, and remembered: one request per poll from then on. */
static void falls_back_to_v2(void **state)
{
	struct asked k;
	char mode[] = "v2";

	(void)state;
	start(&k, answer_v2_only, mode, "/v1/");
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_OK);
	assert_int_equal(httpd_count(k.h), 2);
	assert_true(is_v4(httpd_seen(k.h, 0)));
	assert_true(has_timestamp(httpd_seen(k.h, 1)));
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_OK);
	assert_int_equal(httpd_count(k.h), 3);
	assert_false(is_v4(httpd_seen(k.h, 2)));
	asked_close(&k);
}

/* The last rung is V2 without Timestamp; with clocks that agree none is tried with corrected time.
 */
static void falls_back_to_bare(void **state)
{
	struct asked k;
	char mode[] = "bare";

	(void)state;
	start(&k, answer_v2_only, mode, "/v1/");
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_OK);
	assert_int_equal(httpd_count(k.h), 3);
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_OK);
	assert_int_equal(httpd_count(k.h), 4);
	assert_false(has_timestamp(httpd_seen(k.h, 3)));
	asked_close(&k);
}

/* A server an hour ahead: refuses what is signed with a time more than 15 minutes behind its own.
 */
static void answer_ahead(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply,
			 void *ctx)
{
	static char headers[128];
	time_t server = time(NULL) + 3600;
	const char *at = strstr(seen->target, "Timestamp=");
	struct tm tm;
	bool ok = false;

	(void)nth;
	(void)ctx;
	if (at) {
		int64_t when;
		char text[32];
		size_t n = 0;

		for (const char *p = at + 10; *p && *p != '&' && *p != ' ' && n < 24; p++) {
			text[n++] = *p == '%' ? ':' : *p;
			p += *p == '%' ? 2 : 0;
		}
		ok = !clock_parse_iso(text, n, &when) && when > server - 900;
	}
	gmtime_r(&server, &tm);
	strftime(headers, sizeof(headers), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
	reply->headers = headers;
	reply->status = ok ? 200 : 403;
	reply->body = ok ? GOOD : DENIED;
}

/* A guest that is behind signs with the server's time, and goes on doing so. */
static void corrects_its_clock(void **state)
{
	struct asked k;

	(void)state;
	start(&k, answer_ahead, NULL, "/v1/");
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_OK);
	assert_int_equal(httpd_count(k.h), 3);
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_OK);
	assert_int_equal(httpd_count(k.h), 4);
	asked_close(&k);
}

static void answer_denied(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply,
			  void *ctx)
{
	(void)seen;
	(void)nth;
	(void)ctx;
	reply->status = 403;
	reply->body = DENIED;
}

/* A suspended stack: the whole ladder once, then one request per poll, each rung in its turn. */
static void exhausted(void **state)
{
	struct asked k;
	bool bare = false;

	(void)state;
	start(&k, answer_denied, NULL, "/v1/");
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_REFUSED);
	assert_int_equal(httpd_count(k.h), 3);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(asked_fetch(&k, NULL, true), FETCH_REFUSED);
		assert_int_equal(httpd_count(k.h), 4 + i);
		bare |= !is_v4(httpd_seen(k.h, 3 + i)) && !has_timestamp(httpd_seen(k.h, 3 + i));
	}
	assert_true(bare);
	asked_close(&k);
}

struct answer_case {
	struct httpd_reply reply;
	enum fetch_class class;
	const char *why; /* must be in it */
	unsigned requests;
};

static void answer_case(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply,
			void *ctx)
{
	(void)seen;
	(void)nth;
	*reply = ((const struct answer_case *)ctx)->reply;
}

/* Every kind of bad answer costs one bounded failure with its class and a reason. */
static void answers(void **state)
{
	static struct answer_case cases[] = {
		{{.status = 200, .body = "\"The Stack (x) could not be found.\""},
		 FETCH_GONE,
		 "could not be found",
		 1},
		{{.status = 200, .body = "\"You are not authorized to use this action.\""},
		 FETCH_REFUSED_FOREIGN,
		 "not authorized",
		 1},
		{{.status = 200, .body = "\"Action DescribeStackResource not allowed for user\""},
		 FETCH_REFUSED_POLICY,
		 "DescribeStackResource",
		 1},
		{{.status = 403,
		  .body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>x:Action "
			  "DescribeStackResource not allowed "
			  "for user</Message></Error></ErrorResponse>"},
		 FETCH_REFUSED_POLICY,
		 "AccessDenied",
		 1},
		{{.status = 400,
		  .body = "<ErrorResponse><Error><Code>InvalidParameterValue</Code><Message>The "
			  "Stack (n) could not be "
			  "found.</Message></Error></ErrorResponse>"},
		 FETCH_GONE,
		 "could not be found",
		 1},
		{{.status = 503, .headers = "Retry-After: 7\r\n", .body = ""},
		 FETCH_BUSY,
		 "503",
		 1},
		{{.status = 500, .body = ""}, FETCH_SERVER_ERROR, "500", 1},
		{{.status = 302, .headers = "Location: http://127.0.0.1:1/\r\n"},
		 FETCH_NOT_HEAT,
		 "302",
		 1},
		{{.status = 200, .body = "<html>log in</html>"}, FETCH_NOT_HEAT, "markup", 1},
		{{.status = 200, .body = "{}"}, FETCH_BAD_DOCUMENT, "StackResourceDetail", 1},
		{{.status = 200, .body = "{\"a\":"}, FETCH_BAD_DOCUMENT, "answer", 1},
		{{.status = 200, .body = ""}, FETCH_BAD_DOCUMENT, "answer", 1},
		{{.act = HTTPD_DEEP, .status = 200, .amount = 100000}, FETCH_TOO_BIG, "", 1},
		{{.act = HTTPD_FLOOD, .status = 200, .amount = 100U << 20}, FETCH_TOO_BIG, "", 1},
		{{.act = HTTPD_LENGTH, .status = 200, .amount = 100U << 20}, FETCH_TOO_BIG, "", 1},
		{{.act = HTTPD_RESET}, FETCH_UNREACHABLE, "", 1},
		{{.act = HTTPD_CLOSE}, FETCH_UNREACHABLE, "", 1},
		{{.act = HTTPD_HANG}, FETCH_UNREACHABLE, "", 1},
		{{.act = HTTPD_TRICKLE, .status = 200}, FETCH_UNREACHABLE, "", 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct asked k;

		start(&k, answer_case, &cases[i], "/v1/");
		source_cfn.close(k.s);
		k.rig.conf.request_timeout_ms = 1000;
		assert_int_equal(source_cfn.open(&k.rig.setup, &k.s, NULL), 0);
		if (asked_fetch(&k, NULL, true) != cases[i].class)
			print_error("case %zu: %d %s\n", i, k.rig.class, k.rig.why);
		assert_int_equal(k.rig.class, cases[i].class);
		assert_non_null(strstr(k.rig.why, cases[i].why));
		assert_true(*k.rig.why);
		assert_null(strstr(k.rig.why, "Signature"));
		assert_int_equal(httpd_count(k.h), cases[i].requests);
		if (cases[i].class == FETCH_BUSY)
			assert_int_equal(k.rig.retry_after_s, 7);
		asked_close(&k);
	}
}

static void answer_then_gone(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply,
			     void *ctx)
{
	(void)seen;
	(void)ctx;
	reply->body = nth == 1 ? "\"The Stack (arn) could not be found.\"" : GOOD;
}

/* When the stack of the ARN is gone the name is asked for again: it may be a new stack. */
static void forgets_the_arn(void **state)
{
	struct asked k;

	(void)state;
	start(&k, answer_then_gone, NULL, "/v1/");
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_OK);
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_GONE);
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_OK);
	assert_non_null(strstr(httpd_seen(k.h, 1)->target, "StackName=arn"));
	assert_non_null(strstr(httpd_seen(k.h, 2)->target, "StackName=web"));
	asked_close(&k);
}

/* Closing with a fetch under way: no answer comes any more, nothing is left behind. */
static void closed_while_busy(void **state)
{
	static struct answer_case hang = {{.act = HTTPD_HANG}, FETCH_OK, "", 0};
	struct asked k;

	(void)state;
	start(&k, answer_case, &hang, "/v1/");
	assert_int_equal(source_cfn.fetch(k.s, NULL, true, rig_answered, &k.rig), 0);
	assert_int_equal(source_cfn.fetch(k.s, "b", true, rig_answered, &k.rig), 0);
	rig_run_for(&k.rig, 50);
	source_cfn.close(k.s);
	rig_run_for(&k.rig, 50);
	assert_int_equal(k.rig.answers, 0);
	k.s = NULL;
	asked_close(&k);
}

/* Without a resource of its own (classic cfn-hup files) it still reaches those that hooks name. */
static void without_own_resource(void **state)
{
	struct asked k;

	(void)state;
	asked_serve(&k, &source_cfn, answer_good, NULL);
	rig_cfn(&k.rig, httpd_url(k.h, "/v1/"));
	free(k.rig.creds.cfn.resource);
	k.rig.creds.cfn.resource = NULL;
	asked_open(&k);
	assert_null(source_cfn.own(k.s));
	assert_false(source_cfn.reaches(k.s, NULL));
	assert_true(source_cfn.reaches(k.s, "R1"));
	assert_int_equal(source_cfn.fetch(k.s, NULL, true, rig_answered, &k.rig), -EINVAL);
	assert_int_equal(asked_fetch(&k, "R1", true), FETCH_OK);
	asked_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(urls),
		cmocka_unit_test(bad_urls),
		cmocka_unit_test(falls_back_to_v2),
		cmocka_unit_test(falls_back_to_bare),
		cmocka_unit_test(corrects_its_clock),
		cmocka_unit_test(exhausted),
		cmocka_unit_test(answers),
		cmocka_unit_test(forgets_the_arn),
		cmocka_unit_test(closed_while_busy),
		cmocka_unit_test(without_own_resource),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
