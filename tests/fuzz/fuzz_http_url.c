/* SPDX-License-Identifier: Apache-2.0 */
/* URLs: what is taken stays within its fields and survives being written and read again; what is
 * logged has no query. */
#include <assert.h>
#include <string.h>
#include "core/http_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct http_url *u)
{
	_cleanup_buf_ struct buf text = BUF_INIT(65536);
	struct http_url b;
	char name[256];
	int port;

	buf_printf(&text, "%s://", u->scheme);
	http_url_host_header(u, &text);
	buf_puts(&text, u->path);
	assert(http_url_parse(buf_str(&text), &b) == 0);
	assert(strcmp(b.host, u->host) == 0 && b.port == u->port && strcmp(b.path, u->path) == 0);
	http_name_needed(u, "", name, &port);
	http_url_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct buf safe = BUF_INIT(1 << 20);
	_cleanup_free_ char *url = strndup((const char *)data, size);
	struct http_url u, other;
	char name[256];
	int port;

	http_url_redact(url, &safe);
	assert(!strpbrk(buf_str(&safe), "?#"));
	if (http_url_parse(url, &u) == 0) {
		assert(u.path[0] == '/' && u.port > 0 && u.port < 65536 && u.host[0]);
		again(&u);
		http_url_deinit(&u);
	}
	if (http_url_parse("http://h/", &other) == 0) {
		http_name_needed(&other, url, name, &port);
		http_url_deinit(&other);
	}
	return 0;
}
