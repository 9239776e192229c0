/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics to OpenStack services: the catalog, tokens and whom they are shown to, the two kinds of
 * 401. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "metric_bench.h"

/* One sample to Monasca, whose middleware refuses the tokens before the @wrong_token-th. */
static void send_refusing(struct fix *f, int wrong_token)
{
	f->plan.wrong_token = wrong_token;
	serve_plan(f);
	begin(f);
	configure(f, "monasca", NULL, false);
	give_keystone(f);
	add(f, 1, false);
	UNTIL(f, 8, count(f, "up_to_date") == 1);
	assert_int_equal(count(f, "sent"), 7);
}

/* Monasca by the catalog: exact Content-Type, token, one renewal when Keystone's middleware refuses
 * it. */
static void test_monasca(void **state)
{
	struct fix *f = *state;
	const struct httpd_seen *seen;
	char value[64];

	send_refusing(f, 2);
	seen = httpd_seen(f->server, httpd_count(f->server) - 1);
	assert_string_equal(seen->target, "/v2.0/metrics");
	assert_string_equal(httpd_header(seen, "Content-Type", value, sizeof(value)),
			    "application/json");
	assert_string_equal(httpd_header(seen, "X-Auth-Token", value, sizeof(value)), "tok2");
	assert_non_null(strstr(seen->body, "\"hostname\":\"web-1\""));
	end(f);
}

/* A token that is refused as soon as it was given, as within the second of a revocation: a matter of seconds. */
static void test_fresh_token_refused(void **state)
{
	struct fix *f = *state;
	char value[64];

	send_refusing(f, 3);
	assert_string_equal(httpd_header(httpd_seen(f->server, httpd_count(f->server) - 1),
					 "X-Auth-Token", value, sizeof(value)),
			    "tok3");
	end(f);
}

/* The other 401 means rights: no new token is asked for, the sink waits and says why. */
static void test_no_role(void **state)
{
	struct fix *f = *state;

	f->plan.no_role = true;
	serve_plan(f);
	begin(f);
	configure(f, "monasca", NULL, false);
	give_keystone(f);
	add(f, 1, false);
	UNTIL(f, 8, state_is(f, "denied"));
	assert_true(why_has(f, "role"));
	run_ms(f, 1000);
	assert_int_equal(httpd_count(f->server), 2); /* a token, a probe */
	end(f);
}

/* A URL of metadata that is not of the catalog gets no token; one of root-owned configuration does.
 */
static void test_token_stays(void **state)
{
	struct fix *f = *state;
	struct httpd *elsewhere;
	char url[128];
	struct sink_setting s = {.type = (char *)(uintptr_t) "monasca", .url = url};

	serve_plan(f);
	elsewhere = httpd_start(&(struct httpd_setup){.fn = serve, .ctx = &f->plan});
	assert_non_null(elsewhere);
	begin(f);
	give_keystone(f);
	snprintf(url, sizeof(url), "%s", httpd_url(elsewhere, "/v2.0"));
	assert_int_equal(metric_set_configure(f->set, &s, 1, true, NULL), 0);
	add(f, 1, false);
	UNTIL(f, 8, state_is(f, "denied"));
	assert_int_equal(httpd_count(elsewhere), 0);
	s.trusted = true;
	assert_int_equal(metric_set_configure(f->set, &s, 1, true, NULL), 0);
	add(f, 2, false);
	UNTIL(f, 8, count(f, "up_to_date") == 1 && count(f, "sent") > 0);
	assert_true(httpd_count(elsewhere) > 0);
	end(f);
	httpd_stop(elsewhere);
}

/* The secret for a URL is root's to give: who is trusted sends it, as a token or as user and
 * password. */
static void test_secret(void **state)
{
	static const struct {
		const char *type, *token, *username, *want;
		bool trusted;
	} rows[] = {
		{"otlp", "t0k", NULL, "Bearer t0k", true},
		{"prometheus", "t0k", "bob", "Bearer t0k", true},
		{"prometheus", NULL, "bob", "Basic Ym9iOnB3", true},
		{"prometheus", NULL, NULL, "", true},
		{"otlp", "t0k", NULL, "", false},
		{"prometheus", "t0k", "bob", "", false},
	};
	struct fix *f = *state;
	char value[64], url[128];

	serve_plan(f);
	begin(f);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned before = httpd_count(f->server);
		struct sink_setting s = {.type = (char *)(uintptr_t)rows[i].type,
					 .url = url,
					 .token = (char *)(uintptr_t)rows[i].token,
					 .username = (char *)(uintptr_t)rows[i].username,
					 .password = (char[]){"pw"},
					 .trusted = rows[i].trusted};
		const char *got;

		snprintf(url, sizeof(url), "%s%zu", httpd_url(f->server, "/r/"), i);
		assert_int_equal(metric_set_configure(f->set, &s, 1, true, NULL), 0);
		add(f, 1, false);
		UNTIL(f, 8, httpd_count(f->server) > before);
		got = httpd_header(httpd_seen(f->server, before), "Authorization", value,
				   sizeof(value));
		assert_string_equal(got, rows[i].want);
	}
	end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_monasca, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fresh_token_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_role, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secret, setup, teardown),
	};

	log_setup(LOG_LEVEL_ERR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
