/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What metadata may say where root-owned configuration has trust-metadata = full, and nowhere else. Of a
 * key that stands in several places the last one read counts.
 */
#include "metadata/settings_private.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"

#define USER_MAX 32

static int take(char **to, const char *text)
{
	free(*to);
	*to = strdup(text);
	return *to ? 0 : -ENOMEM;
}

/* Shell text, as os-collect-config takes it: a newline separates commands, other control characters are a
 * mistake. */
int setting_command(const json_t *v, struct settings *s, struct err *e)
{
	const char *text = json_string_value(v);
	size_t n = text ? json_string_length(v) : 0;

	if (!n || n > SETTINGS_TEXT_MAX)
		return err_set(e, 1, "must be a command of 1 to %d characters", SETTINGS_TEXT_MAX);
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\n' && text[i] != '\t') || text[i] == 0x7f)
			return err_set(e, 1, "must not contain control characters");
	return take(&s->command, text);
}

int setting_runas(const json_t *v, struct settings *s, struct err *e)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	const char *text = json_string_value(v);

	if (!text || !*text || *text == '-' || strlen(text) > USER_MAX || text[strspn(text, good)] ||
	    strlen(text) != json_string_length(v))
		return err_set(e, 1, "must be the name of a user");
	return take(&s->runas, text);
}

int setting_ca_file(const json_t *v, struct settings *s, struct err *e)
{
	const char *text = json_string_value(v);

	if (!text || *text != '/' || strlen(text) > SETTINGS_TEXT_MAX || strlen(text) != json_string_length(v))
		return err_set(e, 1, "must be an absolute path");
	return take(&s->ca_file, text);
}
