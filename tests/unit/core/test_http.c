/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP client against a server that behaves in every way a server should not: each failure is
 * one answer, in bounded time and memory, with its class. And what goes over the wire is what was
 * asked for.
 */
#include "http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* The plain good case: status, body, type, times. */
static void test_good(void **state)
{
	struct http_answer a;

	(void)state;
	fetch("/ok?x=1", (struct http_request){0}, &a);
	assert_int_equal(a.failure, HTTP_OK);
	assert_int_equal(a.status, 200);
	assert_string_equal(buf_str(&a.body), "{\"ok\":true}");
	assert_string_equal(a.content_type, "application/json");
	assert_int_equal(a.retry_after_s, -1);
	assert_true(a.sent_real_ms > 0 && a.got_real_ms >= a.sent_real_ms);
	http_answer_deinit(&a);
	fetch("/chunked", (struct http_request){0}, &a);
	assert_string_equal(buf_str(&a.body), "{\"ok\":true}");
	http_answer_deinit(&a);
}

/* Every bad server: one class, one clause, soon, without status or body. */
static void test_bad_servers(void **state)
{
	static const struct {
		const char *path;
		enum http_failure failure;
	} rows[] = {
		{"/hang", HTTP_TIMEOUT},
		{"/trickle", HTTP_TIMEOUT},
		{"/flood/104857600", HTTP_TOO_BIG},
		{"/length/104857600", HTTP_TOO_BIG},
		{"/cut", HTTP_RESET},
		{"/reset", HTTP_RESET},
		{"/close", HTTP_RESET},
		{"/garbage", HTTP_BAD_ANSWER},
		{"/manyheaders", HTTP_TOO_BIG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t before = clock_boot_ms();
		struct http_answer a;

		fetch(rows[i].path, (struct http_request){.timeout_ms = 1500}, &a);
		if (a.failure != rows[i].failure)
			fail_msg("%s: %s (%s)", rows[i].path, http_failure_names[a.failure], a.why);
		assert_int_equal(a.status, 0);
		assert_int_equal(a.body.len, 0);
		assert_true(strlen(a.why) > 10);
		assert_true(clock_boot_ms() - before < 3000);
		http_answer_deinit(&a);
	}
}

/* 100 MiB are refused by their announced length, and cut off when not announced: memory stays what
 * it was. */
static void test_memory_is_bounded(void **state)
{
	struct rusage before, after;
	struct http_answer a;

	(void)state;
	getrusage(RUSAGE_SELF, &before);
	fetch("/flood/104857600", (struct http_request){.body_max = 1 << 20}, &a);
	assert_int_equal(a.failure, HTTP_TOO_BIG);
	http_answer_deinit(&a);
	fetch("/length/104857600", (struct http_request){.body_max = 1 << 20}, &a);
	assert_int_equal(a.failure, HTTP_TOO_BIG);
	http_answer_deinit(&a);
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < 32 * 1024);
	fetch("/length/1048576", (struct http_request){.body_max = 1 << 20}, &a);
	assert_int_equal(a.body.len, 1 << 20);
	http_answer_deinit(&a);
}

/* A status is an answer, whatever it is; redirects are answered, not followed. */
static void test_statuses(void **state)
{
	static const int rows[] = {201, 204, 304, 400, 401, 403, 404, 409, 500, 503};
	unsigned before;
	struct http_answer a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char path[32];

		snprintf(path, sizeof(path), "/status/%d", rows[i]);
		fetch(path, (struct http_request){.timeout_ms = 5000}, &a);
		assert_int_equal(a.failure, HTTP_OK);
		assert_int_equal(a.status, rows[i]);
		http_answer_deinit(&a);
	}
	before = httpd_count(server);
	fetch("/redirect", (struct http_request){0}, &a);
	assert_int_equal(a.status, 302);
	assert_int_equal(httpd_count(server), before + 1);
	http_answer_deinit(&a);
}

/* What is signed must be what is sent: target byte for byte, Host as http_url_host_header() says,
 * no header of libcurl's own. */
static void test_wire(void **state)
{
	static const char target[] = "/v1/waitcondition/arn%3aopenstack%3Aheat::x:stacks/s%2f1/../"
				     "a//b?Sig=a%2Bb+c&x=%7e~";
	static const char *const headers[] = {"X-One: 1", "X-Empty;", NULL};
	const struct httpd_seen *seen;
	struct http_answer a;
	char text[300], want[64];

	(void)state;
	fetch(target,
	      (struct http_request){
		      .method = "PUT", .headers = headers, .body = "{}", .body_len = 2},
	      &a);
	seen = last_seen();
	assert_string_equal(seen->method, "PUT");
	assert_string_equal(seen->target, target);
	assert_string_equal(seen->body, "{}");
	snprintf(want, sizeof(want), "127.0.0.1:%d", httpd_port(server));
	assert_string_equal(httpd_header(seen, "Host", text, sizeof(text)), want);
	assert_string_equal(httpd_header(seen, "X-One", text, sizeof(text)), "1");
	assert_non_null(strstr(seen->head, "\r\nX-Empty:\r\n"));
	assert_string_equal(httpd_header(seen, "Content-Type", text, sizeof(text)), "");
	assert_string_equal(httpd_header(seen, "Expect", text, sizeof(text)), "");
	assert_string_equal(httpd_header(seen, "Transfer-Encoding", text, sizeof(text)), "");
	assert_string_equal(httpd_header(seen, "Accept-Encoding", text, sizeof(text)), "");
	assert_null(strstr(a.why, "Sig"));
	http_answer_deinit(&a);
}

/* Methods and their bodies: Heat wants a Content-Length wherever a body may be. */
static void test_methods(void **state)
{
	static const struct {
		const char *method, *body, *length;
	} rows[] = {
		{"GET", NULL, ""},   {"HEAD", NULL, ""},     {"DELETE", NULL, ""},
		{"POST", NULL, "0"}, {"PUT", NULL, "0"},     {"POST", "abc", "3"},
		{"PUT", "abc", "3"}, {"DELETE", "abc", "3"}, {"GET", "abc", "3"},
		{"PATCH", "", "0"},
	};
	static char big[100000];
	struct http_answer large;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = rows[i].body ? strlen(rows[i].body) : 0;
		struct http_answer a;
		char text[64];

		fetch("/echo",
		      (struct http_request){.method = rows[i].method,
					    .body = rows[i].body,
					    .body_len = n,
					    .timeout_ms = 4000},
		      &a);
		assert_int_equal(a.failure, HTTP_OK);
		assert_string_equal(last_seen()->method, rows[i].method);
		assert_string_equal(httpd_header(last_seen(), "Content-Length", text, sizeof(text)),
				    rows[i].length);
		assert_string_equal(buf_str(&a.body), rows[i].body ? rows[i].body : "");
		http_answer_deinit(&a);
	}
	memset(big, '\n', sizeof(big));
	fetch("/echo",
	      (struct http_request){.method = "POST", .body = big, .body_len = sizeof(big)},
	      &large);
	assert_int_equal(large.body.len, sizeof(big));
	http_answer_deinit(&large);
}

/* Text from metadata cannot add header lines or change the method's line. */
static void test_smuggling(void **state)
{
	static const char *const bad[] = {"X: a\r\nY: b", "X: a\nY: b", "X",	  "X y: z",
					  ": v",	  "X;v",	"X: \x01"};
	struct err e = ERR_INIT;
	struct http_answer a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *const headers[] = {bad[i], NULL};
		struct http_request req = {
			.method = "GET", .url = httpd_url(server, "/ok"), .headers = headers};

		assert_int_equal(http_fetch(&env, &(struct http_setup){0}, &req, &a, &e), -EINVAL);
		http_answer_deinit(&a);
	}
	assert_int_equal(http_fetch(&env, &(struct http_setup){0},
				    &(struct http_request){.method = "GET /x", .url = "http://h/"},
				    &a, &e),
			 -EINVAL);
}

/* URLs that lead nowhere are answered like every other failure. */
static void test_nowhere(void **state)
{
	static const struct {
		const char *url;
		enum http_failure failure;
	} rows[] = {
		{"", HTTP_BAD_URL},
		{"ftp://127.0.0.1/", HTTP_BAD_URL},
		{"http://u:p@127.0.0.1/", HTTP_BAD_URL},
		{"http://127.0.0.1:1/", HTTP_CONNECT},
		{"http://[fe80::a9fe:a9fe%25nosuch0]/", HTTP_CONNECT},
		{"http://no-such-name.invalid/", HTTP_RESOLVE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct http_answer a;

		fetch_with(&(struct http_setup){0},
			   (struct http_request){.url = rows[i].url, .timeout_ms = 3000}, &a);
		if (a.failure != rows[i].failure)
			fail_msg("%s: %s (%s)", rows[i].url, http_failure_names[a.failure], a.why);
		http_answer_deinit(&a);
	}
}

/* A host that does not answer to connecting is told apart from one that does not answer the
 * request. */
static void test_no_connection(void **state)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd[6], listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(sa);
	struct http_answer a;
	char url[64];

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fd);
	     i++) { /* its queue is full: the kernel drops what comes next */
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fd[i], (struct sockaddr *)&sa, sizeof(sa));
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(sa.sin_port));
	fetch_with(&(struct http_setup){0}, (struct http_request){.url = url, .timeout_ms = 500},
		   &a);
	assert_int_equal(a.failure, HTTP_CONNECT);
	http_answer_deinit(&a);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	close(listener);
}

/* The body of a HEAD answer is announced, not sent: its size is no reason to refuse. */
static void test_head_of_large(void **state)
{
	struct http_answer a;

	(void)state;
	fetch("/length/104857600", (struct http_request){.method = "HEAD"}, &a);
	assert_int_equal(a.failure, HTTP_OK);
	http_answer_deinit(&a);
}

static void answer_retry(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply,
			 void *ctx)
{
	(void)seen, (void)nth, (void)ctx;
	reply->status = 503;
	reply->headers = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 "
			 "08:50:37 GMT\r\n"
			 "ETag: \"e1\"\r\nX-Subject-Token: tok\r\n";
}

/* A date in Retry-After counts from the server's own clock, so that a guest with a wrong one waits
 * as long as meant. */
static void test_answer_headers(void **state)
{
	struct httpd *h = httpd_start(&(struct httpd_setup){.fn = answer_retry});
	struct http_answer a;

	(void)state;
	fetch_with(&(struct http_setup){0}, (struct http_request){.url = httpd_url(h, "/")}, &a);
	assert_int_equal(a.status, 503);
	assert_int_equal(a.retry_after_s, 60);
	assert_string_equal(a.etag, "\"e1\"");
	assert_string_equal(a.subject_token, "tok");
	http_answer_deinit(&a);
	httpd_stop(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad_servers),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_smuggling),
		cmocka_unit_test(test_nowhere),
		cmocka_unit_test(test_no_connection),
		cmocka_unit_test(test_head_of_large),
		cmocka_unit_test(test_answer_headers),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
