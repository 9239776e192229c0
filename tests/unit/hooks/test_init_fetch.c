/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of hooks/init/fetch.h. */
#include "fixture.h"

#include "core/http.h"
#include "core/json.h"
#include "hooks/init/fetch.h"
#include "tests/unit/httpd.h"
#include "tests/unit/skip.h"

static void test_next(void **state)
{
	static const struct {
		const char *url, *location, *want;
	} rows[] = {
		{"http://h/a/b?q=1", "http://g/c", "http://g/c"},
		{"http://h/a", "https://g/c?x=y#f", "https://g/c?x=y"},
		{"https://h:8443/a/b", "/c", "https://h:8443/c"},
		{"http://h/a/b?q=/x", "c", "http://h/a/c"},
		{"http://h", "c", "http://h/c"},
		{"https://h/a", "http://h/a", NULL}, /* never back to plain */
		{"http://h/a", "//g/c", NULL},
		{"http://h/a", "", NULL},
		{"http://h/a", "ftp://g/c", NULL},
		{"http://h/a", "file:///etc/passwd", NULL},
		{"http://h/a", "http://u:p@g/c", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(8192);
		int r = fetch_next_url(rows[i].url, rows[i].location, &out);

		if ((r == 0) != (rows[i].want != NULL) || (r == 0 && strcmp(buf_str(&out), rows[i].want)))
			fail_msg("%s %s: %d %s", rows[i].url, rows[i].location, r, buf_str(&out));
	}
}

static void test_authorization(void **state)
{
	json_t *auth = json_loads("{\"a\":{\"type\":\"basic\",\"username\":\"u\",\"password\":\"p\",\"uris\":[\"http://h/x\"]},"
				  "\"s3\":{\"type\":\"S3\",\"accessKeyId\":\"k\"}}", 0, NULL);
	static const struct {
		const char *name, *url, *want; /* want NULL: refused */
	} rows[] = {
		{NULL, "http://h/x/y", "Authorization: Basic dTpw"},
		{NULL, "http://h/y", ""},
		{"a", "http://g/", "Authorization: Basic dTpw"},
		{"none", "http://g/", NULL},
		{"s3", "http://g/", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(1024);
		struct err e = ERR_INIT;
		int r = fetch_authorization(auth, rows[i].name, rows[i].url, &out, &e);

		if ((r == 0) != (rows[i].want != NULL) || (r == 0 && strcmp(buf_str(&out), rows[i].want)))
			fail_msg("row %zu: %d %s", i, r, buf_str(&out));
	}
	json_decref(auth);
}

/* ---- downloads ---- */

static void answer(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply, void *ctx)
{
	(void)ctx;
	reply->body = "content";
	if (strstr(seen->target, "/moved")) {
		reply->status = 302;
		reply->headers = "Location: /there?secret=s\r\n";
	} else if (strstr(seen->target, "/loop")) {
		reply->status = 302;
		reply->headers = "Location: /loop\r\n";
	} else if (strstr(seen->target, "/later")) {
		reply->status = nth % 2 ? 200 : 503;
	} else if (strstr(seen->target, "/none")) {
		reply->status = 404;
	} else if (strstr(seen->target, "/cut")) {
		reply->act = HTTPD_CUT;
	}
}

static int get(const struct fixture *f, const char *url, const json_t *auth, struct buf *text, struct err *e)
{
	const struct init_setup setup = {.env = &f->env};
	_cleanup_close_ int fd = fetch_file(&setup, url, auth, NULL, e);

	return fd < 0 ? fd : fs_read_fd(fd, text);
}

static void test_download(void **state)
{
	struct fixture *f = *state;
	struct httpd *h = httpd_start(&(struct httpd_setup){.fn = answer});
	static const char *const good[] = {"/x?secret=s", "/moved", "/later"};
	static const char *const bad[] = {"/none?secret=s", "/loop?secret=s"};
	unsigned before;

	if (!h)
		skip_because("no server on loopback");
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_buf_ struct buf text = BUF_INIT(1000);
		struct err e = ERR_INIT;

		if (get(f, httpd_url(h, good[i]), NULL, &text, &e) != 0 || strcmp(buf_str(&text), "content"))
			fail_msg("%s: %s \"%s\"", good[i], e.text, buf_str(&text));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_buf_ struct buf text = BUF_INIT(1000);
		struct err e = ERR_INIT;

		before = httpd_count(h);
		assert_true(get(f, httpd_url(h, bad[i]), NULL, &text, &e) < 0);
		assert_true(httpd_count(h) - before <= 7);
		assert_true(e.text[0] != '\0');
		assert_null(strstr(e.text, "secret")); /* a signed URL stays out of logs */
	}
	httpd_stop(h);
}

/* Keys go to the host they are for, not to where it sends us. */
static void away(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply, void *ctx)
{
	static char location[300];

	(void)seen;
	(void)nth;
	snprintf(location, sizeof(location), "Location: %s\r\n", (const char *)ctx);
	reply->status = 302;
	reply->headers = location;
}

static void test_keys_stay(void **state)
{
	struct fixture *f = *state;
	struct httpd *other = httpd_start(&(struct httpd_setup){.fn = answer}), *first;
	_cleanup_buf_ struct buf text = BUF_INIT(1000);
	char target[300], seen[200];
	struct err e = ERR_INIT;
	json_t *auth;

	if (!other)
		skip_because("no server on loopback");
	snprintf(target, sizeof(target), "%s", httpd_url(other, "/x"));
	first = httpd_start(&(struct httpd_setup){.fn = away, .ctx = target});
	assert_non_null(first);
	auth = json_pack("{s:{s:s,s:s,s:s,s:[s]}}", "a", "type", "basic", "username", "u", "password", "p", "uris",
			 httpd_url(first, "/"));
	assert_int_equal(get(f, httpd_url(first, "/a"), auth, &text, &e), 0);
	assert_string_equal(httpd_header(httpd_seen(first, 0), "Authorization", seen, sizeof(seen)), "Basic dTpw");
	assert_string_equal(httpd_header(httpd_seen(other, 0), "Authorization", seen, sizeof(seen)), "");
	json_decref(auth);
	httpd_stop(first);
	httpd_stop(other);
}

/* http_request.body_fd: only a good answer's body goes to the file, and no more than is allowed. */
static void test_body_fd(void **state)
{
	struct fixture *f = *state;
	struct httpd *h = httpd_start(&(struct httpd_setup){0});
	struct http_setup setup = {0};
	struct http_request request = {.method = "GET", .timeout_ms = 10000, .body_max = 1000};
	struct http_answer a;
	struct err e = ERR_INIT;
	char path[ENV_PATH_MAX];
	struct stat st;
	FILE *file;

	if (!h)
		skip_because("no server on loopback");
	fixture_path(f, "/body", path);
	file = fopen(path, "w+");
	assert_non_null(file);
	request.body_fd = fileno(file);
	request.url = httpd_url(h, "/status/404");
	assert_int_equal(http_fetch(&f->env, &setup, &request, &a, &e), 0);
	assert_int_equal(a.status, 404);
	assert_true(a.body.len > 0);
	http_answer_deinit(&a);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
	request.url = httpd_url(h, "/length/1000");
	assert_int_equal(http_fetch(&f->env, &setup, &request, &a, &e), 0);
	assert_int_equal(a.failure, HTTP_OK);
	assert_int_equal(a.body.len, 0);
	http_answer_deinit(&a);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 1000);
	request.url = httpd_url(h, "/flood/5000");
	assert_int_equal(http_fetch(&f->env, &setup, &request, &a, &e), 0);
	assert_int_equal(a.failure, HTTP_TOO_BIG);
	http_answer_deinit(&a);
	fclose(file);
	httpd_stop(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_authorization),
		cmocka_unit_test_setup_teardown(test_download, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_keys_stay, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_body_fd, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
