/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/init/account_tool.h"

#include <string.h>

#include "hooks/init/program.h"

/* Users are made without a login; that was never configurable. */
#define NO_LOGIN "/sbin/nologin"

static const struct account_tool tools[] = {
	/* With a prefix the tools of the machine work on the files below it. */
	{"shadow",
	 "groupadd",
	 {[ACCOUNT_GROUP_ADD] = {"groupadd", "?--prefix", "%r", "?--gid", "%G", "--", "%n"},
	  [ACCOUNT_USER_ADD] = {"useradd", "?--prefix", "%r", "?--uid", "%u", "?--home-dir", "%h",
				"?--groups", "%L", "--shell", NO_LOGIN, "--", "%n"},
	  [ACCOUNT_USER_CHANGE] = {"usermod", "?--prefix", "%r", "?--home", "%h", "?--groups", "%L",
				   "--", "%n"}}},
	{"busybox",
	 "addgroup",
	 {[ACCOUNT_GROUP_ADD] = {"addgroup", "?-g", "%G", "%n"},
	  [ACCOUNT_USER_ADD] = {"adduser", "-D", "-H", "-s", NO_LOGIN, "?-u", "%u", "?-h", "%h",
				"%n"},
	  [ACCOUNT_MEMBER_ADD] = {"addgroup", "%n", "%m"},
	  [ACCOUNT_MEMBER_REMOVE] = {"delgroup", "%n", "%m"}}},
};

const struct account_tool *account_tool_find(void)
{
	static const struct env here = {.root = ""};
	char path[ENV_PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(tools); i++)
		if (program_find(&here, tools[i].program, path))
			return &tools[i];
	return NULL;
}

static const char *value_of(const char *word, const struct account_values *v)
{
	const struct {
		const char *word, *value;
	} rows[] = {
		{"%r", v->root}, {"%n", v->name},   {"%G", v->gid},   {"%u", v->uid},
		{"%h", v->home}, {"%L", v->groups}, {"%m", v->group},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].word, word))
			return rows[i].value;
	return NULL;
}

bool account_tool_words(const struct account_tool *tool, enum account_verb verb,
			const struct account_values *v, const char *argv[static ACCOUNT_WORDS])
{
	const char *const *words = tool->verbs[verb];
	size_t n = 0;

	for (size_t i = 0; i < ACCOUNT_WORDS && words[i]; i++) {
		bool maybe = words[i][0] == '?';

		if (maybe && !value_of(words[i + 1], v)) {
			i++;
			continue;
		}
		argv[n++] = maybe                ? words[i] + 1
			    : words[i][0] == '%' ? value_of(words[i], v)
						 : words[i];
	}
	argv[n] = NULL;
	return n > 0;
}
