/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native signal. With a known kind: one POST. With an unknown one: POST as OS::Heat wants it, read back
 * (three times, because the engine works through a queue); if it did not arrive, or may not be read, the same
 * as AWS handles want it. A body of the wrong kind does no harm: Heat writes one line into its own log.
 */
#include "sink/native.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"

#define READ_TRIES   3
#define READ_WAIT_MS 2000
#define BODY_MAX     (1u << 20)
#define ANSWER_MAX   (8u << 20)

struct native {
	struct loop *loop;
	struct http *http;
	struct loop_timer *timer;
	struct http_call *call;
	char *base, *token; /* ".../resources/NAME" */
	bool insecure, searching;
	int64_t timeout_ms;
	enum handle_kind kind; /* as which it was last posted */
	unsigned reads;
	bool unreadable, never_readable;
	const struct signal *s;
	native_fn *fn;
	void *ctx;
};

static void forget(struct native *n)
{
	if (n->token)
		explicit_bzero(n->token, strlen(n->token));
	free(n->base);
	free(n->token);
	n->base = n->token = NULL;
	n->s = NULL;
	loop_timer_disarm(n->timer);
}

static void finish(struct native *n, const struct verdict *v, enum handle_kind learned, bool unauthorized)
{
	native_fn *fn = n->fn;

	n->fn = NULL;
	forget(n);
	fn(v, learned, unauthorized, n->ctx);
}

static void finish_words(struct native *n, enum carry how, const char *why)
{
	struct verdict v = {.how = how, .retry_after_s = -1};

	text_print(v.why, sizeof(v.why), "%s", why);
	finish(n, &v, HANDLE_UNKNOWN, false);
}

static int start(struct native *n, const char *method, const char *leaf, const struct buf *body,
		 http_done_fn *fn)
{
	_cleanup_buf_ struct buf url = BUF_INIT(8192), token = BUF_INIT(8192);
	const char *headers[] = {NULL, "Content-Type: application/json", "Accept: application/json", NULL};
	struct http_request req;
	int r;

	buf_printf(&url, "%s/%s", n->base, leaf);
	buf_printf(&token, "X-Auth-Token: %s", n->token);
	if (buf_error(&url) || buf_error(&token))
		return -EFBIG;
	headers[0] = buf_str(&token);
	req = (struct http_request){
		.method = method,
		.url = buf_str(&url),
		.headers = headers,
		.body = body ? body->data : NULL,
		.body_len = body ? body->len : 0,
		.timeout_ms = n->timeout_ms,
		.body_max = ANSWER_MAX,
		.haste = n->s->urgent ? HTTP_URGENT : HTTP_CALM,
		.insecure = n->insecure,
	};
	r = http_start(n->http, &req, fn, n, &n->call);
	explicit_bzero(token.data, token.len);
	return r;
}

static void posted(const struct http_answer *a, void *ctx);
static void read_back(const struct http_answer *a, void *ctx);

static int post(struct native *n)
{
	_cleanup_buf_ struct buf body = BUF_INIT(BODY_MAX);
	int r = handle_body(n->kind, n->s, &body);

	n->reads = 0;
	return r < 0 ? r : start(n, "POST", "signal", &body, posted);
}

static void go_on(struct native *n, int r)
{
	if (r < 0)
		finish_words(n, CARRY_RETRY, strerror(-r));
}

/* Not stored in this kind, as far as can be seen. */
static void try_other(struct native *n)
{
	if (n->kind == HANDLE_HEAT) {
		n->kind = HANDLE_AWS;
		go_on(n, post(n));
	} else if (n->unreadable) {
		finish_words(n, CARRY_DELIVERED, "accepted in both forms; this guest may not read it back");
	} else {
		finish_words(n, CARRY_RETRY, "accepted, but not found in the handle afterwards");
	}
}

static void posted(const struct http_answer *a, void *ctx)
{
	struct native *n = ctx;
	struct verdict v;

	n->call = NULL;
	reply_judge(a, &v);
	if (v.how != CARRY_DELIVERED || !n->searching) {
		finish(n, &v, HANDLE_UNKNOWN, a->status == 401);
		return;
	}
	if (n->unreadable)
		try_other(n);
	else
		go_on(n, start(n, "GET", "metadata", NULL, read_back));
}

static bool holds(const struct native *n, const struct http_answer *a, enum handle_kind *kind)
{
	_cleanup_json_ json_t *o = NULL;

	return json_parse(buf_str(&a->body), a->body.len, &json_limits_default, &o, NULL) == 0 &&
	       handle_holds(json_obj(o, "metadata"), n->s, kind);
}

static void read_back(const struct http_answer *a, void *ctx)
{
	struct verdict v = {.how = CARRY_DELIVERED, .retry_after_s = -1, .why = "stored and read back"};
	struct native *n = ctx;
	enum handle_kind kind;

	n->call = NULL;
	if (a->failure == HTTP_OK && a->status == 200) {
		if (holds(n, a, &kind))
			finish(n, &v, kind, false);
		else if (++n->reads < READ_TRIES)
			loop_timer_arm(n->timer, READ_WAIT_MS);
		else
			try_other(n);
		return;
	}
	/* 403 is the rule for stack users, and stays; whatever else it is, reading is a courtesy and the
	 * signal was accepted */
	n->unreadable = true;
	n->never_readable = a->status == 403;
	try_other(n);
}

static void read_again(struct loop *loop, void *ctx)
{
	struct native *n = ctx;

	(void)loop;
	go_on(n, start(n, "GET", "metadata", NULL, read_back));
}

int native_new(struct loop *loop, struct http *http, struct native **ret)
{
	struct native *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	*n = (struct native){.loop = loop, .http = http};
	r = loop_timer_new(loop, 500, read_again, n, &n->timer);
	if (r < 0) {
		free(n);
		return r;
	}
	*ret = n;
	return 0;
}

void native_cancel(struct native *n)
{
	if (n->call)
		http_cancel(n->call);
	n->call = NULL;
	n->fn = NULL;
	forget(n);
}

struct native *native_free(struct native *n)
{
	if (!n)
		return NULL;
	native_cancel(n);
	loop_timer_free(n->timer);
	free(n);
	return NULL;
}

static int set_base(struct native *n, const struct native_ask *ask)
{
	_cleanup_buf_ struct buf base = BUF_INIT(8192);

	buf_printf(&base, "%s/stacks/%s/%s/resources/", ask->endpoint, ask->ref->name, ask->ref->uuid);
	text_percent_encode(&base, ask->resource, strlen(ask->resource), "");
	if (buf_error(&base))
		return buf_error(&base);
	n->base = buf_take(&base);
	n->token = strdup(ask->token);
	return n->base && n->token ? 0 : -ENOMEM;
}

int native_start(struct native *n, const struct native_ask *ask, const struct signal *s, native_fn *fn,
		 void *ctx)
{
	int r;

	if (n->fn)
		return -EBUSY;
	n->searching = ask->kind == HANDLE_UNKNOWN && s->kind != SIGNAL_ACTION;
	n->kind = ask->kind == HANDLE_AWS ? HANDLE_AWS : HANDLE_HEAT;
	n->unreadable = n->never_readable;
	n->insecure = ask->insecure;
	n->timeout_ms = ask->timeout_ms;
	n->s = s;
	r = set_base(n, ask);
	if (r == 0)
		r = post(n);
	if (r < 0) {
		forget(n);
		return r;
	}
	n->fn = fn;
	n->ctx = ctx;
	return 0;
}
