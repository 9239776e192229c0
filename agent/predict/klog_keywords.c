/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A keyword automaton (Aho-Corasick) over the longest literal piece of each rule, cut to KEY_MAX
 * characters, without case. Characters that no keyword has share one class. Most characters leave it
 * in a state of one character or none: these know the next state of every class, so that such a
 * character costs one load. The others have lists of their few children, and go back to the longest
 * suffix for the rest: in all a fourth of the memory of a full table.
 */
#include <errno.h>
#include <string.h>

#include "predict/klog_private.h"

#define KEY_MAX  4 /* longer: fewer rows to look at, but as many more states to keep */
#define ROWS_MAX 512

struct state {
	uint16_t child, sibling; /* 0: none */
	uint16_t back;           /* the longest suffix that is a state */
	uint16_t ends;           /* the next on the way back that ends a keyword; 0: none */
	uint16_t head;           /* 1 + first row whose keyword ends here */
	uint16_t class;          /* by which it was reached */
};

struct keywords {
	size_t rows, states, classes, near_states;
	unsigned char class_of[256];
	struct state *state;      /* 0: no character; then those of one */
	uint16_t *near;           /* [near_states][classes] */
	uint16_t chain[ROWS_MAX]; /* per row: 1 + next row of the same keyword */
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

static size_t child_of(const struct keywords *w, size_t at, size_t class)
{
	size_t to = w->state[at].child;

	while (to && w->state[to].class != class)
		to = w->state[to].sibling;
	return to;
}

static size_t add_child(struct keywords *w, size_t at, size_t class)
{
	size_t to = child_of(w, at, class);

	if (to)
		return to;
	to = w->states++;
	w->state[to].class = (uint16_t)class;
	w->state[to].sibling = w->state[at].child;
	w->state[at].child = (uint16_t)to;
	return to;
}

static void add_keyword(struct keywords *w, size_t row, const char *key, size_t n)
{
	size_t at = 0;

	for (size_t j = 0; j < n; j++)
		at = add_child(w, at, w->class_of[key_char(key[j])]);
	w->chain[row] = w->state[at].head;
	w->state[at].head = (uint16_t)(row + 1);
}

/* All states of one character first, so that a state's number says whether it is one. */
static void add_keywords(struct keywords *w, const struct klog_rule *rules)
{
	size_t n;

	for (size_t i = 0; i < w->rows; i++) {
		const char *key = longest_piece(rules[i].pattern, &n);

		if (n > 0)
			add_child(w, 0, w->class_of[key_char(*key)]);
	}
	w->near_states = w->states;
	for (size_t i = 0; i < w->rows; i++) {
		const char *key = longest_piece(rules[i].pattern, &n);

		add_keyword(w, i, key, n);
	}
}

static void fill_near(struct keywords *w)
{
	for (size_t at = 0; at < w->near_states; at++)
		for (size_t c = 0; c < w->classes; c++) {
			size_t to = child_of(w, at, c);

			w->near[at * w->classes + c] = (uint16_t)(to ? to : w->near[c]);
		}
}

static size_t step(const struct keywords *w, size_t at, size_t class)
{
	while (at >= w->near_states) {
		size_t to = child_of(w, at, class);

		if (to)
			return to;
		at = w->state[at].back;
	}
	return w->near[at * w->classes + class];
}

/* The children of @at, whose own way back is known. */
static void lead_back(struct keywords *w, size_t at)
{
	for (size_t to = w->state[at].child; to; to = w->state[to].sibling) {
		struct state *s = &w->state[to];

		s->back = (uint16_t)(at ? step(w, w->state[at].back, s->class) : 0);
		s->ends = w->state[s->back].head ? s->back : w->state[s->back].ends;
	}
}

/* As deep as one goes at a time: a way back leads to a shorter state. */
static void close_automaton(struct keywords *w, size_t at, size_t depth)
{
	if (depth == 0) {
		lead_back(w, at);
		return;
	}
	for (size_t to = w->state[at].child; to; to = w->state[to].sibling)
		close_automaton(w, to, depth - 1);
}

int keywords_new(const struct klog_rule *rules, size_t n, struct keywords **ret)
{
	struct keywords *w = n <= ROWS_MAX ? calloc(1, sizeof(*w)) : NULL;

	if (!w)
		return -ENOMEM;
	w->rows = n;
	w->states = 1;
	number_classes(w, rules);
	w->state = calloc(n * KEY_MAX + 1, sizeof(*w->state));
	w->near = calloc(w->classes * w->classes, sizeof(*w->near));
	if (!w->state || !w->near) {
		keywords_free(w);
		return -ENOMEM;
	}
	add_keywords(w, rules);
	fill_near(w);
	for (size_t depth = 0; depth < KEY_MAX; depth++)
		close_automaton(w, 0, depth);
	*ret = w;
	return 0;
}

struct keywords *keywords_free(struct keywords *w)
{
	if (!w)
		return NULL;
	free(w->state);
	free(w->near);
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
		at = step(w, at, w->class_of[(unsigned char)p[i]]);
		if (!w->state[at].head && !w->state[at].ends)
			continue;
		for (size_t end = at; end; end = w->state[end].ends)
			for (unsigned row = w->state[end].head; row; row = w->chain[row - 1]) {
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
