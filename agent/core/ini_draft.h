/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file on its way into a struct ini: what ini_read.c found and ini_expand.c worked out. Private
 * to the ini files. A draft that has an error is dropped whole.
 */
#pragma once

#include "core/buf.h"
#include "core/ini.h"

#define INI_NONE    SIZE_MAX
#define INI_DEFAULT (SIZE_MAX - 1) /* the section [DEFAULT] */

struct ini_option {
	size_t section; /* index in sections, or INI_DEFAULT */
	char *key;
	uint32_t hash; /* of key; nearly every comparison ends here */
	struct buf value; /* as written, lines joined */
	int line;
};

struct ini_section {
	char *name;
	int line;
};

struct ini_draft {
	const char *file;
	unsigned flags;
	struct err *e;
	struct ini_option *options;
	size_t n;
	struct ini_section *sections;
	size_t n_sections;
	struct ini_entry *entries; /* expanded, each section's own and then those from [DEFAULT] */
	size_t n_entries;
};

void ini_draft_deinit(struct ini_draft *d);
/** ini_read() - lines to options and sections. */
int ini_read(struct ini_draft *d, const char *p, size_t n) _must_check_;
/** ini_expand() - options to entries, interpolated when the flags say so. */
int ini_expand(struct ini_draft *d) _must_check_;
/** ini_draft_find() - the option of @section by lower-case @key, or NULL. */
struct ini_option *ini_draft_find(const struct ini_draft *d, size_t section, const char *key);
/** ini_hash() - FNV-1a of a key. */
uint32_t ini_hash(const char *s);
/** ini_lower() - ASCII only, in place. */
void ini_lower(char *s);
