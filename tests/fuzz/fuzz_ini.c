/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as an INI file, under each set of flags, on top of a file that was read before: a refusal
 * leaves the first file's entries alone and says why; a success keeps every entry findable and known by line.
 */
#include <stdlib.h>
#include <string.h>

#include "core/ini.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct ini *ini)
{
	for (size_t i = 0; i < ini->n; i++) {
		const struct ini_entry *e = &ini->entries[i];

		if (!e->section || !e->key || !e->value || !e->file || e->line < 1)
			abort();
		if (ini_find(ini, e->section, e->key) != e)
			abort();
	}
	for (size_t i = 0; i < ini->n_sections; i++) {
		if (!ini->sections[i] || !ini->section_files[i] || ini->section_lines[i] < 1)
			abort();
	}
}

static void parse(const char *text, size_t size, unsigned flags)
{
	static const char before[] = "[a]\nx = 1\ny = 2\n";
	struct ini ini = {0};
	struct err e = ERR_INIT;

	if (ini_parse(&ini, "before", before, sizeof(before) - 1, flags, &e) < 0)
		abort();
	if (ini_parse(&ini, "fuzzed", text, size, flags, &e) < 0) {
		if (!e.text[0] || ini.n != 2 || ini.n_sections != 1 || strcmp(ini_get(&ini, "a", "x"), "1") != 0)
			abort();
	}
	check(&ini);
	ini_deinit(&ini);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	parse((const char *)data, size, 0);
	parse((const char *)data, size, INI_STRICT);
	parse((const char *)data, size, INI_INTERPOLATE);
	parse((const char *)data, size, INI_STRICT | INI_INTERPOLATE);
	return 0;
}
