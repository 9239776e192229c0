/* SPDX-License-Identifier: Apache-2.0 */
/* The table of package managers, and what can be said about one without running it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "core/buf.h"

#define PACKAGE_WORDS 10

struct package_manager {
	const char *name;        /* key in the section */
	const char *programs[2]; /* the first that is installed replaces "!" below */
	/* Words of command lines, NULL-terminated; "@" is the package. */
	const char *query[PACKAGE_WORDS]; /* ends with 0 when it is installed … */
	const char *before_version; /* … and on a line after this is the version ("@": the name) */
	const char *install[PACKAGE_WORDS];   /* package texts follow */
	const char *downgrade[PACKAGE_WORDS]; /* the same where an older version is wanted */
	const char *refresh[PACKAGE_WORDS];   /* reads the lists anew; none: it does so by itself */
	const char *join; /* between name and version; NULL: "--version V NAME", one at a time */
	const char *file_query[PACKAGE_WORDS]; /* packages are files or URLs: "@" is the file;
						  prints "NAME VERSION" or a line each */
};
extern const struct package_manager package_managers[];
extern const size_t package_managers_n; /* in the order they are applied; others follow by name */

/** package_installed() - which of the installed versions in @output counts: the one that fits
 * @wanted (NULL: the first). Return: false when none is told. */
bool package_installed(const struct package_manager *m, const char *name, const char *output,
		       const char *wanted, struct buf *version);
/** package_name_valid() - a name or version as managers have them; nothing they would take for an
 * option, a removal or a pattern. */
bool package_name_valid(const char *name);
