/* SPDX-License-Identifier: Apache-2.0 */
/* Header lines, Retry-After, and the words for a person. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include "core/http_private.h"

static void line(struct http_answer *a, struct http_head *head, const char *s)
{
	assert_int_equal(http_answer_line(a, head, s, strlen(s)), 0);
}

/* The fields are found in any case and spelling of blanks. */
static void test_fields(void **state)
{
	struct http_answer a = {0};
	struct http_head head = {0};

	(void)state;
	line(&a, &head, "HTTP/1.1 200 OK\r\n");
	line(&a, &head, "content-TYPE:  application/json \r\n");
	line(&a, &head, "ETag:\"x y\"\r\n");
	line(&a, &head, "X-Subject-Token: gAAA\r\n");
	line(&a, &head, "X-Subject-Token-Other: no\r\n");
	line(&a, &head, "Retry-After: 7\r\n");
	line(&a, &head, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
	line(&a, &head, "\r\n");
	assert_string_equal(a.content_type, "application/json");
	assert_string_equal(a.etag, "\"x y\"");
	assert_string_equal(a.subject_token, "gAAA");
	assert_string_equal(head.retry_after, "7");
	assert_int_equal(a.date_s, 784111777);
}

/* Only the last answer of a connection counts (100 Continue before it), and nothing after the body
 * began. */
static void test_start_over(void **state)
{
	struct http_answer a = {0};
	struct http_head head = {0};

	(void)state;
	line(&a, &head, "HTTP/1.1 100 Continue\r\n");
	line(&a, &head, "X-Subject-Token: old\r\n");
	line(&a, &head, "Retry-After: 9\r\n");
	line(&a, &head, "HTTP/1.1 200 OK\r\n");
	assert_string_equal(a.subject_token, "");
	assert_string_equal(head.retry_after, "");
	assert_int_equal(a.date_s, -1);
	head.body_began = true;
	line(&a, &head, "X-Subject-Token: trailer\r\n");
	assert_string_equal(a.subject_token, "");
}

/* Half a value is no value. */
static void test_too_long(void **state)
{
	struct http_answer a = {0};
	struct http_head head = {0};
	char text[5000];

	(void)state;
	memset(text, 'e', sizeof(text));
	memcpy(text, "ETag: ", 6);
	assert_int_equal(http_answer_line(&a, &head, text, sizeof(text)), 0);
	assert_string_equal(a.etag, "");
	memcpy(text, "X-Subject-Token: ", 17);
	assert_int_equal(http_answer_line(&a, &head, text, sizeof(text)), 0);
	assert_string_equal(a.subject_token, "");
}

/* Header lines have a ceiling together. */
static void test_ceiling(void **state)
{
	struct http_answer a = {0};
	struct http_head head = {0};
	int r = 0;

	(void)state;
	for (size_t i = 0; r == 0; i++) {
		r = http_answer_line(&a, &head, "X-Filler: 0123456789\r\n", 22);
		assert_true(i <= HTTP_HEADERS_MAX / 22);
	}
	assert_int_equal(r, -EFBIG);
}

/* Seconds or a date; the past is now; nobody sends us away for more than a day. */
static void test_retry_after(void **state)
{
	static const struct {
		const char *text;
		int64_t out; /* -1 refused */
	} rows[] = {
		{"7", 7},
		{" 120 ", 120},
		{"0", 0},
		{"99999999", 86400},
		{"99999999999999999999999", 86400},
		{"-1", -1},
		{"", -1},
		{"soon", -1},
		{"1.5", -1},
		{"Sun, 06 Nov 1994 08:49:37 GMT", 37},
		{"Sun, 06 Nov 1994 08:48:00 GMT", 0},
		{"Mon, 06 Nov 2023 08:49:37 GMT", 86400},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t out = -1;
		int r = http_retry_after(rows[i].text, strlen(rows[i].text), 784111740, &out);

		assert_int_equal(r, rows[i].out < 0 ? -EINVAL : 0);
		assert_int_equal(out, rows[i].out);
	}
}

/* The clause names host and path, never the query, and holds no control characters. */
static void test_explain(void **state)
{
	struct http_answer a = {.failure = HTTP_CERT};
	struct http_url u;

	(void)state;
	assert_int_equal(http_url_parse("https://h:13004/v1/x?Signature=SECRET", &u), 0);
	http_answer_explain(&a, &u, "expired\x1b[1m\n");
	assert_string_equal(a.why, "the certificate of h:13004 cannot be verified: expired?[1m?");
	a = (struct http_answer){.failure = HTTP_OK, .status = 403};
	http_answer_explain(&a, &u, "");
	assert_string_equal(a.why, "HTTP 403 from h:13004/v1/x");
	http_url_deinit(&u);
	for (int f = HTTP_RESOLVE; f <= HTTP_CANCELLED; f++) {
		a = (struct http_answer){.failure = (enum http_failure)f};
		http_answer_explain(&a, &u, "");
		assert_true(strlen(a.why) > 5);
		assert_non_null(http_failure_names[f]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),	    cmocka_unit_test(test_start_over),
		cmocka_unit_test(test_too_long),    cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_retry_after), cmocka_unit_test(test_explain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
