/* SPDX-License-Identifier: Apache-2.0 */
/* Words, modes, versions and package managers' answers: the pure parts of cfn-init, row by row. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "hooks/init/package.h"
#include "hooks/init/tree.h"
#include "hooks/init/version.h"

static json_t *parse(const char *text)
{
	json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(v);
	return v;
}

static void test_bool(void **state)
{
	static const char *const yes[] = {"true", "1", "\"true\"", "\"Yes\"", "\"1\"", "\"y\"", "\"TRUE\""};
	static const char *const no[] = {"false", "0", "2", "\"no\"", "\"\"", "\"2\"", "null", "[]", "\"truely\""};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes) + ARRAY_SIZE(no); i++) {
		bool want = i < ARRAY_SIZE(yes);
		const char *text = want ? yes[i] : no[i - ARRAY_SIZE(yes)];
		json_t *v = parse(text);

		if (tree_bool(v) != want)
			fail_msg("%s", text);
		json_decref(v);
	}
	assert_false(tree_bool(NULL));
}

static void test_mode(void **state)
{
	static const struct {
		const char *text;
		int r;
		unsigned bits;
		bool link;
	} rows[] = {
		{"\"000644\"", 0, 0644, false}, {"\"0755\"", 0, 0755, false},   {"\"120777\"", 0, 0777, true},
		{"\"100600\"", 0, 0600, false}, {"\"4755\"", 0, 04755, false},  {"\"0\"", 0, 0, false},
		{"\"\"", -1, 0, false},         {"\"0888\"", -1, 0, false},     {"644", -1, 0, false},
		{"\"rw\"", -1, 0, false},       {"\"01234567\"", -1, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *v = parse(rows[i].text);
		unsigned bits = 0;
		bool link = false;
		int r = tree_mode(v, &bits, &link);

		if ((r < 0) != (rows[i].r < 0) || bits != rows[i].bits || link != rows[i].link)
			fail_msg("%s: %d %o %d", rows[i].text, r, bits, link);
		json_decref(v);
	}
}

/* By bytes: 10 < 2 < B < a. */
static void test_names(void **state)
{
	json_t *o = parse("{\"a\":0,\"2\":0,\"B\":0,\"10\":0}");
	size_t n;
	const char **names = tree_names(o, &n);
	static const char *const want[] = {"10", "2", "B", "a"};

	(void)state;
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(names[i], want[i]);
	free(names);
	json_decref(o);
}

static void test_versions(void **state)
{
	static const struct {
		const char *a, *b;
		int sign;
	} rows[] = {
		{"1.2", "1.10", -1}, {"1.0", "1.0", 0},    {"1.0.1", "1.0", 1},   {"2", "10", -1},    {"1.0~rc1", "1.0", -1},
		{"1.a", "1.1", -1},  {"1.01", "1.1", 0},   {"1-2", "1.2", 0},     {"", "1", -1},      {"~", "", -1},
		{"1.0a", "1.0b", -1}, {"99999999999999999999999", "100000000000000000000000", -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = version_compare(rows[i].a, rows[i].b), back = version_compare(rows[i].b, rows[i].a);

		if ((r > 0) - (r < 0) != rows[i].sign || (back > 0) - (back < 0) != -rows[i].sign)
			fail_msg("%s %s: %d %d", rows[i].a, rows[i].b, r, back);
	}
	assert_true(version_fits("1.2-3", "1.2"));
	assert_true(version_fits("1:1.2.9", "1.2"));
	assert_true(version_fits("1.2", "1.2"));
	assert_false(version_fits("1.20", "1.2"));
	assert_false(version_fits("1.2", ""));
	assert_false(version_fits("2:1.2", "1:1.2"));
}

static const struct package_manager *manager(const char *name)
{
	for (size_t i = 0; i < package_managers_n; i++)
		if (!strcmp(package_managers[i].name, name))
			return &package_managers[i];
	fail_msg("no manager %s", name);
	return NULL;
}

/* What each manager's question is answered with. */
static void test_installed(void **state)
{
	static const struct {
		const char *manager, *name, *output, *wanted, *version;
	} rows[] = {
		{"apt", "x", "installed 1.2-3\n", NULL, "1.2-3"},
		{"apt", "x", "config-files 1.2-3\n", NULL, NULL},
		{"yum", "x", "1.2-3.el9\n", NULL, "1.2-3.el9"},
		{"apk", "x-y", "x-y-1.2-r0\n", NULL, "1.2-r0"},
		{"python", "x", "Name: x\nVersion: 3.1\nSummary: y\n", NULL, "3.1"},
		{"rubygems", "rake", "\n*** LOCAL GEMS ***\n\nrake (13.0.6, 12.3.2)\n", NULL, "13.0.6"},
		{"rubygems", "rake", "rake (13.0.6, 12.3.2)\n", "12.3", "12.3.2"},
		{"rubygems", "rake", "rake-compiler (1.0)\n", NULL, NULL},
		{"rubygems", "rake", "", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf version = BUF_INIT(256);
		bool r = package_installed(manager(rows[i].manager), rows[i].name, rows[i].output, rows[i].wanted, &version);

		if (r != (rows[i].version != NULL) || (r && strcmp(buf_str(&version), rows[i].version)))
			fail_msg("%s %s: %d %s", rows[i].manager, rows[i].output, r, buf_str(&version));
	}
}

/* Nothing that a manager would take for an option or a removal. */
static void test_package_names(void **state)
{
	static const char *const good[] = {"nginx", "g++", "libstdc++6", "python3.11", "lib64/x", "a_b", "x@1", "Xorg", "1.2~rc1-3"};
	static const char *const bad[] = {"", "-y", "--force", "nginx-", "+x", "a b", "a;b", "a*", "a\nb", "../x", "$(x)"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(package_name_valid(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (package_name_valid(bad[i]))
			fail_msg("%s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bool),     cmocka_unit_test(test_mode),      cmocka_unit_test(test_names),
		cmocka_unit_test(test_versions), cmocka_unit_test(test_installed), cmocka_unit_test(test_package_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
