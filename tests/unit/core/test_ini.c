/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The INI dialect beside Python's own configparser: tests/fixtures/ini/cases.json holds texts and what
 * Python made of them. What Python has no word for (bounds, several files, messages) is tested by hand.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "core/fs.h"
#include "core/ini.h"
#include "core/json.h"
#include "tests/unit/skip.h"

static int parse(struct ini *ini, const char *file, const char *text, unsigned flags, struct err *e)
{
	return ini_parse(ini, file, text, strlen(text), flags, e);
}

static bool same_sections(const struct ini *ini, const json_t *sections)
{
	if (ini->n_sections != json_array_size(sections))
		return false;
	for (size_t i = 0; i < ini->n_sections; i++) {
		if (strcmp(ini->sections[i], json_string_value(json_array_get(sections, i))) != 0)
			return false;
	}
	return true;
}

static bool same_entries(const struct ini *ini, const json_t *entries)
{
	size_t i;
	json_t *row;

	if (ini->n != json_array_size(entries))
		return false;
	json_array_foreach((json_t *)(uintptr_t)entries, i, row) {
		const char *value = ini_get(ini, json_string_value(json_array_get(row, 0)),
					    json_string_value(json_array_get(row, 1)));

		if (!value || strcmp(value, json_string_value(json_array_get(row, 2))) != 0)
			return false;
	}
	return true;
}

static bool case_holds(const json_t *one)
{
	const json_t *expect = json_object_get(one, "expect");
	const json_t *text = json_object_get(one, "text");
	unsigned flags = (json_is_true(json_object_get(one, "strict")) ? INI_STRICT : 0u) |
			 (json_is_true(json_object_get(one, "interpolate")) ? INI_INTERPOLATE : 0u);
	struct ini ini = {0};
	struct err e = ERR_INIT;
	int r = ini_parse(&ini, "f", json_string_value(text), json_string_length(text), flags, &e);
	bool good;

	if (json_is_null(expect))
		good = r == -EINVAL && ini.n == 0 && ini.n_sections == 0 && strncmp(e.text, "f:", 2) == 0;
	else
		good = r == 0 && same_sections(&ini, json_object_get(expect, "sections")) &&
		       same_entries(&ini, json_object_get(expect, "entries"));
	if (!good)
		print_message("# case fails: %s (%d, %s)\n", json_string_value(text), r, e.text);
	ini_deinit(&ini);
	return good;
}

/* What Python reads, we read alike; what Python refuses, we refuse, with file and line. */
static void test_like_python(void **state)
{
	static const struct json_limits limits = {256u << 20, 8, 100000000, 4ULL << 30};
	const char *file = getenv("HEAT_PULSE_INI_CASES"), *fixtures = getenv("HEAT_PULSE_FIXTURES");
	_cleanup_buf_ struct buf text = BUF_INIT(256u << 20);
	_cleanup_json_ json_t *cases = NULL;
	char path[1024];
	size_t wrong = 0;

	(void)state;
	if (!file && !fixtures)
		skip_because("started by hand without HEAT_PULSE_FIXTURES");
	snprintf(path, sizeof(path), "%s/ini/cases.json", fixtures ? fixtures : "");
	assert_int_equal(fs_read(file ? file : path, &text), 0);
	assert_int_equal(json_parse(text.data, text.len, &limits, &cases, NULL), 0);
	assert_true(json_array_size(cases) > 1000);
	for (size_t i = 0; i < json_array_size(cases); i++)
		wrong += !case_holds(json_array_get(cases, i));
	assert_int_equal(wrong, 0);
}

/* Keys of later files win in place, sections keep their first order, and every entry knows its file
 * and line. */
static void test_files_merge(void **state)
{
	struct ini ini = {0};
	const struct ini_entry *entry;

	(void)state;
	assert_int_equal(parse(&ini, "one", "[a]\nx=1\ny=1\n[b]\nz=1\n", INI_STRICT, NULL), 0);
	assert_int_equal(parse(&ini, "two", "[c]\n[b]\nw=2\n[a]\n\nX=2\n", INI_STRICT, NULL), 0);
	assert_int_equal(ini.n, 4);
	assert_int_equal(ini.n_sections, 3);
	assert_string_equal(ini.sections[2], "c");
	assert_string_equal(ini.section_files[2], "two");
	assert_int_equal(ini.section_lines[1], 4);
	entry = ini_find(&ini, "a", "x");
	assert_ptr_equal(entry, &ini.entries[0]);
	assert_string_equal(entry->value, "2");
	assert_string_equal(entry->file, "two");
	assert_int_equal(entry->line, 6);
	assert_string_equal(ini_get(&ini, "a", "y"), "1");
	assert_null(ini_get(&ini, "A", "y"));
	ini_deinit(&ini);
}

/* A broken file adds nothing to what was read before. */
static void test_broken_file_adds_nothing(void **state)
{
	struct ini ini = {0};
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse(&ini, "one", "[a]\nx=1\n", 0, NULL), 0);
	assert_int_equal(parse(&ini, "/etc/two", "[a]\nx=2\n[b]\nbroken\n", 0, &e), -EINVAL);
	assert_non_null(strstr(e.text, "/etc/two:4: "));
	assert_int_equal(ini.n, 1);
	assert_int_equal(ini.n_sections, 1);
	assert_string_equal(ini_get(&ini, "a", "x"), "1");
	ini_deinit(&ini);
}

/* References that multiply cost a bounded time and memory: a hundred bytes could ask for 10^9. */
static void test_expansion_is_bounded(void **state)
{
	_cleanup_buf_ struct buf text = BUF_INIT(INI_TEXT_MAX);
	struct ini ini = {0};

	(void)state;
	buf_puts(&text, "[a]\nk0=ten bytes.\n");
	for (int i = 1; i < 10; i++) {
		buf_printf(&text, "k%d=", i);
		for (int j = 0; j < 10; j++)
			buf_printf(&text, "%%(k%d)s", i - 1);
		buf_putc(&text, '\n');
	}
	assert_int_equal(parse(&ini, "f", buf_str(&text), INI_INTERPOLATE, NULL), -EFBIG);
	buf_reset(&text);
	buf_puts(&text, "[a]\nk0=\n");
	for (int i = 1; i < 10; i++) {
		buf_printf(&text, "k%d=", i);
		for (int j = 0; j < 10; j++)
			buf_printf(&text, "%%(k%d)s", i - 1);
		buf_putc(&text, '\n');
	}
	assert_int_equal(parse(&ini, "f", buf_str(&text), INI_INTERPOLATE, NULL), -EFBIG);
	assert_int_equal(ini.n, 0);
}

/* The ceilings of text and entries hold over several files and say so. */
static void test_limits(void **state)
{
	_cleanup_buf_ struct buf text = BUF_INIT(2 * INI_TEXT_MAX);
	struct ini ini = {0};
	struct err e = ERR_INIT;

	(void)state;
	buf_puts(&text, "[a]\n");
	for (int i = 0; i < INI_ENTRIES_MAX; i++)
		buf_printf(&text, "k%d=\n", i);
	assert_int_equal(parse(&ini, "f", buf_str(&text), INI_STRICT, &e), 0);
	assert_int_equal(ini.n, INI_ENTRIES_MAX);
	assert_int_equal(parse(&ini, "g", "[a]\nk1=2\n[b]\nx=1\n", INI_STRICT, &e), -EFBIG);
	assert_string_equal(ini_get(&ini, "a", "k1"), "");
	ini_deinit(&ini);
	buf_reset(&text);
	while (text.len <= INI_TEXT_MAX)
		buf_puts(&text, "# ...............................................................\n");
	assert_int_equal(parse(&ini, "f", buf_str(&text), 0, &e), -EFBIG);
}

/* NUL and bytes that are no UTF-8 are refused, not cut at. */
static void test_not_text(void **state)
{
	struct ini ini = {0};

	(void)state;
	assert_int_equal(ini_parse(&ini, "f", "[a]\nx=1\0y\n", 10, 0, NULL), -EINVAL);
	assert_int_equal(parse(&ini, "f", "[a]\nx=\xff\n", 0, NULL), -EINVAL);
	assert_int_equal(ini_parse(&ini, "f", NULL, 0, 0, NULL), 0);
	assert_int_equal(ini.n, 0);
	ini_deinit(&ini);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_python),
		cmocka_unit_test(test_files_merge),
		cmocka_unit_test(test_broken_file_adds_nothing),
		cmocka_unit_test(test_expansion_is_bounded),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_not_text),
	};

	return cmocka_run_group_tests_name("ini", tests, NULL, NULL);
}
