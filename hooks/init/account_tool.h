/* SPDX-License-Identifier: Apache-2.0 */
/* Who makes users and groups on this machine: a table of the tools and their words. */
#pragma once

#include "core/env.h"
#include "core/err.h"

#define ACCOUNT_WORDS 16

enum account_verb {
	ACCOUNT_GROUP_ADD,
	ACCOUNT_USER_ADD,
	ACCOUNT_USER_CHANGE, /* home, and the whole list of groups */
	ACCOUNT_MEMBER_ADD,  /* for tools that know one group at a time */
	ACCOUNT_MEMBER_REMOVE,
	ACCOUNT_VERBS
};

/* What stands behind each letter of the table; NULL: not asked for. */
struct account_values {
	const char *root, *name, *gid, *uid, *home, *groups, *group;
};

struct account_tool {
	const char *name;
	const char *program; /* shows that the tool is there */
	/* Words, NULL-terminated: "%n" is a value, "?--flag" stands only where the value behind it
	 * does. None: the tool cannot do it. */
	const char *verbs[ACCOUNT_VERBS][ACCOUNT_WORDS];
};

/** account_tool_find() - the first of the table that is installed, or NULL. */
const struct account_tool *account_tool_find(void);
/** account_tool_words() - one command line, NULL-terminated, borrowed from @v and the table. false:
 * the tool cannot do it. */
bool account_tool_words(const struct account_tool *tool, enum account_verb verb,
			const struct account_values *v, const char *argv[static ACCOUNT_WORDS]);
