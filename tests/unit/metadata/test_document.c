/* SPDX-License-Identifier: Apache-2.0 */
/* The shapes that Heat sends become documents; what is none is refused with a reason; the state
 * file gives it back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "metadata/diff.h"
#include "metadata/document.h"

#define DETAIL_HEAD                                                                                \
	"{\"DescribeStackResourceResponse\":{\"DescribeStackResourceResult\":{"                    \
	"\"StackResourceDetail\":{"
#define DETAIL_TAIL "}}}}"

static int from_cfn(const char *text, struct document *doc, struct err *e)
{
	return document_from_cfn(text, strlen(text), doc, e);
}

/* The answer that Heat gives, as captured: all fields are taken. */
static void cfn_object(void **state)
{
	struct document doc;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(from_cfn(DETAIL_HEAD
				  "\"Description\":\"\",\"LastUpdatedTimestamp\":\"2026-11-22T07:"
				  "23:52Z\",\"LogicalResourceId\":\"srv\","
				  "\"Metadata\":{\"note\":\"quotes \\\" & <xml> "
				  "\\u00e9\"},\"PhysicalResourceId\":\"af92\","
				  "\"ResourceStatus\":\"CREATE_COMPLETE\",\"StackId\":\"arn:"
				  "openstack:heat::p:stacks/s1/1638\","
				  "\"StackName\":\"s1\"" DETAIL_TAIL,
				  &doc, &e),
			 0);
	assert_string_equal(doc.source, "cfn");
	assert_string_equal(doc.stack, "s1");
	assert_string_equal(doc.stack_id, "arn:openstack:heat::p:stacks/s1/1638");
	assert_string_equal(doc.resource, "srv");
	assert_string_equal(doc.physical_id, "af92");
	assert_string_equal(doc.status, "CREATE_COMPLETE");
	assert_string_equal(doc.updated, "2026-11-22T07:23:52Z");
	assert_string_equal(json_str(doc.metadata, "note"), "quotes \" & <xml> \xc3\xa9");
	assert_false(doc.in_progress);
	document_deinit(&doc);
}

struct metadata_case {
	const char *text; /* members of the detail */
	int r;
	bool present;
};

/* Metadata as object, as text, and the ways to say that there are none; anything else is a bad
 * document. */
static void cfn_metadata_forms(void **state)
{
	static const struct metadata_case cases[] = {
		{"\"Metadata\":{\"a\":1}", 0, true},
		{"\"Metadata\":\"{\\\"a\\\":1}\"", 0, true},
		{"\"Metadata\":{}", 0, true},
		{"\"Metadata\":null", 0, false},
		{"\"Metadata\":\"\"", 0, false},
		{"\"Metadata\":\"null\"", 0, false},
		{"", 0, false},
		{"\"Metadata\":\"{broken\"", -EBADMSG, false},
		{"\"Metadata\":[1]", -EBADMSG, false},
		{"\"Metadata\":\"[1]\"", -EBADMSG, false},
		{"\"Metadata\":5", -EBADMSG, false},
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct document doc;
		struct err e = ERR_INIT;

		snprintf(text, sizeof(text), DETAIL_HEAD "%s" DETAIL_TAIL, cases[i].text);
		assert_int_equal(from_cfn(text, &doc, &e), cases[i].r);
		assert_int_equal(doc.metadata != NULL, cases[i].present);
		assert_int_equal(*e.text != '\0', cases[i].r != 0);
		document_deinit(&doc);
	}
}

/* A number as timestamp (the other cloud's form) is the same time as text; *_IN_PROGRESS makes hooks wait. */
static void cfn_status_and_time(void **state)
{
	struct document doc;

	(void)state;
	assert_int_equal(from_cfn(DETAIL_HEAD
				  "\"LastUpdatedTimestamp\":1767323045,\"ResourceStatus\":\"UPDATE_"
				  "IN_PROGRESS\"" DETAIL_TAIL,
				  &doc, NULL),
			 0);
	assert_string_equal(doc.updated, "2026-01-02T03:04:05Z");
	assert_true(doc.in_progress);
	document_deinit(&doc);
	assert_int_equal(from_cfn(DETAIL_HEAD
				  "\"ResourceStatus\":null,\"StackName\":[1]" DETAIL_TAIL,
				  &doc, NULL),
			 0);
	assert_null(doc.status);
	assert_null(doc.stack);
	assert_false(doc.in_progress);
	document_deinit(&doc);
}

/* Status 200 with a bare string is an error and its text is kept; other shapes are bad documents.
 */
static void cfn_wrong_shapes(void **state)
{
	static const char *const wrong[] = {
		"",
		"{}",
		"[]",
		"null",
		"7",
		"<xml/>",
		"{\"DescribeStackResourceResponse\":null}",
		"{\"DescribeStackResourceResponse\":{\"DescribeStackResourceResult\":[]}}",
		"{\"a\":NaN}",
		"{\"a\":1"};
	struct document doc;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(from_cfn("\"The Stack (x) could not be found.\"", &doc, &e), 1);
	assert_string_equal(e.text, "The Stack (x) could not be found.");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		e = ERR_INIT;
		assert_int_equal(from_cfn(wrong[i], &doc, &e), -EBADMSG);
		assert_true(*e.text);
	}
}

/* 100,000 levels and 8 MiB of {} are refused by the scan, before they cost anything. */
static void bounded(void **state)
{
	struct document doc;
	struct err e = ERR_INIT;
	size_t n = 9U << 20;
	char *text = malloc(n);

	(void)state;
	assert_non_null(text);
	memset(text, '[', n);
	assert_int_equal(document_from_cfn(text, 100000, &doc, &e), -EFBIG);
	for (size_t i = 0; i < n - 1; i += 2)
		memcpy(text + i, "{}", 2);
	assert_int_equal(document_from_file(text, n, "r", &doc, &e), -EFBIG);
	free(text);
}

/* The native API's envelope. */
static void heat(void **state)
{
	static const char good[] = "{\"metadata\":{\"deployments\":[]}}",
			  empty[] = "{\"metadata\":null}", none[] = "{}";
	static const char list[] = "{\"metadata\":[]}";
	struct document doc;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(document_from_heat(good, sizeof(good) - 1, &doc, &e), 0);
	assert_string_equal(doc.source, "heat");
	assert_non_null(json_object_get(doc.metadata, "deployments"));
	document_deinit(&doc);
	assert_int_equal(document_from_heat(empty, sizeof(empty) - 1, &doc, &e), 0);
	assert_null(doc.metadata);
	document_deinit(&doc);
	assert_int_equal(document_from_heat(none, sizeof(none) - 1, &doc, &e), -EBADMSG);
	assert_int_equal(document_from_heat(list, sizeof(list) - 1, &doc, &e), -EBADMSG);
}

/* A local file is the tree itself; a syntax error is named. */
static void file(void **state)
{
	static const char good[] = " {\"os-collect-config\":{\"cfn\":null}}\n",
			  bad[] = "{\"a\": [1,}";
	struct document doc;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(document_from_file(good, sizeof(good) - 1, "local", &doc, &e), 0);
	assert_string_equal(doc.source, "local");
	assert_string_equal(doc.resource, "local");
	assert_non_null(json_object_get(doc.metadata, "os-collect-config"));
	document_deinit(&doc);
	assert_int_equal(document_from_file(bad, sizeof(bad) - 1, "local", &doc, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "metadata file"));
	assert_int_equal(document_from_file("[]", 2, "local", &doc, &e), -EBADMSG);
}

/* What is saved comes back equal: numbers, unicode, absent metadata and in_progress too. */
static void save_and_load(void **state)
{
	struct document doc, back;
	struct err e = ERR_INIT;
	char *text;

	(void)state;
	assert_int_equal(from_cfn(DETAIL_HEAD
				  "\"Metadata\":{\"f\":0.1,\"i\":9223372036854775807,\"s\":"
				  "\"\\u00e9\\n\",\"n\":null,"
				  "\"l\":[1,1.0]},\"StackName\":\"s\",\"LogicalResourceId\":\"r\","
				  "\"PhysicalResourceId\":\"p\","
				  "\"StackId\":\"arn:x\",\"ResourceStatus\":\"UPDATE_IN_PROGRESS\","
				  "\"LastUpdatedTimestamp\":\"t\"" DETAIL_TAIL,
				  &doc, &e),
			 0);
	text = document_save(&doc);
	assert_non_null(text);
	assert_int_equal(document_load(text, strlen(text), &back, &e), 0);
	assert_int_equal(diff_value(doc.metadata, back.metadata), CHANGE_NONE);
	assert_string_equal(back.source, "cfn");
	assert_string_equal(back.stack, "s");
	assert_string_equal(back.stack_id, "arn:x");
	assert_string_equal(back.resource, "r");
	assert_string_equal(back.physical_id, "p");
	assert_string_equal(back.updated, "t");
	assert_true(back.in_progress);
	document_deinit(&doc);
	document_deinit(&back);
	free(text);
	doc = (struct document){.source = "local"};
	text = document_save(&doc);
	assert_int_equal(document_load(text, strlen(text), &back, &e), 0);
	assert_null(back.metadata);
	assert_null(back.resource);
	free(text);
	document_deinit(&back);
}

/* A state file of a newer version is not half-read; a torn or foreign one is refused. */
static void load_refuses(void **state)
{
	struct document doc;
	struct err e = ERR_INIT;
	static const char newer[] = "{\"v\":2,\"source\":\"cfn\",\"metadata\":{}}";
	static const char *const bad[] = {"",
					  "{",
					  "{}",
					  "{\"v\":0}",
					  "{\"v\":\"1\",\"source\":\"cfn\"}",
					  "{\"v\":1}",
					  "{\"v\":1,\"source\":\"elsewhere\"}",
					  "{\"v\":1,\"source\":\"cfn\",\"metadata\":[]}"};

	(void)state;
	assert_int_equal(document_load(newer, sizeof(newer) - 1, &doc, &e), -ENOTSUP);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(document_load(bad[i], strlen(bad[i]), &doc, &e), -EBADMSG);
}

struct error_case {
	const char *body, *code, *message;
};

/* All the forms in which Heat and Keystone tell an error, and what is none. */
static void errors(void **state)
{
	static const struct error_case cases[] = {
		{"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User "
		 "is not authorized to perform "
		 "action</Message></Error></ErrorResponse>",
		 "AccessDenied", "User is not authorized to perform action"},
		{"<?xml?>\n<ErrorResponse><Error><Message>a &lt;b&gt; &amp;amp; &#39;c&quot; "
		 "&bogus; &</Message></Error>",
		 "", "a <b> &amp; 'c\" &bogus; &"},
		{"{\"ErrorResponse\":{\"Error\":{\"Code\":\"C\",\"Message\":\"M\"}}}", "C", "M"},
		{"\"You are not authorized to use this action.\"", "",
		 "You are not authorized to use this action."},
		{"{\"code\":404,\"title\":\"Not "
		 "Found\",\"explanation\":\"gone\",\"error\":{\"type\":\"EntityNotFound\","
		 "\"message\":\"The Stack could not be found.\"}}",
		 "EntityNotFound", "The Stack could not be found."},
		{"{\"error\":{\"code\":401,\"title\":\"Unauthorized\",\"message\":\"no\"}}",
		 "Unauthorized", "no"},
		{"{\"code\":400,\"title\":\"Bad Request\",\"explanation\":\"e\"}", "Bad Request",
		 "e"},
		{"<Code>open", "", ""},
		{"<Code></Code>", "", ""},
		{"</Code><Code>", "", ""},
		{"", "", ""},
		{"   ", "", ""},
		{"plain text", "", ""},
		{"[1,2]", "", ""},
		{"{\"error\":7}", "", ""},
		{"<Message>line\nbreak\033</Message>", "", "line\\x0abreak\\x1b"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf code = BUF_INIT(1024), message = BUF_INIT(1024);

		document_cfn_error(cases[i].body, strlen(cases[i].body), &code, &message);
		assert_string_equal(buf_str(&code), cases[i].code);
		assert_string_equal(buf_str(&message), cases[i].message);
		buf_deinit(&code);
		buf_deinit(&message);
	}
}

/* A megabyte of message costs one bounded line. */
static void long_errors(void **state)
{
	struct buf code = BUF_INIT(1024), message = BUF_INIT(4096), body = BUF_INIT(1U << 20);

	(void)state;
	buf_puts(&body, "<Message>");
	while (body.len < 60000)
		buf_puts(&body, "&lt;x");
	buf_puts(&body, "</Message>");
	document_cfn_error(body.data, body.len, &code, &message);
	assert_true(message.len > 100 && message.len < 1000);
	assert_false(buf_error(&message));
	buf_deinit(&body);
	buf_deinit(&code);
	buf_deinit(&message);
}

struct mask_case {
	const char *in, *out;
};

static void check_mask(const char *in, const char *out)
{
	json_t *tree = json_loads(in, JSON_DECODE_ANY, NULL),
	       *want = json_loads(out, JSON_DECODE_ANY, NULL);
	json_t *masked;
	char *before, *after;

	assert_non_null(tree);
	assert_non_null(want);
	before = json_compact(tree);
	masked = document_mask(tree);
	if (!json_equal(masked, want)) {
		char *got = json_dumps(masked, JSON_ENCODE_ANY);

		print_error("%s\n", got);
		free(got);
	}
	assert_true(json_equal(masked, want));
	after = json_compact(tree);
	assert_string_equal(before, after); /* the original is untouched */
	free(before);
	free(after);
	json_decref(tree);
	json_decref(want);
	json_decref(masked);
}

/* Each way in which a secret sits in real metadata is hidden; what is no secret is shown. */
static void mask(void **state)
{
	static const struct mask_case cases[] = {
		{"{\"password\":\"x\",\"db_passwd\":7,\"Secret\":[1],\"api_token\":{\"a\":1},"
		 "\"note\":\"hi\"}",
		 "{\"password\":\"***\",\"db_passwd\":\"***\",\"Secret\":\"***\",\"api_token\":\"**"
		 "*\",\"note\":\"hi\"}"},
		{"{\"cfn\":{\"access_key_id\":\"a\",\"secret_access_key\":\"b\",\"metadata_url\":"
		 "\"http://h:8000/v1/\"},\"heat\":null}",
		 "{\"cfn\":{\"access_key_id\":\"***\",\"secret_access_key\":\"***\",\"metadata_"
		 "url\":\"http://h:8000/v1/\"},"
		 "\"heat\":null}"},
		{"{\"password\":null,\"token\":\"\"}", "{\"password\":null,\"token\":\"\"}"},
		{"[{\"name\":\"deploy_password\",\"value\":\"s\",\"type\":\"String\"},{\"name\":"
		 "\"foo\",\"value\":\"1\"}]",
		 "[{\"name\":\"deploy_password\",\"value\":\"***\",\"type\":\"String\"},{\"name\":"
		 "\"foo\",\"value\":\"1\"}]"},
		{"\"http://h/v1/signal/"
		 "arn%3A?Timestamp=t&SignatureMethod=m&AWSAccessKeyId=k&Signature=s%3D&x=1\"",
		 "\"http://h/v1/signal/"
		 "arn%3A?Timestamp=t&SignatureMethod=***&AWSAccessKeyId=***&Signature=***&x=1\""},
		{"\"see https://user:pw@h:1/p and http://h/a@b\"",
		 "\"see https://***@h:1/p and http://h/a@b\""},
		{"\"AWSAccessKeyId=abc\\nAWSSecretKey=^FW7OP%Y1&M #x\\nother=1\\n\"",
		 "\"AWSAccessKeyId=***\\nAWSSecretKey=*** #x\\nother=1\\n\""},
		{"\"curl -H 'X-Auth-Token: abc' u\"", "\"curl -H 'X-Auth-Token: *** u\""},
		{"\"Authorization: Basic Zm9vOmJhcg==\\nnext\"", "\"Authorization: ***\\nnext\""},
		{"\"{\\\"password\\\": \\\"abc def\\\", \\\"b\\\": 1}\"",
		 "\"{\\\"password\\\": \\\"***\\\", \\\"b\\\": 1}\""},
		{"{\"keystone_url\":\"http://k\",\"keyboard\":\"de\"}",
		 "{\"keystone_url\":\"http://k\",\"keyboard\":\"de\"}"},
		{"\"token\"", "\"token\""},
		{"\"key=\"", "\"key=\""},
		{"7", "7"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_mask(cases[i].in, cases[i].out);
	assert_null(document_mask(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cfn_object),
		cmocka_unit_test(cfn_metadata_forms),
		cmocka_unit_test(cfn_status_and_time),
		cmocka_unit_test(cfn_wrong_shapes),
		cmocka_unit_test(bounded),
		cmocka_unit_test(heat),
		cmocka_unit_test(file),
		cmocka_unit_test(save_and_load),
		cmocka_unit_test(load_refuses),
		cmocka_unit_test(errors),
		cmocka_unit_test(long_errors),
		cmocka_unit_test(mask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
