/* SPDX-License-Identifier: Apache-2.0 */
/* What answers mean, and what follows: every row of both tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "metadata/classify.h"
#include "metadata/watch_policy.h"

#define MINUTE 60000

struct answer_case {
	long status;
	const char *code, *message;
	enum fetch_class class;
};

/* The captured answers of heat-api-cfn, and those that proxies and overload make. */
static void cfn_answers(void **state)
{
	static const struct answer_case cases[] = {
		{403, "AccessDenied", "User is not authorized to perform action", FETCH_REFUSED},
		{403, "AccessDenied",
		 "User is not authorized to perform action:Action DescribeStackResource not "
		 "allowed for user",
		 FETCH_REFUSED_POLICY},
		{403, "AccessDenied",
		 "User is not authorized to perform action:You are not authorized to use this "
		 "action.",
		 FETCH_REFUSED_FOREIGN},
		{403, "MissingAuthenticationToken", "x", FETCH_REFUSED},
		{403, NULL, NULL, FETCH_REFUSED},
		{200, NULL, "You are not authorized to use this action.", FETCH_REFUSED_FOREIGN},
		{200, NULL, "Action DescribeStackResource not allowed for user",
		 FETCH_REFUSED_POLICY},
		{200, NULL, "The Stack (x) could not be found.", FETCH_GONE},
		{200, NULL, "User is not authorized to perform action", FETCH_REFUSED},
		{200, NULL, "whatever else", FETCH_SERVER_ERROR},
		{400, "InvalidParameterValue", "The Stack (nosuch) could not be found.",
		 FETCH_GONE},
		{400, "InvalidParameterValue", "bad", FETCH_GONE},
		{400, "IncompleteSignature", "x", FETCH_NOT_HEAT},
		{400, "InvalidAction", "x", FETCH_NOT_HEAT},
		{400, "Throttling", "Rate exceeded", FETCH_BUSY},
		{401, "", "", FETCH_REFUSED},
		{300, "", "", FETCH_NOT_HEAT},
		{302, "", "", FETCH_NOT_HEAT},
		{404, "", "", FETCH_NOT_HEAT},
		{405, "", "", FETCH_NOT_HEAT},
		{407, "", "", FETCH_NOT_HEAT},
		{408, "", "", FETCH_BUSY},
		{409, "", "", FETCH_BUSY},
		{429, "", "", FETCH_BUSY},
		{503, "", "", FETCH_BUSY},
		{500, "InternalFailure", "ValueError: resources.h_aws: Metadata format invalid",
		 FETCH_BAD_DOCUMENT},
		{500, "", "", FETCH_SERVER_ERROR},
		{502, "", "", FETCH_SERVER_ERROR},
		{504, "", "", FETCH_SERVER_ERROR},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(classify_status(CLASSIFY_CFN, cases[i].status, cases[i].code, cases[i].message, true),
				 cases[i].class);
}

/* The native API: a 403 means another thing for one's own resource than for another. */
static void heat_answers(void **state)
{
	(void)state;
	assert_int_equal(classify_status(CLASSIFY_HEAT, 401, NULL, "x", true), FETCH_REFUSED);
	assert_int_equal(
		classify_status(CLASSIFY_HEAT, 403, NULL, "You are not authorized to complete this action.", true),
		FETCH_REFUSED);
	assert_int_equal(
		classify_status(CLASSIFY_HEAT, 403, NULL, "You are not authorized to complete this action.", false),
		FETCH_REFUSED_FOREIGN);
	assert_int_equal(classify_status(CLASSIFY_HEAT, 403, NULL, "stacks:metadata is disallowed by policy", true),
			 FETCH_REFUSED_POLICY);
	assert_int_equal(classify_status(CLASSIFY_HEAT, 404, NULL, "The Stack (x) could not be found.", true), FETCH_GONE);
	assert_int_equal(classify_status(CLASSIFY_HEAT, 404, NULL, "", true), FETCH_NOT_HEAT);
	assert_int_equal(classify_status(CLASSIFY_HEAT, 400, NULL, "Stack is suspended", true), FETCH_REFUSED);
	assert_int_equal(classify_status(CLASSIFY_HEAT, 400, NULL, "x", true), FETCH_NOT_HEAT);
	assert_int_equal(classify_status(CLASSIFY_HEAT, 409, NULL, "x", true), FETCH_BUSY);
	assert_int_equal(classify_status(CLASSIFY_HEAT, 429, NULL, "x", true), FETCH_BUSY);
	assert_int_equal(classify_status(CLASSIFY_HEAT, 503, NULL, "x", true), FETCH_BUSY);
	assert_int_equal(classify_status(CLASSIFY_HEAT, 500, NULL, "x", true), FETCH_SERVER_ERROR);
	assert_int_equal(classify_status(CLASSIFY_HEAT, 302, NULL, "x", true), FETCH_NOT_HEAT);
}

/* Failures without a status. */
static void transport_failures(void **state)
{
	static const struct {
		enum http_failure failure;
		enum fetch_class class;
	} cases[] = {
		{HTTP_RESOLVE, FETCH_UNREACHABLE}, {HTTP_CONNECT, FETCH_UNREACHABLE},
		{HTTP_TIMEOUT, FETCH_UNREACHABLE}, {HTTP_RESET, FETCH_UNREACHABLE},
		{HTTP_TLS, FETCH_CERTIFICATE},     {HTTP_CERT, FETCH_CERTIFICATE},
		{HTTP_TOO_BIG, FETCH_TOO_BIG},     {HTTP_BAD_URL, FETCH_NOT_HEAT},
		{HTTP_BAD_ANSWER, FETCH_NOT_HEAT}, {HTTP_CANCELLED, FETCH_UNREACHABLE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(classify_failure(cases[i].failure), cases[i].class);
}

/* A plain refusal of a guest that is more than 14 min behind is its clock's fault; ahead or little
 * behind is not. */
static void skew(void **state)
{
	struct fetch_result r = {.class = FETCH_REFUSED,
				 .has_skew = true,
				 .date_skew_ms = 20 * MINUTE,
				 .why = "403"};

	(void)state;
	classify_clock(&r);
	assert_int_equal(r.class, FETCH_CLOCK_SKEW);
	assert_non_null(strstr(r.why, "20 minutes behind"));
	r = (struct fetch_result){
		.class = FETCH_REFUSED, .has_skew = true, .date_skew_ms = 5 * MINUTE};
	classify_clock(&r);
	assert_int_equal(r.class, FETCH_REFUSED);
	r.date_skew_ms = -60 * MINUTE;
	classify_clock(&r);
	assert_int_equal(r.class, FETCH_REFUSED);
	r = (struct fetch_result){.class = FETCH_OK, .has_skew = true, .date_skew_ms = 60 * MINUTE};
	classify_clock(&r);
	assert_int_equal(r.class, FETCH_OK);
}

struct row_case {
	enum fetch_class class;
	const char *code;
	int64_t first_ms, cap_ms; /* at an interval of 60 s and rnd 0.5 */
};

/* Every row: its word, its first wait, its ceiling, a sentence and a remedy; nothing is ever given
 * up. */
static void rows(void **state)
{
	static const struct row_case cases[] = {
		{FETCH_UNREACHABLE, "unreachable", 0, 15 * MINUTE},
		{FETCH_CERTIFICATE, "certificate", 0, 15 * MINUTE},
		{FETCH_SERVER_ERROR, "server-error", 0, 15 * MINUTE},
		{FETCH_BUSY, "busy", 0, 15 * MINUTE},
		{FETCH_NOT_HEAT, "not-heat", 0, 15 * MINUTE},
		{FETCH_REFUSED, "403", MINUTE, 15 * MINUTE},
		{FETCH_REFUSED_POLICY, "403-policy", MINUTE, 60 * MINUTE},
		{FETCH_REFUSED_FOREIGN, "403-foreign", MINUTE, 60 * MINUTE},
		{FETCH_CLOCK_SKEW, "clock-skew", MINUTE, 15 * MINUTE},
		{FETCH_CLOCK_WRONG, "clock", MINUTE, MINUTE},
		{FETCH_EXPIRED_URL, "expired-url", MINUTE, 60 * MINUTE},
		{FETCH_GONE, "gone", MINUTE, 15 * MINUTE},
		{FETCH_BAD_DOCUMENT, "bad-document", 0, 15 * MINUTE},
		{FETCH_TOO_BIG, "too-big", 0, 15 * MINUTE},
	};

	(void)state;
	assert_int_equal(ARRAY_SIZE(cases), FETCH_CLASSES - 2);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct fetch_policy *p = fetch_policy(cases[i].class);
		struct fetch_pacer pacer = {0};
		int64_t delay = fetch_delay(&pacer, cases[i].class, MINUTE, -1, 0.5), most = 0;

		assert_string_equal(p->code, cases[i].code);
		assert_true(p->sentence && *p->sentence && p->remedy && *p->remedy);
		assert_true(p->level == PROBLEM_WARN || p->level == PROBLEM_ERROR);
		if (cases[i].first_ms)
			assert_in_range(delay, cases[i].first_ms - 1, cases[i].first_ms + 1);
		for (int n = 0; n < 50; n++) {
			delay = fetch_delay(&pacer, cases[i].class, MINUTE, -1, 0.999);
			assert_true(delay > 0);
			most = delay > most ? delay : most;
		}
		assert_true(most >= cases[i].cap_ms &&
			    most <= cases[i].cap_ms + cases[i].cap_ms / 5);
	}
}

/* Refusals double: 1, 2, 4 ... minutes, +-20 %. */
static void doubling(void **state)
{
	struct fetch_pacer pacer = {0};
	int64_t want = MINUTE;

	(void)state;
	for (int i = 0; i < 8; i++) {
		assert_in_range(fetch_delay(&pacer, FETCH_REFUSED_POLICY, MINUTE, -1, 0.5),
				want - 1, want + 1);
		want = want < 30 * MINUTE ? 2 * want : 60 * MINUTE;
	}
	assert_in_range(fetch_delay(&pacer, FETCH_REFUSED_POLICY, MINUTE, -1, 0.0), 48 * MINUTE - 1,
			48 * MINUTE + 1);
}

/* Good answers keep the interval +-20 % and make the next failure start anew. */
static void good_answers(void **state)
{
	struct fetch_pacer pacer = {0};

	(void)state;
	for (int i = 0; i < 10; i++)
		(void)fetch_delay(&pacer, FETCH_REFUSED, MINUTE, -1, 0.5);
	assert_in_range(fetch_delay(&pacer, FETCH_OK, 10000, -1, 0.0), 7999, 8001);
	assert_in_range(fetch_delay(&pacer, FETCH_UNCHANGED, 10000, -1, 0.9999), 11990, 12000);
	assert_in_range(fetch_delay(&pacer, FETCH_REFUSED, MINUTE, -1, 0.5), MINUTE - 1,
			MINUTE + 1);
}

/* With a short interval the first waits are short too; with a long one no failure makes polls more
 * frequent than 5 s. */
static void intervals(void **state)
{
	struct fetch_pacer pacer = {0};

	(void)state;
	assert_in_range(fetch_delay(&pacer, FETCH_REFUSED, 1000, -1, 0.5), 9999, 10001);
	pacer = (struct fetch_pacer){0};
	assert_true(fetch_delay(&pacer, FETCH_SERVER_ERROR, 1000, -1, 0.5) <= 3000);
	pacer = (struct fetch_pacer){0};
	assert_true(fetch_delay(&pacer, FETCH_SERVER_ERROR, MINUTE, -1, 0.0) >= MINUTE);
	pacer = (struct fetch_pacer){0};
	assert_true(fetch_delay(&pacer, FETCH_UNREACHABLE, MINUTE, -1, 0.0) >= 5000);
	for (int i = 0; i < 50; i++)
		assert_true(fetch_delay(&pacer, FETCH_UNREACHABLE, 3600000, -1, 0.99) <= 3600000);
}

/* A guest that was served looks for a server that went away at about its pace, and ever less often; one that
 * refuses it in a way of its own is no such server. */
static void served_before(void **state)
{
	struct fetch_pacer pacer = {0};

	(void)state;
	(void)fetch_delay(&pacer, FETCH_OK, MINUTE, -1, 0.5);
	assert_in_range(fetch_delay(&pacer, FETCH_UNREACHABLE, MINUTE, -1, 0.0), MINUTE * 6 / 10 - 1,
			MINUTE * 6 / 10 + 1);
	(void)fetch_delay(&pacer, FETCH_UNCHANGED, MINUTE, -1, 0.5);
	assert_in_range(fetch_delay(&pacer, FETCH_UNREACHABLE, MINUTE, -1, 0.9999), MINUTE * 179 / 100,
			MINUTE * 18 / 10);
	assert_true(fetch_delay(&pacer, FETCH_UNREACHABLE, MINUTE, -1, 0.9999) > 4 * MINUTE);
	(void)fetch_delay(&pacer, FETCH_OK, MINUTE, -1, 0.5);
	assert_in_range(fetch_delay(&pacer, FETCH_REFUSED, MINUTE, -1, 0.5), MINUTE - 1, MINUTE + 1);
}

/* Retry-After is a floor, obeyed up to an hour, and not by all guests at the same moment. */
static void retry_after(void **state)
{
	struct fetch_pacer pacer = {0};

	(void)state;
	assert_in_range(fetch_delay(&pacer, FETCH_BUSY, 1000, 120, 0.0), 120000, 120000);
	assert_in_range(fetch_delay(&pacer, FETCH_BUSY, 1000, 120, 0.5), 125000, 127000);
	assert_in_range(fetch_delay(&pacer, FETCH_BUSY, 1000, INT64_MAX, 0.0), 3600000, 3600000);
	assert_in_range(fetch_delay(&pacer, FETCH_OK, 1000, 30, 0.0), 30000, 30000);
	pacer = (struct fetch_pacer){0};
	assert_true(fetch_delay(&pacer, FETCH_BUSY, MINUTE, 1, 0.5) >= MINUTE);
}

/* A thousand guests that lost the server at the same time do not come back together. */
static void spread(void **state)
{
	unsigned seconds[1000] = {0}, most = 0;

	(void)state;
	for (int guest = 0; guest < 1000; guest++) {
		struct fetch_pacer pacer = {0};
		int64_t at = 0;

		for (int i = 0; i < 3; i++)
			at += fetch_delay(&pacer, FETCH_SERVER_ERROR, MINUTE, -1, random_unit());
		if (at / 1000 < 1000 && ++seconds[at / 1000] > most)
			most = seconds[at / 1000];
	}
	assert_true(most < 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cfn_answers),
		cmocka_unit_test(heat_answers),
		cmocka_unit_test(transport_failures),
		cmocka_unit_test(skew),
		cmocka_unit_test(rows),
		cmocka_unit_test(doubling),
		cmocka_unit_test(good_answers),
		cmocka_unit_test(intervals),
		cmocka_unit_test(served_before),
		cmocka_unit_test(retry_after),
		cmocka_unit_test(spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
