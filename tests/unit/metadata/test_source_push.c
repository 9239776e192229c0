/* SPDX-License-Identifier: Apache-2.0 */
/* Signed URLs and queues: conditional requests, which message is the newest, what is deleted and when. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "metadata/messages.h"
#include "metadata/rig.h"

#define PUSHED                                                                                     \
	"{\"deployments\":[{\"name\":\"d\",\"inputs\":[{\"name\":\"deploy_server_id\",\"value\":"  \
	"\"srv-uuid\"},{\"name\":\"deploy_stack_id\",\"value\":\"web/7b1c\"}]}],\"note\":\"n\"}"

/* ---- tempurl ---- */

struct url_script {
	int status;
	const char *body, *headers;
};

static void answer_url(const struct httpd_seen *seen _unused_, unsigned nth _unused_,
		       struct httpd_reply *reply, void *ctx)
{
	const struct url_script *sc = ctx;

	reply->status = sc->status;
	reply->body = sc->body;
	reply->headers = sc->headers;
}

static struct httpd *open_url(struct rig *rig, struct url_script *sc, struct source **s)
{
	struct err e = ERR_INIT;
	struct httpd *h = httpd_start(&(struct httpd_setup){.fn = answer_url, .ctx = sc});

	assert_non_null(h);
	rig_init(rig);
	rig->creds.request.kind = CREDENTIALS_URL;
	rig->creds.request.metadata_url =
		strdup(httpd_url(h, "/v1/AUTH_p/web-srv-k3jd82mx01qz/object?temp_url_sig=f00d&temp_url_expires=9"));
	assert_true(source_tempurl.usable(&rig->setup));
	assert_int_equal(source_tempurl.open(&rig->setup, s, &e), 0);
	return h;
}

static void close_url(struct rig *rig, struct httpd *h, struct source *s)
{
	source_tempurl.close(s);
	httpd_stop(h);
	rig_deinit(rig);
}

static unsigned with_header(struct httpd *h, const char *name)
{
	char value[160];
	unsigned n = 0;

	for (unsigned i = 0; i < httpd_count(h); i++)
		n += httpd_header(httpd_seen(h, i), name, value, sizeof(value)) && *value;
	return n;
}

/* The document knows what its deployments tell; the next request is conditional by ETag alone. */
static void tempurl_document(void **state)
{
	struct url_script sc = {200, PUSHED,
				"ETag: \"abc\"\r\nLast-Modified: Mon, 30 Nov 2026 16:52:17 GMT\r\n"};
	struct rig rig;
	struct source *s;
	struct httpd *h = open_url(&rig, &sc, &s);
	char value[64];

	(void)state;
	assert_int_equal(rig_fetch(&rig, &source_tempurl, s, NULL, true), FETCH_OK);
	assert_string_equal(rig.doc.source, "tempurl");
	assert_string_equal(rig.doc.physical_id, "srv-uuid");
	assert_string_equal(rig.doc.stack_id, "web/7b1c");
	assert_string_equal(rig.doc.stack, "web");
	assert_int_equal(with_header(h, "If-None-Match"), 0);
	assert_int_equal(rig_fetch(&rig, &source_tempurl, s, NULL, true), FETCH_OK);
	assert_string_equal(httpd_header(httpd_seen(h, 1), "If-None-Match", value, sizeof(value)), "\"abc\"");
	assert_int_equal(with_header(h, "If-Modified-Since"), 0);
	assert_string_equal(httpd_seen(h, 1)->method, "GET");
	close_url(&rig, h, s);
}

static void tempurl_last_modified(void **state)
{
	struct url_script sc = {200, "{}", "Last-Modified: Mon, 30 Nov 2026 16:52:17 GMT\r\n"};
	struct rig rig;
	struct source *s;
	struct httpd *h = open_url(&rig, &sc, &s);

	(void)state;
	assert_int_equal(rig_fetch(&rig, &source_tempurl, s, NULL, true), FETCH_OK);
	assert_int_equal(rig_fetch(&rig, &source_tempurl, s, NULL, true), FETCH_OK);
	assert_int_equal(with_header(h, "If-Modified-Since"), 1);
	close_url(&rig, h, s);
}

/* What each status means; the query never comes into a sentence. */
static void tempurl_refusals(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum fetch_class class;
	} cases[] = {
		{304, "", FETCH_UNCHANGED},
		{401, "401 Unauthorized: Temp URL invalid\n", FETCH_EXPIRED_URL},
		{403, "", FETCH_EXPIRED_URL},
		{404, "", FETCH_GONE},
		{503, "", FETCH_BUSY},
		{500, "", FETCH_SERVER_ERROR},
		{302, "", FETCH_NOT_HEAT},
		{200, "[]", FETCH_BAD_DOCUMENT},
		{200, "{\"a\":", FETCH_BAD_DOCUMENT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct url_script sc = {cases[i].status, cases[i].body, NULL};
		struct rig rig;
		struct source *s;
		struct httpd *h = open_url(&rig, &sc, &s);

		assert_int_equal(rig_fetch(&rig, &source_tempurl, s, NULL, true), cases[i].class);
		assert_null(strstr(rig.why, "f00d"));
		close_url(&rig, h, s);
	}
}

/* Heat names container and queue after the resource; hooks know its name. */
static void own_name(void **state)
{
	static const struct {
		const char *place, *resource;
		bool own;
	} cases[] = {
		{"web-srv-k3jd82mx01qz", "srv", true},
		{"web-app-srv-k3jd82mx01qz", "app-srv", true},
		{"web-srv-k3jd82mx01qz", "web", false},
		{"web-srv-k3jd82mx01qz", "rv", false},
		{"srv-k3jd82mx01qz", "srv", false}, /* no stack before it: not of Heat's making */
		{"https://h/v1/AUTH_p/web-srv-k3jd82mx01qz/o/?x=/a/b", "other", true}, /* not of Heat's making */
		{"https://h/v1/AUTH_p/web-srv-k3jd82mx01qz/o?x=/a/b", "srv", true},
		{"https://h/v1/AUTH_p/web-srv-k3jd82mx01qz/o?x=/a/b", "o", false},
		{"https://h/v1/AUTH_p/configs/srv7?x", "anything", true},
		{"queue", "", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct credentials c = {0};

		if (source_rename(&c, cases[i].place, cases[i].resource) != cases[i].own)
			fail_msg("%s in %s", cases[i].resource, cases[i].place);
		if (cases[i].own) {
			assert_string_equal(c.resource, cases[i].resource);
			assert_false(source_rename(&c, cases[i].place, cases[i].resource));
		}
		credentials_deinit(&c);
	}
}

/* ---- messages ---- */

static void messages(void **state)
{
	static const char two[] = "{\"messages\":[{\"id\":\"a\",\"age\":1.5,\"body\":{\"n\":1}},"
				  "{\"id\":\"b-2\",\"age\":0.25,\"body\":{\"n\":2}},"
				  "{\"id\":\"c\",\"age\":9,\"body\":{\"n\":3}}]}";
	static const char ties[] = "[{\"id\":\"a\",\"age\":0,\"body\":1},{\"id\":\"b\",\"age\":0,\"body\":2}]";
	static const char *const bad[] = {"{}", "[1]", "{\"messages\":[{\"body\":1}]}", "[{\"id\":\"a b\"}]",
					  "[{\"id\":\"../x\"}]", "{", "7"};
	struct messages m;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(messages_parse(two, strlen(two), &m, &e), 0);
	assert_int_equal(m.n, 3);
	assert_string_equal(m.list[m.newest].id, "b-2");
	assert_int_equal(json_integer_value(json_object_get(m.body, "n")), 2);
	messages_deinit(&m);
	assert_int_equal(messages_parse(ties, strlen(ties), &m, &e), 0);
	assert_string_equal(m.list[m.newest].id, "b");
	messages_deinit(&m);
	assert_int_equal(messages_parse("", 0, &m, &e), 0);
	assert_int_equal(m.n, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(messages_parse(bad[i], strlen(bad[i]), &m, &e), -EBADMSG);
		assert_null(m.body);
	}
}

/* ---- zaqar ---- */

struct queue { /* what the server holds; each request sees it as it is then */
	const char *lists[6]; /* one per GET, the last one again and again */
	unsigned gets, unauthorized;
	int status, delete_status;
};

static void answer_queue(const struct httpd_seen *seen, unsigned nth _unused_, struct httpd_reply *reply,
			 void *ctx)
{
	static char body[1024];
	struct queue *q = ctx;
	char host[128];

	if (!strcmp(seen->method, "POST")) {
		snprintf(body, sizeof(body),
			 "{\"token\":{\"expires_at\":\"2099-01-01T00:00:00Z\",\"project\":{\"id\":\"p1\"},"
			 "\"catalog\":[{\"type\":\"messaging\",\"endpoints\":[{\"interface\":\"public\","
			 "\"region_id\":\"R\",\"url\":\"http://%s/z\"}]}]}}",
			 httpd_header(seen, "Host", host, sizeof(host)));
		*reply = (struct httpd_reply){.status = 201, .headers = "X-Subject-Token: tok\r\n", .body = body};
	} else if (!strcmp(seen->method, "DELETE")) {
		reply->status = q->delete_status ? q->delete_status : 204;
	} else if (q->unauthorized) {
		q->unauthorized--;
		reply->status = 401;
	} else {
		reply->status = q->status ? q->status : 200;
		reply->body = q->lists[q->gets] ? q->lists[q->gets] : "";
		if (q->gets + 1 < ARRAY_SIZE(q->lists) && q->lists[q->gets + 1])
			q->gets++;
	}
}

static struct httpd *open_queue(struct rig *rig, struct queue *q, struct source **s)
{
	struct credentials *c = &rig->creds.zaqar;
	struct err e = ERR_INIT;
	struct httpd *h = httpd_start(&(struct httpd_setup){.fn = answer_queue, .ctx = q});

	assert_non_null(h);
	rig_init(rig);
	c->kind = CREDENTIALS_PASSWORD;
	c->auth_url = strdup(httpd_url(h, "/v3"));
	c->user_id = strdup("u1");
	c->password = strdup("pw");
	c->project_id = strdup("p1");
	c->queue = strdup("web-srv-k3jd82mx01qz");
	assert_int_equal(source_zaqar.open(&rig->setup, s, &e), 0);
	return h;
}

static void close_queue(struct rig *rig, struct httpd *h, struct source *s)
{
	source_zaqar.close(s);
	httpd_stop(h);
	rig_deinit(rig);
}

static const char *last_delete(struct httpd *h)
{
	const char *target = NULL;

	for (unsigned i = 0; i < httpd_count(h); i++) {
		if (!strcmp(httpd_seen(h, i)->method, "DELETE"))
			target = httpd_seen(h, i)->target;
	}
	return target;
}

#define MESSAGE(id, age, note) "{\"id\":\"" id "\",\"age\":" age ",\"body\":{\"note\":\"" note "\"}}"
#define LIST(...)	       "{\"messages\":[" __VA_ARGS__ "]}"

/* The newest is the document, older ones are deleted at once, the newest only when it is kept. */
static void zaqar_newest(void **state)
{
	struct queue q = {.lists = {LIST(MESSAGE("old", "9", "o") "," MESSAGE("new", "1", "n")),
				    LIST(MESSAGE("new", "2", "n")), LIST(MESSAGE("new", "3", "n")), LIST()}};
	struct rig rig;
	struct source *s;
	struct httpd *h = open_queue(&rig, &q, &s);
	char value[64];

	(void)state;
	assert_int_equal(rig_fetch(&rig, &source_zaqar, s, NULL, true), FETCH_OK);
	assert_string_equal(rig.doc.source, "zaqar");
	assert_string_equal(json_str(rig.doc.metadata, "note"), "n");
	assert_string_equal(httpd_seen(h, 1)->target,
			    "/z/v2/queues/web-srv-k3jd82mx01qz/messages?limit=5&echo=true&include_claimed=true");
	assert_int_equal(strlen(httpd_header(httpd_seen(h, 1), "Client-ID", value, sizeof(value))), 36);
	assert_string_equal(httpd_header(httpd_seen(h, 1), "X-Project-Id", value, sizeof(value)), "p1");
	assert_string_equal(last_delete(h), "/z/v2/queues/web-srv-k3jd82mx01qz/messages?ids=old");
	assert_int_equal(rig_fetch(&rig, &source_zaqar, s, NULL, true), FETCH_UNCHANGED);
	assert_non_null(strstr(last_delete(h), "ids=old")); /* not on disk yet: it stays */
	source_zaqar.kept(s);
	assert_int_equal(rig_fetch(&rig, &source_zaqar, s, NULL, true), FETCH_UNCHANGED);
	assert_non_null(strstr(last_delete(h), "ids=new"));
	assert_int_equal(rig_fetch(&rig, &source_zaqar, s, NULL, true), FETCH_UNCHANGED);
	close_queue(&rig, h, s);
}

/* More than a page: each round deletes and looks again, and the newest of all is the document. */
static void zaqar_drains(void **state)
{
	struct queue q = {.lists = {LIST(MESSAGE("a", "9", "a") "," MESSAGE("b", "8", "b") "," MESSAGE(
					    "c", "7", "c") "," MESSAGE("d", "6", "d") "," MESSAGE("e", "5", "e")),
				    LIST(MESSAGE("e", "5", "e") "," MESSAGE("f", "1", "f"))}};
	struct rig rig;
	struct source *s;
	struct httpd *h = open_queue(&rig, &q, &s);

	(void)state;
	assert_int_equal(rig_fetch(&rig, &source_zaqar, s, NULL, true), FETCH_OK);
	assert_string_equal(json_str(rig.doc.metadata, "note"), "f");
	assert_non_null(strstr(last_delete(h), "ids=e"));
	close_queue(&rig, h, s);
}

/* Empty, absent, refused, broken; a token that the service takes no more is renewed once. */
static void zaqar_refusals(void **state)
{
	static const struct {
		struct queue q;
		enum fetch_class class;
	} cases[] = {
		{{.lists = {LIST()}}, FETCH_UNCHANGED},
		{{.status = 204}, FETCH_UNCHANGED},
		{{.status = 404}, FETCH_GONE},
		{{.status = 403}, FETCH_REFUSED},
		{{.status = 503}, FETCH_BUSY},
		{{.unauthorized = 1, .lists = {LIST(MESSAGE("a", "1", "a"))}}, FETCH_OK},
		{{.unauthorized = 2, .lists = {LIST(MESSAGE("a", "1", "a"))}}, FETCH_REFUSED},
		{{.lists = {"{\"messages\":7}"}}, FETCH_BAD_DOCUMENT},
		{{.lists = {LIST("{\"id\":\"a\",\"age\":1,\"body\":[]}")}}, FETCH_BAD_DOCUMENT},
		{{.delete_status = 500, .lists = {LIST(MESSAGE("a", "2", "a") "," MESSAGE("b", "1", "b"))}}, FETCH_OK},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct queue q = cases[i].q;
		struct rig rig;
		struct source *s;
		struct httpd *h = open_queue(&rig, &q, &s);

		assert_int_equal(rig_fetch(&rig, &source_zaqar, s, NULL, true), cases[i].class);
		/* what cannot be used is told as long as nothing newer came */
		if (cases[i].class == FETCH_BAD_DOCUMENT)
			assert_int_equal(rig_fetch(&rig, &source_zaqar, s, NULL, true), FETCH_BAD_DOCUMENT);
		close_queue(&rig, h, s);
	}
}

/* Closed while a token or an answer is awaited: nothing comes any more. */
static void closed_while_busy(void **state)
{
	struct queue q = {.lists = {LIST()}};
	struct rig rig;
	struct source *s;
	struct httpd *h = open_queue(&rig, &q, &s);

	(void)state;
	assert_int_equal(source_zaqar.fetch(s, NULL, true, rig_answered, &rig), 0);
	assert_int_equal(source_zaqar.fetch(s, NULL, true, rig_answered, &rig), -EBUSY);
	source_zaqar.close(s);
	rig_run_for(&rig, 50);
	assert_int_equal(rig.answers, 0);
	httpd_stop(h);
	rig_deinit(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tempurl_document), cmocka_unit_test(tempurl_last_modified),
		cmocka_unit_test(tempurl_refusals), cmocka_unit_test(own_name),
		cmocka_unit_test(messages),	    cmocka_unit_test(zaqar_newest),
		cmocka_unit_test(zaqar_drains),	    cmocka_unit_test(zaqar_refusals),
		cmocka_unit_test(closed_while_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
