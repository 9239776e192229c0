/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DescribeStackResource at heat-api-cfn. Requests are signed afresh; which signature a cloud takes
 * is found out by going down a ladder when it refuses, once, and remembered for the life of the
 * process. After a ladder in vain (a suspended stack refuses every signature) each poll costs one
 * request again: it takes the rung that worked, and every other time one of the others.
 */
#include "metadata/source.h"

#include <errno.h>
#include <string.h>

#include "auth/ec2.h"
#include "core/text.h"
#include "metadata/classify.h"
#include "metadata/document.h"

struct cfn_rung {
	bool v4;
	bool corrected; /* with the server's time: only where its Date differs from ours */
	bool timestamp; /* V2 without one never expires */
};

static const struct cfn_rung ladder[] = {
	{.v4 = true, .timestamp = true},
	{.timestamp = true},
	{.corrected = true, .timestamp = true},
	{.timestamp = false},
};
#define RUNGS ARRAY_SIZE(ladder)

struct source {
	struct http *http;
	const struct env *env;
	struct credentials cred;
	int64_t timeout_ms;
	char *origin;    /* scheme://authority as configured */
	char *path;      /* raw: what is signed; ends in /v1/ */
	struct buf wire; /* the path as sent */
	struct buf host; /* the Host header */
	bool tls;
	char *arn;      /* of the stack, once known */
	size_t worked;  /* rung */
	bool exhausted; /* the whole ladder was refused */
	unsigned turn;  /* polls since then */
	int64_t skew_ms;
	struct cfn_fetch *fetches;
};

struct cfn_fetch {
	struct source *s;
	struct cfn_fetch *next;
	char *resource;
	fetch_fn *fn;
	void *ctx;
	struct http_call *call;
	size_t rung;
	bool tried[RUNGS];
	bool single; /* one rung only */
};

static bool cfn_usable(const struct watch_setup *setup)
{
	const struct credentials *c = &setup->creds->cfn;

	return c->kind == CREDENTIALS_EC2 && c->metadata_url && c->access_key && c->secret_key &&
	       c->stack;
}

static bool path_ends_with(const char *path, size_t n, const char *tail)
{
	size_t len = strlen(tail);

	return n >= len && !memcmp(path + n - len, tail, len);
}

/* "" "/" "/v1" "/v1/" "/v1/v1/" "/prefix/v1" and so on: always one "/v1/" at the end, the prefix
 * kept. */
static int normal_path(const char *path, char **ret)
{
	size_t n = strcspn(path, "?#");
	struct buf out = BUF_INIT(4096);

	for (;;) {
		while (n && path[n - 1] == '/')
			n--;
		if (!path_ends_with(path, n, "/v1"))
			break;
		n -= 3;
	}
	if (text_percent_decode(&out, path, n) < 0) {
		buf_deinit(&out);
		return -EINVAL;
	}
	buf_puts(&out, "/v1/");
	*ret = buf_take(&out);
	return *ret ? 0 : -ENOMEM;
}

static int take_url(struct source *s, const char *url, struct err *e)
{
	struct http_url u;
	const char *authority = strstr(url, "://");
	int r = http_url_parse(url, &u);

	if (r < 0 || !authority)
		return err_set(e, -EINVAL, "metadata_url is not an http or https URL");
	s->tls = !strcmp(u.scheme, "https");
	authority += 3;
	s->origin = strndup(url, (size_t)(authority - url) + strcspn(authority, "/?#"));
	http_url_host_header(&u, &s->host);
	r = normal_path(u.path ? u.path : "", &s->path);
	http_url_deinit(&u);
	if (r == -EINVAL)
		return err_set(e, r, "metadata_url has a broken %%-escape in its path");
	if (!s->origin || r < 0)
		return err_set(e, -ENOMEM, "no memory");
	ec2_encode_path(&s->wire, s->path);
	return buf_error(&s->wire) || buf_error(&s->host) ? err_set(e, -ENOMEM, "no memory") : 0;
}

static void fetch_free(struct cfn_fetch *f)
{
	for (struct cfn_fetch **p = &f->s->fetches; *p; p = &(*p)->next) {
		if (*p == f) {
			*p = f->next;
			break;
		}
	}
	free(f->resource);
	free(f);
}

static struct source *cfn_close(struct source *s)
{
	if (!s)
		return NULL;
	while (s->fetches) {
		if (s->fetches->call)
			http_cancel(s->fetches->call);
		fetch_free(s->fetches);
	}
	credentials_deinit(&s->cred);
	buf_deinit(&s->wire);
	buf_deinit(&s->host);
	free(s->origin);
	free(s->path);
	free(s->arn);
	free(s);
	return NULL;
}

static int cfn_open(const struct watch_setup *setup, struct source **ret, struct err *e)
{
	struct source *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "no memory");
	s->http = setup->http;
	s->env = loop_env(setup->loop);
	s->timeout_ms = setup->conf->request_timeout_ms;
	s->wire = BUF_INIT(16384);
	s->host = BUF_INIT(512);
	r = credentials_copy(&s->cred, &setup->creds->cfn);
	if (!r)
		r = take_url(s, s->cred.metadata_url, e);
	if (r < 0) {
		cfn_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct cfn_signed {
	struct buf query, authorization, url;
	char amz_date[20];
};

static void signed_deinit(struct cfn_signed *q)
{
	buf_deinit(&q->query);
	buf_deinit(&q->authorization);
	buf_deinit(&q->url);
}

static int sign(const struct cfn_fetch *f, struct cfn_signed *out)
{
	const struct source *s = f->s;
	const struct cfn_rung *rung = &ladder[f->rung];
	const struct ec2_param params[] = {
		{"Action", "DescribeStackResource"}, {"StackName", s->arn ? s->arn : s->cred.stack},
		{"LogicalResourceId", f->resource},  {"ContentType", "JSON"},
		{"Version", "2010-05-15"},
	};
	int64_t now_ms = s->env->real_ms() + (rung->corrected ? s->skew_ms : 0);
	const struct ec2_request request = {
		.verb = "GET",
		.host = buf_str(&s->host),
		.path = s->path,
		.params = params,
		.n_params = ARRAY_SIZE(params),
		.access_key = s->cred.access_key,
		.secret_key = s->cred.secret_key,
		.time_s = rung->timestamp ? now_ms / 1000 : -1,
	};
	int r;

	if (rung->v4)
		r = ec2_sign_v4(&request, "heat", "cloudformation", &out->query,
				&out->authorization, out->amz_date);
	else
		r = ec2_sign_v2(&request, &out->query);
	if (r < 0)
		return r;
	buf_printf(&out->url, "%s%s?%s", s->origin, buf_str(&s->wire), buf_str(&out->query));
	return buf_error(&out->url);
}

static void cfn_answered(const struct http_answer *answer, void *ctx);

static int send_request(struct cfn_fetch *f)
{
	struct cfn_signed q = {
		.query = BUF_INIT(16384), .authorization = BUF_INIT(4096), .url = BUF_INIT(32768)};
	char authorization[1024], date[64];
	const char *headers[] = {"Accept: application/json", authorization, date, NULL};
	struct http_request request = {
		.method = "GET",
		.headers = headers,
		.timeout_ms = f->s->timeout_ms,
		.insecure = f->s->cred.insecure,
	};
	int r;

	f->tried[f->rung] = true;
	r = sign(f, &q);
	if (!r) {
		snprintf(authorization, sizeof(authorization), "Authorization: %s",
			 buf_str(&q.authorization));
		snprintf(date, sizeof(date), "X-Amz-Date: %s", q.amz_date);
		if (!ladder[f->rung].v4)
			headers[1] = NULL;
		request.url = buf_str(&q.url);
		r = http_start(f->s->http, &request, cfn_answered, f, &f->call);
	}
	signed_deinit(&q);
	return r;
}

/* The next rung worth a try after a refusal. */
static bool climb(struct cfn_fetch *f, const struct fetch_result *r)
{
	bool skewed = r->has_skew && llabs(r->date_skew_ms) >= CLASSIFY_SKEW_MIN_MS;

	if (r->class != FETCH_REFUSED || f->single)
		return false;
	for (size_t i = 0; i < RUNGS; i++) {
		if (f->tried[i] || (ladder[i].corrected && !skewed))
			continue;
		f->rung = i;
		return true;
	}
	f->s->exhausted = true;
	return false;
}

/* A stack of that name may be another one by now: the name is asked for next time. */
static void forget_arn(struct source *s)
{
	free(s->arn);
	s->arn = NULL;
}

static void deliver(struct cfn_fetch *f, struct fetch_result *r)
{
	struct source *s = f->s;
	fetch_fn *fn = f->fn;
	void *ctx = f->ctx;

	if (r->class == FETCH_OK) {
		s->worked = f->rung;
		s->exhausted = false;
		if (!s->arn && r->doc.stack_id && text_starts(r->doc.stack_id, "arn:"))
			s->arn = strdup(r->doc.stack_id);
	} else if (r->class == FETCH_GONE || r->class == FETCH_REFUSED) {
		forget_arn(s);
	}
	classify_clock(r);
	fetch_free(f);
	fn(r, ctx);
	document_deinit(&r->doc);
}

static void take_document(const struct cfn_fetch *f, const struct http_answer *a,
			  struct fetch_result *r)
{
	struct err e = ERR_INIT;
	int code;

	if (a->body.len && a->body.data[0] == '<') {
		r->class = FETCH_NOT_HEAT;
		snprintf(r->why, sizeof(r->why), "markup instead of JSON");
		return;
	}
	code = document_from_cfn(buf_str(&a->body), a->body.len, &r->doc, &e);
	if (code == 1) {
		r->class = classify_status(CLASSIFY_CFN, 200, NULL, e.text, true);
		text_print(r->why, sizeof(r->why), "%s", e.text);
	} else if (code < 0) {
		classify_document(code, e.text, r);
	} else if (!r->doc.resource) {
		r->doc.resource = strdup(f->resource);
	}
}

static void cfn_answered(const struct http_answer *a, void *ctx)
{
	struct cfn_fetch *f = ctx;
	struct fetch_result r;
	int code;

	f->call = NULL;
	classify_result(a, CLASSIFY_CFN, true, &r);
	if (r.has_skew)
		f->s->skew_ms = r.date_skew_ms;
	if (r.class == FETCH_OK)
		take_document(f, a, &r);
	if (!climb(f, &r)) {
		deliver(f, &r);
		return;
	}
	document_deinit(&r.doc);
	code = send_request(f);
	if (code < 0) {
		r.class = FETCH_UNREACHABLE;
		snprintf(r.why, sizeof(r.why), "cannot start a request: %s", strerror(-code));
		deliver(f, &r);
	}
}

/* After a ladder in vain: one request, the rung that worked and each other one in turn. */
static size_t pick_rung(struct source *s)
{
	unsigned turn = s->turn++;

	if (!s->exhausted || turn % 2 == 0)
		return s->worked;
	return (s->worked + 1 + (turn / 2) % (RUNGS - 1)) % RUNGS;
}

static int cfn_fetch(struct source *s, const char *resource, bool full, fetch_fn *fn, void *ctx)
{
	struct cfn_fetch *f = calloc(1, sizeof(*f));
	int r;

	(void)full; /* cfn has no lighter request */
	if (!f)
		return -ENOMEM;
	*f = (struct cfn_fetch){
		.s = s, .fn = fn, .ctx = ctx, .single = s->exhausted, .next = s->fetches};
	s->fetches = f;
	f->rung = pick_rung(s);
	if (resource || s->cred.resource)
		f->resource = strdup(resource ? resource : s->cred.resource);
	r = f->resource ? send_request(f) : -EINVAL;
	if (r < 0)
		fetch_free(f);
	return r;
}

static const char *cfn_own(const struct source *s)
{
	return s->cred.resource;
}

/* Which resources a key may read is the stack's affair: a refusal becomes the problem of that
 * resource. */
static bool cfn_reaches(const struct source *s, const char *resource)
{
	return resource || s->cred.resource;
}

static bool cfn_needs_clock(const struct source *s)
{
	return s->tls;
}

const struct source_ops source_cfn = {
	.name = "cfn",
	.block = "cfn",
	.remote = true,
	.usable = cfn_usable,
	.open = cfn_open,
	.fetch = cfn_fetch,
	.own = cfn_own,
	.reaches = cfn_reaches,
	.needs_clock = cfn_needs_clock,
	.close = cfn_close,
};
