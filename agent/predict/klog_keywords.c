/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A keyword automaton (Aho-Corasick, as a full transition table) over the longest literal piece of
 * each rule, cut to KEY_MAX characters, without case. Characters that no keyword has share one
 * class, so the table stays below 32 KiB and a character costs one load.
 */
#include <errno.h>
#include <string.h>

#include "predict/klog_private.h"

#define KEY_MAX  4 /* longer: fewer rows to look at, but as many more states to keep */
#define ROWS_MAX 512

struct keywords {
	size_t rows, states, classes;
	unsigned char class_of[256];
	uint16_t *next; /* [states][classes] */
	uint16_t *fail; /* per state; after the build: the next state that ends a keyword */
	uint16_t *head; /* per state: 1 + first row whose keyword ends here */
	uint16_t chain[ROWS_MAX]; /* per row: 1 + next row of the same keyword */
	uint16_t *queue;
};

static unsigned char key_char(char c)
{
	return c == '$' ? '#' : klog_lower(c);
}

static const char *longest_piece(const char *pattern, size_t *ret_n)
{
	const char *best = pattern;

	*ret_n = 0;
	while (*pattern) {
		size_t len = strcspn(pattern, "#*@%");

		if (len > *ret_n) {
			best = pattern;
			*ret_n = len;
		}
		pattern += len + (pattern[len] != '\0');
	}
	if (*ret_n > KEY_MAX)
		*ret_n = KEY_MAX;
	return best;
}

static void number_classes(struct keywords *w, const struct klog_rule *rules)
{
	w->classes = 1; /* 0: in no keyword */
	for (size_t i = 0; i < w->rows; i++) {
		size_t n;
		const char *key = longest_piece(rules[i].pattern, &n);

		for (size_t j = 0; j < n; j++)
			if (!w->class_of[key_char(key[j])])
				w->class_of[key_char(key[j])] = (unsigned char)w->classes++;
	}
	for (int c = 'A'; c <= 'Z'; c++)
		w->class_of[c] = w->class_of[c + ('a' - 'A')];
}

static void add_keyword(struct keywords *w, size_t row, const char *key, size_t n)
{
	size_t at = 0;

	for (size_t j = 0; j < n; j++) {
		uint16_t *to = &w->next[at * w->classes + w->class_of[key_char(key[j])]];

		if (!*to)
			*to = (uint16_t)w->states++;
		at = *to;
	}
	w->chain[row] = w->head[at];
	w->head[at] = (uint16_t)(row + 1);
}

/* Breadth first: a missing transition is that of the longest suffix; then only ends are kept. */
static void close_automaton(struct keywords *w)
{
	size_t from = 0, to = 0;

	for (size_t c = 0; c < w->classes; c++)
		if (w->next[c])
			w->queue[to++] = w->next[c];
	while (from < to) {
		size_t at = w->queue[from++], fail = w->fail[at];

		for (size_t c = 0; c < w->classes; c++) {
			uint16_t *step = &w->next[at * w->classes + c];
			uint16_t other = w->next[fail * w->classes + c];

			if (*step) {
				w->fail[*step] = other;
				w->queue[to++] = *step;
			} else {
				*step = other;
			}
		}
		if (!w->head[fail])
			w->fail[at] =
				w->fail[fail]; /* its own ends are known: parents come first */
	}
}

int keywords_new(const struct klog_rule *rules, size_t n, struct keywords **ret)
{
	struct keywords *w = n <= ROWS_MAX ? calloc(1, sizeof(*w)) : NULL;
	size_t max = n * KEY_MAX + 1;

	if (!w)
		return -ENOMEM;
	w->rows = n;
	w->states = 1;
	number_classes(w, rules);
	w->next = calloc(max * w->classes, sizeof(*w->next));
	w->fail = calloc(max, sizeof(*w->fail));
	w->head = calloc(max, sizeof(*w->head));
	w->queue = calloc(max, sizeof(*w->queue));
	if (!w->next || !w->fail || !w->head || !w->queue) {
		keywords_free(w);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		size_t len;
		const char *key = longest_piece(rules[i].pattern, &len);

		add_keyword(w, i, key, len);
	}
	close_automaton(w);
	*ret = w;
	return 0;
}

struct keywords *keywords_free(struct keywords *w)
{
	if (!w)
		return NULL;
	free(w->next);
	free(w->fail);
	free(w->head);
	free(w->queue);
	free(w);
	return NULL;
}

size_t keywords_scan(const struct keywords *w, const char *p, size_t n, keywords_test *test,
		     void *ctx)
{
	uint64_t found[ROWS_MAX / 64] = {0};
	size_t at = 0;
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		at = w->next[at * w->classes + w->class_of[(unsigned char)p[i]]];
		if (!w->head[at] && !w->fail[at])
			continue;
		for (size_t end = at; end; end = w->fail[end])
			for (unsigned row = w->head[end]; row; row = w->chain[row - 1]) {
				found[(row - 1) / 64] |= UINT64_C(1) << ((row - 1) % 64);
				any = true;
			}
	}
	for (size_t i = 0; any && i < ARRAY_SIZE(found); i++)
		for (uint64_t left = found[i]; left; left &= left - 1) {
			size_t row = i * 64 + (size_t)__builtin_ctzll(left);

			if (test(row, ctx))
				return row;
		}
	return SIZE_MAX;
}
