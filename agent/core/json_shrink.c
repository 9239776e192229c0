/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a JSON object fit where a server takes only so much: the longest texts lose their
 * beginnings, since what a program said last says why it failed.
 */
#include "core/json.h"

#include <errno.h>
#include <string.h>

#define MARK       "...(cut) "
#define WORTH_MIN  256  /* a shorter text is not cut */
#define ROUNDS_MAX 4096 /* texts cut one after the other */

struct place {
	json_t *owner; /* object or array */
	const char *key;
	size_t index;
	json_t *text;
	size_t cost; /* bytes of its JSON form */
};

static size_t byte_cost(char c)
{
	if (c == '"' || c == '\\' || c == '\n' || c == '\t' || c == '\r' || c == '\b' || c == '\f')
		return 2;
	return (unsigned char)c < 0x20 ? 6 : 1;
}

static size_t text_cost(const json_t *v)
{
	const char *p = json_string_value(v);
	size_t cost = 2;

	for (size_t i = 0, n = json_string_length(v); i < n; i++)
		cost += byte_cost(p[i]);
	return cost;
}

static void find_longest(json_t *tree, struct place *best);

static void consider(struct place at, struct place *best)
{
	if (!json_is_string(at.text)) {
		find_longest(at.text, best);
		return;
	}
	if (json_string_length(at.text) < WORTH_MIN)
		return;
	at.cost = text_cost(at.text);
	if (at.cost > best->cost)
		*best = at;
}

static void find_longest(json_t *tree, struct place *best)
{
	const char *key;
	json_t *v;
	size_t i;

	json_object_foreach(tree, key, v)
		consider((struct place){.owner = tree, .key = key, .text = v}, best);
	json_array_foreach(tree, i, v)
		consider((struct place){.owner = tree, .index = i, .text = v}, best);
}

/* One of those that go first, else the longest anywhere. */
static struct place next_place(json_t *root, const char *const *first)
{
	struct place best = {0};

	for (size_t i = 0; first && first[i]; i++) {
		json_t *v = json_object_get(root, first[i]);

		if (v)
			consider((struct place){.owner = root, .key = first[i], .text = v}, &best);
	}
	if (!best.text)
		find_longest(root, &best);
	return best;
}

/* Where the last @budget bytes of JSON form begin, at the start of a character. */
static size_t tail_start(const char *p, size_t n, size_t budget)
{
	size_t at = n, cost = 0;

	while (at > 0 && cost + byte_cost(p[at - 1]) <= budget)
		cost += byte_cost(p[--at]);
	while (at < n && ((unsigned char)p[at] & 0xc0) == 0x80)
		at++;
	return at;
}

static int cut(const struct place *at, size_t excess)
{
	const char *p = json_string_value(at->text);
	size_t n = json_string_length(at->text), room = sizeof(MARK) + 2;
	size_t budget =
		at->cost > excess + room + WORTH_MIN / 2 ? at->cost - excess - room : WORTH_MIN / 2;
	size_t start = tail_start(p, n, budget);
	json_t *fresh = json_sprintf(MARK "%.*s", (int)(n - start), p + start);

	if (!fresh)
		return -ENOMEM;
	return at->key ? json_object_set_new(at->owner, at->key, fresh)
		       : json_array_set_new(at->owner, at->index, fresh);
}

int json_shrink(json_t *root, size_t max, const char *const *first)
{
	for (unsigned i = 0; i < ROUNDS_MAX; i++) {
		size_t size = json_dumpb(root, NULL, 0, JSON_COMPACT | JSON_SORT_KEYS);
		struct place at;

		if (size > 0 && size <= max)
			return 0;
		at = next_place(root, first);
		if (!at.text || size == 0)
			return size == 0 ? -ENOMEM : -EFBIG;
		if (cut(&at, size - max) < 0)
			return -ENOMEM;
	}
	return -EFBIG;
}
