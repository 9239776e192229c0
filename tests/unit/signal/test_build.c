/* SPDX-License-Identifier: Apache-2.0 */
/* What a signal says: the reason line, the 2 KiB, the signature, and that no name in a finding can break any
 * of them. */
#include <errno.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/json.h"
#include "signal/signal.h"

#define SERVER "8c1d0a9e-0000-4000-8000-000000000001"
#define STACK  "arn:openstack:heat::5e1f0a:stacks/web/7b1c"
#define NOW    1767323045123LL

static const struct identity who = {
	.server_uuid = SERVER, .server_from = "given", .boot_id = "b0a7d1c2-0000-4000-8000-000000000002"};

static struct signing_key test_key(void)
{
	unsigned char secret[32];
	struct signing_key key;

	memset(secret, 7, sizeof(secret));
	assert_int_equal(signing_key_from_secret(secret, &key), 0);
	return key;
}

static struct health example_health(const struct finding *f, size_t n)
{
	return (struct health){.state = "failing",
			       .risk = 0.93,
			       .horizon_s = 900,
			       .findings = f,
			       .n_findings = n,
			       .stack_id = STACK};
}

static const struct finding leak = {.class_name = "memory_exhaustion",
				    .entity = "java[412]",
				    .level = FINDING_WARNING,
				    .evidence = "+38 MiB/min for 41 min, 0.57 GiB left",
				    .risk = 0.93,
				    .eta_s = 900};

static struct signal build(const struct health *h)
{
	struct signing_key key = test_key();
	struct signal s;

	assert_int_equal(signal_build_health(h, &who, 42, NOW, &key, "health", &s, NULL), 0);
	return s;
}

static bool matches(const char *text, const char *pattern)
{
	regex_t re;
	int r;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	r = regexec(&re, text, 0, NULL, 0);
	regfree(&re);
	return r == 0;
}

static size_t canonical_length(const json_t *v)
{
	_cleanup_buf_ struct buf b = BUF_INIT(1u << 20);

	assert_int_equal(json_canonical(v, &b), 0);
	return b.len;
}

#define LINE                                                                                                 \
	"^hp1 seq=[0-9]+ state=[A-Za-z0-9_.-]+ risk=(-|0|1|0\\.[0-9]{1,3}) horizon=(-|[0-9]+) "              \
	"class=[A-Za-z0-9_.-]+ entity=[!-~]+$"

/* The line that operators and scripts read in stack events has exactly the promised form. */
static void exact_line(void **state)
{
	struct health h = example_health(&leak, 1);
	struct signal s = build(&h);

	(void)state;
	assert_string_equal(
		s.reason,
		"hp1 seq=42 state=failing risk=0.93 horizon=900 class=memory_exhaustion entity=java[412]");
	assert_string_equal(s.status, "SUCCESS");
	assert_string_equal(s.id, SERVER);
	assert_string_equal(s.key, "health");
	assert_true(matches(s.reason, LINE));
	signal_deinit(&s);
}

/* What is not known is a dash, in the same place. */
static void missing_values(void **state)
{
	struct health h = {.state = "ok", .risk = 0, .horizon_s = -1};
	struct signal s = build(&h);

	(void)state;
	assert_string_equal(s.reason, "hp1 seq=42 state=ok risk=0 horizon=- class=- entity=-");
	assert_true(json_is_null(json_object_get(s.data, "horizon_s")));
	assert_true(json_is_null(json_object_get(s.data, "stack")));
	signal_deinit(&s);
	h.risk = 0.0 / 0.0;
	s = build(&h);
	assert_non_null(strstr(s.reason, " risk=- "));
	assert_true(json_is_null(json_object_get(s.data, "risk")));
	signal_deinit(&s);
}

/* Numbers have at most three decimals, in the line and in the data. */
static void three_decimals(void **state)
{
	static const struct {
		double risk;
		const char *word;
	} rows[] = {{0.12345, " risk=0.123 "}, {0.9999, " risk=1 "}, {0.5, " risk=0.5 "}, {1, " risk=1 "},
		    {7, " risk=1 "},	       {-3, " risk=0 "},     {0.0004, " risk=0 "}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct health h = {.state = "ok", .risk = rows[i].risk, .horizon_s = -1};
		struct signal s = build(&h);
		double thousandths = json_number_value(json_object_get(s.data, "risk")) * 1000;

		assert_non_null(strstr(s.reason, rows[i].word));
		assert_true(thousandths - (double)(int64_t)(thousandths + 0.5) < 1e-9);
		signal_deinit(&s);
	}
}

/* A process may be named anything; it can neither add a field, nor a line, nor a byte that is not printable
 * ASCII, nor length. */
static void hostile_names(void **state)
{
	static const char *const names[] = {
		"a b risk=0.0 class=none",
		"evil\nhp1 seq=1 state=ok",
		"\xff\xfe\x80",
		"\x1b[31mred",
		"naïve",
		"\"},{\"",
		"%s%n%x",
		"",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"
		"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"
		"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct finding f = leak;
		struct health h = example_health(&f, 1);
		struct signing_key key = test_key();
		struct signal s;

		snprintf(f.entity, sizeof(f.entity), "%s", names[i]);
		snprintf(f.class_name, sizeof(f.class_name), "%.31s", names[i]);
		snprintf(f.evidence, sizeof(f.evidence), "%s%s", names[i], names[i]);
		h.state = names[i];
		assert_int_equal(signal_build_health(&h, &who, SIGNAL_SEQ_MAX, NOW, &key, "health", &s, NULL),
				 0);
		assert_true(strlen(s.reason) <= SIGNAL_REASON_MAX);
		assert_true(matches(s.reason, LINE));
		assert_true(canonical_length(s.data) <= SIGNAL_DATA_MAX);
		signal_deinit(&s);
	}
}

/* However many findings are open, the data stay within 2 KiB and keep the most urgent. */
static void bounded_data(void **state)
{
	struct finding f[300];
	struct health h = example_health(f, ARRAY_SIZE(f));
	const json_t *list;
	struct signal s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(f); i++) {
		f[i] = leak;
		f[i].risk = (double)i / 1000;
		f[i].level = i == 7 ? FINDING_CRITICAL : FINDING_WARNING;
		snprintf(f[i].entity, sizeof(f[i].entity), "process-with-a-long-name[%zu]", i);
		memset(f[i].evidence, 'x', sizeof(f[i].evidence) - 1);
		f[i].evidence[sizeof(f[i].evidence) - 1] = '\0';
	}
	s = build(&h);
	list = json_object_get(s.data, "findings");
	assert_true(canonical_length(s.data) <= SIGNAL_DATA_MAX);
	assert_true(json_array_size(list) >= 4);
	assert_string_equal(json_str(json_array_get(list, 0), "entity"), "process-with-a-long-name[7]");
	assert_string_equal(json_str(json_array_get(list, 1), "entity"), "process-with-a-long-name[299]");
	assert_non_null(strstr(s.reason, "entity=process-with-a-long-name[7]"));
	signal_deinit(&s);
}

/* The data verify under the guest's own id and stack and under no other, and not once a member is changed. */
static void signature_verifies(void **state)
{
	struct health h = example_health(&leak, 1);
	struct signal s = build(&h);
	struct signing_key key = test_key();
	struct verify_rules rules = {.public_key = key.public, .last_seq = 41, .id = SERVER, .stack = STACK};

	(void)state;
	assert_int_equal(message_verify(s.data, &rules, NULL), VERIFY_GOOD);
	rules.id = "another";
	assert_int_equal(message_verify(s.data, &rules, NULL), VERIFY_FORGED);
	rules.id = SERVER;
	rules.stack = "another";
	assert_int_equal(message_verify(s.data, &rules, NULL), VERIFY_FORGED);
	rules.stack = STACK;
	rules.last_seq = 42;
	assert_int_equal(message_verify(s.data, &rules, NULL), VERIFY_REPLAYED);
	rules.last_seq = 41;
	json_object_set_new(s.data, "risk", json_real(0.1));
	assert_int_equal(message_verify(s.data, &rules, NULL), VERIFY_FORGED);
	signal_deinit(&s);
}

/* The members that readers of a handle rely on, with their types. */
static void data_members(void **state)
{
	static const struct {
		const char *name;
		json_type type;
	} members[] = {{"v", JSON_INTEGER},	    {"kind", JSON_STRING},    {"id", JSON_STRING},
		       {"stack", JSON_STRING},	    {"seq", JSON_INTEGER},    {"ts", JSON_INTEGER},
		       {"boot_id", JSON_STRING},    {"state", JSON_STRING},   {"risk", JSON_REAL},
		       {"horizon_s", JSON_INTEGER}, {"findings", JSON_ARRAY}, {"key", JSON_STRING},
		       {"sig", JSON_STRING}};
	struct health h = example_health(&leak, 1);
	struct signal s = build(&h);
	const json_t *f = json_array_get(json_object_get(s.data, "findings"), 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		assert_int_equal(json_typeof(json_object_get(s.data, members[i].name)), members[i].type);
	assert_int_equal(json_object_size(s.data), ARRAY_SIZE(members));
	assert_string_equal(json_str(s.data, "kind"), "prediction");
	assert_int_equal(json_integer_value(json_object_get(s.data, "ts")), NOW / 1000);
	assert_string_equal(json_str(f, "level"), "warning");
	assert_int_equal(json_integer_value(json_object_get(f, "eta_s")), 900);
	signal_deinit(&s);
}

/* Not even a stack id of 3000 bytes that all need escapes makes an oversized signal. */
static void long_stack_id(void **state)
{
	struct health h = example_health(NULL, 0);
	struct signing_key key = test_key();
	char long_id[3000];
	struct err e = ERR_INIT;
	struct signal s;

	(void)state;
	memset(long_id, '\n', sizeof(long_id) - 1); /* each becomes \x0a, doubled again by JSON */
	long_id[sizeof(long_id) - 1] = '\0';
	h.stack_id = long_id;
	assert_int_equal(signal_build_health(&h, &who, 1, NOW, &key, "health", &s, &e), 0);
	assert_true(canonical_length(s.data) <= SIGNAL_DATA_MAX);
	signal_deinit(&s);
}

/* The boot result is the only built signal that may say FAILURE; its key names the server, its data carry the
 * public key. */
static void boot_result(void **state)
{
	struct signing_key key = test_key();
	struct verify_rules rules = {.public_key = key.public, .last_seq = -1, .id = SERVER};
	char long_reason[1000];
	struct signal s;

	(void)state;
	assert_int_equal(
		signal_build_boot(true, "all well", NULL, &who, 5, NOW, &key, "boot_handle", &s, NULL), 0);
	assert_string_equal(s.key, "boot-" SERVER);
	assert_string_equal(s.status, "SUCCESS");
	assert_string_equal(s.reason, "all well");
	assert_string_equal(json_str(s.data, "result"), "success");
	assert_true(signal_key_valid(s.key));
	assert_int_equal(message_verify(s.data, &rules, NULL), VERIFY_GOOD);
	signal_deinit(&s);
	memset(long_reason, 'y', sizeof(long_reason) - 1);
	long_reason[sizeof(long_reason) - 1] = '\0';
	long_reason[3] = '\n';
	assert_int_equal(
		signal_build_boot(false, long_reason, NULL, &who, 6, NOW, &key, "boot_handle", &s, NULL), 0);
	assert_string_equal(s.status, "FAILURE");
	assert_int_equal(strlen(s.reason), SIGNAL_REASON_MAX);
	assert_memory_equal(s.reason, "yyy\\x0ayyy", 10);
	signal_deinit(&s);
}

/* A custom signal that could not be read back from the spool is refused while somebody listens. */
static void custom_signals(void **state)
{
	_cleanup_json_ json_t *data = json_pack("{s:s}", "k", "v");
	struct err e = ERR_INIT;
	struct signal s;

	(void)state;
	assert_int_equal(signal_build_custom("h", "FAILURE", NULL, NULL, data, 9, NOW, 0, &s, &e), 0);
	assert_string_equal(s.key, "custom-9");
	assert_string_equal(s.id, "custom-9");
	assert_null(s.reason);
	signal_deinit(&s);
	assert_int_equal(signal_build_custom("h", "MAYBE", NULL, NULL, NULL, 9, NOW, 0, &s, &e), -EINVAL);
	assert_int_equal(signal_build_custom("", "SUCCESS", NULL, NULL, NULL, 9, NOW, 0, &s, &e), -EINVAL);
	assert_int_equal(
		signal_build_custom("h\r\nX-Evil: 1", "SUCCESS", NULL, NULL, NULL, 9, NOW, 0, &s, &e),
		-EINVAL);
	assert_null(s.target);
}

/* seq never goes back, whatever the clock does, and never overflows. */
static void next_seq(void **state)
{
	(void)state;
	assert_int_equal(signal_next_seq(0, NOW), NOW);
	assert_int_equal(signal_next_seq(NOW, NOW), NOW + 1);
	assert_int_equal(signal_next_seq(NOW + 100, 5), NOW + 101);
	assert_int_equal(signal_next_seq(SIGNAL_SEQ_MAX - 1, 5), SIGNAL_SEQ_MAX);
	assert_int_equal(signal_next_seq(SIGNAL_SEQ_MAX, 5), SIGNAL_SEQ_MAX);
	assert_int_equal(signal_next_seq(0, INT64_MAX), SIGNAL_SEQ_MAX);
}

/* The spool form gives back what was put in, and refuses what it should. */
static void spool_form(void **state)
{
	static const struct {
		const char *text;
		int want;
	} bad[] = {
		{"", -EBADMSG},
		{"[]", -EBADMSG},
		{"{}", -EBADMSG},
		{"{\"v\":2}", -EPROTONOSUPPORT},
		{"{\"v\":1,\"kind\":\"health\",\"key\":\"../"
		 "x\",\"target\":\"h\",\"status\":\"SUCCESS\",\"made_ms\":1,\"deadline_ms\":0}",
		 -EBADMSG},
		{"{\"v\":1,\"kind\":\"health\",\"key\":\"health\",\"target\":\"h\",\"status\":\"FAILURE\","
		 "\"made_ms\":1,\"deadline_ms\":0}",
		 -EBADMSG},
		{"{\"v\":1,\"kind\":\"odd\",\"key\":\"x\",\"target\":\"h\",\"status\":\"SUCCESS\",\"made_"
		 "ms\":1,\"deadline_ms\":0}",
		 -EBADMSG},
		{"{\"v\":1,\"kind\":\"boot\",\"key\":\"x\",\"target\":\"h\",\"status\":\"SUCCESS\",\"made_"
		 "ms\":1}",
		 -EBADMSG},
	};
	struct health h = example_health(&leak, 1);
	struct signal s = build(&h), t;
	_cleanup_free_ char *text = signal_save(&s), *again = NULL;

	(void)state;
	assert_int_equal(signal_load(text, strlen(text), &t, NULL), 0);
	again = signal_save(&t);
	assert_string_equal(text, again);
	assert_true(json_equal(s.data, t.data));
	signal_deinit(&s);
	signal_deinit(&t);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(signal_load(bad[i].text, strlen(bad[i].text), &t, NULL), bad[i].want);
		assert_null(t.target);
	}
}

/* What is wrong with the settings is told with health, bounded; other problems are not. */
static void wrong_settings(void **state)
{
	struct problems p = {0};
	struct health h = example_health(&leak, 1);
	struct signal s;
	const json_t *list;

	(void)state;
	problems_add(&p, PROBLEM_WARN, "clock", NULL, "the clock is off");
	h.problems = &p;
	s = build(&h);
	assert_null(json_object_get(s.data, "settings"));
	signal_deinit(&s);
	for (int i = 0; i < 6; i++)
		problems_add(&p, PROBLEM_WARN, i % 2 ? "metadata-setting" : "metadata-refused", NULL,
			     "heat-pulse.k%d is not a known key, and that at %200d length", i, i);
	s = build(&h);
	list = json_object_get(s.data, "settings");
	assert_int_equal(json_array_size(list), 4);
	assert_memory_equal(json_string_value(json_array_get(list, 0)), "heat-pulse.k0 ", 14);
	assert_int_equal(json_string_length(json_array_get(list, 0)), 96);
	assert_string_equal(json_string_value(json_array_get(list, 3)), "3 more");
	assert_int_equal(json_array_size(json_object_get(s.data, "findings")), 1);
	signal_deinit(&s);
	problems_deinit(&p);
}

/* A workflow's input is flat and holds three things; the spool gives them back as they were. */
static void action(void **state)
{
	const struct action_words w = {
		.resource = "server", .finding = &leak, .risk = 0.9516, .horizon_s = -1, .state = "failing"};
	struct signal s, t;
	_cleanup_free_ char *saved = NULL;
	struct buf reason = BUF_INIT(256), text = BUF_INIT(1024);

	(void)state;
	assert_int_equal(signal_build_action(&w, &who, 42, NOW, NOW + 5, "heal", &s, NULL), 0);
	assert_int_equal(s.kind, SIGNAL_ACTION);
	assert_string_equal(s.key, "action");
	assert_string_equal(s.target, "heal");
	assert_int_equal(s.deadline_real_ms, NOW + 5);
	buf_printf(&reason, "hp1 seq=42 state=failing risk=0.952 horizon=- class=%s entity=", leak.class_name);
	assert_memory_equal(s.reason, reason.data, reason.len);
	assert_int_equal(json_canonical(s.data, &text), 0);
	assert_non_null(strstr(buf_str(&text), "\"probability\":0.952,\"reason\":\"hp1 seq=42"));
	assert_int_equal(json_object_size(s.data), 3);
	assert_string_equal(json_str(s.data, "resource"), "server");
	saved = signal_save(&s);
	assert_int_equal(signal_load(saved, strlen(saved), &t, NULL), 0);
	assert_int_equal(t.kind, SIGNAL_ACTION);
	assert_true(json_equal(s.data, t.data));
	assert_string_equal(s.id, t.id);
	buf_deinit(&reason);
	buf_deinit(&text);
	signal_deinit(&s);
	signal_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_line),	  cmocka_unit_test(missing_values),
		cmocka_unit_test(three_decimals), cmocka_unit_test(hostile_names),
		cmocka_unit_test(bounded_data),	  cmocka_unit_test(signature_verifies),
		cmocka_unit_test(data_members),	  cmocka_unit_test(long_stack_id),
		cmocka_unit_test(boot_result),	  cmocka_unit_test(custom_signals),
		cmocka_unit_test(next_seq),	  cmocka_unit_test(spool_form),
		cmocka_unit_test(action),	  cmocka_unit_test(wrong_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
