/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs, strictly: absolute http and https without userinfo, ASCII only, no blanks. What a signature
 * covers and what goes over the wire are both made from the one parsed form, so they cannot differ.
 * No normalising: the path stays byte for byte, a scheme and a host name only become lower case, a
 * fragment is dropped.
 */
#include "core/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include "core/text.h"

#define URL_MAX 16384

struct span {
	const char *p;
	size_t n;
};

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool all_of(struct span s, const char *also)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && (s.p[i] == '\0' || !strchr(also, s.p[i])))
			return false;
	return s.n > 0;
}

static int copy_lower(char *out, size_t size, struct span s)
{
	if (s.n >= size)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++)
		out[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + ('a' - 'A')) : s.p[i];
	out[s.n] = '\0';
	return 0;
}

static int copy_text(char *out, size_t size, struct span s)
{
	if (s.n >= size)
		return -EINVAL;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return 0;
}

static int parse_scheme(const char **p, struct http_url *u)
{
	static const struct {
		const char *prefix, *name;
		int port;
	} schemes[] = {{"http://", "http", 80}, {"https://", "https", 443}};

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		size_t n = strlen(schemes[i].prefix);

		if (strncasecmp(*p, schemes[i].prefix, n) != 0)
			continue;
		memcpy(u->scheme, schemes[i].name, strlen(schemes[i].name) + 1);
		u->port = schemes[i].port;
		*p += n;
		return 0;
	}
	return -EINVAL;
}

/* "fe80::1%25eth0" as RFC 6874 has it, "fe80::1%eth0" as people write it. */
static int parse_zone(struct span zone, struct http_url *u)
{
	if (zone.n > 2 && zone.p[0] == '2' && zone.p[1] == '5') {
		zone.p += 2;
		zone.n -= 2;
	}
	return all_of(zone, "._-~@") ? copy_text(u->zone, sizeof(u->zone), zone) : -EINVAL;
}

static int parse_bracketed(struct span host, struct http_url *u)
{
	const char *percent = memchr(host.p, '%', host.n);
	struct in6_addr address;
	int r;

	if (percent) {
		r = parse_zone((struct span){percent + 1, (size_t)(host.p + host.n - percent - 1)},
			       u);
		if (r < 0)
			return r;
		host.n = (size_t)(percent - host.p);
	}
	u->bracketed = true;
	r = copy_lower(u->host, sizeof(u->host), host);
	return r < 0 || inet_pton(AF_INET6, u->host, &address) != 1 ? -EINVAL : 0;
}

static int parse_port(struct span port, struct http_url *u)
{
	uint64_t value;

	if (port.n > 5 || text_u64(port.p, port.n, &value) < 0 || value < 1 || value > 65535)
		return -EINVAL;
	u->port = (int)value;
	return 0;
}

static int parse_name(struct span host, struct http_url *u)
{
	if (!all_of(host, "-._") || host.p[0] == '.')
		return -EINVAL;
	return copy_lower(u->host, sizeof(u->host), host);
}

static int parse_authority(struct span a, struct http_url *u)
{
	bool bracketed = a.n > 0 && a.p[0] == '[';
	const char *close = bracketed ? memchr(a.p, ']', a.n) : NULL;
	const char *from = bracketed ? close : a.p, *colon;
	struct span host;

	if (!from)
		return -EINVAL;
	colon = memchr(from, ':', (size_t)(a.p + a.n - from));
	if (colon && parse_port((struct span){colon + 1, (size_t)(a.p + a.n - colon - 1)}, u) < 0)
		return -EINVAL;
	host = (struct span){a.p, colon ? (size_t)(colon - a.p) : a.n};
	if (!bracketed)
		return parse_name(host, u);
	if (host.p + host.n != close + 1)
		return -EINVAL;
	return parse_bracketed((struct span){a.p + 1, host.n - 2}, u);
}

static int parse_path(const char *p, struct http_url *u)
{
	size_t n = strcspn(p, "#");
	bool slash = *p == '/';

	for (size_t i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] > '~')
			return -EINVAL;
	u->path = malloc(n + 2);
	if (!u->path)
		return -ENOMEM;
	u->path[0] = '/';
	memcpy(u->path + !slash, p, n);
	u->path[n + !slash] = '\0';
	return 0;
}

int http_url_parse(const char *url, struct http_url *ret)
{
	struct http_url u = {0};
	const char *p = url;
	struct span authority;

	*ret = u;
	if (!url || strnlen(url, URL_MAX) == URL_MAX || parse_scheme(&p, &u) < 0)
		return -EINVAL;
	authority = (struct span){p, strcspn(p, "/?#")};
	if (parse_authority(authority, &u) < 0)
		return -EINVAL;
	if (parse_path(p + authority.n, &u) < 0)
		return -EINVAL;
	*ret = u;
	return 0;
}

void http_url_deinit(struct http_url *u)
{
	free(u->path);
	u->path = NULL;
}

void http_url_host_header(const struct http_url *u, struct buf *out)
{
	int standard = strcmp(u->scheme, "https") == 0 ? 443 : 80;

	buf_printf(out, u->bracketed ? "[%s]" : "%s", u->host);
	if (u->port != standard)
		buf_printf(out, ":%d", u->port);
}

void http_url_redact(const char *url, struct buf *out)
{
	size_t scheme =
		strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
	size_t start = strncmp(url + scheme, "://", 3) == 0 ? scheme + 3 : 0;
	size_t end = start + strcspn(url + start, "?#"), host = start;

	/* the last "@" of all: a password may hold any character, in a URL that is none for that */
	for (size_t i = start; i < end; i++)
		if (url[i] == '@')
			host = i + 1;
	text_escape(out, url, start);
	text_escape(out, url + host, end - host);
}
