/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP client against a server that behaves in every way a server should not. Each failure is one answer, in
 * bounded time and memory, with its class; and nothing is left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "core/http_private.h"
#include "httpd.h"
#include "machine.h"

static struct httpd *server;
static struct env env;

static int start_server(void **state)
{
	(void)state;
	server = httpd_start(&(struct httpd_setup){0});
	return server && env_init(&env, "") == 0 ? 0 : -1;
}

static int stop_server(void **state)
{
	(void)state;
	server = httpd_stop(server);
	return 0;
}

static void fetch_with(const struct http_setup *setup, struct http_request req, struct http_answer *a)
{
	struct err e = ERR_INIT;

	if (!req.method)
		req.method = "GET";
	assert_int_equal(http_fetch(&env, setup, &req, a, &e), 0);
}

static void fetch(const char *path, struct http_request req, struct http_answer *a)
{
	req.url = httpd_url(server, path);
	fetch_with(&(struct http_setup){0}, req, a);
}

static unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

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
		{"/hang", HTTP_TIMEOUT},       {"/trickle", HTTP_TIMEOUT},    {"/flood/104857600", HTTP_TOO_BIG},
		{"/length/104857600", HTTP_TOO_BIG}, {"/cut", HTTP_RESET},    {"/reset", HTTP_RESET},
		{"/close", HTTP_RESET},	       {"/garbage", HTTP_BAD_ANSWER}, {"/manyheaders", HTTP_TOO_BIG},
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

/* 100 MiB are refused by their announced length, and cut off when not announced: memory stays what it was. */
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

static const struct httpd_seen *last_seen(void)
{
	return httpd_seen(server, httpd_count(server) - 1);
}

/* What is signed must be what is sent: target byte for byte, Host as http_url_host_header() says, no header of libcurl's own. */
static void test_wire(void **state)
{
	static const char target[] = "/v1/waitcondition/arn%3aopenstack%3Aheat::x:stacks/s%2f1/../a//b?Sig=a%2Bb+c&x=%7e~";
	static const char *const headers[] = {"X-One: 1", "X-Empty;", NULL};
	const struct httpd_seen *seen;
	struct http_answer a;
	char text[300], want[64];

	(void)state;
	fetch(target, (struct http_request){.method = "PUT", .headers = headers, .body = "{}", .body_len = 2}, &a);
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
		{"GET", NULL, ""}, {"HEAD", NULL, ""}, {"DELETE", NULL, ""}, {"POST", NULL, "0"}, {"PUT", NULL, "0"},
		{"POST", "abc", "3"}, {"PUT", "abc", "3"}, {"DELETE", "abc", "3"}, {"GET", "abc", "3"}, {"PATCH", "", "0"},
	};
	static char big[100000];
	struct http_answer large;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = rows[i].body ? strlen(rows[i].body) : 0;
		struct http_answer a;
		char text[64];

		fetch("/echo", (struct http_request){.method = rows[i].method, .body = rows[i].body, .body_len = n, .timeout_ms = 4000}, &a);
		assert_int_equal(a.failure, HTTP_OK);
		assert_string_equal(last_seen()->method, rows[i].method);
		assert_string_equal(httpd_header(last_seen(), "Content-Length", text, sizeof(text)), rows[i].length);
		assert_string_equal(buf_str(&a.body), rows[i].body ? rows[i].body : "");
		http_answer_deinit(&a);
	}
	memset(big, '\n', sizeof(big));
	fetch("/echo", (struct http_request){.method = "POST", .body = big, .body_len = sizeof(big)}, &large);
	assert_int_equal(large.body.len, sizeof(big));
	http_answer_deinit(&large);
}

/* Text from metadata cannot add header lines or change the method's line. */
static void test_smuggling(void **state)
{
	static const char *const bad[] = {"X: a\r\nY: b", "X: a\nY: b", "X", "X y: z", ": v", "X;v", "X: \x01"};
	struct err e = ERR_INIT;
	struct http_answer a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *const headers[] = {bad[i], NULL};
		struct http_request req = {.method = "GET", .url = httpd_url(server, "/ok"), .headers = headers};

		assert_int_equal(http_fetch(&env, &(struct http_setup){0}, &req, &a, &e), -EINVAL);
		http_answer_deinit(&a);
	}
	assert_int_equal(http_fetch(&env, &(struct http_setup){0}, &(struct http_request){.method = "GET /x", .url = "http://h/"}, &a, &e), -EINVAL);
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

		fetch_with(&(struct http_setup){0}, (struct http_request){.url = rows[i].url, .timeout_ms = 3000}, &a);
		if (a.failure != rows[i].failure)
			fail_msg("%s: %s (%s)", rows[i].url, http_failure_names[a.failure], a.why);
		http_answer_deinit(&a);
	}
}

/* A host that does not answer to connecting is told apart from one that does not answer the request. */
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
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) { /* its queue is full: the kernel drops what comes next */
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fd[i], (struct sockaddr *)&sa, sizeof(sa));
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(sa.sin_port));
	fetch_with(&(struct http_setup){0}, (struct http_request){.url = url, .timeout_ms = 500}, &a);
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

static void answer_retry(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply, void *ctx)
{
	(void)seen, (void)nth, (void)ctx;
	reply->status = 503;
	reply->headers = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n"
			 "ETag: \"e1\"\r\nX-Subject-Token: tok\r\n";
}

/* A date in Retry-After counts from the server's own clock, so that a guest with a wrong one waits as long as meant. */
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

/* ---- TLS ---- */

static void tls_case(enum httpd_tls tls, bool trust, bool insecure, enum http_failure want)
{
	struct httpd *h = httpd_start(&(struct httpd_setup){.tls = tls});
	struct http_setup setup = {.ca_file = trust ? httpd_ca_file(h) : NULL};
	struct http_answer a;

	fetch_with(&setup, (struct http_request){.url = httpd_url(h, "/ok"), .insecure = insecure, .timeout_ms = 5000}, &a);
	if (a.failure != want)
		fail_msg("tls %d: %s (%s)", (int)tls, http_failure_names[a.failure], a.why);
	if (want == HTTP_OK)
		assert_string_equal(buf_str(&a.body), "{\"ok\":true}");
	http_answer_deinit(&a);
	httpd_stop(h);
}

/* Only a certificate that is trusted, current and made out to the host is good; switching that off is said per request. */
static void test_certificates(void **state)
{
	(void)state;
	tls_case(HTTPD_TLS, true, false, HTTP_OK);
	tls_case(HTTPD_TLS, false, false, HTTP_CERT);
	tls_case(HTTPD_TLS, false, true, HTTP_OK);
	tls_case(HTTPD_TLS_WRONG_NAME, true, false, HTTP_CERT);
	tls_case(HTTPD_TLS_EXPIRED, true, false, HTTP_CERT);
}

/* A server that does not speak TLS, and a bundle that cannot be read, are another class than a bad certificate. */
static void test_no_tls(void **state)
{
	struct httpd *h = httpd_start(&(struct httpd_setup){.tls = HTTPD_TLS});
	struct http_answer a;
	char url[100];

	(void)state;
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/ok", httpd_port(server));
	fetch_with(&(struct http_setup){0}, (struct http_request){.url = url, .timeout_ms = 7000}, &a);
	assert_int_equal(a.failure, HTTP_TLS);
	http_answer_deinit(&a);
	fetch_with(&(struct http_setup){.ca_file = "/nonexistent.pem"}, (struct http_request){.url = httpd_url(h, "/ok")}, &a);
	assert_int_equal(a.failure, HTTP_TLS);
	http_answer_deinit(&a);
	httpd_stop(h);
}

/* ---- ways ---- */

/* The environment names no proxy for us; configuration does, but not for what is near. */
static void test_proxies(void **state)
{
	struct http_setup setup = {.http_proxy = httpd_url(server, "")};
	struct http_answer a;
	char text[64];

	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	fetch("/ok", (struct http_request){0}, &a);
	assert_int_equal(a.failure, HTTP_OK);
	http_answer_deinit(&a);
	setenv("no_proxy", "*", 1); /* must not matter either */
	fetch_with(&setup, (struct http_request){.url = "http://heat.invalid:8004/ok?a=b"}, &a);
	assert_int_equal(a.failure, HTTP_OK);
	assert_string_equal(last_seen()->target, "http://heat.invalid:8004/ok?a=b");
	assert_string_equal(httpd_header(last_seen(), "Host", text, sizeof(text)), "heat.invalid:8004");
	http_answer_deinit(&a);
	setup.http_proxy = "http://127.0.0.1:1";
	fetch_with(&setup, (struct http_request){.url = httpd_url(server, "/ok")}, &a);
	assert_int_equal(a.failure, HTTP_OK);
	http_answer_deinit(&a);
	setup.https_proxy = httpd_url(server, "");
	fetch_with(&setup, (struct http_request){.url = "https://heat.invalid/?secret"}, &a);
	assert_int_equal(a.failure, HTTP_CONNECT); /* this proxy makes no tunnels */
	assert_string_equal(last_seen()->method, "CONNECT");
	assert_string_equal(last_seen()->target, "heat.invalid:443");
	http_answer_deinit(&a);
	setup.no_proxy = "10.0.0.0/8";
	fetch_with(&setup, (struct http_request){.url = "http://heat.invalid/"}, &a);
	assert_int_equal(a.failure, HTTP_CONNECT);
	http_answer_deinit(&a);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("no_proxy");
}

/* IPv6 literals: brackets in Host, and a zone that only the kernel sees. */
static void test_ipv6(void **state)
{
	struct httpd *h = httpd_start(&(struct httpd_setup){.address = "::1"});
	struct http_answer a;
	char text[64], want[64], url[100];

	(void)state;
	if (!h)
		skip(); /* no IPv6 loopback here */
	fetch_with(&(struct http_setup){0}, (struct http_request){.url = httpd_url(h, "/ok")}, &a);
	assert_int_equal(a.failure, HTTP_OK);
	snprintf(want, sizeof(want), "[::1]:%d", httpd_port(h));
	assert_string_equal(httpd_header(httpd_seen(h, 0), "Host", text, sizeof(text)), want);
	http_answer_deinit(&a);
	snprintf(url, sizeof(url), "http://[::1%%25lo]:%d/ok", httpd_port(h));
	fetch_with(&(struct http_setup){0}, (struct http_request){.url = url}, &a);
	assert_int_equal(a.failure, HTTP_OK);
	assert_string_equal(httpd_header(httpd_seen(h, 1), "Host", text, sizeof(text)), want);
	http_answer_deinit(&a);
	httpd_stop(h);
}

/* ---- the life of calls ---- */

struct world {
	struct loop *loop;
	struct http *http;
	struct http_call *call[8];
	unsigned answers, wanted, inside;
	enum http_failure last;
	bool starting;
	struct loop_timer *stop;
};

static void stop_now(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, 0);
}

static void world_open(struct world *w)
{
	*w = (struct world){0};
	assert_int_equal(loop_new(&env, &w->loop), 0);
	assert_int_equal(http_new(w->loop, &(struct http_setup){.user_agent = "heat-pulse/test"}, &w->http, NULL), 0);
	assert_int_equal(loop_timer_new(w->loop, 0, stop_now, NULL, &w->stop), 0);
}

static void world_run(struct world *w, int64_t ms)
{
	loop_timer_arm(w->stop, ms);
	assert_int_equal(loop_run(w->loop), 0);
}

/* Until so many answers have come in all; ten seconds are for machines under load. */
static void world_until(struct world *w, unsigned answers)
{
	w->wanted = answers;
	if (w->answers < answers)
		world_run(w, 10000);
	w->wanted = 0;
	assert_int_equal(w->answers, answers);
}

static void world_close(struct world *w)
{
	http_free(w->http);
	loop_timer_free(w->stop);
	loop_free(w->loop);
}

static void counted(const struct http_answer *a, void *ctx)
{
	struct world *w = ctx;

	if (++w->answers == w->wanted)
		loop_quit(w->loop, 0);
	w->inside += w->starting;
	w->last = a->failure;
}

static void start(struct world *w, unsigned i, const char *path, http_done_fn *fn)
{
	struct http_request req = {.method = "GET", .url = path[0] == '/' ? httpd_url(server, path) : path, .timeout_ms = 2000};

	w->starting = true;
	assert_int_equal(http_start(w->http, &req, fn, w, &w->call[i]), 0);
	w->starting = false;
}

/* Exactly one answer each, never from inside http_start(), also for what fails at once. */
static void test_once(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	start(&w, 0, "/ok", counted);
	start(&w, 1, "bad", counted);
	start(&w, 2, "http://127.0.0.1:1/", counted);
	start(&w, 3, "/reset", counted);
	start(&w, 4, "/slow/200", counted);
	assert_int_equal(w.answers, 0);
	world_until(&w, 5);
	assert_int_equal(w.inside, 0);
	world_run(&w, 100);
	assert_int_equal(w.answers, 5);
	/* and an idle client wakes nobody */
	assert_false(loop_timer_armed(w.http->timer));
	assert_false(loop_timer_armed(w.http->queue));
	assert_null(w.http->sockets);
	world_close(&w);
	assert_int_equal(w.answers, 5);
}

/* A cancelled call is silent; freeing the client answers the rest, once. */
static void test_cancel_and_free(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	start(&w, 0, "/hang", counted);
	start(&w, 1, "/hang", counted);
	start(&w, 2, "bad", counted);
	http_cancel(w.call[2]);
	http_cancel(NULL);
	world_run(&w, 200);
	http_cancel(w.call[0]);
	world_run(&w, 50);
	assert_int_equal(w.answers, 0);
	world_close(&w);
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.last, HTTP_CANCELLED);
}

static void frees_all(const struct http_answer *a, void *ctx)
{
	struct world *w = ctx;
	struct http_request req = {.method = "GET", .url = "http://127.0.0.1:1/"};

	counted(a, ctx);
	http_cancel(w->call[0]); /* its own: nothing to do */
	w->http = http_free(w->http);
	if (w->http)
		assert_int_equal(http_start(w->http, &req, counted, w, NULL), -ESHUTDOWN);
}

static void goes_on(const struct http_answer *a, void *ctx)
{
	struct world *w = ctx;

	counted(a, ctx);
	if (w->call[1])
		http_cancel(w->call[1]);
	w->call[1] = NULL;
	if (w->answers < 4)
		start(w, 0, "/ok", goes_on);
}

/* A callback may do anything: start, cancel others, free the client. */
static void test_from_inside(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	start(&w, 1, "/hang", counted);
	start(&w, 0, "/ok", goes_on);
	world_until(&w, 4);
	start(&w, 2, "/hang", counted);
	start(&w, 0, "/ok", frees_all);
	world_until(&w, 6);
	assert_int_equal(w.last, HTTP_CANCELLED);
	world_close(&w);
	world_open(&w);
	start(&w, 0, "bad", frees_all);
	world_until(&w, 1);
	world_close(&w);
}

/* Nothing stays open: hundreds of calls of every kind end with the descriptors there were. */
static void test_no_descriptor_leaks(void **state)
{
	static const char *const paths[] = {"/ok", "/reset", "/cut", "/garbage", "bad", "http://127.0.0.1:1/", "/chunked", "/length/100000000"};
	unsigned before = count_fds();
	struct world w;

	(void)state;
	world_open(&w);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(paths); i++)
			start(&w, i, paths[i], counted);
		world_until(&w, (round + 1) * (unsigned)ARRAY_SIZE(paths));
	}
	start(&w, 0, "/hang", counted);
	world_run(&w, 50);
	world_close(&w);
	assert_int_equal(count_fds(), before);
}

/* A slow or silent server does not hold the loop up. */
static void test_loop_is_free(void **state)
{
	int64_t noise = machine_run_delay_ms();
	struct world w;

	(void)state;
	world_open(&w);
	start(&w, 0, "/hang", counted);
	start(&w, 1, "/trickle", counted);
	start(&w, 2, "/flood/50000000", counted);
	world_until(&w, 3);
	noise = machine_run_delay_ms() - noise;
	assert_true(loop_get_stats(w.loop)->late_max_ms <= 50 + noise);
	world_close(&w);
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
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_no_tls),
		cmocka_unit_test(test_proxies),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_cancel_and_free),
		cmocka_unit_test(test_from_inside),
		cmocka_unit_test(test_no_descriptor_leaks),
		cmocka_unit_test(test_loop_is_free),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
