/* SPDX-License-Identifier: Apache-2.0 */
/* Hook files: any text becomes a table or problems, and the table survives its way to the agent. */
#include <stdint.h>
#include <string.h>

#include "hooks/config.h"

static void through_the_link(const struct hookset *set)
{
	struct hookset copy;
	char *text = hookset_to_json(set);

	if (!text)
		return; /* no UTF-8 somewhere: the agent gets no table rather than a broken one */
	if (hookset_from_json(text, strlen(text), &copy, NULL) < 0 || copy.n != set->n)
		__builtin_trap();
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(copy.hooks[i].name, set->hooks[i].name) != 0 ||
		    copy.hooks[i].triggers != set->hooks[i].triggers)
			__builtin_trap();
	hookset_deinit(&copy);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf conf = {.hook_timeout_ms = 3600000};
	struct problems problems = {0};
	struct ini ini = {0};
	struct hookset set;

	if (ini_parse(&ini, "f", (const char *)data, size, INI_INTERPOLATE | INI_STRICT, NULL) ==
		    0 &&
	    hookset_from_ini(&conf, &ini, &set, &problems) == 0) {
		const char **names;
		size_t n;

		through_the_link(&set);
		names = hookset_resources(&set, &n);
		free(names);
		hookset_deinit(&set);
	}
	ini_deinit(&ini);
	problems_deinit(&problems);
	return 0;
}
