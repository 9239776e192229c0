/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a request may go and by which way: which hosts are near (never through a proxy), which ones
 * no_proxy names, and where distributions keep their bundle of certificate authorities. Pure,
 * except for looking whether a bundle is there.
 */
#include "core/http_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include "core/text.h"

struct address {
	unsigned bits; /* 32 or 128; 0 = a name */
	unsigned char byte[16];
};

/* Addresses that wrap an IPv4 address are judged as that. */
static const unsigned char v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

static void address_parse(const char *host, struct address *a)
{
	struct in_addr four;

	a->bits = 0;
	/* inet_aton: "127.1" and "0x7f000001" are loopback for the C library, so they are here */
	if (inet_aton(host, &four)) {
		a->bits = 32;
		memcpy(a->byte, &four, 4);
		return;
	}
	if (inet_pton(AF_INET6, host, a->byte) != 1)
		return;
	a->bits = 128;
	if (memcmp(a->byte, v4_mapped, sizeof(v4_mapped)) == 0) {
		a->bits = 32;
		memmove(a->byte, a->byte + 12, 4);
	}
}

static bool address_in(const struct address *a, const struct address *net, unsigned prefix)
{
	unsigned whole = prefix / 8, rest = prefix % 8;

	if (a->bits == 0 || a->bits != net->bits || prefix > net->bits)
		return false;
	if (memcmp(a->byte, net->byte, whole) != 0)
		return false;
	return rest == 0 || ((a->byte[whole] ^ net->byte[whole]) >> (8 - rest)) == 0;
}

static bool name_below(const char *host, size_t host_n, const char *domain, size_t n)
{
	if (host_n < n || n == 0 || strncasecmp(host + host_n - n, domain, n) != 0)
		return false;
	return host_n == n || host[host_n - n - 1] == '.';
}

static size_t name_length(const char *host)
{
	size_t n = strlen(host);

	return n > 0 && host[n - 1] == '.' ? n - 1 : n; /* the root's dot */
}

bool http_host_is_near(const char *host)
{
	static const struct {
		struct address net;
		unsigned prefix;
	} near[] = {
		{{32, {127}}, 8},	  {{32, {169, 254}}, 16}, {{32, {0}}, 32},
		{{128, {[15] = 1}}, 128}, {{128, {0}}, 128},	  {{128, {0xfe, 0x80}}, 10},
	};
	struct address a;

	address_parse(host, &a);
	for (size_t i = 0; i < ARRAY_SIZE(near); i++)
		if (address_in(&a, &near[i].net, near[i].prefix))
			return true;
	return name_below(host, name_length(host), "localhost", strlen("localhost"));
}

static bool entry_is_network(const char *entry, const struct address *host)
{
	char text[64];
	char *slash;
	struct address net;
	uint64_t prefix;

	if (host->bits == 0 || strlen(entry) >= sizeof(text))
		return false;
	memcpy(text, entry, strlen(entry) + 1);
	slash = strchr(text, '/');
	if (slash)
		*slash = '\0';
	address_parse(text, &net);
	prefix = net.bits;
	if (slash && text_u64(slash + 1, strlen(slash + 1), &prefix) < 0)
		return false;
	return prefix <= 128 && address_in(host, &net, (unsigned)prefix);
}

/* An entry is "*", an address, a network, or a name that stands for itself and all below it,
 * leading dot or not. */
static bool entry_matches(const char *p, size_t n, const char *host, const struct address *address)
{
	char entry[256];

	if (n >= 2 && p[0] == '[' && p[n - 1] == ']') {
		p++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(entry))
		return false;
	memcpy(entry, p, n);
	entry[n] = '\0';
	if (strcmp(entry, "*") == 0 || entry_is_network(entry, address))
		return true;
	if (address->bits != 0)
		return false;
	p = entry + (entry[0] == '.');
	return name_below(host, name_length(host), p, name_length(p));
}

bool http_no_proxy_matches(const char *no_proxy, const char *host)
{
	struct address address;
	const char *p;
	size_t pos = 0, n;

	if (!no_proxy)
		return false;
	address_parse(host, &address);
	while (text_list_next(no_proxy, ',', &pos, &p, &n))
		if (entry_matches(p, n, host, &address))
			return true;
	return false;
}

const char *http_policy_proxy(const struct http_setup *setup, const struct http_url *u)
{
	const char *proxy =
		strcmp(u->scheme, "https") == 0 ? setup->https_proxy : setup->http_proxy;

	if (!proxy || !proxy[0] || http_host_is_near(u->host) ||
	    http_no_proxy_matches(setup->no_proxy, u->host))
		return "";
	return proxy;
}

/* Debian, Alpine, Arch; RHEL and its kin; older ones; SUSE; musl's default place. */
static const char *const ca_places[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/var/lib/ca-certificates/ca-bundle.pem",
	"/etc/ssl/cert.pem",
	"/etc/pki/tls/cert.pem",
};

bool http_policy_ca_file(const struct env *env, const char *ca_file, char out[static ENV_PATH_MAX])
{
	if (ca_file && ca_file[0]) {
		env_path(env, ca_file, out);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(ca_places); i++)
		if (access(env_path(env, ca_places[i], out), R_OK) == 0)
			return true;
	return false;
}
