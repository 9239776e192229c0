/* SPDX-License-Identifier: Apache-2.0 */
/* The life of calls: exactly one answer, any moment to cancel or free, nothing left behind, a loop
 * that stays free. */
#include "http_fixture.h"

#include <errno.h>
#include "machine.h"
#include "tests/unit/descriptors.h"
#include "tests/unit/skip.h"
#include "tests/unit/turns.h"

struct world {
	struct loop *loop;
	struct http *http;
	struct http_call *call[8];
	struct answers answers;
	unsigned inside;
	enum http_failure last;
	bool starting;
};

static void world_open(struct world *w)
{
	*w = (struct world){0};
	assert_int_equal(loop_new(&env, &w->loop), 0);
	assert_int_equal(http_new(w->loop, &(struct http_setup){.user_agent = "heat-pulse/test"},
				  &w->http, NULL),
			 0);
	w->answers.loop = w->loop;
}

static void world_close(struct world *w)
{
	http_free(w->http);
	loop_free(w->loop);
}

static void counted(const struct http_answer *a, void *ctx)
{
	struct world *w = ctx;

	answers_count(&w->answers);
	w->inside += w->starting;
	w->last = a->failure;
}

static void start(struct world *w, unsigned i, const char *path, http_done_fn *fn)
{
	struct http_request req = {.method = "GET",
				   .url = path[0] == '/' ? httpd_url(server, path) : path,
				   .timeout_ms = 2000};

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
	assert_int_equal(w.answers.n, 0);
	answers_until(&w.answers, 5);
	assert_int_equal(w.inside, 0);
	assert_int_equal(run_loop(w.loop, 100), OUT_OF_TIME);
	assert_int_equal(w.answers.n, 5);
	/* and an idle client wakes nobody */
	assert_false(loop_timer_armed(w.http->timer));
	assert_false(loop_timer_armed(w.http->queue));
	assert_null(w.http->sockets);
	world_close(&w);
	assert_int_equal(w.answers.n, 5);
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
	assert_int_equal(run_loop(w.loop, 200), OUT_OF_TIME);
	http_cancel(w.call[0]);
	assert_int_equal(run_loop(w.loop, 50), OUT_OF_TIME);
	assert_int_equal(w.answers.n, 0);
	world_close(&w);
	assert_int_equal(w.answers.n, 1);
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
	if (w->answers.n < 4)
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
	answers_until(&w.answers, 4);
	start(&w, 2, "/hang", counted);
	start(&w, 0, "/ok", frees_all);
	answers_until(&w.answers, 6);
	assert_int_equal(w.last, HTTP_CANCELLED);
	world_close(&w);
	world_open(&w);
	start(&w, 0, "bad", frees_all);
	answers_until(&w.answers, 1);
	world_close(&w);
}

/* Nothing stays open: hundreds of calls of every kind end with the descriptors there were. */
static void test_no_descriptor_leaks(void **state)
{
	static const char *const paths[] = {
		"/ok",	    "/reset",		"/cut", "/garbage", "bad", "http://127.0.0.1:1/",
		"/chunked", "/length/100000000"};
	unsigned before = count_fds();
	struct world w;

	(void)state;
	world_open(&w);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(paths); i++)
			start(&w, i, paths[i], counted);
		answers_until(&w.answers, (round + 1) * (unsigned)ARRAY_SIZE(paths));
	}
	start(&w, 0, "/hang", counted);
	assert_int_equal(run_loop(w.loop, 50), OUT_OF_TIME);
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
	answers_until(&w.answers, 3);
	noise = machine_run_delay_ms() - noise;
	assert_true(loop_get_stats(w.loop)->late_max_ms <= (under_valgrind() ? 2000 : 50) + noise);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),	     cmocka_unit_test(test_cancel_and_free),
		cmocka_unit_test(test_from_inside),  cmocka_unit_test(test_no_descriptor_leaks),
		cmocka_unit_test(test_loop_is_free),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
