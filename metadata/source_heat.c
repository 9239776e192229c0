/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource metadata at Heat's native API with a Keystone token. The light form asks for the
 * server's deployments only, which does not load the stack, and goes on to the full document when
 * they differ from last time. It cannot show a change of the template's metadata: the watch asks
 * for the full form as often as something depends on that.
 */
#include "metadata/source.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "metadata/classify.h"
#include "metadata/document.h"

#define DIGEST_MAX 65

struct source {
	struct http *http;
	struct keystone *keystone; /* the watch's */
	struct credentials cred;
	int64_t timeout_ms;
	char *server_id;         /* NULL until known: no light form */
	bool light_off;          /* refused once */
	char digest[DIGEST_MAX]; /* of the light answer that goes with the last full document, "" =
				    none */
	char deployments[DIGEST_MAX]; /* of the deployments in the last full document */
	struct heat_fetch *fetches;
};

struct heat_fetch {
	struct source *s;
	struct heat_fetch *next;
	char *resource;
	bool own, light, retried;
	fetch_fn *fn;
	void *ctx;
	struct http_call *call;
	char *token;
	char digest[DIGEST_MAX]; /* of this round's light answer */
};

static bool heat_usable(const struct watch_setup *setup)
{
	const struct credentials *c = &setup->creds->heat;

	return (c->kind == CREDENTIALS_PASSWORD || c->kind == CREDENTIALS_APPLICATION) &&
	       c->auth_url && c->stack;
}

static void token_free(struct heat_fetch *f)
{
	if (f->token)
		explicit_bzero(f->token, strlen(f->token));
	free(f->token);
	f->token = NULL;
}

static void fetch_free(struct heat_fetch *f)
{
	for (struct heat_fetch **p = &f->s->fetches; *p; p = &(*p)->next) {
		if (*p == f) {
			*p = f->next;
			break;
		}
	}
	token_free(f);
	free(f->resource);
	free(f);
}

static struct source *heat_close(struct source *s)
{
	if (!s)
		return NULL;
	while (s->fetches) {
		if (s->fetches->call)
			http_cancel(s->fetches->call);
		keystone_cancel(s->keystone, s->fetches);
		fetch_free(s->fetches);
	}
	credentials_deinit(&s->cred);
	free(s->server_id);
	free(s);
	return NULL;
}

static int heat_open(const struct watch_setup *setup, struct source **ret, struct err *e)
{
	struct source *s;
	int r = -ENOMEM;

	if (!setup->keystone)
		return err_set(e, -EINVAL, "auth_url is not an http or https URL");
	s = calloc(1, sizeof(*s));
	if (s) {
		s->http = setup->http;
		s->keystone = setup->keystone;
		s->timeout_ms = setup->conf->request_timeout_ms;
		r = credentials_copy(&s->cred, &setup->creds->heat);
		if (!r && setup->creds->physical_id &&
		    !(s->server_id = strdup(setup->creds->physical_id)))
			r = -ENOMEM;
	}
	if (r < 0) {
		heat_close(s);
		return err_set(e, r, "no memory");
	}
	*ret = s;
	return 0;
}

static void deliver(struct heat_fetch *f, struct fetch_result *r)
{
	fetch_fn *fn = f->fn;
	void *ctx = f->ctx;

	fetch_free(f);
	fn(r, ctx);
	document_deinit(&r->doc);
}

static void fail(struct heat_fetch *f, enum fetch_class class, const char *why)
{
	struct fetch_result r = {.class = class, .retry_after_s = -1};

	text_print(r.why, sizeof(r.why), "%s", why);
	deliver(f, &r);
}

static int build_url(const struct heat_fetch *f, const char *endpoint, struct buf *url)
{
	buf_puts(url, endpoint);
	if (f->light) {
		buf_puts(url, "/software_deployments/metadata/");
		text_percent_encode(url, f->s->server_id, strlen(f->s->server_id), "");
		return buf_error(url);
	}
	buf_puts(url, "/stacks/");
	text_percent_encode(url, f->s->cred.stack, strlen(f->s->cred.stack), "/");
	buf_puts(url, "/resources/");
	text_percent_encode(url, f->resource, strlen(f->resource), "");
	buf_puts(url, "/metadata");
	return buf_error(url);
}

static void heat_answered(const struct http_answer *answer, void *ctx);

/* With the token in hand. Failures to start are answers too: we are in a callback. */
static void send_request(struct heat_fetch *f)
{
	const char *endpoint = keystone_endpoint(f->s->keystone, "orchestration");
	struct buf url = BUF_INIT(8192), header = BUF_INIT(8192);
	const char *headers[] = {"Accept: application/json", NULL, NULL};
	struct http_request request = {
		.method = "GET",
		.headers = headers,
		.timeout_ms = f->s->timeout_ms,
		.insecure = f->s->cred.insecure,
	};
	int r;

	if (!endpoint) {
		fail(f, FETCH_NOT_HEAT,
		     "Keystone's catalog names no orchestration service for this region");
		return;
	}
	r = build_url(f, endpoint, &url);
	buf_printf(&header, "X-Auth-Token: %s", f->token);
	if (!r)
		r = buf_error(&header);
	if (!r) {
		headers[1] = header.data;
		request.url = url.data;
		r = http_start(f->s->http, &request, heat_answered, f, &f->call);
	}
	if (header.data)
		explicit_bzero(header.data, header.len);
	buf_deinit(&header);
	buf_deinit(&url);
	if (r < 0)
		fail(f, FETCH_UNREACHABLE, strerror(-r));
}

static void got_token(int status, const char *why, const char *token, void *ctx)
{
	struct heat_fetch *f = ctx;
	struct fetch_result r = {.retry_after_s = keystone_retry_after_s(f->s->keystone)};

	if (!status) {
		token_free(f);
		f->token = strdup(token);
		if (f->token)
			send_request(f);
		else
			fail(f, FETCH_UNREACHABLE, "no memory");
		return;
	}
	r.class = classify_token(status);
	text_print(r.why, sizeof(r.why), "%s", why && *why ? why : strerror(-status));
	deliver(f, &r);
}

static const char *input_value(const json_t *inputs, const char *name)
{
	for (size_t i = 0; i < json_array_size(inputs); i++) {
		const json_t *input = json_array_get(inputs, i);

		if (text_equal(json_str(input, "name"), name))
			return json_str(input, "value");
	}
	return NULL;
}

/* The server's id is among the inputs of each of its deployments. */
static void learn_server_id(struct source *s, const json_t *metadata)
{
	const json_t *list = json_object_get(metadata, "deployments");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *id = input_value(json_object_get(json_array_get(list, i), "inputs"),
					     "deploy_server_id");

		if (!id || !*id)
			continue;
		if (!text_equal(id, s->server_id)) {
			free(s->server_id);
			s->server_id = strdup(id);
			s->light_off = false;
			s->digest[0] = '\0';
		}
		return;
	}
}

/* A full poll without a light one keeps the light digest only if it found the same deployments:
 * else a change that is taken back before the next light poll would go unseen. */
static void keep_digest(struct heat_fetch *f, const json_t *metadata)
{
	struct source *s = f->s;
	char digest[DIGEST_MAX] = "";
	_cleanup_free_ char *text = json_compact(json_object_get(metadata, "deployments"));

	if (text)
		text_sha256_hex(text, strlen(text), digest);
	if (*f->digest || strcmp(digest, s->deployments) != 0)
		memcpy(s->digest, f->digest, sizeof(s->digest));
	memcpy(s->deployments, digest, sizeof(digest));
}

static int copy_text(char **to, const char *from)
{
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

static void take_document(struct heat_fetch *f, const struct http_answer *a, struct fetch_result *r)
{
	struct source *s = f->s;
	struct err e = ERR_INIT;
	int code = document_from_heat(buf_str(&a->body), a->body.len, &r->doc, &e);

	if (code < 0) {
		classify_document(code, e.text, r);
		return;
	}
	if (f->own) {
		learn_server_id(s, r->doc.metadata);
		keep_digest(f, r->doc.metadata);
	}
	code |= copy_text(&r->doc.stack_id, s->cred.stack);
	r->doc.stack = strndup(s->cred.stack, strcspn(s->cred.stack, "/"));
	code |= r->doc.stack ? 0 : -ENOMEM;
	code |= copy_text(&r->doc.resource, f->resource);
	if (f->own)
		code |= copy_text(&r->doc.physical_id, s->server_id);
	if (code < 0) {
		document_deinit(&r->doc);
		classify_document(-ENOMEM, "no memory", r);
	}
}

/* Return: true when the light answer settles it; false: the full document is wanted. */
static bool light_settles(struct heat_fetch *f, const struct http_answer *a, struct fetch_result *r)
{
	f->light = false;
	if (r->class == FETCH_OK) {
		text_sha256_hex(buf_str(&a->body), a->body.len, f->digest);
		if (strcmp(f->digest, f->s->digest) != 0)
			return false;
		r->class = FETCH_UNCHANGED;
		return true;
	}
	if (a->status == 403 || a->status == 404 || a->status == 400) {
		f->s->light_off = true;
		return false;
	}
	return true;
}

static void heat_answered(const struct http_answer *a, void *ctx)
{
	struct heat_fetch *f = ctx;
	struct fetch_result r;

	f->call = NULL;
	classify_result(a, CLASSIFY_HEAT, f->own, &r);
	if (a->status == 401 && !f->retried) {
		f->retried = true;
		keystone_reject(f->s->keystone, f->token);
		if (keystone_get(f->s->keystone, got_token, f) < 0)
			fail(f, FETCH_UNREACHABLE, "no memory");
		return;
	}
	if (f->light) {
		if (light_settles(f, a, &r))
			deliver(f, &r);
		else
			send_request(f);
		return;
	}
	if (r.class == FETCH_OK)
		take_document(f, a, &r);
	deliver(f, &r);
}

static int heat_fetch(struct source *s, const char *resource, bool full, fetch_fn *fn, void *ctx)
{
	struct heat_fetch *f = calloc(1, sizeof(*f));
	const char *name = resource ? resource : s->cred.resource;
	int r = -EINVAL;

	if (!f)
		return -ENOMEM;
	*f = (struct heat_fetch){.s = s, .fn = fn, .ctx = ctx, .next = s->fetches};
	s->fetches = f;
	f->own = text_equal(name, s->cred.resource);
	f->light = f->own && !full && s->server_id && !s->light_off;
	f->resource = name ? strdup(name) : NULL;
	if (f->resource)
		r = keystone_get(s->keystone, got_token, f);
	if (r < 0)
		fetch_free(f);
	return r;
}

static const char *heat_own(const struct source *s)
{
	return s->cred.resource;
}

/* The user that Heat makes for a server (by id) may read that server's resource and no other. */
static bool heat_reaches(const struct source *s, const char *resource)
{
	bool domain_user =
		s->cred.kind == CREDENTIALS_PASSWORD && s->cred.user_id && s->cred.resource;

	if (!resource || text_equal(resource, s->cred.resource))
		return s->cred.resource != NULL;
	return !domain_user;
}

static bool heat_needs_clock(const struct source *s)
{
	return text_starts(s->cred.auth_url, "https:");
}

const struct source_ops source_heat = {
	.name = "heat",
	.block = "heat",
	.remote = true,
	.usable = heat_usable,
	.open = heat_open,
	.fetch = heat_fetch,
	.own = heat_own,
	.reaches = heat_reaches,
	.needs_clock = heat_needs_clock,
	.close = heat_close,
};
