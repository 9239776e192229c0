/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each allocation of a request failing in turn, libcurl's as well as ours: the call is refused or
 * answered once; what was answered well was asked as a whole; no descriptor is left open.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include "core/http_private.h"
#include "failing_memory.h"
#include "httpd.h"
#include "tests/unit/descriptors.h"

static unsigned answers;
static enum http_failure failure;

static void counted(const struct http_answer *a, void *ctx)
{
	answers++;
	failure = a->failure;
	loop_quit(ctx, 0);
}

static int start(struct http *http, struct loop *loop, const char *url, int64_t timeout_ms)
{
	static const char *const headers[] = {"X-Auth-Token: t", "Content-Type: application/json",
					      NULL};
	struct http_request req = {.method = "PUT",
				   .url = url,
				   .headers = headers,
				   .body = "{}",
				   .body_len = 2,
				   .timeout_ms = timeout_ms};

	return http_start(http, &req, counted, loop, NULL);
}

/* Return: how a request ended: 1 answered well, 0 otherwise. */
static int run(const struct env *env, const char *url, int64_t timeout_ms)
{
	const struct http_setup setup = {.user_agent = "x", .no_proxy = "y"};
	struct http *http = NULL;
	struct loop *loop = NULL;
	struct err e = ERR_INIT;

	answers = 0;
	if (loop_new(env, &loop) < 0)
		return 0;
	if (http_new(loop, &setup, &http, &e) == 0 && start(http, loop, url, timeout_ms) == 0) {
		loop_run(loop);
		assert_int_equal(answers, 1);
	} else {
		assert_int_equal(answers, 0);
		failure = HTTP_CANCELLED;
	}
	http_free(http);
	loop_free(loop);
	return failure == HTTP_OK;
}

static void assert_asked_as_a_whole(struct httpd *h)
{
	const struct httpd_seen *seen = httpd_seen(h, httpd_count(h) - 1);

	assert_non_null(seen);
	assert_string_equal(seen->method, "PUT");
	assert_string_equal(seen->body, "{}");
	assert_non_null(strstr(seen->head, "X-Auth-Token: t"));
	assert_non_null(strstr(seen->head, "Content-Type: application/json"));
	assert_non_null(strstr(seen->head, "User-Agent: x"));
}

static void test_each_allocation(void **state)
{
	struct httpd *h = httpd_start(&(struct httpd_setup){0});
	const char *url = httpd_url(h, "/ok");
	unsigned before, good = 0;
	struct env env;
	long n;

	(void)state;
	assert_int_equal(env_init(&env, ""), 0);
	assert_int_equal(run(&env, url, 20000), 1);
	before = count_fds();
	for (n = 0;; n++) {
		memory_left = n;
		if (run(&env, url, 500)) { /* without memory some wait it out */
			good++;
			assert_asked_as_a_whole(h);
		}
		if (memory_left >= 0)
			break; /* there were fewer */
	}
	memory_left = -1;
	assert_true(n > 40);
	assert_true(good >= 1);
	assert_int_equal(count_fds(), before);
	httpd_stop(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_allocation),
	};

	memory_once = true;
	/* libcurl is a shared library: it is given our functions instead */
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free, realloc, strdup, calloc) !=
	    CURLE_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
