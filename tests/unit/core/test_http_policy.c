/* SPDX-License-Identifier: Apache-2.0 */
/* Near hosts, no_proxy, the choice of a proxy and of the authorities' bundle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "core/fs.h"
#include "core/http_private.h"

/* Whatever way loopback or the metadata service is written, it is near; and nothing else is. */
static void test_near(void **state)
{
	static const char *const near[] = {"127.0.0.1",
					   "127.255.0.9",
					   "127.1",
					   "0x7f000001",
					   "2130706433",
					   "169.254.169.254",
					   "::1",
					   "::ffff:127.0.0.1",
					   "::ffff:169.254.169.254",
					   "fe80::a9fe:a9fe",
					   "febf::1",
					   "localhost",
					   "LOCALHOST",
					   "localhost.",
					   "a.localhost",
					   "0.0.0.0",
					   "::"};
	static const char *const far[] = {
		"128.0.0.1",	     "126.255.255.255", "169.253.0.1", "169.255.0.1",
		"10.0.0.1",	     "fec0::1",		"::2",	       "::ffff:10.0.0.1",
		"localhost.example", "notlocalhost",	"heat",	       "",
		"127.0.0.1.example"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(near); i++)
		if (!http_host_is_near(near[i]))
			fail_msg("far: %s", near[i]);
	for (size_t i = 0; i < ARRAY_SIZE(far); i++)
		if (http_host_is_near(far[i]))
			fail_msg("near: %s", far[i]);
}

/* Names stand for themselves and what is below, addresses for networks, and neither for the other. */
static void test_no_proxy(void **state)
{
	static const struct {
		const char *list, *host;
		bool match;
	} rows[] = {
		{NULL, "h", false},
		{"", "h", false},
		{",, ,", "h", false},
		{"*", "h", true},
		{"*", "10.0.0.1", true},
		{"example.com", "example.com", true},
		{"example.com", "a.example.com", true},
		{".example.com", "a.example.com", true},
		{".example.com", "example.com", true},
		{"example.com", "badexample.com", false},
		{"example.com", "example.com.evil", false},
		{"EXAMPLE.com", "example.COM", true},
		{"example.com", "example.com.", true},
		{"example.com.", "example.com", true},
		{" a , b ", "b", true},
		{"a,b", "c", false},
		{".", "h", false},
		{"10.0.0.0/8", "10.1.2.3", true},
		{"10.0.0.0/8", "11.1.2.3", false},
		{"10.0.0.0/9", "10.128.0.1", false},
		{"10.1.2.3", "10.1.2.3", true},
		{"10.1.2.3", "10.1.2.4", false},
		{"10.0.0.0/33", "10.0.0.0", false},
		{"10.0.0.0/x", "10.0.0.0", false},
		{"10.0.0.0/", "10.0.0.0", false},
		{"0.0.0.0/0", "8.8.8.8", true},
		{"fd00::/8", "fd12::1", true},
		{"fd00::/8", "fe12::1", false},
		{"[::5]", "::5", true},
		{"::/0", "10.0.0.1", false},
		{"10", "x.10", true},
		{"2.3", "10.1.2.3", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (http_no_proxy_matches(rows[i].list, rows[i].host) != rows[i].match)
			fail_msg("row %zu: %s %s", i, rows[i].list, rows[i].host);
}

static const char *proxy_for(const struct http_setup *setup, const char *url)
{
	struct http_url u;
	const char *proxy;

	assert_int_equal(http_url_parse(url, &u), 0);
	proxy = http_policy_proxy(setup, &u);
	http_url_deinit(&u);
	return proxy;
}

/* A proxy is used for its scheme only, and never for what is near: the metadata service would
 * answer for the proxy's own host. */
static void test_proxy(void **state)
{
	struct http_setup s = {
		.http_proxy = "http://p:1", .https_proxy = "http://p:2", .no_proxy = "in.example"};
	struct http_setup none = {0}, empty = {.http_proxy = ""};

	(void)state;
	assert_string_equal(proxy_for(&s, "http://h/"), "http://p:1");
	assert_string_equal(proxy_for(&s, "https://h/"), "http://p:2");
	assert_string_equal(proxy_for(&s, "http://a.in.example/"), "");
	assert_string_equal(proxy_for(&s, "http://169.254.169.254/"), "");
	assert_string_equal(proxy_for(&s, "http://[fe80::a9fe:a9fe%25eth0]/"), "");
	assert_string_equal(proxy_for(&s, "http://127.1/"), "");
	assert_string_equal(proxy_for(&none, "http://h/"), "");
	assert_string_equal(proxy_for(&empty, "http://h/"), "");
}

/* What a resolver thread would be needed for: not addresses, not localhost, and with a proxy the
 * proxy's name. */
static void test_name_needed(void **state)
{
	static const struct {
		const char *url, *proxy, *name;
		int port;
	} rows[] = {
		{"http://heat.example:8000/", "", "heat.example", 8000},
		{"https://heat/", "", "heat", 443},
		{"http://10.0.0.1/", "", "", 0},
		{"http://[fd00::1]/", "", "", 0},
		{"http://localhost:1/", "", "", 0},
		{"http://h/", "http://proxy:3128", "proxy", 3128},
		{"http://h/", "u:p@proxy:8/", "proxy", 8},
		{"http://h/", "proxy", "proxy", 1080},
		{"http://h/", "https://u@proxy", "proxy", 443},
		{"http://h/", "http://10.0.0.9:3128", "", 0},
		{"http://h/", "http://[fd00::9]:3128", "", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct http_url u;
		char name[256];
		int port;

		assert_int_equal(http_url_parse(rows[i].url, &u), 0);
		http_name_needed(&u, rows[i].proxy, name, &port);
		assert_string_equal(name, rows[i].name);
		if (name[0])
			assert_int_equal(port, rows[i].port);
		http_url_deinit(&u);
	}
}

/* The last good addresses: one per host, newest wins, the longest unused makes room. */
static void test_last_good(void **state)
{
	struct http_names names = {0};
	char host[16];

	(void)state;
	assert_null(http_names_last(&names, "a"));
	assert_null(http_names_last(&names, ""));
	http_names_keep(&names, "a", "10.0.0.1");
	http_names_keep(&names, "a", "10.0.0.2");
	http_names_keep(&names, "", "10.0.0.3");
	http_names_keep(&names, "a", "");
	assert_string_equal(http_names_last(&names, "a"), "10.0.0.2");
	for (int i = 0; i < HTTP_NAMES_MAX; i++) {
		snprintf(host, sizeof(host), "h%d", i);
		http_names_keep(&names, host, "10.1.1.1");
		if (i < HTTP_NAMES_MAX - 1)
			assert_non_null(http_names_last(&names, "a"));
	}
	assert_non_null(http_names_last(&names, "a")); /* it was asked for: "h0" went */
	assert_null(http_names_last(&names, "h0"));
	assert_null(http_names_last(&names, ""));
}

static void put(const char *root, const char *dir, const char *file)
{
	char path[400];

	snprintf(path, sizeof(path), "%s%s", root, dir);
	assert_int_equal(fs_mkdirs(path, 0700), 0);
	snprintf(path, sizeof(path), "%s%s/%s", root, dir, file);
	assert_int_equal(fs_write_atomic(path, "x", 1, 0600, NULL), 0);
}

/* Each distribution's bundle is found, below --root, and ca_file goes before all. */
static void test_ca_places(void **state)
{
	static const char *const places[][2] = {
		{"/etc/pki/tls", "cert.pem"},
		{"/etc/ssl", "cert.pem"},
		{"/var/lib/ca-certificates", "ca-bundle.pem"},
		{"/etc/ssl", "ca-bundle.pem"},
		{"/etc/pki/tls/certs", "ca-bundle.crt"},
		{"/etc/pki/ca-trust/extracted/pem", "tls-ca-bundle.pem"},
		{"/etc/ssl/certs", "ca-certificates.crt"},
	};
	char root[] = "/tmp/http-policy-XXXXXX", out[ENV_PATH_MAX], want[400];
	struct env env;

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(env_init(&env, root), 0);
	assert_false(http_policy_ca_file(&env, NULL, out));
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		put(root, places[i][0], places[i][1]);
		snprintf(want, sizeof(want), "%s%s/%s", root, places[i][0], places[i][1]);
		assert_true(http_policy_ca_file(&env, "", out));
		assert_string_equal(out, want);
	}
	assert_true(http_policy_ca_file(&env, "/my/ca.pem", out));
	snprintf(want, sizeof(want), "%s/my/ca.pem", root);
	assert_string_equal(out, want);
	fs_remove_tree(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_near),	  cmocka_unit_test(test_no_proxy),
		cmocka_unit_test(test_proxy),	  cmocka_unit_test(test_name_needed),
		cmocka_unit_test(test_last_good), cmocka_unit_test(test_ca_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
