/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each allocation failing in turn: the call answers -ENOMEM (or drops what it may drop), leaves
 * what was there before as it was, and leaks nothing (the sanitizers and valgrind look).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "core/conf.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/path.h"
#include "failing_memory.h"

#define TRIES_MAX 5000

/* Runs @once with the first, the second, … allocation failing until it needs no more. Return: how
 * many failed. */
static int fail_each(int (*once)(void *ctx), void *ctx)
{
	for (int n = 0; n < TRIES_MAX; n++) {
		bool all_used;
		int r;

		memory_left = n;
		r = once(ctx);
		all_used = memory_left == 0;
		memory_left = -1;
		if (r == 0 && !all_used)
			return n;
		if (r != 0)
			assert_int_equal(r, -ENOMEM);
	}
	fail_msg("never enough memory");
	return 0;
}

static int ini_once(void *ctx)
{
	static const char text[] = "[DEFAULT]\nd=1\n[a]\nx=2\nz=%(d)s%%\n[c]\ny=1\n  2\n";
	struct ini ini = {0};
	struct err e = ERR_INIT;
	long allowed = memory_left;
	int r;

	(void)ctx;
	memory_left = -1;
	assert_int_equal(ini_parse(&ini, "one", "[a]\nx=1\n[b]\n", 12, 0, NULL), 0);
	memory_left = allowed;
	r = ini_parse(&ini, "two", text, sizeof(text) - 1, INI_INTERPOLATE, &e);
	assert_string_equal(ini_get(&ini, "a", "x"), r < 0 ? "1" : "2");
	assert_int_equal(ini.n_sections, r < 0 ? 2 : 3);
	if (r < 0)
		assert_non_null(strstr(e.text, "no memory"));
	ini_deinit(&ini);
	return r;
}

/* A file that could not be read for want of memory adds nothing to those before. */
static void test_ini(void **state)
{
	(void)state;
	assert_true(fail_each(ini_once, NULL) > 20);
}

static int path_once(void *ctx)
{
	struct path path;
	int r = path_parse("Resources.R.Metadata.a.b", 24, &path, NULL);

	(void)ctx;
	path_deinit(&path);
	return r;
}

static int canonical_once(void *ctx)
{
	_cleanup_buf_ struct buf out = BUF_INIT(10000);

	return json_canonical(ctx, &out);
}

static int write_once(void *ctx)
{
	return fs_write_atomic(ctx, "x", 1, 0600, NULL);
}

static int document_once(void *ctx)
{
	struct document copy = {0};
	int r = document_copy(&copy, ctx);

	document_deinit(&copy);
	return r;
}

static int credentials_once(void *ctx)
{
	struct credentials copy = {0};
	int r = credentials_copy(&copy, ctx);

	credentials_deinit(&copy);
	return r;
}

/* The small ones. */
static void test_values(void **state)
{
	char one[] = "one", two[] = "two", dir[] = "/tmp/hp-test-memory-XXXXXX", file[64];
	struct document doc = {.source = "cfn", .stack = one, .resource = two};
	struct credentials c = {.access_key = one, .secret_key = two};
	json_t *value = json_pack("{s:[i,{}],s:s}", "a", 1, "b", "text");

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/f", dir);
	assert_true(fail_each(path_once, NULL) > 2);
	assert_true(fail_each(canonical_once, value) > 2);
	assert_true(fail_each(write_once, file) > 0);
	assert_true(fail_each(document_once, &doc) > 1);
	assert_true(fail_each(credentials_once, &c) > 1);
	fs_remove_tree(dir);
	json_decref(value);
}

static int problems_once(void *ctx)
{
	struct problems p = {0};

	(void)ctx;
	problems_add(&p, PROBLEM_WARN, "code", "remedy", "text %d", 1);
	assert_true(p.n == 0 || (p.n == 1 && p.list[0].text && p.list[0].remedy));
	problems_deinit(&p);
	return 0;
}

/* A problem is listed whole or not at all. */
static void test_problems(void **state)
{
	(void)state;
	assert_true(fail_each(problems_once, NULL) > 2);
}

static int conf_once(void *ctx)
{
	struct problems problems = {0};
	struct conf conf;
	int r = conf_load(ctx, NULL, &conf, &problems, NULL);

	if (r == 0)
		assert_non_null(conf.hooks_conf_dir);
	conf_deinit(&conf);
	problems_deinit(&problems);
	return r;
}

/* The configuration is loaded, loaded with a problem, or refused; the defaults are never half there. */
static void test_conf(void **state)
{
	char dir[] = "/tmp/hp-test-memory-XXXXXX", path[ENV_PATH_MAX];
	struct env env;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(env_init(&env, dir), 0);
	assert_int_equal(fs_mkdirs(env_path(&env, CONF_DIR, path), 0755), 0);
	assert_int_equal(fs_write_atomic(env_path(&env, CONF_FILE, path), "[cfn]\nstack=s\n", 14,
					 0644, NULL),
			 0);
	assert_int_equal(fs_write_atomic(env_path(&env, CONF_DIR "/1.conf", path),
					 "[cfn]\nurl=u\nx=1\n", 16, 0644, NULL),
			 0);
	assert_true(fail_each(conf_once, &env) > 20);
	fs_remove_tree(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ini),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_problems),
		cmocka_unit_test(test_conf),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
