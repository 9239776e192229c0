/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: defaults, each kind of value and its bounds, files in order, files that are refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "core/conf.h"
#include "core/fs.h"
#include "core/log.h"

static bool has_problem(const struct problems *p, const char *code, const char *part)
{
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->list[i].code, code) == 0 && strstr(p->list[i].text, part))
			return true;
	}
	return false;
}

static void apply(struct conf *conf, const char *text, struct problems *problems)
{
	struct ini ini = {0};

	assert_int_equal(ini_parse(&ini, "f", text, strlen(text), INI_STRICT, NULL), 0);
	conf_apply(conf, &ini, problems);
	ini_deinit(&ini);
}

/* The defaults that the header names. */
static void test_defaults(void **state)
{
	struct conf conf;

	(void)state;
	assert_int_equal(conf_init(&conf), 0);
	assert_string_equal(conf.user, "heat-pulse");
	assert_int_equal(conf.log_level, LOG_LEVEL_INFO);
	assert_null(conf.ca_file);
	assert_int_equal(conf.source, CONF_SOURCE_AUTO);
	assert_int_equal(conf.interval_ms, 60000);
	assert_int_equal(conf.splay_ms, -1);
	assert_int_equal(conf.request_timeout_ms, 30000);
	assert_int_equal(conf.full_every, 20);
	assert_false(conf.cfn_insecure);
	assert_string_equal(conf.local_resource, "local");
	assert_true(conf.hooks_enabled);
	assert_string_equal(conf.hooks_conf_dir, "/etc/cfn");
	assert_int_equal(conf.hook_timeout_ms, 3600000);
	assert_int_equal(conf.hook_tries, 5);
	assert_int_equal(conf.hook_retry_ms, 30000);
	assert_int_equal(conf.hook_env_max, 65536);
	assert_int_equal(conf.hook_output_max, 65536);
	assert_int_equal(conf.compat, CONF_COMPAT_AWS);
	assert_int_equal(conf.health_interval_ms, 300000);
	assert_int_equal(conf.boot_timeout_ms, 600000);
	assert_int_equal(conf.boot_quiet_ms, 30000);
	assert_false(conf.signal_print);
	assert_int_equal(conf.sample_interval_ms, 10000);
	assert_int_equal(conf.process_interval_ms, 60000);
	assert_null(conf.watch_mounts); /* all local ones */
	conf_deinit(&conf);
}

/* Rows are unique, words fit, bounds make sense, no two share a field. */
static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < conf_options_n; i++) {
		const struct conf_option *o = &conf_options[i];

		assert_true(strlen(o->help) > 10 && o->help[strlen(o->help) - 1] == '.');
		if (o->type == CONF_INT || o->type == CONF_DURATION || o->type == CONF_SIZE ||
		    o->type == CONF_FRACTION)
			assert_true(o->min < o->max);
		assert_int_equal(o->type == CONF_ENUM, o->words != NULL);
		for (size_t k = 0; k < i; k++) {
			assert_true(conf_options[k].offset != o->offset);
			assert_false(!strcmp(conf_options[k].section, o->section) &&
				     !strcmp(conf_options[k].key, o->key));
		}
	}
}

/* Each kind of value is taken, also with percent signs, and an empty text unsets. */
static void test_apply(void **state)
{
	struct problems problems = {0};
	struct conf conf;

	(void)state;
	assert_int_equal(conf_init(&conf), 0);
	apply(&conf,
	      "[agent]\nlog-level = "
	      "debug\nca-file=/etc/"
	      "ca.pem\nuser=\n[metadata]\nsource=heat\ninterval=5s\nsplay=0\nfull-every=3\n"
	      "[cfn]\nsecret-key=a%b\ninsecure=yes\n[hooks]\nenv-max=1k\ncompat=heat\nenabled="
	      "off\n[signal]\nthreshold = 0.85\n",
	      &problems);
	assert_int_equal(problems.n, 0);
	assert_int_equal(conf.action_threshold, 850);
	assert_int_equal(conf.log_level, LOG_LEVEL_DEBUG);
	assert_string_equal(conf.ca_file, "/etc/ca.pem");
	assert_null(conf.user);
	assert_int_equal(conf.source, CONF_SOURCE_HEAT);
	assert_int_equal(conf.interval_ms, 5000);
	assert_int_equal(conf.splay_ms, 0);
	assert_int_equal(conf.full_every, 3);
	assert_string_equal(conf.cfn_secret_key, "a%b");
	assert_true(conf.cfn_insecure);
	assert_int_equal(conf.hook_env_max, 1024);
	assert_int_equal(conf.compat, CONF_COMPAT_HEAT);
	assert_false(conf.hooks_enabled);
	conf_deinit(&conf);
	problems_deinit(&problems);
}

/* A bad value keeps what was there and is named with file and line; a secret one is not shown. */
static void test_bad_values(void **state)
{
	struct problems problems = {0};
	struct conf conf;

	(void)state;
	assert_int_equal(conf_init(&conf), 0);
	apply(&conf,
	      "[metadata]\ninterval = 10ms\nfull-every = "
	      "many\nsource=aws\n[cfn]\ninsecure=perhaps\nsecret-key = hush\n  hush\n"
	      "[hooks]\nenv-max = 1G\nconf-dir = etc/cfn\nretry = soon\n[agent]\nlog-level=\n[signal]\nthreshold = 1.1\n",
	      &problems);
	assert_int_equal(conf.interval_ms, 60000);
	assert_int_equal(conf.full_every, 20);
	assert_int_equal(conf.source, CONF_SOURCE_AUTO);
	assert_false(conf.cfn_insecure);
	assert_null(conf.cfn_secret_key);
	assert_int_equal(conf.hook_env_max, 65536);
	assert_string_equal(conf.hooks_conf_dir, "/etc/cfn");
	assert_int_equal(conf.log_level, LOG_LEVEL_INFO);
	assert_int_equal(conf.action_threshold, 900);
	assert_int_equal(problems.n, 10);
	assert_true(has_problem(&problems, "conf-value", "[signal] threshold = 1.1 is out of bounds"));
	assert_true(has_problem(&problems, "conf-value", "f:2: [metadata] interval = 10ms is out of bounds"));
	assert_true(has_problem(&problems, "conf-value", "f:7: [cfn] secret-key must be one line"));
	assert_false(has_problem(&problems, "conf-value", "hush"));
	conf_deinit(&conf);
	problems_deinit(&problems);
}

/* What nobody knows is reported once per section or key and changes nothing. */
static void test_unknown(void **state)
{
	struct problems problems = {0};
	struct conf conf;

	(void)state;
	assert_int_equal(conf_init(&conf), 0);
	apply(&conf, "[agent]\nusr=x\n[other]\na=1\nb=2\n", &problems);
	assert_int_equal(problems.n, 2);
	assert_true(has_problem(&problems, "conf-unknown", "f:2: there is no option usr in [agent]"));
	assert_true(has_problem(&problems, "conf-unknown", "f:3: there is no section [other]"));
	conf_deinit(&conf);
	problems_deinit(&problems);
}

struct root {
	struct env env;
	char dir[64];
};

static int setup(void **state)
{
	struct root *r = calloc(1, sizeof(*r));
	char path[128];

	snprintf(r->dir, sizeof(r->dir), "/tmp/hp-test-conf-XXXXXX");
	if (!mkdtemp(r->dir) || env_init(&r->env, r->dir) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/etc/heat-pulse/conf.d", r->dir);
	*state = r;
	return fs_mkdirs(path, 0755);
}

static int teardown(void **state)
{
	struct root *r = *state;

	fs_remove_tree(r->dir);
	free(r);
	return 0;
}

static void put(struct root *r, const char *name, const char *text, mode_t mode)
{
	char path[ENV_PATH_MAX];

	assert_int_equal(fs_write_atomic(env_path(&r->env, name, path), text, strlen(text), mode, NULL), 0);
}

/* The main file, then conf.d in C order: later wins per key; names without .conf and hidden ones do
 * not count. */
static void test_load_order(void **state)
{
	struct root *r = *state;
	struct problems problems = {0};
	struct conf conf;

	put(r, CONF_FILE, "[agent]\nuser=main\n[cfn]\nstack=main\nresource=main\n", 0644);
	put(r, CONF_DIR "/20-b.conf", "[agent]\nuser=b\n", 0644);
	put(r, CONF_DIR "/10-a.conf", "[agent]\nuser=a\n[cfn]\nstack=a\n", 0644);
	put(r, CONF_DIR "/30-c.conf.bak", "[agent]\nuser=c\n", 0644);
	put(r, CONF_DIR "/.40-d.conf", "[agent]\nuser=d\n", 0644);
	assert_int_equal(conf_load(&r->env, NULL, &conf, &problems, NULL), 0);
	assert_int_equal(problems.n, 0);
	assert_string_equal(conf.user, "b");
	assert_string_equal(conf.cfn_stack, "a");
	assert_string_equal(conf.cfn_resource, "main");
	conf_deinit(&conf);
}

/* No file at all is good; a named one that is absent is not. */
static void test_load_absent(void **state)
{
	struct root *r = *state;
	struct problems problems = {0};
	struct err e = ERR_INIT;
	struct conf conf;

	assert_int_equal(conf_load(&r->env, NULL, &conf, &problems, &e), 0);
	assert_string_equal(conf.user, "heat-pulse");
	conf_deinit(&conf);
	assert_int_equal(conf_load(&r->env, "/etc/absent.conf", &conf, &problems, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/etc/absent.conf"));
	assert_null(conf.user);
	assert_int_equal(problems.n, 0);
}

/* A broken file and one that others may write to are left out whole, named, and stop nothing else. */
static void test_load_refused(void **state)
{
	struct root *r = *state;
	struct problems problems = {0};
	struct conf conf;

	put(r, CONF_FILE, "[agent]\nuser=main\nbroken\n", 0644);
	put(r, CONF_DIR "/1.conf", "[cfn]\nstack=open\nurl=open\n", 0666);
	put(r, CONF_DIR "/2.conf", "[cfn]\nstack=good\n", 0644);
	assert_int_equal(conf_load(&r->env, NULL, &conf, &problems, NULL), 0);
	assert_string_equal(conf.user, "heat-pulse");
	assert_string_equal(conf.cfn_stack, "good");
	assert_null(conf.cfn_url);
	assert_int_equal(problems.n, 2);
	assert_true(has_problem(&problems, "conf-file", "heat-pulse.conf:3: "));
	assert_true(has_problem(&problems, "conf-file", "/1.conf is not used: "));
	conf_deinit(&conf);
	problems_deinit(&problems);
}

/* A secret in a file that others may read is used and reported. */
static void test_load_readable_secret(void **state)
{
	struct root *r = *state;
	struct problems problems = {0};
	struct conf conf;

	put(r, CONF_FILE, "[heat]\npassword=hush\n", 0644);
	put(r, CONF_DIR "/1.conf", "[cfn]\nsecret-key=hush\n", 0600);
	assert_int_equal(conf_load(&r->env, NULL, &conf, &problems, NULL), 0);
	assert_string_equal(conf.heat_password, "hush");
	assert_int_equal(problems.n, 1);
	assert_true(has_problem(&problems, "conf-readable",
				"/etc/heat-pulse/heat-pulse.conf holds a secret"));
	conf_deinit(&conf);
	problems_deinit(&problems);
}

/* The reference names every option, reads back as a configuration that changes nothing, and shows
 * no secret. */
static void test_dump(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20);
	struct problems problems = {0};
	struct conf conf, again;

	(void)state;
	assert_int_equal(conf_init(&conf), 0);
	assert_int_equal(conf_init(&again), 0);
	assert_int_equal(conf_dump(NULL, &out), 0);
	for (size_t i = 0; i < conf_options_n; i++) {
		assert_non_null(strstr(buf_str(&out), conf_options[i].help));
		assert_non_null(strstr(buf_str(&out), conf_options[i].key));
	}
	for (char *p = out.data; (p = strchr(p, '#')); p++) {
		if (p[1] != ' ')
			*p = ' '; /* "#key = default" becomes an option */
	}
	apply(&again, buf_str(&out), &problems);
	assert_true(problems.n <= 1); /* splay has no text for "unset" */
	assert_int_equal(again.interval_ms, conf.interval_ms);
	assert_int_equal(again.hook_env_max, conf.hook_env_max);
	buf_reset(&out);
	apply(&conf, "[metadata]\ninterval=90s\n[cfn]\nsecret-key=hush\nstack=st\n", &problems);
	assert_int_equal(conf_dump(&conf, &out), 0);
	assert_non_null(strstr(buf_str(&out), "\ninterval = 90s\n"));
	assert_non_null(strstr(buf_str(&out), "\nstack = st\n"));
	assert_non_null(strstr(buf_str(&out), "secret-key is set and not shown"));
	assert_null(strstr(buf_str(&out), "hush"));
	conf_deinit(&conf);
	conf_deinit(&again);
	problems_deinit(&problems);
}

#define ROOT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),      cmocka_unit_test(test_table),
		cmocka_unit_test(test_apply),	      cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_unknown),	      ROOT_TEST(test_load_order),
		ROOT_TEST(test_load_absent),	      ROOT_TEST(test_load_refused),
		ROOT_TEST(test_load_readable_secret), cmocka_unit_test(test_dump),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
