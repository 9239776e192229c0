/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of sink/metric_conf.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "sink/metric_conf.h"

static void load(struct conf *conf, const char *text)
{
	struct problems problems = {0};
	struct ini ini = {0};

	assert_int_equal(conf_init(conf), 0);
	assert_int_equal(ini_parse(&ini, "test", text, strlen(text), INI_STRICT, NULL), 0);
	conf_apply(conf, &ini, &problems);
	assert_int_equal(problems.n, 0);
	ini_deinit(&ini);
	problems_deinit(&problems);
}

/* Each type of [sinks] becomes a trusted setting with its own secrets; "catalog" is no URL;
 * metadata add theirs behind, once. */
static void test_sinks(void **state)
{
	struct sink_setting list[SINK_SETTINGS_MAX] = {0},
			    more[] = {{.type = (char *)(uintptr_t) "monasca"},
				      {.type = (char *)(uintptr_t) "otlp",
				       .url = (char *)(uintptr_t) "http://c/v1/metrics"}};
	struct conf conf;
	size_t n = 0;

	(void)state;
	load(&conf, "[sinks]\nmonasca = catalog\nprometheus = https://p/w\nprometheus-user = "
		    "u\nprometheus-password = pw\n"
		    "textfile = /x/y.prom\notlp-token = t\n");
	assert_int_equal(conf.sinks_interval_ms, 30000);
	assert_int_equal(conf.sinks_spool_max, 64u << 20);
	assert_int_equal(metric_conf_sinks(&conf, list, &n), 0);
	assert_int_equal(n, 3);
	assert_string_equal(list[0].type, "monasca");
	assert_null(list[0].url);
	assert_string_equal(list[1].url, "https://p/w");
	assert_string_equal(list[1].username, "u");
	assert_string_equal(list[1].password, "pw");
	assert_string_equal(list[2].path, "/x/y.prom");
	for (size_t i = 0; i < n; i++)
		assert_true(list[i].trusted);
	assert_int_equal(metric_conf_merge(more, 2, list, &n), 0);
	assert_int_equal(n, 4);
	assert_string_equal(list[3].type, "otlp");
	assert_false(list[3].trusted);
	assert_null(list[3].token);
	while (n)
		sink_setting_deinit(&list[--n]);
	conf_deinit(&conf);
}

/* An application credential before a password; half of either is none. */
static void test_credentials(void **state)
{
	struct credentials c;
	struct conf conf;

	(void)state;
	load(&conf, "[sinks]\nauth-url = http://k/v3\nusername = u\nuser-domain-id = "
		    "default\npassword = pw\n");
	assert_int_equal(metric_conf_credentials(&conf, &c), 0);
	assert_int_equal(c.kind, CREDENTIALS_NONE);
	conf_deinit(&conf);
	load(&conf, "[sinks]\nauth-url = http://k/v3\nusername = u\nuser-domain-id = "
		    "default\npassword = pw\nproject-id = p\n");
	assert_int_equal(metric_conf_credentials(&conf, &c), 0);
	assert_int_equal(c.kind, CREDENTIALS_PASSWORD);
	credentials_deinit(&c);
	conf_deinit(&conf);
	load(&conf, "[sinks]\nauth-url = http://k/v3\napp-credential-id = a\napp-credential-secret "
		    "= s\npassword = pw\n");
	assert_int_equal(metric_conf_credentials(&conf, &c), 0);
	assert_int_equal(c.kind, CREDENTIALS_APPLICATION);
	assert_string_equal(c.app_credential_secret, "s");
	credentials_deinit(&c);
	conf_deinit(&conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sinks),
					   cmocka_unit_test(test_credentials)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
