/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of a command as one const table: parsing (getopt_long) and --help come from the rows.
 */
#pragma once

#include "core/macro.h"

enum option_type {
	OPTION_FLAG,     /* bool */
	OPTION_TEXT,     /* const char *, borrowed from argv */
	OPTION_INT,      /* int64_t >= 0 */
	OPTION_DURATION, /* int64_t ms */
};

struct option_row {
	char letter;      /* 0 = long form only */
	const char *name; /* long form */
	enum option_type type;
	size_t offset;     /* in the command's own struct */
	const char *value; /* what the help calls the value; NULL for flags */
	const char *help;  /* NULL: accepted for old callers, not shown */
};

struct option_set {
	const char *command;  /* name in usage and errors */
	const char *synopsis; /* "[OPTIONS] NAME" */
	const char *about;    /* what it does, a short paragraph */
	const struct option_row *rows;
	size_t n;
	int max_arguments; /* beyond the options */
};

enum options_answer { OPTIONS_GO = -1 }; /* anything else is the exit code to return at once */

/**
 * options_parse() - fill @to from the arguments; prints help or the usage error itself
 * @ret_first: index in @argv of the first argument that is no option
 *
 * Unambiguous prefixes of long options are accepted, as Python's optparse has it. Return:
 * OPTIONS_GO or an exit code.
 */
int options_parse(const struct option_set *set, int argc, char **argv, void *to,
		  int *ret_first) _must_check_;
