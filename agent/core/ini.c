/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files into one struct ini. A file is read and expanded into a draft first; only a draft without
 * error is merged, and the merge allocates before it moves, so that it cannot stop half-way.
 */
#include "core/ini.h"

#include <errno.h>
#include <string.h>
#include "core/ini_draft.h"
#include "core/text.h"

static void ini_entry_clear(struct ini_entry *entry)
{
	free(entry->section);
	free(entry->key);
	free(entry->value);
	free(entry->file);
	*entry = (struct ini_entry){0};
}

void ini_draft_deinit(struct ini_draft *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->options[i].key);
		buf_deinit(&d->options[i].value);
	}
	for (size_t i = 0; i < d->n_sections; i++)
		free(d->sections[i].name);
	for (size_t i = 0; i < d->n_entries; i++)
		ini_entry_clear(&d->entries[i]);
	free(d->options);
	free(d->sections);
	free(d->entries);
	*d = (struct ini_draft){0};
}

uint32_t ini_hash(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

struct ini_option *ini_draft_find(const struct ini_draft *d, size_t section, const char *key)
{
	uint32_t hash = ini_hash(key);

	for (size_t i = 0; i < d->n; i++) {
		if (d->options[i].hash == hash && d->options[i].section == section &&
		    text_equal(d->options[i].key, key))
			return &d->options[i];
	}
	return NULL;
}

void ini_lower(char *s)
{
	for (; *s; s++) {
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s + 32);
	}
}

/* Room for all that the draft can add. A larger array with the old count is harmless if a later
 * step fails. */
static int ini_make_room(struct ini *ini, const struct ini_draft *d)
{
	size_t n = ini->n + d->n_entries, n_sections = ini->n_sections + d->n_sections;
	struct ini_entry *entries;
	char **names, **files;
	int *lines;

	if (n > INI_ENTRIES_MAX || n_sections > INI_ENTRIES_MAX)
		return err_set(d->e, -EFBIG, "%s: more than %d options or sections", d->file,
			       INI_ENTRIES_MAX);
	entries = reallocarray(ini->entries, n + 1, sizeof(*entries));
	if (entries)
		ini->entries = entries;
	names = reallocarray(ini->sections, n_sections + 1, sizeof(*names));
	if (names)
		ini->sections = names;
	files = reallocarray(ini->section_files, n_sections + 1, sizeof(*files));
	if (files)
		ini->section_files = files;
	lines = reallocarray(ini->section_lines, n_sections + 1, sizeof(*lines));
	if (lines)
		ini->section_lines = lines;
	return entries && names && files && lines ? 0 : err_set(d->e, -ENOMEM, "%s: no memory", d->file);
}

static struct ini_entry *ini_find_first(const struct ini *ini, size_t n, const char *section, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		if (text_equal(ini->entries[i].key, key) && text_equal(ini->entries[i].section, section))
			return &ini->entries[i];
	}
	return NULL;
}

static bool ini_has_section(const struct ini *ini, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (text_equal(ini->sections[i], name))
			return true;
	}
	return false;
}

/* @files: one copy of the file's name per section of the draft; what is not used is freed. */
static void ini_merge(struct ini *ini, struct ini_draft *d, char **files)
{
	size_t n_before = ini->n, sections_before = ini->n_sections;

	for (size_t i = 0; i < d->n_sections; i++) {
		if (ini_has_section(ini, sections_before, d->sections[i].name))
			continue;
		ini->sections[ini->n_sections] = take_ptr(d->sections[i].name);
		ini->section_files[ini->n_sections] = take_ptr(files[i]);
		ini->section_lines[ini->n_sections++] = d->sections[i].line;
	}
	for (size_t i = 0; i < d->n_entries; i++) {
		struct ini_entry *old =
			ini_find_first(ini, n_before, d->entries[i].section, d->entries[i].key);
		struct ini_entry *at = old ? old : &ini->entries[ini->n++];

		if (old)
			ini_entry_clear(old);
		*at = d->entries[i];
		d->entries[i] = (struct ini_entry){0};
	}
}

static int ini_add(struct ini *ini, struct ini_draft *d)
{
	char **files = calloc(d->n_sections + 1, sizeof(*files));
	bool good = files != NULL;

	for (size_t i = 0; good && i < d->n_sections; i++) {
		files[i] = strdup(d->file);
		good = files[i] != NULL;
	}
	if (good)
		ini_merge(ini, d, files);
	for (size_t i = 0; files && i < d->n_sections; i++)
		free(files[i]);
	free(files);
	return good ? 0 : err_set(d->e, -ENOMEM, "%s: no memory", d->file);
}

int ini_parse(struct ini *ini, const char *file, const char *p, size_t n, unsigned flags, struct err *e)
{
	struct ini_draft d = {.file = file, .flags = flags, .e = e};
	int r;

	if (n > INI_TEXT_MAX)
		return err_set(e, -EFBIG, "%s: larger than %d bytes", file, INI_TEXT_MAX);
	r = ini_read(&d, p, n);
	if (r == 0)
		r = ini_expand(&d);
	if (r == 0)
		r = ini_make_room(ini, &d);
	if (r == 0)
		r = ini_add(ini, &d);
	ini_draft_deinit(&d);
	return r;
}

void ini_deinit(struct ini *ini)
{
	for (size_t i = 0; i < ini->n; i++)
		ini_entry_clear(&ini->entries[i]);
	for (size_t i = 0; i < ini->n_sections; i++) {
		free(ini->sections[i]);
		free(ini->section_files[i]);
	}
	free(ini->entries);
	free(ini->sections);
	free(ini->section_files);
	free(ini->section_lines);
	*ini = (struct ini){0};
}

const struct ini_entry *ini_find(const struct ini *ini, const char *section, const char *key)
{
	return ini_find_first(ini, ini->n, section, key);
}

const char *ini_get(const struct ini *ini, const char *section, const char *key)
{
	const struct ini_entry *entry = ini_find(ini, section, key);

	return entry ? entry->value : NULL;
}
