/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/init/tree.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/text.h"

#define SHOWN_MAX 200
#define SHOWN_N   4

bool tree_bool(const json_t *value)
{
	const char *text = json_string_value(value);
	bool yes = false;

	if (json_is_integer(value))
		return json_integer_value(value) == 1;
	if (!text)
		return json_is_true(value);
	if (!strcasecmp(text, "y"))
		return true;
	return text_bool(text, strlen(text), &yes) == 0 && yes;
}

int tree_number(const json_t *value, int64_t max, int64_t *ret)
{
	const char *text = json_string_value(value);
	int64_t number = -1;

	if (json_is_integer(value))
		number = json_integer_value(value);
	else if (!text || text_i64(text, strlen(text), &number) < 0)
		return -EINVAL;
	if (number < 0 || number > max)
		return -EINVAL;
	*ret = number;
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **tree_names(const json_t *object, size_t *ret_n)
{
	size_t n = json_object_size(object), i = 0;
	const char **names = calloc(n + 1, sizeof(*names)), *key;
	const json_t *value;

	*ret_n = n;
	if (!names)
		return NULL;
	json_object_foreach((json_t *)(uintptr_t)object, key, value) names[i++] = key;
	qsort(names, n, sizeof(*names), by_bytes);
	return names;
}

const char *tree_shown(const char *name)
{
	static char shown[SHOWN_N][SHOWN_MAX];
	static unsigned turn;
	_cleanup_buf_ struct buf text = BUF_INIT(4 * SHOWN_MAX);
	char *out = shown[turn++ % SHOWN_N];
	size_t n = strlen(name);

	text_escape(&text, name, n < SHOWN_MAX ? n : SHOWN_MAX);
	snprintf(out, SHOWN_MAX, "%s", buf_str(&text));
	return out;
}

int tree_mode(const json_t *value, unsigned *ret_bits, bool *ret_link)
{
	const char *text = json_string_value(value);
	unsigned mode = 0;

	if (!text || !*text || strlen(text) > 7 || strspn(text, "01234567") != strlen(text))
		return -EINVAL;
	for (; *text; text++)
		mode = mode << 3 | (unsigned)(*text - '0');
	*ret_link = (mode & 0170000) == 0120000;
	*ret_bits = mode & 07777;
	return 0;
}
