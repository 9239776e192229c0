/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text: numbers and units that are the whole text or nothing, and small string helpers. Encodings
 * are in text_encode.c. Written by hand because strtol(3) and friends skip blanks, take signs and
 * obey the locale.
 */
#include "core/text.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* The low-level digest on purpose: it allocates nothing and so cannot fail. EVP does, and a state file
 * must not be judged damaged for want of memory. */
#define OPENSSL_API_COMPAT 10100
#include <openssl/sha.h>

static bool text_is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool text_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char text_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* @word is lower case. */
static bool text_is_word(const char *p, size_t n, const char *word)
{
	if (strlen(word) != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text_lower(p[i]) != word[i])
			return false;
	}
	return true;
}

int text_u64(const char *p, size_t n, uint64_t *ret)
{
	uint64_t value = 0;

	if (n == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (!text_is_digit(p[i]))
			return -EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(p[i] - '0'), &value))
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

int text_i64(const char *p, size_t n, int64_t *ret)
{
	bool negative = n > 0 && p[0] == '-';
	uint64_t magnitude;
	int r = text_u64(p + negative, n - negative, &magnitude);

	if (r < 0)
		return r;
	if (magnitude > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	*ret = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	return 0;
}

/* [-]digits[.digits][e[+-]digits]: what strtod(3) would also take (hex, inf, blanks) is refused. */
static bool text_is_decimal(const char *p, size_t n)
{
	size_t i = 0, digits = 0;

	if (i < n && p[i] == '-')
		i++;
	for (; i < n && text_is_digit(p[i]); i++)
		digits++;
	if (i < n && p[i] == '.') {
		for (i++; i < n && text_is_digit(p[i]); i++)
			digits++;
	}
	if (digits == 0)
		return false;
	if (i < n && text_lower(p[i]) == 'e') {
		i++;
		if (i < n && (p[i] == '+' || p[i] == '-'))
			i++;
		if (i >= n)
			return false;
		while (i < n && text_is_digit(p[i]))
			i++;
	}
	return i == n;
}

int text_double(const char *p, size_t n, double *ret)
{
	char copy[128];
	double value;

	if (n >= sizeof(copy) || !text_is_decimal(p, n))
		return -EINVAL;
	memcpy(copy, p, n);
	copy[n] = '\0';
	/* The program never calls setlocale(3), so the point is a point. */
	value = strtod(copy, NULL);
	if (!isfinite(value))
		return -ERANGE;
	*ret = value;
	return 0;
}

int text_bool(const char *p, size_t n, bool *ret)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{"1", true}, {"true", true}, {"yes", true}, {"on", true},
		{"0", false}, {"false", false}, {"no", false}, {"off", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (text_is_word(p, n, words[i].word)) {
			*ret = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

struct text_unit {
	const char *word;
	uint64_t factor;
};

static int text_with_unit(const char *p, size_t n, const struct text_unit *units, size_t n_units,
			  uint64_t *ret)
{
	size_t digits = 0;
	uint64_t value;
	int r;

	while (digits < n && text_is_digit(p[digits]))
		digits++;
	r = text_u64(p, digits, &value);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n_units; i++) {
		if (!text_is_word(p + digits, n - digits, units[i].word))
			continue;
		return __builtin_mul_overflow(value, units[i].factor, ret) ? -ERANGE : 0;
	}
	return -EINVAL;
}

static const struct text_unit text_durations[] = {
	{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
};

int text_duration_ms(const char *p, size_t n, int64_t *ret_ms)
{
	uint64_t value;
	int r = text_with_unit(p, n, text_durations, ARRAY_SIZE(text_durations), &value);

	if (r < 0)
		return r;
	if (value > INT64_MAX)
		return -ERANGE;
	*ret_ms = (int64_t)value;
	return 0;
}

int text_size(const char *p, size_t n, uint64_t *ret_bytes)
{
	static const struct text_unit units[] = {
		{"", 1}, {"b", 1}, {"k", 1024}, {"kib", 1024}, {"m", 1 << 20}, {"mib", 1 << 20},
		{"g", 1 << 30}, {"gib", 1 << 30}, {"t", 1ULL << 40}, {"tib", 1ULL << 40},
	};
	uint64_t value;
	int r = text_with_unit(p, n, units, ARRAY_SIZE(units), &value);

	if (r == 0)
		*ret_bytes = value;
	return r;
}

void text_duration_str(int64_t ms, char out[static 24])
{
	const struct text_unit *best = &text_durations[1];

	if (ms == 0) {
		snprintf(out, 24, "0s");
		return;
	}
	/* The rows after the bare number grow, so the last that divides is the shortest. */
	for (size_t i = 1; i < ARRAY_SIZE(text_durations); i++) {
		if (ms % (int64_t)text_durations[i].factor == 0)
			best = &text_durations[i];
	}
	/* 2d reads better than 48h, but 1d12h has no exact form in days and stays 36h. */
	snprintf(out, 24, "%lld%s", (long long)(ms / (int64_t)best->factor), best->word);
}

void text_trim(const char **p, size_t *n)
{
	while (*n > 0 && text_is_blank(**p)) {
		(*p)++;
		(*n)--;
	}
	while (*n > 0 && text_is_blank((*p)[*n - 1]))
		(*n)--;
}

bool text_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool text_list_next(const char *list, char sep, size_t *pos, const char **ret_p, size_t *ret_n)
{
	while (list && list[*pos]) {
		const char *start = list + *pos;
		const char *end = strchr(start, sep);
		size_t n = end ? (size_t)(end - start) : strlen(start);

		*pos += n + (end != NULL);
		text_trim(&start, &n);
		if (n == 0)
			continue;
		*ret_p = start;
		*ret_n = n;
		return true;
	}
	return false;
}

/* Bounds of the second byte per first byte, as in the Unicode standard's table 3-7. */
static size_t text_utf8_sequence(const unsigned char *p, size_t n)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : low;
	high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : high;
	if (n < len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

size_t text_utf8_valid(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t len = text_utf8_sequence((const unsigned char *)p + i, n - i);

		if (len == 0)
			break;
		i += len;
	}
	return i;
}

void text_vprint(char *out, size_t size, const char *fmt, va_list ap)
{
	int wanted = vsnprintf(out, size, fmt, ap);
	size_t n = wanted < 0 ? 0 : strlen(out), whole;

	if (wanted < 0)
		out[0] = '\0';
	if (wanted < 0 || (size_t)wanted < size)
		return;
	whole = text_utf8_valid(out, n);
	if (n - whole < 4) /* else it was not UTF-8 long before the cut */
		out[whole] = '\0';
}

void text_print(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_vprint(out, size, fmt, ap);
	va_end(ap);
}

void text_sha256_hex(const void *p, size_t n, char out[static 65])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx;

	SHA256_Init(&ctx);
	SHA256_Update(&ctx, p, n);
	SHA256_Final(sum, &ctx);
	for (size_t i = 0; i < sizeof(sum); i++) {
		out[2 * i] = digits[sum[i] >> 4];
		out[2 * i + 1] = digits[sum[i] & 15];
	}
	out[64] = '\0';
}
