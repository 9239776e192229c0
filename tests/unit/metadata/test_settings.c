/* SPDX-License-Identifier: Apache-2.0 */
/* The heat-pulse section: good values are taken, wrong ones named, and nothing that metadata may
 * not set is obeyed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/json.h"
#include "metadata/settings.h"

static bool trusted; /* what the guest's own configuration says of metadata */

static void read_settings(const char *text, struct settings *s, struct problems *p)
{
	json_t *tree = json_loads(text, 0, NULL);

	*p = (struct problems){0};
	assert_non_null(tree);
	assert_int_equal(settings_from_metadata(tree, trusted, s, p), 0);
	json_decref(tree);
}

static const struct problem *problem_with(const struct problems *p, const char *text)
{
	for (size_t i = 0; i < p->n; i++) {
		if (strstr(p->list[i].text, text))
			return &p->list[i];
	}
	return NULL;
}

/* The example of the manual. */
static void all_good(void **state)
{
	struct settings s;
	struct problems p;

	(void)state;
	read_settings("{\"heat-pulse\":{\"boot\":\"boot_handle\",\"health\":\"health\","
		      "\"interval\":\"10s\",\"action\":\"heal\",\"threshold\":0.85,"
		      "\"watch\":{\"processes\":[\"nginx\"],\"mounts\":[\"/\",\"/srv\"]}}}",
		      &s, &p);
	assert_int_equal(p.n, 0);
	assert_string_equal(s.boot, "boot_handle");
	assert_string_equal(s.health, "health");
	assert_int_equal(s.interval_ms, 10000);
	assert_string_equal(s.action, "heal");
	assert_true(s.threshold == 0.85);
	assert_int_equal(s.n_mounts, 2);
	assert_string_equal(s.mounts[1], "/srv");
	assert_int_equal(s.n_processes, 1);
	assert_string_equal(s.processes[0], "nginx");
	settings_deinit(&s);
	problems_deinit(&p);
}

/* No section, a null section, no metadata at all: empty settings and no complaint. */
static void absent(void **state)
{
	static const char *const texts[] = {"{}", "{\"heat-pulse\":null}", "{\"heat-pulse\":{}}",
					    ("{\"heat-pulse\":{\"boot\":null,\"watch\":null,"
					     "\"command\":null},\"os-collect-config\":null}")};
	struct settings s, empty = {0};
	struct problems p = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		read_settings(texts[i], &s, &p);
		assert_int_equal(p.n, 0);
		assert_true(settings_equal(&s, &empty));
		settings_deinit(&s);
	}
	assert_int_equal(settings_from_metadata(NULL, false, &s, &p), 0);
	assert_true(settings_equal(&s, &empty));
}

struct wrong {
	const char *section, *named;
};

/* Each wrong value is named by its key, the rest of the section is still taken. */
static void wrong_values(void **state)
{
	static const struct wrong cases[] = {
		{"\"boot\":7", "heat-pulse.boot"},
		{"\"boot\":\"\"", "heat-pulse.boot"},
		{"\"boot\":\"a b\"", "heat-pulse.boot"},
		{"\"boot\":[\"x\"]", "heat-pulse.boot"},
		{"\"interval\":\"0s\"", "heat-pulse.interval"},
		{"\"interval\":\"2h\"", "heat-pulse.interval"},
		{"\"interval\":-1", "heat-pulse.interval"},
		{"\"interval\":9223372036854775807", "heat-pulse.interval"},
		{"\"interval\":1e300", "heat-pulse.interval"},
		{"\"interval\":\"soon\"", "heat-pulse.interval"},
		{"\"interval\":true", "heat-pulse.interval"},
		{"\"action\":{}", "heat-pulse.action"},
		{"\"action\":\"two words\"", "heat-pulse.action"},
		{"\"threshold\":0", "heat-pulse.threshold"},
		{"\"threshold\":1.01", "heat-pulse.threshold"},
		{"\"threshold\":\"high\"", "heat-pulse.threshold"},
		{"\"threshold\":true", "heat-pulse.threshold"},
		{"\"watch\":[]", "watch"},
		{"\"watch\":{\"mounts\":\"/\"}", "heat-pulse.watch.mounts"},
		{"\"watch\":{\"mounts\":[\"/\",\"srv\"]}", "heat-pulse.watch.mounts"},
		{"\"watch\":{\"processes\":[\"a\",\"\"]}", "heat-pulse.watch.processes"},
		{"\"watch\":{\"processes\":[1]}", "heat-pulse.watch.processes"},
		{"\"watch\":{\"files\":[]}", "heat-pulse.watch.files"},
		{"\"colour\":1", "heat-pulse.colour"},
		{"\"sinks\":{}", "heat-pulse.sinks"},
		{"\"sinks\":[1]", "heat-pulse.sinks"},
		{"\"sinks\":[{\"type\":\"textfile\",\"url\":\"/x\"}]", "heat-pulse.sinks"},
		{"\"sinks\":[{\"type\":\"prometheus\"}]", "heat-pulse.sinks"},
		{"\"sinks\":[{\"type\":\"otlp\",\"url\":\"file:///etc/shadow\"}]", "heat-pulse.sinks"},
		{"\"sinks\":[{\"type\":\"monasca\",\"url\":5}]", "heat-pulse.sinks"},
		{"\"sinks\":[{\"type\":\"monasca\",\"token\":\"x\"}]", "heat-pulse.sinks"},
		{"\"bad\\nkey\":1", "heat-pulse.bad\\x0akey"},
	};
	struct settings s;
	struct problems p;
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(text, sizeof(text), "{\"heat-pulse\":{%s,\"health\":\"h\"}}",
			 cases[i].section);
		read_settings(text, &s, &p);
		assert_int_equal(p.n, 1);
		assert_non_null(problem_with(&p, cases[i].named));
		assert_string_equal(p.list[0].code, "metadata-setting");
		assert_string_equal(s.health, "h");
		assert_int_equal(s.interval_ms, 0);
		assert_int_equal(s.n_mounts + s.n_processes, 0);
		assert_null(s.boot);
		settings_deinit(&s);
		problems_deinit(&p);
	}
}

/* What only root-owned configuration may set is reported wherever a template puts it. */
static void refused(void **state)
{
	static const char *const keys[] = {
		"command",     "hooks",    "cachedir",        "ca_certificate",
		"ca_file",     "user",     "runas",           "path",
		"paths",       "file",     "credential-file", "http_proxy",
		"https_proxy", "no_proxy", "trust-metadata",  "insecure"};
	struct settings s;
	struct problems p;
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		snprintf(text, sizeof(text), "{\"heat-pulse\":{\"%s\":\"rm -rf /\"}}", keys[i]);
		read_settings(text, &s, &p);
		assert_int_equal(p.n, 1);
		assert_string_equal(p.list[0].code, "metadata-refused");
		assert_non_null(strstr(p.list[0].text, keys[i]));
		assert_null(strstr(p.list[0].text, "rm -rf"));
		assert_non_null(p.list[0].remedy);
		settings_deinit(&s);
		problems_deinit(&p);
	}
	read_settings("{\"os-collect-config\":{\"command\":\"x\",\"cachedir\":\"/"
		      "y\",\"polling_interval\":3,"
		      "\"cfn\":{\"ca_certificate\":\"/z\",\"metadata_url\":\"u\"}}}",
		      &s, &p);
	assert_int_equal(p.n, 3);
	assert_non_null(problem_with(&p, "os-collect-config.cfn.ca_certificate"));
	settings_deinit(&s);
	problems_deinit(&p);
	read_settings("{\"os-collect-config\":{\"collectors\":[\"ec2\",\"zaqar\"],\"splay\":\"2.5\","
		      "\"polling_interval\":86400,\"backup_cachedir\":\"/x\",\"unheard\":1,"
		      "\"cfn\":{\"path\":\"srv.Metadata\"},\"local\":{\"path\":\"/etc\"},"
		      "\"zaqar\":{\"use_websockets\":true,\"password\":\"p\"},\"heat\":{\"insecure\":true}}}",
		      &s, &p);
	assert_int_equal(p.n, 5);
	assert_non_null(problem_with(&p, "os-collect-config.polling_interval"));
	assert_non_null(problem_with(&p, "os-collect-config.backup_cachedir"));
	assert_non_null(problem_with(&p, "os-collect-config.local.path"));
	assert_non_null(problem_with(&p, "os-collect-config.zaqar.use_websockets"));
	assert_non_null(problem_with(&p, "os-collect-config.heat.insecure"));
	settings_deinit(&s);
	problems_deinit(&p);
}

/* Where root-owned configuration trusts metadata some of that is obeyed, wherever it stands; what has no counterpart
 * here stays refused, and nobody can trust himself. */
static void trusted_fully(void **state)
{
	static const char *const still[] = {"hooks",	  "cachedir",	 "path",     "paths",	       "file",	  "credential-file",
					    "http_proxy", "https_proxy", "no_proxy", "trust-metadata", "insecure"};
	static const char *const wrong[] = {"\"command\":\"a\\u0007\"",	 "\"command\":\"\"",
					    "\"command\":[\"ls\"]",	 "\"user\":\"-x\"",
					    "\"user\":\"a b\"",		 "\"ca-file\":\"ca.pem\"",
					    "\"ca_certificate\":7",		 "\"sinks\":[{\"type\":\"textfile\"}]",
					    "\"sinks\":[{\"type\":\"textfile\",\"path\":\"/x\",\"url\":\"/y\"}]",
					    "\"sinks\":[{\"type\":\"gnocchi\",\"path\":\"/x\"}]"};
	struct settings s;
	struct problems p;
	char text[256];

	(void)state;
	trusted = true;
	read_settings("{\"heat-pulse\":{\"command\":\"a; b\\nc\",\"user\":\"app_1\",\"sinks\":[{\"type\":\"monasca\","
		      "\"url\":\"https://m/v2.0\"},{\"type\":\"textfile\",\"path\":\"/var/x.prom\"}]},"
		      "\"os-collect-config\":{\"cfn\":{\"ca_certificate\":\"/etc/cloud.pem\"}}}",
		      &s, &p);
	assert_int_equal(p.n, 0);
	assert_string_equal(s.command, "a; b\nc");
	assert_string_equal(s.runas, "app_1");
	assert_string_equal(s.ca_file, "/etc/cloud.pem");
	assert_int_equal(s.n_sinks, 2);
	assert_true(s.sinks[0].trusted && s.sinks[1].trusted);
	assert_string_equal(s.sinks[1].path, "/var/x.prom");
	settings_deinit(&s);
	read_settings("{\"os-collect-config\":{\"command\":\"os-refresh-config\"}}", &s, &p);
	assert_string_equal(s.command, "os-refresh-config");
	settings_deinit(&s);
	for (size_t i = 0; i < ARRAY_SIZE(still); i++) {
		snprintf(text, sizeof(text), "{\"heat-pulse\":{\"%s\":\"full\"}}", still[i]);
		read_settings(text, &s, &p);
		assert_int_equal(p.n, 1);
		assert_string_equal(p.list[0].code, "metadata-refused");
		settings_deinit(&s);
		problems_deinit(&p);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(text, sizeof(text), "{\"heat-pulse\":{%s}}", wrong[i]);
		read_settings(text, &s, &p);
		assert_int_equal(p.n, 1);
		assert_string_equal(p.list[0].code, "metadata-setting");
		assert_true(!s.command && !s.runas && !s.ca_file && !s.n_sinks);
		settings_deinit(&s);
		problems_deinit(&p);
	}
	trusted = false;
	read_settings("{\"heat-pulse\":{\"sinks\":[{\"type\":\"monasca\",\"url\":\"https://m/v2.0\"},"
		      "{\"type\":\"textfile\",\"path\":\"/var/x.prom\"}]}}", &s, &p);
	assert_int_equal(p.n, 1);
	assert_int_equal(s.n_sinks, 1);
	assert_false(s.sinks[0].trusted);
	settings_deinit(&s);
	problems_deinit(&p);
}

/* Numbers count as seconds, also with a fraction; too long a list is refused whole. */
static void edges(void **state)
{
	struct settings s;
	struct problems p;
	struct buf text = BUF_INIT(65536);

	(void)state;
	read_settings("{\"heat-pulse\":{\"interval\":1}}", &s, &p);
	assert_int_equal(s.interval_ms, 1000);
	settings_deinit(&s);
	read_settings("{\"heat-pulse\":{\"interval\":1.5}}", &s, &p);
	assert_int_equal(s.interval_ms, 1500);
	settings_deinit(&s);
	read_settings("{\"heat-pulse\":{\"interval\":3600}}", &s, &p);
	assert_int_equal(s.interval_ms, 3600000);
	assert_int_equal(p.n, 0);
	settings_deinit(&s);
	buf_puts(&text, "{\"heat-pulse\":{\"watch\":{\"processes\":[\"a\"");
	for (int i = 0; i < SETTINGS_LIST_MAX; i++)
		buf_puts(&text, ",\"b\"");
	buf_puts(&text, "]}}}");
	read_settings(buf_str(&text), &s, &p);
	assert_int_equal(s.n_processes, 0);
	assert_int_equal(p.n, 1);
	settings_deinit(&s);
	problems_deinit(&p);
	buf_deinit(&text);
}

/* settings_equal() sees each member. */
static void equality(void **state)
{
	static const char *const texts[] = {"{\"boot\":\"a\"}",
					    "{\"health\":\"a\"}",
					    "{\"action\":\"a\"}",
					    "{\"threshold\":\"0.5\"}",
					    "{\"threshold\":0.6}",
					    "{\"interval\":5}",
					    "{\"watch\":{\"mounts\":[\"/a\"]}}",
					    "{\"watch\":{\"mounts\":[\"/b\"]}}",
					    "{\"predict\":{\"disable\":[\"anomaly\"]}}",
					    "{\"predict\":{\"horizon\":60}}",
					    "{\"predict\":{\"levels\":{\"m\":{\"warning\":1}}}}",
					    "{\"predict\":{\"levels\":{\"m\":{\"warning\":\"off\"}}}}",
					    "{\"watch\":{\"processes\":[\"a\"]}}"};
	struct settings s[ARRAY_SIZE(texts)];
	struct problems p;
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		snprintf(text, sizeof(text), "{\"heat-pulse\":%s}", texts[i]);
		read_settings(text, &s[i], &p);
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(texts); j++)
			assert_int_equal(settings_equal(&s[i], &s[j]), i == j);
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		settings_deinit(&s[i]);
}

/* Sinks are taken in their order, never trusted; a wrong one is named by its place and the others are used. */
static void sinks(void **state)
{
	struct settings s, t;
	struct problems p = {0};

	(void)state;
	read_settings("{\"heat-pulse\":{\"sinks\":[{\"type\":\"monasca\"},{\"type\":\"carbon\",\"url\":\"http://x\"},"
		      "{\"type\":\"prometheus\",\"url\":\"https://p.example/api/v1/write\"},{\"type\":\"gnocchi\",\"url\":\"catalog\"}]}}",
		      &s, &p);
	assert_int_equal(p.n, 1);
	assert_non_null(problem_with(&p, "heat-pulse.sinks in the metadata [1] must have a type"));
	assert_int_equal(s.n_sinks, 3);
	assert_string_equal(s.sinks[0].type, "monasca");
	assert_null(s.sinks[0].url);
	assert_string_equal(s.sinks[1].url, "https://p.example/api/v1/write");
	assert_null(s.sinks[2].url);
	for (size_t i = 0; i < s.n_sinks; i++)
		assert_false(s.sinks[i].trusted || s.sinks[i].token || s.sinks[i].password);
	problems_deinit(&p);
	read_settings("{\"heat-pulse\":{\"sinks\":[{\"type\":\"monasca\"}]}}", &t, &p);
	assert_int_equal(p.n, 0);
	assert_false(settings_equal(&s, &t));
	settings_deinit(&s);
	settings_deinit(&t);
}

/* Classes and levels of predict: what is good is used beside the first that is named. */
static void predict(void **state)
{
	struct settings s;
	struct problems p = {0};

	(void)state;
	read_settings("{\"heat-pulse\":{\"predict\":{\"disable\":[\"anomaly\",\"typo\",\"swap_thrash\"],"
		      "\"levels\":{\"m.a\":{\"warning\":20,\"critical\":\"off\"},\"m.b\":{\"loud\":1}},"
		      "\"critical-eta\":\"30m\",\"horizon\":7200}}}",
		      &s, &p);
	assert_int_equal(p.n, 2);
	assert_non_null(problem_with(&p, "heat-pulse.predict.disable in the metadata [1] is no failure class"));
	assert_non_null(problem_with(&p, "heat-pulse.predict.levels"));
	assert_int_equal(s.predict.disabled, 1u << 22 | 1u << 1);
	assert_int_equal(s.predict.critical_eta_s, 1800);
	assert_int_equal(s.predict.horizon_s, 7200);
	assert_int_equal(s.predict.n_levels, 2);
	assert_string_equal(s.predict.levels[0].metric, "m.a");
	assert_int_equal(s.predict.levels[0].level, FINDING_WARNING);
	assert_true(s.predict.levels[0].value == 20);
	assert_int_equal(s.predict.levels[1].level, FINDING_CRITICAL);
	assert_true(isnan(s.predict.levels[1].value));
	assert_true(settings_equal(&s, &s));
	settings_deinit(&s);
	problems_deinit(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_good),     cmocka_unit_test(absent),
		cmocka_unit_test(wrong_values), cmocka_unit_test(trusted_fully),
		cmocka_unit_test(refused),
		cmocka_unit_test(edges),        cmocka_unit_test(equality),
		cmocka_unit_test(sinks),        cmocka_unit_test(predict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
