/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/init/version.h"

#include <ctype.h>
#include <string.h>

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static const char *skip_marks(const char *p)
{
	while (*p && !digit(*p) && !letter(*p) && *p != '~')
		p++;
	return p;
}

static size_t run(const char *p, bool (*is)(char))
{
	size_t n = 0;

	while (is(p[n]))
		n++;
	return n;
}

/* By value without leading zeros: longer is more. */
static int compare_numbers(const char *a, size_t na, const char *b, size_t nb)
{
	for (; na > 0 && *a == '0'; na--)
		a++;
	for (; nb > 0 && *b == '0'; nb--)
		b++;
	if (na != nb)
		return na < nb ? -1 : 1;
	return memcmp(a, b, na);
}

static int compare_words(const char *a, size_t na, const char *b, size_t nb)
{
	int r = memcmp(a, b, na < nb ? na : nb);

	return r ? r : (na > nb) - (na < nb);
}

/* "~" sorts before the end, the end before anything else. */
static int compare_ends(const char *a, const char *b)
{
	if (*a == '~' || *b == '~')
		return (*b == '~') - (*a == '~');
	return (*a != '\0') - (*b != '\0');
}

int version_compare(const char *a, const char *b)
{
	for (;;) {
		bool numbers;
		size_t na, nb;
		int r;

		a = skip_marks(a);
		b = skip_marks(b);
		if (*a == '~' && *b == '~') {
			a++;
			b++;
			continue;
		}
		if (!*a || !*b || *a == '~' || *b == '~')
			return compare_ends(a, b);
		numbers = digit(*a);
		if (numbers != digit(*b))
			return numbers ? 1 : -1; /* a number is younger than a word */
		na = run(a, numbers ? digit : letter);
		nb = run(b, numbers ? digit : letter);
		r = numbers ? compare_numbers(a, na, b, nb) : compare_words(a, na, b, nb);
		if (r)
			return r;
		a += na;
		b += nb;
	}
}

static bool fits(const char *installed, const char *wanted)
{
	size_t n = strlen(wanted);

	return n > 0 && !strncmp(installed, wanted, n) && !isalnum((unsigned char)installed[n]);
}

bool version_fits(const char *installed, const char *wanted)
{
	const char *colon = strchr(installed, ':'); /* an epoch that was not written down */

	return fits(installed, wanted) ||
	       (colon && !strchr(wanted, ':') && fits(colon + 1, wanted));
}
