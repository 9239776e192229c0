/* SPDX-License-Identifier: Apache-2.0 */
/* Entries, results, notes and settings of deployments: all that is pure. */
#include "fixture.h"

#include "hooks/deploy/journal.h"
#include "hooks/deploy/result.h"
#include "hooks/deploy/settings.h"

#define ID "3f0700ec-79de-48d9-bbf1-d175605f8de6"

static int parse(const char *text, struct deployment *d)
{
	json_t *raw = json_loads(text, 0, NULL);
	int r;

	assert_non_null(raw);
	r = deployment_parse(raw, d, NULL);
	json_decref(raw);
	return r;
}

static char *dump(const json_t *v)
{
	return json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

static void assert_json(const json_t *v, const char *expected)
{
	char *text = dump(v);

	assert_string_equal(text, expected);
	free(text);
}

/* String inputs are strings as Python has them; others stay; the group is a plain name. */
static void test_parse(void **state)
{
	struct deployment d;

	(void)state;
	assert_int_equal(
		parse("{\"id\":\"" ID "\",\"name\":\"n\",\"group\":\"os::my-tool_1\",\"options\":null,\"inputs\":["
		      "{\"name\":\"a\",\"type\":\"String\",\"value\":5},{\"name\":\"b\",\"type\":\"String\",\"value\":true},"
		      "{\"name\":\"c\",\"type\":\"Number\",\"value\":7},{\"name\":\"d\",\"type\":\"String\"},"
		      "{\"name\":\"e\",\"type\":\"String\",\"value\":null},"
		      "{\"name\":\"deploy_action\",\"value\":\"UPDATE\"}]}",
		      &d),
		0);
	assert_string_equal(d.group, "osmy-tool_1");
	assert_string_equal(d.action, "UPDATE");
	assert_string_equal(deployment_input_text(d.entry, "a"), "5");
	assert_string_equal(deployment_input_text(d.entry, "b"), "True");
	assert_string_equal(deployment_input_text(d.entry, "e"), "None");
	assert_int_equal(json_integer_value(deployment_input(d.entry, "c")), 7);
	assert_null(deployment_input(d.entry, "d"));
	assert_string_equal(deployment_input_text(d.entry, "zz"), "");
	assert_false(d.nothing);
	deployment_deinit(&d);
}

/* A name that would leave its folder, a missing group: not an entry. */
static void test_refused(void **state)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"id\":\"../x\",\"group\":\"script\"}",
		"{\"id\":\".x\",\"group\":\"script\"}",
		"{\"id\":\"a/b\",\"group\":\"script\"}",
		"{\"id\":\"\",\"group\":\"script\"}",
		"{\"id\":5,\"group\":\"script\"}",
		"{\"id\":\"" ID ID "\",\"group\":\"script\"}",
		"{\"id\":\"" ID "\"}",
		"{\"id\":\"" ID "\",\"group\":\"../..\"}",
		"{\"id\":\"" ID "\",\"group\":\"" ID ID "\"}",
	};
	struct deployment d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse(bad[i], &d), -EBADMSG);
		assert_null(d.entry);
	}
}

#define COMPONENT(action)                                                                                              \
	"{\"id\":\"" ID "\",\"group\":\"component\",\"config\":{\"configs\":["                                         \
	"{\"actions\":[\"CREATE\"],\"tool\":\"script\",\"config\":\"one\"},"                                           \
	"{\"actions\":[\"UPDATE\",\"CREATE\"],\"tool\":\"puppet\",\"config\":{\"k\":2}}]},"                            \
	"\"inputs\":[{\"name\":\"deploy_action\",\"value\":\"" action "\"}]}"

/* Of a component the first configuration for the action; without one there is nothing to run. */
static void test_component(void **state)
{
	struct deployment d;

	(void)state;
	assert_int_equal(parse(COMPONENT("CREATE"), &d), 0);
	assert_string_equal(d.group, "script");
	assert_json(json_object_get(d.entry, "config"), "\"one\"");
	deployment_deinit(&d);
	assert_int_equal(parse(COMPONENT("UPDATE"), &d), 0);
	assert_string_equal(d.group, "puppet");
	assert_json(json_object_get(d.entry, "config"), "{\"k\":2}");
	deployment_deinit(&d);
	assert_int_equal(parse(COMPONENT("DELETE"), &d), 0);
	assert_true(d.nothing);
	deployment_deinit(&d);
}

struct row {
	const char *out, *err;
	enum run_end end;
	int code;
	const char *expected;
};

/* Each row of the contract: JSON speaks for itself, all else is wrapped. */
static void test_result(void **state)
{
	static const struct row rows[] = {
		{"", "", RUN_EXITED, 0, "{}"},
		{"", "e", RUN_EXITED, 3, "{\"deploy_status_code\":3,\"deploy_stderr\":\"e\",\"deploy_stdout\":\"\"}"},
		{"plain", "", RUN_EXITED, 0,
		 "{\"deploy_status_code\":0,\"deploy_stderr\":\"\",\"deploy_stdout\":\"plain\"}"},
		{"5", "", RUN_EXITED, 0, "{\"deploy_status_code\":0,\"deploy_stderr\":\"\",\"deploy_stdout\":\"5\"}"},
		{"{\"a\":1}", "x", RUN_EXITED, 0, "{\"a\":1}"},
		{"{\"a\":1}", "x", RUN_EXITED, 4, "{\"a\":1,\"deploy_status_code\":4}"},
		{"{\"deploy_status_code\":0}", "x", RUN_EXITED, 4, "{\"deploy_status_code\":0}"},
		{"{\"deploy_status_code\":\"9\"}", "x", RUN_EXITED, 0, "{\"deploy_status_code\":\"9\"}"},
		{"a\xff\xfe", "", RUN_EXITED, 0,
		 "{\"deploy_status_code\":0,\"deploy_stderr\":\"\",\"deploy_stdout\":\"a\xef\xbf\xbd\xef\xbf\xbd\"}"},
		{"{\"a\":\"\xff\"}", "", RUN_EXITED, 0, "{\"a\":\"\xef\xbf\xbd\"}"},
		{"", "", RUN_SIGNALLED, 9,
		 "{\"deploy_status_code\":-9,\"deploy_stderr\":\"\",\"deploy_stdout\":\"\"}"},
		{"so far", "", RUN_TIMED_OUT, 15,
		 "{\"deploy_status_code\":-15,\"deploy_stderr\":\"heat-pulse: the hook was stopped at its time "
		 "limit\\n\",\"deploy_stdout\":\"so far\"}"},
		{"{\"deploy_status_code\":0}", "", RUN_TIMED_OUT, 15,
		 "{\"deploy_status_code\":-15,\"deploy_stderr\":\"heat-pulse: the hook was stopped at its time "
		 "limit\\n\"}"},
		{"", "", RUN_CUT_OFF, 0,
		 "{\"deploy_status_code\":-9,\"deploy_stderr\":\"heat-pulse: the hook was cut off half-way; it is not "
		 "run again\\n\",\"deploy_stdout\":\"\"}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct deployment_end end = {.out = rows[i].out,
					     .out_len = strlen(rows[i].out),
					     .err = rows[i].err,
					     .err_len = strlen(rows[i].err),
					     .end = rows[i].end,
					     .code = rows[i].code};
		json_t *result;

		assert_int_equal(deployment_result(&end, &result), 0);
		assert_json(result, rows[i].expected);
		json_decref(result);
	}
}

/* 5 MiB of output become valid JSON below the limit, with the end of each text; a cut object is text. */
static void test_big(void **state)
{
	size_t n = 5u << 20;
	char *out = malloc(n + 1);
	struct deployment_end end = {.out = out, .out_len = n, .err = "", .end = RUN_EXITED};
	const char *kept;
	json_t *result;
	char *text;

	(void)state;
	memset(out, '"', n);
	out[n - 1] = 'Z';
	out[n] = '\0';
	assert_int_equal(deployment_result(&end, &result), 0);
	text = dump(result);
	kept = json_str(result, "deploy_stdout");
	assert_in_range(strlen(text), DEPLOYMENT_RESULT_MAX - 64, DEPLOYMENT_RESULT_MAX);
	assert_int_equal(kept[strlen(kept) - 1], 'Z');
	free(text);
	json_decref(result);
	memcpy(out, "{\"a\":\"", 6);
	memset(out + 6, 'b', n - 8);
	memcpy(out + n - 2, "\"}", 2);
	assert_int_equal(deployment_result(&end, &result), 0);
	assert_true(json_string_length(json_object_get(result, "a")) > DEPLOYMENT_RESULT_MAX - 64);
	json_decref(result);
	end.out_cut = true;
	assert_int_equal(deployment_result(&end, &result), 0);
	assert_null(json_object_get(result, "a"));
	json_decref(result);
	free(out);
}

/* Why it did not start may name a file of any bytes: Heat is told all the same. */
static void test_why_of_any_bytes(void **state)
{
	struct deployment_end end = {
		.out = "", .err = "", .end = RUN_NOT_STARTED, .why = "no folder /caf\xe9"};
	_cleanup_json_ json_t *result = NULL,
			      *words = deployment_result_words(1, "no folder /caf\xe9");

	(void)state;
	assert_int_equal(deployment_result(&end, &result), 0);
	assert_non_null(
		strstr(json_str(result, "deploy_stderr"), "not started: no folder /caf\\xe9"));
	assert_int_equal(deployment_status_code(result), 127);
	assert_string_equal(json_str(words, "deploy_stderr"), "no folder /caf\\xe9");
}

static void test_status_code(void **state)
{
	static const struct {
		const char *text;
		int code;
	} rows[] = {{"{}", 0},
		    {"{\"deploy_status_code\":null}", 0},
		    {"{\"deploy_status_code\":\"\"}", 0},
		    {"{\"deploy_status_code\":\"0\"}", 0},
		    {"{\"deploy_status_code\":false}", 0},
		    {"{\"deploy_status_code\":0.0}", 0},
		    {"{\"deploy_status_code\":\"1\"}", 1},
		    {"{\"deploy_status_code\":6}", 6},
		    {"{\"deploy_status_code\":-9}", -9},
		    {"{\"deploy_status_code\":[]}", 1},
		    {"{\"deploy_status_code\":99999999999}", 1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *v = json_loads(rows[i].text, 0, NULL);

		assert_int_equal(deployment_status_code(v), rows[i].code);
		json_decref(v);
	}
}

/* A note is read back as it was, in each phase; another's, a broken or a newer one is not. */
static void test_note(void **state)
{
	struct deploy_note n, again;
	struct deployment d;
	char *text;

	(void)state;
	assert_int_equal(parse(COMPONENT("CREATE"), &d), 0);
	assert_int_equal(deploy_note_init(&n, &d, 7, 1000), 0);
	assert_null(d.entry);
	for (int phase = DEPLOY_RECEIVED; phase <= DEPLOY_SIGNALLED; phase++) {
		n.phase = (enum deploy_phase)phase;
		text = deploy_note_encode(&n);
		assert_int_equal(deploy_note_decode(text, strlen(text), ID, &again), 0);
		assert_int_equal(again.phase, phase);
		assert_int_equal(again.seq, 7);
		assert_string_equal(again.group, "script");
		assert_int_equal(again.d.entry != NULL, phase == DEPLOY_RECEIVED);
		deploy_note_deinit(&again);
		assert_int_equal(deploy_note_decode(text, strlen(text), "other", &again),
				 -EBADMSG);
		assert_int_equal(deploy_note_decode(text, strlen(text) - 1, ID, &again), -EBADMSG);
		free(text);
	}
	assert_int_equal(deploy_note_decode("{\"v\":2}", 7, ID, &again), -EBADMSG);
	deploy_note_deinit(&n);
}

/* Settings of deployments lie over the section of the document, in order; those being deleted do not count. */
static void test_settings(void **state)
{
	json_t *doc = json_loads(
		"{\"heat-pulse\":{\"interval\":\"10s\",\"watch\":{\"mounts\":[\"/\"]}},\"deployments\":["
		"{\"group\":\"heat-pulse\",\"config\":{\"interval\":\"3s\",\"watch\":{\"processes\":[\"a\"]}}},"
		"{\"group\":\"script\",\"config\":{\"interval\":\"9s\"}},"
		"{\"group\":\"heat-pulse\",\"config\":\"{\\\"threshold\\\": 0.5}\"},"
		"{\"group\":\"heat-pulse\",\"config\":{\"interval\":\"1s\"},"
		"\"inputs\":[{\"name\":\"deploy_action\",\"value\":\"DELETE\"}]}]}",
		0, NULL);
	json_t *merged = deployment_settings(doc), *plain = json_loads("{\"a\":1}", 0, NULL);
	json_t *same = deployment_settings(plain);

	(void)state;
	assert_json(json_object_get(merged, "heat-pulse"),
		    "{\"interval\":\"3s\",\"threshold\":0.5,\"watch\":{\"mounts\":[\"/\"],\"processes\":[\"a\"]}}");
	assert_json(json_object_get(doc, "heat-pulse"), "{\"interval\":\"10s\",\"watch\":{\"mounts\":[\"/\"]}}");
	assert_ptr_equal(same, plain);
	assert_null(deployment_settings(NULL));
	json_decref(same);
	json_decref(plain);
	json_decref(merged);
	json_decref(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_component),
		cmocka_unit_test(test_result),
		cmocka_unit_test(test_big),
		cmocka_unit_test(test_status_code),
		cmocka_unit_test(test_why_of_any_bytes),
		cmocka_unit_test(test_note),
		cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
