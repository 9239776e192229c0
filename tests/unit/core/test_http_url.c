/* SPDX-License-Identifier: Apache-2.0 */
/* URLs, Host headers, what may be logged of a URL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include "core/http.h"

/* What is signed and what is sent come from these fields: each part is where it belongs, byte for
 * byte. */
static void test_parts(void **state)
{
	static const struct {
		const char *url, *scheme, *host, *zone, *path, *header;
		int port;
	} rows[] = {
		{"http://heat.example", "http", "heat.example", "", "/", "heat.example", 80},
		{"HTTPS://Heat.Example:443/V1/", "https", "heat.example", "", "/V1/",
		 "heat.example", 443},
		{"http://h:8000/v1/?a=b%2F&c=#frag", "http", "h", "", "/v1/?a=b%2F&c=", "h:8000",
		 8000},
		{"http://h?x=1", "http", "h", "", "/?x=1", "h", 80},
		{"http://h:443/", "http", "h", "", "/", "h:443", 443},
		{"https://h:80/", "https", "h", "", "/", "h:80", 80},
		{"http://[::1]:8004/v1", "http", "::1", "", "/v1", "[::1]:8004", 8004},
		{"http://[FE80::A9FE:A9FE%25eth0]/openstack", "http", "fe80::a9fe:a9fe", "eth0",
		 "/openstack", "[fe80::a9fe:a9fe]", 80},
		{"http://[fe80::a9fe:a9fe%ens3]:80/", "http", "fe80::a9fe:a9fe", "ens3", "/",
		 "[fe80::a9fe:a9fe]", 80},
		{"http://169.254.169.254/a/../b//c", "http", "169.254.169.254", "", "/a/../b//c",
		 "169.254.169.254", 80},
		{"http://h/arn%3aopenstack%3Aheat::x:stacks/s", "http", "h", "",
		 "/arn%3aopenstack%3Aheat::x:stacks/s", "h", 80},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf header = BUF_INIT(400);
		struct http_url u;

		assert_int_equal(http_url_parse(rows[i].url, &u), 0);
		assert_string_equal(u.scheme, rows[i].scheme);
		assert_string_equal(u.host, rows[i].host);
		assert_string_equal(u.zone, rows[i].zone);
		assert_string_equal(u.path, rows[i].path);
		assert_int_equal(u.port, rows[i].port);
		http_url_host_header(&u, &header);
		assert_string_equal(buf_str(&header), rows[i].header);
		http_url_deinit(&u);
	}
}

/* Anything that could be read in two ways, or smuggle a line or a user, is refused. */
static void test_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"h",
		"//h/",
		"/v1",
		"ftp://h/",
		"file:///etc/passwd",
		"http:/h/",
		"http://",
		"http:///x",
		"http://:80/",
		"http://u@h/",
		"http://u:p@h/",
		"http://h:0/",
		"http://h:65536/",
		"http://h:80x/",
		"http://h:/",
		"http://h:-1/",
		"http://h /",
		"http://h/a b",
		"http://h/a\r\nX: y",
		"http://h\\@x/",
		"http://h/\x7f",
		"http://h/\xc3\xa9",
		"http://h\xc3\xa9/",
		"http://[::1/",
		"http://[::1]x/",
		"http://[::1]:/",
		"http://[]/",
		"http://[g::1]/",
		"http://[fe80::1%]/",
		"http://[fe80::1%25]:1/x y",
		"http://[fe80::1%a/b]/",
		"http://::1/",
		"http://.h/",
		"http://h%00/",
		"http://[1.2.3.4]/",
		" http://h/",
		"http://[fe80::1%aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]/",
	};

	(void)state;
	assert_int_equal(http_url_parse(NULL, &(struct http_url){0}), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct http_url u;

		if (http_url_parse(rows[i], &u) != -EINVAL)
			fail_msg("taken: %s", rows[i]);
		assert_null(u.path);
	}
}

/* No length of input gets past the fields' sizes. */
static void test_long(void **state)
{
	char url[20000];
	struct http_url u;

	(void)state;
	memset(url, 'a', sizeof(url));
	memcpy(url, "http://", 7);
	url[7 + 255] = '\0';
	assert_int_equal(http_url_parse(url, &u), 0);
	http_url_deinit(&u);
	url[7 + 255] = 'a';
	url[7 + 256] = '\0';
	assert_int_equal(http_url_parse(url, &u), -EINVAL);
	url[7 + 256] = 'a';
	url[8] = '/';
	url[sizeof(url) - 1] = '\0';
	assert_int_equal(http_url_parse(url, &u), -EINVAL);
	url[16000] = '\0';
	assert_int_equal(http_url_parse(url, &u), 0);
	http_url_deinit(&u);
}

/* Query (signatures, tokens) and userinfo never reach a log, whatever the text is. */
static void test_redact(void **state)
{
	static const struct {
		const char *url, *out;
	} rows[] = {
		{"https://h:8000/v1/waitcondition/arn%3Ax?Signature=abc",
		 "https://h:8000/v1/waitcondition/arn%3Ax"},
		{"http://user:secret@h/p?q", "http://h/p"},
		{"http://user:se/cret@h/x", "http://h/x"},
		{"user:secret@h", "h"},
		{"http://a@b@h/x#secret", "http://h/x"},
		{"http://h?secret://x@y", "http://h"},
		{"?secret", ""},
		{"secret@x?y://z", "x"},
		{"http://h/\n\x1b[31m", "http://h/\\x0a\\x1b[31m"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(1000);

		http_url_redact(rows[i].url, &out);
		assert_string_equal(buf_str(&out), rows[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_redact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
