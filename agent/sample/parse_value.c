/* SPDX-License-Identifier: Apache-2.0 */
/* See parse_value.h. */
#include "sample/parse_value.h"

#include <errno.h>

#include "core/text.h"
#include "sample/scan.h"

#define NO_LIMIT (UINT64_C(1) << 62)

static struct span trimmed(const char *p, size_t n)
{
	text_trim(&p, &n);
	return (struct span){p, n};
}

int parse_number(const char *p, size_t n, uint64_t *ret)
{
	struct span s = trimmed(p, n);

	return text_u64(s.p, s.n, ret) ? -EINVAL : 0;
}

int parse_hex(const char *p, size_t n, uint64_t *ret)
{
	struct span s = trimmed(p, n);
	uint64_t v = 0;

	if (s.n > 2 && s.p[0] == '0' && s.p[1] == 'x') {
		s.p += 2;
		s.n -= 2;
	}
	if (!s.n || s.n > 16)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		int digit = text_hex_digit(s.p[i]);

		if (digit < 0)
			return -EINVAL;
		v = v << 4 | (unsigned)digit;
	}
	*ret = v;
	return 0;
}

int parse_limit(const char *p, size_t n, uint64_t *ret)
{
	struct span s = trimmed(p, n);
	uint64_t v;

	if (scan_is(&s, "max"))
		return 1;
	if (text_u64(s.p, s.n, &v))
		return -EINVAL;
	if (v >= NO_LIMIT)
		return 1;
	*ret = v;
	return 0;
}

/* "pages_ballooned       : 0" */
static bool colon_line(struct span *line, struct span *key, uint64_t *value)
{
	struct span word;

	if (!scan_word(line, key))
		return false;
	if (key->n && key->p[key->n - 1] == ':')
		key->n--;
	else if (!scan_word(line, &word) || !scan_is(&word, ":"))
		return false;
	return scan_u64(line, value);
}

int parse_hyperv_balloon(const char *p, size_t n, struct parse_hyperv_balloon *ret)
{
	const struct {
		const char *key;
		uint64_t *to;
	} rows[] = {
		{"page_size", &ret->page_size},
		{"pages_ballooned", &ret->pages_ballooned},
		{"pages_added", &ret->pages_added},
		{"pages_onlined", &ret->pages_onlined},
		{"total_pages_committed", &ret->committed},
		{"max_dynamic_page_count", &ret->max_pages},
	};
	struct span in = {p, n}, line, key;
	unsigned found = 0;
	uint64_t value;

	*ret = (struct parse_hyperv_balloon){0};
	while (scan_line(&in, &line)) {
		if (!colon_line(&line, &key, &value))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			if (scan_is(&key, rows[i].key)) {
				*rows[i].to = value;
				found |= 1u << i;
			}
	}
	return (found & 3) == 3 && ret->page_size && ret->page_size <= 1 << 30 ? 0 : -EINVAL;
}
