/* SPDX-License-Identifier: Apache-2.0 */
/* Ways to the metadata: what is remembered of them, a new one that a document names, others while one fails. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "metadata/told.h"
#include "metadata/transport.h"

/* ---- what is remembered ---- */

static void fill(struct credentials_set *set, const char *block)
{
	_cleanup_json_ json_t *tree = json_loads(block, 0, NULL);
	struct err e = ERR_INIT;

	assert_non_null(tree);
	assert_int_equal(credentials_from_block(tree, "test", set, &e), 0);
}

#define CFN_BLOCK                                                                                  \
	"{\"collectors\":[\"cfn\",\"local\"],\"polling_interval\":7,\"splay\":\"3\",\"cfn\":{"     \
	"\"metadata_url\":\"http://127.0.0.1:8000/v1/\",\"access_key_id\":\"a\","                  \
	"\"secret_access_key\":\"s%^\",\"stack_name\":\"web\",\"path\":\"srv.Metadata\"}}"
#define URL_BLOCK                                                                                  \
	"{\"collectors\":[\"request\",\"local\"],\"cfn\":{\"metadata_url\":null,"                  \
	"\"access_key_id\":null},\"request\":{\"metadata_url\":\"http://127.0.0.1:1/c/o?sig=x\"}}"

/* A new block adds its way and keeps the old one; the resource's name is handed on; all of it reads back. */
static void remembered(void **state)
{
	static const char *const names[] = {"heat", "request", "zaqar", "cfn", NULL};
	struct credentials_set set, newer, back = {0};
	struct err e = ERR_INIT;
	_cleanup_free_ char *text = NULL;

	(void)state;
	fill(&set, CFN_BLOCK);
	fill(&newer, URL_BLOCK);
	assert_string_equal(credentials_preferred(&set, names), "cfn");
	assert_int_equal(credentials_merge(&set, &newer), 0);
	assert_string_equal(credentials_preferred(&set, names), "request");
	assert_string_equal(set.request.resource, "srv");
	assert_string_equal(set.cfn.secret_key, "s%^");
	assert_int_equal(set.polling_ms, 7000);
	assert_true(set.has_splay);
	assert_int_equal(set.splay_ms, 3000);
	text = transport_save(&set, "seed-1");
	assert_non_null(text);
	assert_int_equal(transport_load(text, strlen(text), "seed-2", &back, &e), 1);
	assert_int_equal(back.cfn.kind, CREDENTIALS_NONE);
	assert_int_equal(transport_load(text, strlen(text), "seed-1", &back, &e), 0);
	assert_true(credentials_equal(&back.request, &set.request));
	assert_true(credentials_equal(&back.cfn, &set.cfn));
	assert_string_equal(credentials_preferred(&back, names), "request");
	credentials_set_deinit(&set);
	credentials_set_deinit(&newer);
	credentials_set_deinit(&back);
}

static void not_remembered(void **state)
{
	static const struct {
		const char *text;
		int code;
	} cases[] = {
		{"{", -EBADMSG},
		{"[]", -EBADMSG},
		{"{\"v\":2,\"seed\":\"s\",\"block\":{}}", -ENOTSUP},
		{"{\"v\":1,\"seed\":7}", 1},
	};
	struct credentials_set set = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(transport_load(cases[i].text, strlen(cases[i].text), "s", &set, &e), cases[i].code);
		assert_true(cases[i].code > 0 || e.text[0]);
	}
}

/* Root's own word is neither replaced nor outvoted. */
static void pinned(void **state)
{
	static const char *const names[] = {"heat", "request", "cfn", NULL};
	struct credentials_set set, newer;

	(void)state;
	fill(&set, CFN_BLOCK);
	fill(&newer, URL_BLOCK);
	set.cfn.pinned = set.cfn.preferred = true;
	assert_int_equal(credentials_merge(&set, &newer), 0);
	assert_string_equal(credentials_preferred(&set, names), "cfn");
	credentials_set_deinit(&newer);
	fill(&newer, CFN_BLOCK);
	free(newer.cfn.access_key);
	newer.cfn.access_key = strdup("other");
	assert_int_equal(credentials_merge(&set, &newer), 0);
	assert_string_equal(set.cfn.access_key, "a");
	credentials_set_deinit(&set);
	credentials_set_deinit(&newer);
}

/* ---- the watch ---- */

/* One server plays heat-api-cfn (paths /v1/) and an object store (paths /o...). */
struct cloud {
	char url[512];		/* of the object, once cfn's document is to name it */
	unsigned object_refused; /* that many requests to it get 404 */
	bool cfn_names_it;
	unsigned object_ends_at; /* from that request on it is 401; 0 = never */
	unsigned objects;
	bool object_frozen; /* 304 for ever after the first */
};

static void answer_object(struct cloud *c, struct httpd_reply *reply)
{
	static char body[1024];

	c->objects++;
	reply->status = c->objects <= c->object_refused			       ? 404
			: c->object_ends_at && c->objects >= c->object_ends_at ? 401
			: c->object_frozen && c->objects > 1		       ? 304
									       : 200;
	snprintf(body, sizeof(body),
		 "{\"note\":\"by url\",\"os-collect-config\":{\"collectors\":[\"request\",\"local\"],"
		 "\"request\":{\"metadata_url\":\"%s\"}}}",
		 c->url);
	reply->headers = "ETag: \"e\"\r\n";
	reply->body = reply->status == 200 ? body : "";
}

static void answer_both(const struct httpd_seen *seen, unsigned nth _unused_, struct httpd_reply *reply, void *ctx)
{
	static char body[2048];
	struct cloud *c = ctx;
	char host[128];

	httpd_header(seen, "Host", host, sizeof(host));
	snprintf(c->url, sizeof(c->url), "http://%s/o?temp_url_sig=5ecret", host);
	if (strstr(seen->target, "/o?")) {
		answer_object(c, reply);
		return;
	}
	reply->status = 200;
	snprintf(body, sizeof(body),
		 GOOD("srv", "{\"note\":\"by cfn\"%s%s%s}", "UPDATE_COMPLETE"),
		 c->cfn_names_it ? ",\"os-collect-config\":{\"collectors\":[\"request\"],\"cfn\":{"
				   "\"metadata_url\":null},\"request\":{\"metadata_url\":\""
				 : "",
		 c->cfn_names_it ? c->url : "", c->cfn_names_it ? "\"}}" : "");
	reply->body = body;
}

static unsigned told_transports;

static void on_transport(const struct credentials_set *creds, void *ctx)
{
	(void)ctx;
	assert_int_equal(creds->request.kind, CREDENTIALS_URL);
	told_transports++;
}

static struct httpd *begin(struct rig *rig, struct cloud *c, struct told *t)
{
	struct httpd *h = httpd_start(&(struct httpd_setup){.fn = answer_both, .ctx = c});

	assert_non_null(h);
	told_transports = 0;
	rig_init(rig);
	rig->conf.interval_ms = 20;
	rig->conf.splay_ms = 0;
	rig_cfn(rig, httpd_url(h, "/v1/"));
	t->rig = rig;
	rig->setup.events = (struct watch_events){on_document, on_problem, NULL, t, on_transport};
	return h;
}

static void end(struct rig *rig, struct told *t, struct httpd *h)
{
	watch_free(t->w);
	httpd_stop(h);
	rig_deinit(rig);
}

static void make(struct rig *rig, struct told *t)
{
	struct err e = ERR_INIT;

	assert_int_equal(watch_new(&rig->setup, &t->w, &e), 0);
}

static const char *source(const struct told *t)
{
	_cleanup_json_ json_t *list = watch_status(t->w);
	const char *name = json_str(json_array_get(list, 0), "name");

	assert_int_equal(json_array_size(list), 1);
	return source_name(name);
}

/* A way that a document names is taken once it answered, and not before; what it brings is news. */
static void switched(void **state)
{
	struct cloud c = {.cfn_names_it = true, .object_refused = 1};
	struct told t = {.stop_problems = 1};
	struct rig rig;
	struct httpd *h = begin(&rig, &c, &t);

	(void)state;
	make(&rig, &t);
	rig_run(&rig);
	assert_string_equal(t.code, "tempurl-gone");
	assert_null(strstr(t.text, "5ecret"));
	assert_string_equal(source(&t), "cfn");
	assert_string_equal(t.note, "by cfn");
	assert_int_equal(told_transports, 0);
	t.stop_problems = 0;
	while (told_transports == 0)
		rig_run_for(&rig, 50);
	assert_string_equal(source(&t), "tempurl");
	assert_string_equal(t.note, "by url");
	assert_string_equal(t.resource, "srv");
	assert_int_equal(told_transports, 1);
	rig_run_for(&rig, 100);
	assert_int_equal(told_transports, 1);
	end(&rig, &t, h);
}

/* A way that ended: the others that are known are tried, and one that answers is taken. */
static void fallen_back(void **state)
{
	struct cloud c = {.object_ends_at = 2};
	struct told t = {0};
	struct rig rig;
	struct httpd *h = begin(&rig, &c, &t);

	(void)state;
	rig.creds.request.kind = CREDENTIALS_URL;
	rig.creds.request.metadata_url = strdup(httpd_url(h, "/o?temp_url_sig=5ecret"));
	rig.creds.collectors = strdup("request,local");
	make(&rig, &t);
	assert_string_equal(source(&t), "tempurl");
	while (told_transports == 0)
		rig_run_for(&rig, 50);
	assert_string_equal(source(&t), "cfn");
	assert_string_equal(t.note, "by cfn");
	end(&rig, &t, h);
}

/* An object that Heat left as it was says nothing: a look another way finds the news. */
static void looked(void **state)
{
	struct cloud c = {.object_frozen = true};
	struct told t = {0};
	struct rig rig;
	struct httpd *h = begin(&rig, &c, &t);

	(void)state;
	rig.conf.full_every = 2;
	rig.creds.request.kind = CREDENTIALS_URL;
	rig.creds.request.metadata_url = strdup(httpd_url(h, "/o?temp_url_sig=5ecret"));
	rig.creds.collectors = strdup("request,local");
	make(&rig, &t);
	for (unsigned i = 0; i < 100 && strcmp(t.note, "by cfn") != 0; i++)
		rig_run_for(&rig, 50);
	assert_string_equal(t.note, "by cfn");
	assert_string_equal(source(&t), "tempurl");
	assert_int_equal(told_transports, 0);
	end(&rig, &t, h);
}

/* One pass asks the other ways before it is over. */
static void fallen_back_in_one_pass(void **state)
{
	struct cloud c = {.object_ends_at = 1};
	struct told t = {0};
	struct rig rig;
	struct httpd *h = begin(&rig, &c, &t);

	(void)state;
	rig.setup.one_pass = true;
	rig.creds.request.kind = CREDENTIALS_URL;
	rig.creds.request.metadata_url = strdup(httpd_url(h, "/o?temp_url_sig=5ecret"));
	rig.creds.collectors = strdup("request");
	make(&rig, &t);
	for (unsigned i = 0; i < 200 && told_transports == 0; i++)
		rig_run_for(&rig, 50);
	assert_string_equal(t.note, "by cfn");
	assert_int_equal(told_transports, 1);
	end(&rig, &t, h);
}

/* The configuration names a source: documents do not change that. */
static void held(void **state)
{
	struct cloud c = {.cfn_names_it = true};
	struct told t = {0};
	struct rig rig;
	struct httpd *h = begin(&rig, &c, &t);

	(void)state;
	rig.conf.source = CONF_SOURCE_CFN;
	make(&rig, &t);
	for (unsigned i = 0; i < 200 && t.documents < 3; i++)
		rig_run_for(&rig, 50);
	assert_true(t.documents > 1);
	assert_string_equal(source(&t), "cfn");
	assert_int_equal(told_transports, 0);
	end(&rig, &t, h);
}

/* Heat's interval counts while our own is the default, within bounds. */
static void paced(void **state)
{
	static const struct {
		int64_t own_ms, polling_ms;
		double interval_s;
	} cases[] = {{60000, 7000, 7}, {60000, 0, 60}, {60000, 500, 60}, {5000, 7000, 5}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cloud c = {0};
		struct told t = {0};
		struct rig rig;
		struct httpd *h = begin(&rig, &c, &t);
		json_t *list;

		rig.conf.interval_ms = cases[i].own_ms;
		rig.creds.polling_ms = cases[i].polling_ms;
		make(&rig, &t);
		list = watch_status(t.w);
		assert_true(json_real_value(json_object_get(json_array_get(list, 0), "interval_s")) ==
			    cases[i].interval_s);
		json_decref(list);
		end(&rig, &t, h);
	}
}

/* A document on disk that names a way not yet taken is followed, if no file is newer. */
static void primed(void **state)
{
	struct cloud c = {0};
	struct told t = {0};
	struct rig rig;
	struct httpd *h = begin(&rig, &c, &t);
	struct document doc = {.source = "cfn", .resource = strdup("srv")};

	(void)state;
	doc.metadata = json_pack("{s:{s:[s],s:{s:s}}}", "os-collect-config", "collectors", "request",
				 "request", "metadata_url", httpd_url(h, "/o?temp_url_sig=5ecret"));
	assert_non_null(doc.metadata);
	rig.setup.primed_is_newest = true;
	make(&rig, &t);
	assert_int_equal(watch_prime(t.w, &doc), 0);
	while (told_transports == 0)
		rig_run_for(&rig, 50);
	assert_string_equal(source(&t), "tempurl");
	watch_free(t.w);
	told_transports = 0;
	rig.setup.primed_is_newest = false;
	make(&rig, &t);
	assert_int_equal(watch_prime(t.w, &doc), 0);
	rig_run_for(&rig, 100);
	assert_string_equal(source(&t), "cfn");
	document_deinit(&doc);
	end(&rig, &t, h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remembered),  cmocka_unit_test(not_remembered),
		cmocka_unit_test(pinned),      cmocka_unit_test(switched),
		cmocka_unit_test(fallen_back), cmocka_unit_test(looked),
		cmocka_unit_test(fallen_back_in_one_pass),
		cmocka_unit_test(held),	       cmocka_unit_test(paced),
		cmocka_unit_test(primed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
