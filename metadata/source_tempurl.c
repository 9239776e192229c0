/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's own metadata at a signed URL of an object store: one conditional GET. The URL as a whole is
 * the secret. ETag goes before Last-Modified, whose whole seconds cannot tell two changes within one.
 */
#include "metadata/source.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "metadata/classify.h"
#include "metadata/document.h"

struct source {
	struct http *http;
	struct credentials cred;
	int64_t timeout_ms;
	char etag[160], last_modified[64]; /* of what was delivered last, "" = none */
	struct http_call *call;
	fetch_fn *fn; /* of the fetch under way */
	void *ctx;
};

static bool tempurl_usable(const struct watch_setup *setup)
{
	return setup->creds->request.kind == CREDENTIALS_URL;
}

static struct source *tempurl_close(struct source *s)
{
	if (!s)
		return NULL;
	if (s->call)
		http_cancel(s->call);
	credentials_deinit(&s->cred);
	free(s);
	return NULL;
}

static int tempurl_open(const struct watch_setup *setup, struct source **ret, struct err *e)
{
	struct source *s = calloc(1, sizeof(*s));

	if (!s || credentials_copy(&s->cred, &setup->creds->request) < 0) {
		free(s);
		return err_set(e, -ENOMEM, "no memory");
	}
	s->http = setup->http;
	s->timeout_ms = setup->conf->request_timeout_ms;
	*ret = s;
	return 0;
}

static const char *tempurl_own(const struct source *s)
{
	return s->cred.resource ? s->cred.resource : SOURCE_OWN_UNKNOWN;
}

static void take_document(struct source *s, const struct http_answer *a, struct fetch_result *r)
{
	_cleanup_json_ json_t *tree = NULL;
	struct err e = ERR_INIT;
	int code = json_parse(buf_str(&a->body), a->body.len, &json_limits_default, &tree, &e);

	if (!code)
		code = document_from_push(tree, source_tempurl.name, tempurl_own(s), &r->doc, &e);
	if (code < 0) {
		classify_document(code, e.text, r);
		return;
	}
	snprintf(s->etag, sizeof(s->etag), "%s", a->etag);
	snprintf(s->last_modified, sizeof(s->last_modified), "%s", a->last_modified);
}

static void tempurl_answered(const struct http_answer *a, void *ctx)
{
	struct source *s = ctx;
	fetch_fn *fn = s->fn;
	struct fetch_result r;

	s->call = NULL;
	s->fn = NULL;
	classify_result(a, CLASSIFY_TEMPURL, true, &r);
	if (a->failure == HTTP_OK && a->status == 304) {
		r.class = FETCH_UNCHANGED;
		r.why[0] = '\0';
	} else if (r.class == FETCH_OK) {
		take_document(s, a, &r);
	}
	fn(&r, s->ctx);
	document_deinit(&r.doc);
}

/* A conditional request sees every change: there is no light form beside it. */
static int tempurl_fetch(struct source *s, const char *resource _unused_, bool full _unused_,
			 fetch_fn *fn, void *ctx)
{
	struct buf header = BUF_INIT(256);
	const char *headers[] = {"Accept: application/json", NULL, NULL};
	const struct http_request request = {.method = "GET",
					     .url = s->cred.metadata_url,
					     .headers = headers,
					     .timeout_ms = s->timeout_ms,
					     .body_max = json_limits_default.text_bytes};
	int r;

	if (s->fn)
		return -EBUSY;
	if (*s->etag)
		buf_printf(&header, "If-None-Match: %s", s->etag);
	else if (*s->last_modified)
		buf_printf(&header, "If-Modified-Since: %s", s->last_modified);
	r = buf_error(&header);
	if (header.len)
		headers[1] = header.data;
	if (!r)
		r = http_start(s->http, &request, tempurl_answered, s, &s->call);
	buf_deinit(&header);
	if (r < 0)
		return r;
	s->fn = fn;
	s->ctx = ctx;
	return 0;
}

static bool tempurl_reaches(const struct source *s, const char *resource)
{
	return !resource || text_equal(resource, tempurl_own(s));
}

static bool tempurl_rename(struct source *s, const char *resource)
{
	return source_rename(&s->cred, s->cred.metadata_url, resource);
}

static bool tempurl_needs_clock(const struct source *s)
{
	return text_starts(s->cred.metadata_url, "https:");
}

const struct source_ops source_tempurl = {
	.name = "tempurl",
	.block = "request",
	.remote = true,
	.silent = true,
	.usable = tempurl_usable,
	.open = tempurl_open,
	.fetch = tempurl_fetch,
	.own = tempurl_own,
	.reaches = tempurl_reaches,
	.rename = tempurl_rename,
	.needs_clock = tempurl_needs_clock,
	.close = tempurl_close,
};
