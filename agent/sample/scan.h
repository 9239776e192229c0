/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parsers of this room are made of: whole lines, words between blanks, numbers. A span is
 * moved on by what was taken from it. Inner header: parse*.c only.
 */
#pragma once

#include <string.h>

#include "core/text.h"

struct span {
	const char *p;
	size_t n;
};

/* Whole lines only: a number at the end of a text that was cut may be a part of one. */
static inline bool scan_line(struct span *in, struct span *line)
{
	const char *end = in->n ? memchr(in->p, '\n', in->n) : NULL;

	if (!end)
		return false;
	line->p = in->p;
	line->n = (size_t)(end - in->p);
	in->p = end + 1;
	in->n -= line->n + 1;
	return true;
}

static inline bool scan_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static inline void scan_blanks(struct span *in)
{
	while (in->n && scan_is_blank(*in->p)) {
		in->p++;
		in->n--;
	}
}

static inline bool scan_word(struct span *in, struct span *word)
{
	scan_blanks(in);
	word->p = in->p;
	while (in->n && !scan_is_blank(*in->p)) {
		in->p++;
		in->n--;
	}
	word->n = (size_t)(in->p - word->p);
	return word->n > 0;
}

static inline bool scan_is(const struct span *s, const char *text)
{
	size_t n = strlen(text);

	return s->n == n && !memcmp(s->p, text, n);
}

/* The next word as a number. */
static inline bool scan_u64(struct span *in, uint64_t *ret)
{
	struct span word;

	return scan_word(in, &word) && text_u64(word.p, word.n, ret) == 0;
}
