/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The promises of sink/metric_set.h against receivers that misbehave: nothing good is lost, nothing
 * bad is sent again, pauses are kept, clocks are compared first, and what waits survives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "metric_bench.h"

/* Samples arrive, in batches of an interval, after one look at the clock; nothing is left and
 * nothing written. */
static void test_flow(void **state)
{
	struct fix *f = *state;
	_cleanup_json_ json_t *spool = NULL;

	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	for (int i = 0; i < 5; i++)
		add(f, i, false);
	UNTIL(f, 5, count(f, "up_to_date") == 1);
	/* with heartbeat, spool bytes, spool and sink drops */
	assert_int_equal(count(f, "sent"), 5 * 7);
	assert_int_equal(requests_with(f, "asDouble"), 1);
	assert_int_equal(httpd_count(f->server), 2);
	assert_true(state_is(f, "ok"));
	assert_non_null(strstr(httpd_seen(f->server, 1)->head, "\r\nContent-Length: "));
	spool = metric_set_spool_status(f->set);
	assert_int_equal(json_integer_value(json_object_get(spool, "segments")), 0);
	end(f);
}

/* A zone and a name that become known are carried from then on; what is not said stays as it was. */
static void test_labels(void **state)
{
	const struct metric_labels known = {.hostname = "web-one", .zone = "az-7", .project_id = ""};
	struct fix *f = *state;

	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	add(f, 0, false);
	UNTIL(f, 5, count(f, "up_to_date") == 1);
	assert_int_equal(requests_with(f, "\"web-1\""), requests_with(f, "asDouble"));
	assert_int_equal(requests_with(f, "az-7"), 0);
	assert_int_equal(metric_set_labels(f->set, &known), 0);
	assert_int_equal(metric_set_labels(f->set, &known), 0);
	add(f, 1, false);
	UNTIL(f, 5, count(f, "up_to_date") == 1);
	assert_true(requests_with(f, "az-7") > 0);
	assert_int_equal(requests_with(f, "az-7"), requests_with(f, "\"web-one\""));
	assert_true(requests_with(f, SERVER) > requests_with(f, "az-7"));
	end(f);
}

/* One bad metric costs itself alone and is looked for once: all else of its request arrives, and its series is
 * not tried again. */
static void test_bisect(void **state)
{
	struct fix *f = *state;
	unsigned before;

	f->plan.bad = "\"mem.free_mb\"";
	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	for (int i = 0; i < 4; i++)
		add(f, i, false);
	UNTIL(f, 10, count(f, "up_to_date") == 1);
	assert_int_equal(count(f, "refused"), 4);
	assert_int_equal(count(f, "sent"), 4 * 6);
	assert_true(why_has(f, "mem.free_mb was refused"));
	assert_true(why_has(f, "no such thing"));
	before = httpd_count(f->server);
	assert_true(before <= 14);
	add(f, 9, false);
	UNTIL(f, 10, count(f, "up_to_date") == 1);
	assert_int_equal(httpd_count(f->server), before + 1);
	assert_int_equal(count(f, "refused"), 5);
	end(f);
}

/* Whoever calls a single value too large means something else: nothing is dropped, and it is not asked for long. */
static void test_always_too_large(void **state)
{
	struct fix *f = *state;

	f->plan.too_large = 1;
	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	for (int i = 0; i < 3; i++)
		add(f, i, false);
	UNTIL(f, 10, state_is(f, "denied"));
	assert_int_equal(count(f, "refused"), 0);
	assert_int_equal(count(f, "sent"), 0);
	assert_true(httpd_count(f->server) < 20);
	end(f);
}

/* 413 halves what is sent, and all of it arrives. */
static void test_too_large(void **state)
{
	struct fix *f = *state;

	f->plan.too_large = 2000;
	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	for (int i = 0; i < 6; i++)
		add(f, i, false);
	UNTIL(f, 10, count(f, "up_to_date") == 1);
	assert_int_equal(count(f, "sent"), 6 * 7);
	assert_int_equal(count(f, "refused"), 0);
	end(f);
}

/* 503 and the like: again after a pause, everything arrives once. Retry-After is waited for. */
static void test_retry(void **state)
{
	struct fix *f = *state;
	int64_t began;

	f->plan = (struct plan){
		.fail_first = 2, .fail_status = 429, .fail_headers = "Retry-After: 2\r\n"};
	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	add(f, 1, false);
	UNTIL(f, 5, state_is(f, "retry"));
	began = clock_boot_ms();
	add(f, 2, true); /* not even the urgent one comes sooner than the receiver asked */
	run_ms(f, 1000);
	assert_int_equal(requests_with(f, "asDouble"), 1);
	UNTIL(f, 12, count(f, "up_to_date") == 1);
	assert_true(clock_boot_ms() - began >= 3900);
	assert_int_equal(count(f, "sent"), 2 * 7);
	assert_true(state_is(f, "ok"));
	end(f);
}

static bool all_on_disk(struct fix *f)
{
	struct spool_counts c;

	spool_counts(f->set->spool, &c);
	return c.segments >= 1 && c.in_memory == 0;
}

/* A server that is gone: all waits, also over a restart of the agent, and arrives when it is back.
 */
static void test_outage(void **state)
{
	struct fix *f = *state;
	struct spool_counts c;
	char url[128];
	struct sink_setting s = {.type = (char *)(uintptr_t) "otlp", .url = url};

	serve_plan(f);
	snprintf(url, sizeof(url), "%s", httpd_url(f->server, "/v1/metrics"));
	httpd_stop(f->server);
	f->server = NULL;
	begin(f);
	assert_int_equal(metric_set_configure(f->set, &s, 1, true, NULL), 0);
	for (int i = 0; i < 8; i++) {
		add(f, i, false);
		run_ms(f, 100);
	}
	UNTIL(f, 5, state_is(f, "retry"));
	UNTIL(f, 20, all_on_disk(f));
	end(f);

	begin(f);
	serve_plan(f); /* elsewhere: the place belongs to the URL, so tell the old one's by hand */
	spool_counts(f->set->spool, &c);
	assert_true(c.segments >= 1);
	assert_int_equal(metric_set_configure(f->set, &s, 1, false, NULL), 0);
	assert_int_equal(f->set->lanes[0]->cursor, spool_begin(f->set->spool));
	end(f);
}

/* A place that was lost with the last life costs a repetition, never a sample. */
static void test_place_lost(void **state)
{
	struct fix *f = *state;
	char path[128];

	f->plan = (struct plan){.fail_first = 1000, .fail_status = 503};
	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	for (int i = 0; i < 5; i++)
		add(f, i, false);
	UNTIL(f, 5, state_is(f, "retry"));
	end(f);
	snprintf(path, sizeof(path), "%s/metrics-places", f->role.dir);
	assert_int_equal(unlink(path), 0);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	assert_true(spool_holds_backlog(f->set->spool));
	assert_int_equal(f->set->lanes[0]->cursor, spool_begin(f->set->spool));
	end(f);
}

/* Two sinks; what the second does not take is kept for it. */
static void configure_two(struct fix *f)
{
	char well[128], down[128];
	const struct sink_setting list[] = {{.type = (char *)(uintptr_t) "otlp", .url = well},
					    {.type = (char *)(uintptr_t) "otlp", .url = down}};

	snprintf(well, sizeof(well), "%s", httpd_url(f->server, "/well"));
	snprintf(down, sizeof(down), "%s", httpd_url(f->server, "/down"));
	assert_int_equal(metric_set_configure(f->set, list, 2, true, NULL), 0);
}

static size_t asked_with(const struct fix *f, const char *target, const char *word)
{
	size_t n = 0;

	for (unsigned i = 0; i < httpd_count(f->server); i++) {
		const struct httpd_seen *seen = httpd_seen(f->server, i);

		n += seen && strstr(seen->target, target) && strstr(seen->body, word);
	}
	return n;
}

/* A life that ends when one sink has its sample, and the other has not. */
static void leave_backlog(struct fix *f)
{
	f->plan = (struct plan){.down = "/down"};
	serve_plan(f);
	begin(f);
	configure_two(f);
	add(f, 4711, false);
	UNTIL(f, 20, count(f, "up_to_date") == 1 && asked_with(f, "/down", "4711") > 0);
	end(f);
}

/* The store answers in order: the set has its places, and asked for the spool just now. */
static void places_known(int status, const char *p _unused_, size_t n _unused_, void *ctx)
{
	struct fix *f = ctx;

	assert_int_equal(status, 0);
	assert_int_equal(f->set->n_kept, 2);
	assert_false(f->set->loaded);
	configure_two(f);
	add(f, 4712, false);
}

/* Often all sinks are known when their places have been read and the spool has not: the one that
 * took everything is sent nothing again. */
static void test_known_before_loaded(void **state)
{
	struct fix *f = *state;
	size_t tried;

	leave_backlog(f);
	tried = asked_with(f, "/down", "4711");
	begin_life(f, true);
	assert_int_equal(store_get(f->role.store, METRIC_PLACES, places_known, f), 0);
	UNTIL(f, 20, f->set->loaded && count(f, "up_to_date") == 1);
	assert_int_equal(f->set->n_kept, 0);
	assert_int_equal(asked_with(f, "/well", "4712"), 1);
	assert_int_equal(asked_with(f, "/well", "4711"), 1);
	UNTIL(f, 20,
	      asked_with(f, "/down", "4711") > tried); /* the other still has its own place */
	end(f);
}

/* A store that comes late is waited for: nothing leaves before the places are known, and all of it
 * once. */
static void test_store_late(void **state)
{
	struct fix *f = *state;

	leave_backlog(f);
	begin_life(f, false);
	configure_two(f);
	add(f, 4712, false);
	run_ms(f, 1000);
	assert_false(f->set->loaded);
	assert_int_equal(asked_with(f, "/well", "4712"), 0);
	store_child_start(&f->role);
	UNTIL(f, 20, f->set->loaded && count(f, "up_to_date") == 1);
	assert_int_equal(asked_with(f, "/well", "4711"), 1);
	assert_int_equal(asked_with(f, "/well", "4712"), 1);
	end(f);
}

/* One that does not come at all does not hold samples for ever, and what it keeps stays for a later
 * life, with its places. */
static void test_store_never(void **state)
{
	struct fix *f = *state;
	uint64_t first;

	leave_backlog(f);
	begin(f);
	first = spool_begin(f->set->spool);
	end(f);
	begin_life(f, false);
	configure_two(f);
	add(f, 4712, false);
	for (int i = 0; i < 100 && !f->set->loaded; i++) {
		run_ms(f, 100);
		boot_offset += STORE_PATIENCE_MS;
	}
	UNTIL(f, 20, asked_with(f, "/well", "4712") > 0 && count(f, "up_to_date") == 1);
	store_child_start(&f->role);
	UNTIL(f, 20, all_on_disk(f));
	end(f);
	begin(f);
	configure_two(f);
	assert_int_equal(spool_begin(f->set->spool), first);
	assert_int_equal(f->set->lanes[0]->cursor, first + 1);
	assert_int_equal(f->set->lanes[1]->cursor, first);
	end(f);
}

/* Before an end nothing begins any more and what is under way is waited for: the next life repeats
 * nothing. */
static void test_leave(void **state)
{
	struct fix *f = *state;

	f->plan = (struct plan){.delay_ms = 1500};
	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	add(f, 0, false);
	UNTIL(f, 20, f->set->lanes[0]->doing == LANE_SENDING);
	add(f, 1, true);
	assert_true(metric_set_leave(f->set));
	UNTIL(f, 20, !metric_set_leave(f->set));
	run_ms(f, 1000);
	assert_false(metric_set_leave(f->set));
	assert_int_equal(count(f, "sent"), 7);
	assert_int_equal(requests_with(f, "asDouble"), 1);
	end(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	UNTIL(f, 20, count(f, "up_to_date") == 1);
	assert_int_equal(count(f, "sent"), 7);
	end(f);
}

/* What went before its turn does not go again when it is the turn of the next life. */
static void test_ahead_is_kept(void **state)
{
	struct fix *f = *state;
	struct metric_lane *l;

	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	l = f->set->lanes[0];
	l->wait_until = clock_boot_ms() + 3600000;
	for (int i = 0; i < 4; i++)
		add(f, i, false);
	UNTIL(f, 20, all_on_disk(f));
	l->sent_ahead[0] = l->cursor + 1;
	assert_int_equal(l->cursor + 4, spool_end(f->set->spool));
	end(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	UNTIL(f, 20, count(f, "up_to_date") == 1);
	assert_int_equal(count(f, "sent"), 3 * 7);
	end(f);
}

/* A clock that is an hour off sends nothing; set right, what was held leaves with the right times.
 */
static void test_clock(void **state)
{
	struct fix *f = *state;
	const struct httpd_seen *seen = NULL;
	const char *at;

	real_offset = 3600 * 1000;
	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	add(f, 1, false);
	add(f, 2, false);
	UNTIL(f, 5, state_is(f, "clock"));
	assert_true(why_has(f, "3600 s ahead") || why_has(f, "3599 s ahead"));
	run_ms(f, 800);
	assert_int_equal(requests_with(f, "asDouble"), 0);
	real_offset = 0;
	f->set->lanes[0]->wait_until = 0; /* it looks again within a minute */
	add(f, 3, true);
	UNTIL(f, 5, count(f, "up_to_date") == 1 && count(f, "sent") >= 3 * 7);
	for (unsigned i = 0; i < httpd_count(f->server); i++) {
		seen = httpd_seen(f->server, i);
		for (at = seen->body; (at = strstr(at, "\"timeUnixNano\":\"")); at += 10) {
			int64_t ms = strtoll(at + 16, NULL, 10) / 1000000;

			assert_true(ms <= clock_real_ms() && ms > clock_real_ms() - 20000);
		}
	}
	end(f);
}

/* What the receiver's clock says is what counts: one that is behind holds just so. */
static void test_clock_behind(void **state)
{
	struct fix *f = *state;

	f->plan.date_shift_s = 300;
	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	add(f, 1, false);
	UNTIL(f, 5, state_is(f, "clock"));
	assert_true(why_has(f, "behind"));
	end(f);
}

/* A finding leaves at once, ahead of a backlog that is being sent piece by piece; cleared, it is
 * told with 0. */
static void test_findings(void **state)
{
	struct fix *f = *state;
	struct finding one = {.class_name = "memory_exhaustion",
			      .entity = "java[412]",
			      .evidence = "+38 MiB/min",
			      .risk = 0.93,
			      .eta_s = 900};
	const struct httpd_seen *seen;
	int64_t began;
	unsigned before;

	serve_plan(f);
	begin(f);
	configure(f, "otlp", "/v1/metrics", false);
	f->set->setup.interval_ms = 60000;
	add(f, 1, false);
	UNTIL(f, 8, count(f, "up_to_date") == 1);
	for (int i = 0; i < 200; i++)
		add(f, i, false);
	run_ms(f, 200);
	before = httpd_count(f->server);
	began = clock_boot_ms();
	assert_int_equal(metric_set_findings(f->set, &one, 1, "sig", 42, true), 0);
	UNTIL(f, 3, httpd_count(f->server) > before);
	assert_true(clock_boot_ms() - began < 1500);
	seen = httpd_seen(f->server, before);
	assert_non_null(strstr(seen->body, "guest.failure.risk"));
	assert_non_null(strstr(seen->body, "guest.failure.eta_sec"));
	assert_null(strstr(seen->body, "mem.free_mb"));
	run_ms(f, 1100);
	assert_int_equal(metric_set_findings(f->set, NULL, 0, NULL, 0, true), 0);
	UNTIL(f, 3, httpd_count(f->server) > before + 1);
	seen = httpd_seen(f->server, before + 1);
	assert_non_null(strstr(seen->body, "\"asDouble\":0,\"attributes\":[{\"key\":\"class\""));
	end(f);
}

/* The textfile is replaced whole, by the store alone, with the newest values. */
static void test_textfile(void **state)
{
	struct fix *f = *state;
	struct sink_setting s = {.type = (char *)(uintptr_t) "textfile",
				 .path = (char *)(uintptr_t) "/x.prom",
				 .trusted = true};
	_cleanup_buf_ struct buf text = BUF_INIT(1u << 20);
	struct problems problems = {0};
	char path[128];

	begin(f);
	assert_int_equal(metric_set_configure(f->set, &s, 1, true, &problems), 0);
	assert_int_equal(problems.n, 0);
	add(f, 1, false);
	add(f, 2, false);
	UNTIL(f, 5, count(f, "sent") > 0);
	snprintf(path, sizeof(path), "%s/out.prom", f->role.dir);
	assert_int_equal(fs_read(path, &text), 0);
	assert_non_null(strstr(text.data, "guest_mem_free_mb 2\n"));
	s.trusted = false;
	assert_int_equal(metric_set_configure(f->set, &s, 1, true, &problems), 0);
	assert_int_equal(problems.n, 1);
	problems_deinit(&problems);
	end(f);
}

/* Pauses grow to 15 minutes, are spread over the whole of it, and never below a second. */
static void test_pauses(void **state)
{
	(void)state;
	assert_int_equal(lane_pause_ms(1, 30000, 0), 1000);
	assert_int_equal(lane_pause_ms(1, 30000, 0.5), 30000);
	assert_int_equal(lane_pause_ms(3, 30000, 0.5), 120000);
	assert_int_equal(lane_pause_ms(60, 30000, 0.5), 450000);
	assert_true(lane_pause_ms(60, 30000, 0.999) < 15 * 60 * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_flow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_labels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bisect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_always_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_outage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_place_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_known_before_loaded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_never, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leave, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ahead_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_findings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_textfile, setup, teardown),
		cmocka_unit_test(test_pauses),
	};

	log_setup(LOG_LEVEL_ERR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
