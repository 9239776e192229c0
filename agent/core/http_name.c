/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names. libcurl resolves in a thread per name, and one that is abandoned lives on until the C
 * library gives up (ten seconds and more with a silent name server). So threads are counted where
 * the kernel keeps the truth, and the address that last answered is kept for each host, for when
 * resolving does not.
 */
#include "core/http_private.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/stat.h>
#include "core/text.h"

/* The program makes no threads of its own, so all but the first are resolvers, also those that a
 * client before this one left behind. Always the kernel's own folder, whatever --root says: it is
 * about this process. */
long http_name_threads(void)
{
	struct stat st;

	if (stat("/proc/self/task", &st) < 0 || st.st_nlink < 3)
		return -1;
	return (long)st.st_nlink - 3; /* one link per thread, beside "." and ".." */
}

static struct http_name *find(struct http_names *names, const char *host)
{
	for (size_t i = 0; i < HTTP_NAMES_MAX; i++)
		if (strcmp(names->list[i].host, host) == 0)
			return &names->list[i];
	return NULL;
}

static struct http_name *oldest(struct http_names *names)
{
	struct http_name *best = &names->list[0];

	for (size_t i = 1; i < HTTP_NAMES_MAX; i++)
		if (names->list[i].used < best->used)
			best = &names->list[i];
	return best;
}

const char *http_names_last(struct http_names *names, const char *host)
{
	struct http_name *n = host[0] ? find(names, host) : NULL;

	if (!n)
		return NULL;
	n->used = ++names->order;
	return n->address;
}

void http_names_forget(struct http_names *names, const char *host)
{
	for (size_t i = 0; i < HTTP_NAMES_MAX; i++)
		if (strcmp(names->list[i].host, host) == 0)
			names->list[i] = (struct http_name){.used = 0};
}

void http_names_keep(struct http_names *names, const char *host, const char *address)
{
	struct http_name *n;

	if (!host[0] || !address || !address[0] || strlen(address) >= sizeof(n->address))
		return;
	n = find(names, host);
	if (!n)
		n = oldest(names);
	snprintf(n->host, sizeof(n->host), "%s", host);
	snprintf(n->address, sizeof(n->address), "%s", address);
	n->used = ++names->order;
}

static bool is_address(const char *host)
{
	struct in6_addr six;
	struct in_addr four;

	return inet_pton(AF_INET6, host, &six) == 1 || inet_aton(host, &four) != 0;
}

/* Proxies may carry a user and lack a scheme; libcurl's default port for them is 1080. */
static void split_proxy(const char *proxy, char name[static 256], int *port)
{
	const char *sep = strstr(proxy, "://"), *p = sep ? sep + 3 : proxy, *at;
	size_t n = strcspn(p, "/");
	uint64_t number = text_starts(proxy, "https://") ? 443 : 1080;
	char text[600];
	char *colon;

	at = memrchr(p, '@', n);
	if (at) {
		n -= (size_t)(at + 1 - p);
		p = at + 1;
	}
	*port = (int)number;
	name[0] = '\0';
	if (n == 0 || n >= 256 + 6 || p[0] == '[')
		return; /* an IPv6 literal */
	snprintf(text, sizeof(text), "%.*s", (int)n, p);
	colon = strchr(text, ':');
	if (colon && text_u64(colon + 1, strlen(colon + 1), &number) == 0 && number <= 65535)
		*port = (int)number;
	if (colon)
		*colon = '\0';
	if (strlen(text) < 256)
		snprintf(name, 256, "%.255s", text);
}

void http_name_needed(const struct http_url *u, const char *proxy, char name[static 256], int *port)
{
	if (proxy[0]) {
		split_proxy(proxy, name, port);
	} else {
		snprintf(name, 256, "%s", u->host);
		*port = u->port;
	}
	/* libcurl answers "localhost" itself, without a thread */
	if (is_address(name) || http_host_is_near(name))
		name[0] = '\0';
}
