/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals to a URL that somebody handed in: presigned wait condition and temporary URLs (PUT), signal
 * endpoints (POST). A TOKEN_SIGNAL endpoint needs the token of its handle; it is sent only to the scheme,
 * host and port that root-owned configuration names beside it, whoever asks. Presigned URLs are secrets: no
 * word of their query reaches a log or status.
 */
#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "sink/handle_kind.h"
#include "sink/reply.h"
#include "sink/rows.h"

#define BODY_MAX   (1u << 20)
#define ANSWER_MAX (2u << 20)

struct sink {
	struct sink_setup set;
	struct reply reply;
	struct handle_kinds *kinds;
	struct http_call *call;
	const struct signal *s;
	enum handle_kind kind;
	bool other_tried;
	char name[512]; /* the URL without query, for handle_kinds */
};

static bool url_takes(const struct sink_setup *setup, const struct signal *s)
{
	(void)setup;
	return s->kind != SIGNAL_DEPLOYMENT &&
	       (text_starts(s->target, "http://") || text_starts(s->target, "https://"));
}

static bool path_ends(const char *url, const char *ending)
{
	size_t n = strcspn(url, "?#"), m = strlen(ending);

	return n >= m && memcmp(url + n - m, ending, m) == 0;
}

/* Native endpoints end in /signal; the CFN service has /v1/signal/<arn>. Everything else that Heat hands out
 * is for PUT. */
static const char *method_for(const struct signal *s)
{
	const char *url = s->target;
	const char *signal = strstr(url, "/v1/signal/");

	if (s->kind == SIGNAL_ACTION) /* alarm URLs are for POST wherever they lead */
		return "POST";
	return path_ends(url, "/signal") || (signal && signal < url + strcspn(url, "?#")) ? "POST" : "PUT";
}

static bool same_origin(const char *url, const char *configured)
{
	struct http_url a, b;
	bool same = false;

	if (!configured || http_url_parse(configured, &b) < 0)
		return false;
	if (http_url_parse(url, &a) == 0) {
		same = strcmp(a.scheme, b.scheme) == 0 && strcmp(a.host, b.host) == 0 &&
		       strcmp(a.zone, b.zone) == 0 && a.port == b.port;
		http_url_deinit(&a);
	}
	http_url_deinit(&b);
	return same;
}

static bool may_have_token(const struct sink *k)
{
	const struct conf *c = k->set.conf;

	return c->signal_token && path_ends(k->s->target, "/signal") &&
	       (same_origin(k->s->target, c->signal_boot) || same_origin(k->s->target, c->signal_health));
}

static void answered(const struct http_answer *a, void *ctx);

static int ask(struct sink *k)
{
	_cleanup_buf_ struct buf body = BUF_INIT(BODY_MAX), token = BUF_INIT(8192);
	const char *headers[] = {"Content-Type: application/json", NULL, NULL};
	struct http_request req;
	int r = handle_body(k->kind, k->s, &body);

	if (r < 0)
		return r;
	if (may_have_token(k)) {
		buf_printf(&token, "X-Auth-Token: %s", k->set.conf->signal_token);
		if (buf_error(&token))
			return buf_error(&token);
		headers[1] = buf_str(&token);
	}
	req = (struct http_request){
		.method = method_for(k->s),
		.url = k->s->target,
		.headers = headers,
		.body = body.data,
		.body_len = body.len,
		.timeout_ms = k->set.conf->request_timeout_ms,
		.body_max = ANSWER_MAX,
		.haste = k->s->urgent ? HTTP_URGENT : HTTP_CALM,
	};
	return http_start(k->set.http, &req, answered, k, &k->call);
}

static bool wrong_kind(const struct http_answer *a)
{
	static const char words[] = "Metadata format invalid";

	return a->failure == HTTP_OK && (a->status >= 400 || (a->body.len > 0 && a->body.data[0] == '"')) &&
	       a->body.len > 0 && memmem(a->body.data, a->body.len, words, sizeof(words) - 1) != NULL;
}

/* ContentType=JSON inside a presigned URL: Heat wraps its refusals into status 200 with a bare string. */
static void unwrap(const struct http_answer *a, struct verdict *v)
{
	if (v->how == CARRY_DELIVERED && a->body.len > 0 && a->body.data[0] == '"')
		v->how = CARRY_SLOWLY;
}

static void answered(const struct http_answer *a, void *ctx)
{
	struct sink *k = ctx;
	struct verdict v;
	int r;

	k->call = NULL;
	if (wrong_kind(a) && !k->other_tried) {
		k->other_tried = true;
		k->kind = handle_other(k->kind);
		r = ask(k);
		if (r < 0)
			reply_end(&k->reply, CARRY_RETRY, -1, "%s", strerror(-r));
		return;
	}
	reply_judge(a, &v);
	unwrap(a, &v);
	if (wrong_kind(a) || a->failure == HTTP_BAD_URL)
		v.how = CARRY_REFUSED;
	if (v.how == CARRY_DELIVERED && strcmp(method_for(k->s), "PUT") == 0)
		handle_kinds_learn(k->kinds, k->name, k->kind);
	reply_end(&k->reply, v.how, v.retry_after_s, "%s", v.why);
}

static int url_send(struct sink *k, const struct signal *s, carry_done_fn *done, void *ctx)
{
	int r = reply_begin(&k->reply, done, ctx);

	if (r < 0)
		return r;
	k->s = s;
	k->other_tried = false;
	snprintf(k->name, sizeof(k->name), "%.*s", (int)strcspn(s->target, "?#"), s->target);
	k->kind = handle_kinds_get(k->kinds, k->name) == HANDLE_AWS ? HANDLE_AWS : HANDLE_HEAT;
	r = ask(k);
	if (r < 0)
		reply_end(&k->reply, CARRY_RETRY, -1, "%s", strerror(-r));
	return 0;
}

static int url_drop(struct sink *k)
{
	if (!k->call || !reply_pending(&k->reply))
		return -EBUSY;
	http_cancel(k->call);
	k->call = NULL;
	reply_drop(&k->reply);
	return 0;
}

static json_t *url_status(const struct sink *k)
{
	return reply_status(&k->reply, "url");
}

static struct sink *url_close(struct sink *k)
{
	if (!k)
		return NULL;
	if (k->call)
		http_cancel(k->call);
	handle_kinds_free(k->kinds);
	reply_deinit(&k->reply);
	free(k);
	return NULL;
}

static int url_open(const struct sink_setup *setup, struct sink **ret, struct err *e)
{
	struct sink *k = calloc(1, sizeof(*k));
	int r = k ? reply_init(&k->reply, setup->loop) : -ENOMEM;

	if (r < 0) {
		free(k);
		return err_set(e, r, "cannot open the url sink");
	}
	k->set = *setup;
	r = handle_kinds_new(setup->store, &k->kinds);
	if (r < 0) {
		url_close(k);
		return err_set(e, r, "cannot open the url sink");
	}
	*ret = k;
	return 0;
}

const struct sink_ops sink_url = {
	.name = "url",
	.takes = url_takes,
	.open = url_open,
	.send = url_send,
	.drop = url_drop,
	.status = url_status,
	.close = url_close,
};
