/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The INI dialect of Python's configparser, which cfn-hup's users write: option names without case,
 * sections with case, "=" or ":", full-line # and ; comments only, indented lines continue a value
 * (newline kept), [DEFAULT], %% and %(name)s. libinih cannot serve: as packaged it cuts a line at
 * 200 bytes and an action at its first " ;" (measured), and it knows no interpolation.
 */
#pragma once

#include <stdbool.h>
#include "core/err.h"

enum ini_flags {
	INI_INTERPOLATE = 1 << 0, /* expand %% and %(name)s; a bare % is an error */
	INI_STRICT = 1 << 1,      /* a duplicate section or key within one file is an error */
};

struct ini_entry {
	char *section;
	char *key;   /* lower case */
	char *value; /* lines joined by newlines, blank end trimmed */
	char *file;  /* as given to ini_parse */
	int line;    /* where the key stands, from 1 */
};

struct ini {
	struct ini_entry
		*entries; /* in order of first appearance; a later file's value replaces in place */
	size_t n;
	char **sections; /* in order, empty sections included, without DEFAULT */
	int *section_lines;
	char **section_files;
	size_t n_sections;
};

#define INI_TEXT_MAX    (1024 * 1024)
#define INI_ENTRIES_MAX 10000

/**
 * ini_parse() - add one file's text to @ini (zeroed before the first)
 * @file: name for messages
 *
 * Nothing of the file is added when it has an error, so a bad file disables itself only.
 * Interpolation and [DEFAULT] reach within the file. Return: 0, -EINVAL with "file:line: what",
 * -EFBIG, -ENOMEM.
 */
int ini_parse(struct ini *ini, const char *file, const char *p, size_t n, unsigned flags,
	      struct err *e) _must_check_;
void ini_deinit(struct ini *ini);
const struct ini_entry *ini_find(const struct ini *ini, const char *section, const char *key);
/** ini_get() - the value or NULL. */
const char *ini_get(const struct ini *ini, const char *section, const char *key);
