/* SPDX-License-Identifier: Apache-2.0 */
/* The ways to a server: certificates, proxies, IPv6. */
#include "http_fixture.h"
#include "tests/unit/heap.h"
#include "tests/unit/skip.h"

/* Bytes for forty connections; an SSL object lost at each would be ten times that. */
#define GROWTH_MAX 16384

/* ---- TLS ---- */

static void tls_case(enum httpd_tls tls, bool trust, bool insecure, enum http_failure want)
{
	struct httpd *h = httpd_start(&(struct httpd_setup){.tls = tls});
	struct http_setup setup = {.ca_file = trust ? httpd_ca_file(h) : NULL};
	struct http_answer a;

	fetch_with(&setup,
		   (struct http_request){
			   .url = httpd_url(h, "/ok"), .insecure = insecure, .timeout_ms = 30000},
		   &a);
	if (a.failure != want)
		fail_msg("tls %d: %s (%s)", (int)tls, http_failure_names[a.failure], a.why);
	if (want == HTTP_OK)
		assert_string_equal(buf_str(&a.body), "{\"ok\":true}");
	http_answer_deinit(&a);
	httpd_stop(h);
}

/* Only a certificate that is trusted, current and made out to the host is good; switching that off
 * is said per request. */
static void test_certificates(void **state)
{
	(void)state;
	tls_case(HTTPD_TLS, true, false, HTTP_OK);
	tls_case(HTTPD_TLS, false, false, HTTP_CERT);
	tls_case(HTTPD_TLS, false, true, HTTP_OK);
	tls_case(HTTPD_TLS_WRONG_NAME, true, false, HTTP_CERT);
	tls_case(HTTPD_TLS_EXPIRED, true, false, HTTP_CERT);
}

struct asker {
	struct loop *loop;
	struct http *http;
	enum http_failure got;
};

static void on_answer(const struct http_answer *a, void *ctx)
{
	struct asker *k = ctx;

	k->got = a->failure;
	loop_quit(k->loop, 0);
}

static enum http_failure ask(struct asker *k, struct httpd *h)
{
	const struct http_request request = {.method = "GET", .url = httpd_url(h, "/ok"), .timeout_ms = 30000};
	struct http_call *call;

	assert_int_equal(http_start(k->http, &request, on_answer, k, &call), 0);
	assert_int_equal(loop_run(k->loop), 0);
	return k->got;
}

/* Authorities may change while the client lives: those of the time when a connection is made count. */
static void test_authorities_change(void **state)
{
	struct httpd *h = httpd_start(&(struct httpd_setup){.tls = HTTPD_TLS});
	struct asker k = {0};
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(loop_new(&env, &k.loop), 0);
	assert_int_equal(http_new(k.loop, &(struct http_setup){0}, &k.http, &e), 0);
	assert_int_equal(ask(&k, h), HTTP_CERT);
	assert_int_equal(http_set_ca_file(k.http, httpd_ca_file(h)), 0);
	assert_int_equal(ask(&k, h), HTTP_OK);
	assert_int_equal(http_set_ca_file(k.http, NULL), 0);
	http_free(k.http);
	loop_free(k.loop);
	httpd_stop(h);
}

/* A server that does not speak TLS, and a bundle that cannot be read, are another class than a bad
 * certificate. */
static void test_no_tls(void **state)
{
	struct httpd *h = httpd_start(&(struct httpd_setup){.tls = HTTPD_TLS});
	struct http_answer a;
	char url[100];

	(void)state;
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/ok", httpd_port(server));
	fetch_with(&(struct http_setup){0}, (struct http_request){.url = url, .timeout_ms = 7000},
		   &a);
	assert_int_equal(a.failure, HTTP_TLS);
	http_answer_deinit(&a);
	fetch_with(&(struct http_setup){.ca_file = "/nonexistent.pem"},
		   (struct http_request){.url = httpd_url(h, "/ok")}, &a);
	assert_int_equal(a.failure, HTTP_TLS);
	http_answer_deinit(&a);
	httpd_stop(h);
}

/* Bytes that this process has: its heap's where that is counted, else all that is its own. */
static size_t held(void)
{
	size_t bytes = heap_bytes(), kib = 0;
	char line[128];
	FILE *f;

	if (bytes != HEAP_NOT_COUNTED)
		return bytes;
	f = fopen("/proc/self/smaps_rollup", "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Anonymous: %zu kB", &kib) == 1)
			break;
	fclose(f);
	assert_true(kib > 0);
	return kib << 10;
}

/* New connections, good ones and ones that fail in the handshake, leave nothing behind. */
static void test_growth(void **state)
{
	struct httpd *good, *bad;
	struct asker k = {0};
	struct err e = ERR_INIT;
	size_t before = 0;

	(void)state;
	if (under_valgrind())
		skip_because("sixty handshakes take too long under valgrind");
	good = httpd_start(&(struct httpd_setup){.tls = HTTPD_TLS});
	bad = httpd_start(&(struct httpd_setup){.tls = HTTPD_TLS_EXPIRED});
	assert_int_equal(loop_new(&env, &k.loop), 0);
	assert_int_equal(
		http_new(k.loop, &(struct http_setup){.ca_file = httpd_ca_file(good)}, &k.http, &e),
		0);
	for (int i = 0; i < 30; i++) {
		before = i == 10 ? held() : before;
		assert_int_equal(ask(&k, good), HTTP_OK);
		assert_int_equal(ask(&k, bad), HTTP_CERT);
	}
	if (held() > before + GROWTH_MAX)
		fail_msg("twenty of each made %zu bytes of %zu", held(), before);
	http_free(k.http);
	loop_free(k.loop);
	httpd_stop(bad);
	httpd_stop(good);
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
	assert_string_equal(httpd_header(last_seen(), "Host", text, sizeof(text)),
			    "heat.invalid:8004");
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
		skip_because("no IPv6 loopback");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificates), cmocka_unit_test(test_authorities_change),
		cmocka_unit_test(test_no_tls),       cmocka_unit_test(test_growth),
		cmocka_unit_test(test_proxies),      cmocka_unit_test(test_ipv6),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
