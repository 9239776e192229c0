/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's own metadata as messages in a Zaqar queue (v2). Messages are listed, not popped: a popped one
 * would be lost with a crash before it is on disk. The newest is the document. All before it are deleted at
 * once; it is itself deleted when the callee says that it is kept. A message that is still there is known by
 * its id. Where the queue holds more than a page the rest comes with the next request, as each one deletes.
 */
#include "metadata/source.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "metadata/classify.h"
#include "metadata/document.h"
#include "metadata/messages.h"

#define PAGE	  5 /* messages of one answer: each may be 256 KiB */
#define PAGES_MAX 50
#define UUID_LEN  36

enum step { STEP_LIST, STEP_DELETE };

struct source {
	struct http *http;
	struct keystone *keystone; /* its own: these credentials are not Heat's */
	struct credentials cred;
	int64_t timeout_ms;
	char client_id[UUID_LEN + 1];
	char seen[128]; /* id of the message delivered last, "" = none */
	bool kept;	/* it is on disk */
	struct fetch_result bad; /* what was wrong with it; class FETCH_OK: nothing */
	/* the fetch under way */
	enum step step;
	struct messages got;
	struct buf ids; /* of messages to delete, comma separated */
	unsigned pages, page;
	bool more, retried;
	char *token;
	struct http_call *call;
	fetch_fn *fn;
	void *ctx;
};

static bool zaqar_usable(const struct watch_setup *setup)
{
	const struct credentials *c = &setup->creds->zaqar;

	return c->kind == CREDENTIALS_PASSWORD && c->auth_url && c->queue;
}

static void token_free(struct source *s)
{
	if (s->token)
		explicit_bzero(s->token, strlen(s->token));
	free(s->token);
	s->token = NULL;
}

static struct source *zaqar_close(struct source *s)
{
	if (!s)
		return NULL;
	if (s->call)
		http_cancel(s->call);
	if (s->keystone)
		keystone_cancel(s->keystone, s);
	keystone_free(s->keystone);
	credentials_deinit(&s->cred);
	messages_deinit(&s->got);
	buf_deinit(&s->ids);
	token_free(s);
	free(s);
	return NULL;
}

/* Zaqar wants a UUID that stays the same: one that follows from user and queue needs no place on disk. */
static void make_client_id(struct source *s)
{
	struct buf text = BUF_INIT(4096);
	char hex[65];

	buf_printf(&text, "%s %s", s->cred.user_id ? s->cred.user_id : "", s->cred.queue);
	text_sha256_hex(buf_str(&text), text.len, hex);
	snprintf(s->client_id, sizeof(s->client_id), "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
		 hex + 16, hex + 20);
	buf_deinit(&text);
}

static int zaqar_open(const struct watch_setup *setup, struct source **ret, struct err *e)
{
	struct source *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (s) {
		s->ids.max = MESSAGES_MAX * 128;
		s->http = setup->http;
		s->timeout_ms = setup->conf->request_timeout_ms;
		s->page = PAGE;
		r = credentials_copy(&s->cred, &setup->creds->zaqar);
		if (!r)
			r = keystone_new(setup->loop, s->http, &s->cred, &s->keystone);
	}
	if (r < 0) {
		zaqar_close(s);
		return err_set(e, r, r == -ENOMEM ? "no memory" : "auth_url is not an http or https URL");
	}
	make_client_id(s);
	*ret = s;
	return 0;
}

static const char *zaqar_own(const struct source *s)
{
	return s->cred.resource ? s->cred.resource : SOURCE_OWN_UNKNOWN;
}

static void deliver(struct source *s, struct fetch_result *r)
{
	fetch_fn *fn = s->fn;

	s->fn = NULL;
	messages_deinit(&s->got);
	token_free(s);
	fn(r, s->ctx);
	document_deinit(&r->doc);
}

static void fail(struct source *s, enum fetch_class class, const char *why)
{
	struct fetch_result r = {.class = class, .retry_after_s = -1};

	text_print(r.why, sizeof(r.why), "%s", why);
	deliver(s, &r);
}

/* ---- requests ---- */

static int build_url(const struct source *s, const char *endpoint, struct buf *url)
{
	size_t n = strlen(endpoint);
	bool has_version = n > 3 && !strcmp(endpoint + n - 3, "/v2");

	buf_printf(url, "%s%s/queues/", endpoint, has_version ? "" : "/v2");
	text_percent_encode(url, s->cred.queue, strlen(s->cred.queue), "");
	if (s->step == STEP_LIST)
		buf_printf(url, "/messages?limit=%u&echo=true&include_claimed=true", s->page);
	else
		buf_printf(url, "/messages?ids=%s", buf_str(&s->ids));
	return buf_error(url);
}

static void zaqar_answered(const struct http_answer *a, void *ctx);

static int start(struct source *s, const char *endpoint)
{
	const char *project = keystone_project_id(s->keystone);
	struct buf url = BUF_INIT(8192), token = BUF_INIT(8192), owner = BUF_INIT(512), client = BUF_INIT(128);
	const char *headers[] = {"Accept: application/json", "Content-Type: application/json", NULL, NULL,
				 NULL, NULL};
	struct http_request request = {.method = s->step == STEP_LIST ? "GET" : "DELETE",
				       .headers = headers,
				       .timeout_ms = s->timeout_ms};
	int r = build_url(s, endpoint, &url);

	buf_printf(&token, "X-Auth-Token: %s", s->token);
	buf_printf(&owner, "X-Project-Id: %s", project ? project : s->cred.project_id);
	buf_printf(&client, "Client-ID: %s", s->client_id);
	if (r || buf_error(&token) || buf_error(&owner) || buf_error(&client))
		r = -ENOMEM;
	if (!r) {
		headers[2] = token.data;
		headers[3] = owner.data;
		headers[4] = client.data;
		request.url = url.data;
		r = http_start(s->http, &request, zaqar_answered, s, &s->call);
	}
	if (token.data)
		explicit_bzero(token.data, token.len);
	buf_deinit(&token);
	buf_deinit(&owner);
	buf_deinit(&client);
	buf_deinit(&url);
	return r;
}

/* With the token in hand. Failures to start are answers too: we are in a callback. */
static void send_request(struct source *s)
{
	const char *endpoint = keystone_endpoint(s->keystone, "messaging");
	int r;

	if (!endpoint) {
		fail(s, FETCH_NOT_HEAT, "Keystone's catalog names no messaging service for this region");
		return;
	}
	r = start(s, endpoint);
	if (r < 0)
		fail(s, FETCH_UNREACHABLE, strerror(-r));
}

static void got_token(int status, const char *why, const char *token, void *ctx)
{
	struct source *s = ctx;
	struct fetch_result r = {.retry_after_s = keystone_retry_after_s(s->keystone)};

	if (!status) {
		token_free(s);
		s->token = strdup(token);
		if (s->token)
			send_request(s);
		else
			fail(s, FETCH_UNREACHABLE, "no memory");
		return;
	}
	r.class = classify_token(status);
	text_print(r.why, sizeof(r.why), "%s", why && *why ? why : strerror(-status));
	deliver(s, &r);
}

/* ---- answers ---- */

static void finish(struct source *s)
{
	struct fetch_result r = {.class = FETCH_UNCHANGED, .retry_after_s = -1};
	const struct message *newest = &s->got.list[s->got.newest];
	struct err e = ERR_INIT;
	int code;

	if (s->got.n && strcmp(newest->id, s->seen) != 0) {
		code = document_from_push(s->got.body, source_zaqar.name, zaqar_own(s), &r.doc, &e);
		r.class = FETCH_OK;
		if (code < 0)
			classify_document(code, e.text, &r);
		if (code != -ENOMEM) {
			s->bad = (struct fetch_result){.class = FETCH_OK, .retry_after_s = -1};
			snprintf(s->seen, sizeof(s->seen), "%s", newest->id);
			s->kept = code < 0; /* what cannot be used goes, but is not forgotten */
			if (code < 0)
				s->bad = r;
		}
	} else if (s->bad.class != FETCH_OK) {
		r = s->bad;
	}
	deliver(s, &r);
}

static void next_step(struct source *s)
{
	if (s->step == STEP_LIST && s->ids.len) {
		s->step = STEP_DELETE;
		send_request(s);
	} else if (s->step == STEP_DELETE && s->more && ++s->pages < PAGES_MAX) {
		s->step = STEP_LIST;
		send_request(s);
	} else {
		finish(s);
	}
}

/* What may go: all but the newest, and that one too once it is known to be on disk. */
static void choose_old(struct source *s)
{
	buf_reset(&s->ids);
	for (size_t i = 0; i < s->got.n; i++) {
		const char *id = s->got.list[i].id;

		if (i != s->got.newest || (s->kept && !strcmp(id, s->seen)))
			buf_printf(&s->ids, "%s%s", s->ids.len ? "," : "", id);
	}
	s->more = s->got.n >= s->page;
}

static void take_list(struct source *s, const struct http_answer *a)
{
	struct err e = ERR_INIT;
	struct fetch_result r = {.retry_after_s = -1};
	int code;

	messages_deinit(&s->got);
	code = messages_parse(buf_str(&a->body), a->body.len, &s->got, &e);
	if (code == -EFBIG && s->page > 2) {
		s->page = 2; /* one to keep and one to delete */
		send_request(s);
		return;
	}
	if (code < 0) {
		classify_document(code, e.text, &r);
		deliver(s, &r);
		return;
	}
	choose_old(s);
	next_step(s);
}

/* What could not be deleted is there again at the next poll: no reason to hold back the document. */
static void zaqar_answered(const struct http_answer *a, void *ctx)
{
	struct source *s = ctx;
	struct fetch_result r;

	s->call = NULL;
	if (a->status == 401 && !s->retried) {
		s->retried = true;
		keystone_reject(s->keystone, s->token);
		if (keystone_get(s->keystone, got_token, s) < 0)
			fail(s, FETCH_UNREACHABLE, "no memory");
		return;
	}
	if (s->step == STEP_DELETE) {
		s->more = s->more && a->failure == HTTP_OK && a->status < 300;
		next_step(s);
		return;
	}
	classify_result(a, CLASSIFY_ZAQAR, true, &r);
	if (a->failure == HTTP_OK && (a->status == 200 || a->status == 204))
		take_list(s, a);
	else
		deliver(s, &r);
}

static int zaqar_fetch(struct source *s, const char *resource _unused_, bool full _unused_, fetch_fn *fn,
		       void *ctx)
{
	int r;

	if (s->fn)
		return -EBUSY;
	s->step = STEP_LIST;
	s->pages = 0;
	s->retried = false;
	r = keystone_get(s->keystone, got_token, s);
	if (r < 0)
		return r;
	s->fn = fn;
	s->ctx = ctx;
	return 0;
}

static void zaqar_kept(struct source *s)
{
	s->kept = true;
}

static bool zaqar_reaches(const struct source *s, const char *resource)
{
	return !resource || text_equal(resource, zaqar_own(s));
}

static bool zaqar_rename(struct source *s, const char *resource)
{
	return source_rename(&s->cred, s->cred.queue, resource);
}

static bool zaqar_needs_clock(const struct source *s)
{
	return text_starts(s->cred.auth_url, "https:");
}

const struct source_ops source_zaqar = {
	.name = "zaqar",
	.block = "zaqar",
	.remote = true,
	.silent = true,
	.usable = zaqar_usable,
	.open = zaqar_open,
	.fetch = zaqar_fetch,
	.own = zaqar_own,
	.reaches = zaqar_reaches,
	.rename = zaqar_rename,
	.kept = zaqar_kept,
	.needs_clock = zaqar_needs_clock,
	.close = zaqar_close,
};
