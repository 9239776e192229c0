/* SPDX-License-Identifier: Apache-2.0 */
/* The heat source with a server that plays Keystone and Heat: tokens, the light form, and what
 * refusals become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "metadata/rig.h"

/* The server's answers; each test sets what it needs before the server is forked. */
struct script {
	int token_status;            /* 0 = 201 */
	unsigned unauthorized_first; /* that many metadata requests get 401 */
	int full_status, light_status;
	bool light_changes; /* each light answer differs from the one before */
	const char *full_body;
};

#define FULL                                                                                       \
	"{\"metadata\":{\"deployments\":[{\"name\":\"d\",\"inputs\":[{\"name\":\"foo\",\"value\":" \
	"\"1\"},"                                                                                  \
	"{\"name\":\"deploy_server_id\",\"value\":\"srv-uuid\"}]}],\"note\":\"x\"}}"

static void answer_token(const struct httpd_seen *seen, const struct script *sc,
			 struct httpd_reply *reply)
{
	static char body[1024];
	char host[128];

	snprintf(body, sizeof(body),
		 "{\"token\":{\"expires_at\":\"2099-01-01T00:00:00Z\",\"user\":{\"id\":\"u1\"},"
		 "\"project\":{\"id\":\"p1\"},"
		 "\"catalog\":[{\"type\":\"%s\",\"endpoints\":[{\"interface\":\"public\","
		 "\"region\":\"R\","
		 "\"region_id\":\"R\",\"url\":\"http://%s/heat/v1/p1\"}]}]}}",
		 sc->token_status == 1 ? "compute" : "orchestration",
		 httpd_header(seen, "Host", host, sizeof(host)));
	reply->status = sc->token_status > 1 ? sc->token_status : 201;
	reply->headers = "X-Subject-Token: tok-1\r\nContent-Type: application/json\r\n";
	reply->body = body;
}

static void answer(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply,
		   void *ctx)
{
	struct script *sc = ctx;
	static char light[128];

	if (!strcmp(seen->method, "POST")) {
		answer_token(seen, sc, reply);
	} else if (sc->unauthorized_first) {
		sc->unauthorized_first--;
		reply->status = 401;
		reply->body = "{\"error\":{\"code\":401,\"title\":\"Unauthorized\"}}";
	} else if (strstr(seen->target, "/software_deployments/")) {
		reply->status = sc->light_status ? sc->light_status : 200;
		snprintf(light, sizeof(light), "{\"metadata\":[%u]}", sc->light_changes ? nth : 0);
		reply->body = light;
	} else {
		reply->status = sc->full_status ? sc->full_status : 200;
		reply->body = sc->full_body ? sc->full_body : FULL;
	}
}

static void start(struct asked *k, struct script *sc)
{
	struct rig *rig = &k->rig;

	asked_serve(k, &source_heat, answer, sc);
	rig_heat(rig, httpd_url(k->h, "/v3"));
	assert_true(source_heat.usable(&rig->setup));
	assert_int_equal(keystone_new(rig->loop, rig->http, &rig->creds.heat, &rig->setup.keystone),
			 0);
	asked_open(k);
}

/* How many requests went to paths with that text. */
static unsigned requests(const struct asked *k, const char *text)
{
	unsigned n = 0;

	for (unsigned i = 0; i < httpd_count(k->h); i++)
		n += httpd_seen(k->h, i) && strstr(httpd_seen(k->h, i)->target, text);
	return n;
}

/* A token once, then the resource's metadata at the catalog's endpoint; the document knows its
 * names. */
static void full(void **state)
{
	struct script sc = {0};
	struct asked k;
	char value[64];

	(void)state;
	start(&k, &sc);
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_OK);
	assert_int_equal(asked_fetch(&k, "a b/c", true), FETCH_OK);
	assert_int_equal(httpd_count(k.h), 3);
	assert_string_equal(httpd_seen(k.h, 1)->target,
			    "/heat/v1/p1/stacks/web/7b1c/resources/srv/metadata");
	assert_string_equal(httpd_header(httpd_seen(k.h, 1), "X-Auth-Token", value, sizeof(value)),
			    "tok-1");
	assert_string_equal(httpd_seen(k.h, 2)->target,
			    "/heat/v1/p1/stacks/web/7b1c/resources/a%20b%2Fc/metadata");
	assert_string_equal(k.rig.doc.resource, "a b/c");
	assert_null(k.rig.doc.physical_id);
	assert_string_equal(k.rig.doc.stack, "web");
	assert_string_equal(k.rig.doc.stack_id, "web/7b1c");
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_OK);
	assert_string_equal(k.rig.doc.physical_id, "srv-uuid");
	asked_close(&k);
}

/* Light polls: the first takes its bearings and goes on to the full one; then one light request
 * each. */
static void light(void **state)
{
	struct script sc = {0};
	struct asked k;

	(void)state;
	start(&k, &sc);
	assert_int_equal(asked_fetch(&k, NULL, false), FETCH_OK); /* no server id yet: full */
	assert_int_equal(requests(&k, "/software_deployments/"), 0);
	assert_int_equal(asked_fetch(&k, NULL, false), FETCH_OK);
	for (int i = 0; i < 5; i++)
		assert_int_equal(asked_fetch(&k, NULL, false), FETCH_UNCHANGED);
	assert_int_equal(requests(&k, "/software_deployments/metadata/srv-uuid"), 6);
	assert_int_equal(requests(&k, "/resources/srv/metadata"), 2);
	assert_int_equal(asked_fetch(&k, "other", false),
			 FETCH_OK); /* never light for another one */
	assert_int_equal(requests(&k, "/software_deployments/"), 6);
	asked_close(&k);
}

/* A light answer that differs leads to the full document in the same poll. */
static void light_sees_changes(void **state)
{
	struct script sc = {.light_changes = true};
	struct asked k;

	(void)state;
	start(&k, &sc);
	for (int i = 0; i < 4; i++)
		assert_int_equal(asked_fetch(&k, NULL, false), FETCH_OK);
	assert_int_equal(requests(&k, "/resources/srv/metadata"), 4);
	asked_close(&k);
}

/* Where the light form is refused it is given up and the full one serves. */
static void light_refused(void **state)
{
	struct script sc = {.light_status = 403};
	struct asked k;

	(void)state;
	start(&k, &sc);
	for (int i = 0; i < 4; i++)
		assert_int_equal(asked_fetch(&k, NULL, false), FETCH_OK);
	assert_int_equal(requests(&k, "/software_deployments/"), 1);
	asked_close(&k);
}

/* One 401 costs a new token and a second try; a second one is a refusal. */
static void token_rejected(void **state)
{
	struct script once = {.unauthorized_first = 1}, always = {.unauthorized_first = 1000};
	struct asked k;

	(void)state;
	start(&k, &once);
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_OK);
	assert_int_equal(requests(&k, "/auth/tokens"), 2);
	asked_close(&k);
	start(&k, &always);
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_REFUSED);
	assert_int_equal(requests(&k, "/auth/tokens"), 2);
	assert_int_equal(requests(&k, "/metadata"), 2);
	asked_close(&k);
}

struct refusal {
	struct script script;
	const char *resource;
	enum fetch_class class;
};

/* What Keystone and Heat refuse becomes its class, with a reason that holds no secret. */
static void refusals(void **state)
{
	static struct refusal cases[] = {
		{{.token_status = 401}, NULL, FETCH_REFUSED},
		{{.token_status = 503}, NULL, FETCH_BUSY},
		{{.token_status = 500}, NULL, FETCH_SERVER_ERROR},
		{{.token_status = 404}, NULL, FETCH_NOT_HEAT},
		{{.token_status = 1}, NULL, FETCH_NOT_HEAT},
		{{.full_status = 403, .full_body = "{\"code\":403,\"title\":\"Forbidden\"}"},
		 NULL,
		 FETCH_REFUSED},
		{{.full_status = 403, .full_body = "{\"code\":403,\"title\":\"Forbidden\"}"},
		 "other",
		 FETCH_REFUSED_FOREIGN},
		{{.full_status = 404,
		  .full_body = "{\"error\":{\"type\":\"EntityNotFound\",\"message\":\"The Stack "
			       "(web) could not "
			       "be found.\"}}"},
		 NULL,
		 FETCH_GONE},
		{{.full_status = 409, .full_body = "{}"}, NULL, FETCH_BUSY},
		{{.full_status = 503, .full_body = ""}, NULL, FETCH_BUSY},
		{{.full_status = 200, .full_body = "{}"}, NULL, FETCH_BAD_DOCUMENT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct asked k;

		start(&k, &cases[i].script);
		assert_int_equal(asked_fetch(&k, cases[i].resource, true), cases[i].class);
		assert_true(*k.rig.why);
		assert_null(strstr(k.rig.why, "pw-7"));
		assert_null(strstr(k.rig.why, "tok-1"));
		asked_close(&k);
	}
}

/* The user that Heat made for this server reaches its own resource only; others may be tried. */
static void reach(void **state)
{
	struct script sc = {0};
	struct asked k;

	(void)state;
	start(&k, &sc);
	assert_true(source_heat.reaches(k.s, NULL));
	assert_true(source_heat.reaches(k.s, "srv"));
	assert_false(source_heat.reaches(k.s, "other"));
	assert_false(source_heat.needs_clock(k.s));
	source_heat.close(k.s);
	k.rig.creds.heat.kind = CREDENTIALS_APPLICATION;
	assert_int_equal(source_heat.open(&k.rig.setup, &k.s, NULL), 0);
	assert_true(source_heat.reaches(k.s, "other"));
	asked_close(&k);
}

/* Closed while it waits for a token, and while it waits for the document: silence. */
static void closed_while_busy(void **state)
{
	struct script sc = {0};
	struct asked k;

	(void)state;
	start(&k, &sc);
	assert_int_equal(source_heat.fetch(k.s, NULL, true, rig_answered, &k.rig), 0);
	source_heat.close(k.s);
	rig_run_for(&k.rig, 30);
	assert_int_equal(k.rig.answers, 0);
	assert_int_equal(source_heat.open(&k.rig.setup, &k.s, NULL), 0);
	assert_int_equal(asked_fetch(&k, NULL, true), FETCH_OK);
	k.rig.answers = 0;
	assert_int_equal(source_heat.fetch(k.s, NULL, true, rig_answered, &k.rig), 0);
	rig_run_for(&k.rig, 1);
	source_heat.close(k.s);
	rig_run_for(&k.rig, 30);
	k.s = NULL;
	asked_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full),
		cmocka_unit_test(light),
		cmocka_unit_test(light_sees_changes),
		cmocka_unit_test(light_refused),
		cmocka_unit_test(token_rejected),
		cmocka_unit_test(refusals),
		cmocka_unit_test(reach),
		cmocka_unit_test(closed_while_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
