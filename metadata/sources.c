/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of sources in order of preference. heat comes before cfn: with a token that lasts an
 * hour a poll costs the cloud about a tenth of a signed one, and stock policy since Heat 22 refuses
 * cfn's. A signed URL and a queue cost Heat nothing, but tell of the guest's own resource only. What the
 * newest os-collect-config block names goes before this order.
 */
#include "metadata/source.h"

#include <ctype.h>
#include <string.h>

const struct source_ops *const sources[] = {&source_heat,  &source_tempurl, &source_zaqar,
					    &source_cfn,   &source_local,   NULL};

#define RANDOM_PART 12 /* characters after the resource's name, lower case and digits */

static size_t random_tail(const char *p, size_t n)
{
	size_t len = 0;

	while (len < n && (islower((unsigned char)p[n - 1 - len]) || isdigit((unsigned char)p[n - 1 - len])))
		len++;
	return len;
}

/* The folder of the object in a URL, or the whole of a name. */
static const char *place_name(const char *place, size_t *n)
{
	const char *end = place + strcspn(place, "?"), *start;

	if (memchr(place, '/', (size_t)(end - place))) {
		end = memrchr(place, '/', (size_t)(end - place));
		start = memrchr(place, '/', (size_t)(end - place));
		place = start ? start + 1 : place;
	}
	*n = (size_t)(end - place);
	return place;
}

bool source_rename(struct credentials *cred, const char *place, const char *resource)
{
	size_t n, len = strlen(resource);
	const char *name = place_name(place, &n);
	bool heats = n > RANDOM_PART + 1 && random_tail(name, n) == RANDOM_PART &&
		     name[n - RANDOM_PART - 1] == '-';

	if (cred->resource || !len)
		return false;
	n -= heats ? RANDOM_PART + 1 : 0;
	if (heats && (n <= len || memcmp(name + n - len, resource, len) != 0 || name[n - len - 1] != '-'))
		return false;
	cred->resource = strdup(resource);
	return cred->resource != NULL;
}

const char *source_name(const char *name)
{
	for (size_t i = 0; name && sources[i]; i++) {
		if (!strcmp(sources[i]->name, name))
			return sources[i]->name;
	}
	return NULL;
}
