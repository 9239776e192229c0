/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading numbers fast: up to 18 digits are collected in an integer and scaled once by an exact
 * power of ten; whatever is longer or has a large exponent goes to the checked slow parser. The
 * last bit may differ from strtod(3); no decision hangs on it.
 */
#include "predict/replay_line.h"

#include <errno.h>
#include <math.h>
#include <strings.h>

#include "core/text.h"

static bool is_gap(char c)
{
	return c == ' ' || c == '\t' || c == ',' || c == '\r' || c == '\n';
}

static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
			      1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

/* "[-]digits[.digits]"; false when it is anything else. */
static bool fast_number(const char *p, size_t n, double *ret)
{
	bool negative = n && *p == '-', point = false;
	size_t i = negative, digits = 0, behind = 0;
	uint64_t value = 0;

	for (; i < n; i++) {
		if (p[i] == '.' && !point) {
			point = true;
			continue;
		}
		if (p[i] < '0' || p[i] > '9' || ++digits > 18)
			return false;
		value = value * 10 + (uint64_t)(p[i] - '0');
		behind += point;
	}
	if (!digits)
		return false;
	*ret = (double)value / tens[behind];
	if (negative)
		*ret = -*ret;
	return true;
}

static int number(const char *p, size_t n, double *ret)
{
	if (fast_number(p, n, ret))
		return 0;
	if ((n == 1 && *p == '-') || (n == 3 && !strncasecmp(p, "nan", 3))) {
		*ret = NAN;
		return 0;
	}
	return text_double(p, n, ret) ? -EINVAL : 0;
}

int replay_line(const char *p, size_t n, double *ret, size_t max, size_t *ret_n)
{
	size_t at = 0, from;
	int r;

	*ret_n = 0;
	for (;;) {
		while (at < n && is_gap(p[at]))
			at++;
		if (at == n || (p[at] == '#' && !*ret_n))
			return 0;
		for (from = at; at < n && !is_gap(p[at]); at++)
			;
		if (*ret_n == max)
			return -E2BIG;
		r = number(p + from, at - from, &ret[*ret_n]);
		if (r)
			return r;
		++*ret_n;
	}
}
