/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/init/archive_name.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/text.h"

/* The next component of (*p, *n). Return: false at the end. */
static bool next_part(const char **p, size_t *n, const char **part, size_t *part_n)
{
	while (*n > 0 && **p == '/') {
		++*p;
		--*n;
	}
	*part = *p;
	*part_n = 0;
	while (*part_n < *n && (*part)[*part_n] != '/')
		++*part_n;
	*p += *part_n;
	*n -= *part_n;
	return *part_n > 0;
}

static bool is(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && !memcmp(p, word, n);
}

int archive_name(const char *p, size_t n, size_t strip, struct buf *out)
{
	const char *part;
	size_t part_n, depth = 0;

	if (n > ARCHIVE_NAME_MAX)
		return -ENAMETOOLONG;
	if (n == 0 || *p == '/' || memchr(p, '\0', n) || memchr(p, '\n', n))
		return -EPERM;
	while (next_part(&p, &n, &part, &part_n)) {
		if (is(part, part_n, ".."))
			return -EPERM;
		if (is(part, part_n, "."))
			continue;
		if (part_n > 255 || ++depth > ARCHIVE_DEPTH_MAX)
			return -ENAMETOOLONG;
		if (depth <= strip)
			continue;
		if (out->len > 0)
			buf_putc(out, '/');
		buf_put(out, part, part_n);
	}
	if (buf_error(out))
		return buf_error(out);
	return out->len > 0 ? 0 : 1;
}

static size_t depth_of(const char *name)
{
	size_t depth = 0;

	for (; *name; name++)
		depth += *name == '/';
	return depth;
}

int archive_target(const char *name, const char *target)
{
	size_t n = strlen(target), part_n, climbs = 0;
	const char *part;
	bool named = false;

	if (n == 0 || n > ARCHIVE_NAME_MAX || *target == '/')
		return -EPERM;
	while (next_part(&target, &n, &part, &part_n)) {
		bool up = is(part, part_n, "..");

		if (up && (named || ++climbs > depth_of(name)))
			return -EPERM;
		named = named || (!up && !is(part, part_n, "."));
	}
	return 0;
}

/* Host of an http(s) URL. */
static const char *host_of(const char *url, size_t *n)
{
	const char *p = strstr(url, "://");

	if (!p || strncasecmp(url, "http", 4) != 0)
		return NULL;
	*n = strcspn(p + 3, "/?#:");
	return p + 3;
}

static bool below_github(const char *host, size_t n)
{
	static const char name[] = "github.com";
	size_t k = strlen(name);

	return n >= k && !strncasecmp(host + n - k, name, k) && (n == k || host[n - k - 1] == '.');
}

bool archive_strips_top(const char *url)
{
	size_t n;
	const char *host = host_of(url, &n);

	return host && below_github(host, n) &&
	       (strstr(host + n, "/tarball/") || strstr(host + n, "/zipball/") ||
		strstr(host + n, "/legacy.tar.gz/") || strstr(host + n, "/legacy.zip/"));
}

int archive_single_name(const char *url, struct buf *out)
{
	static const char *const endings[] = {".gz", ".bz2", ".xz", ".lzma"};
	const char *host = strstr(url, "://"), *from;
	size_t n;

	host = host ? host + 3 : url;
	n = strcspn(host, "?#");
	for (from = host + n; from > host && from[-1] != '/';)
		from--;
	n -= (size_t)(from - host);
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		size_t k = strlen(endings[i]);

		if (n > k && !strncasecmp(from + n - k, endings[i], k)) {
			n -= k;
			break;
		}
	}
	return from == host || memchr(from, '/', n) || archive_name(from, n, 0, out) != 0 ? -EPERM
											  : 0;
}
