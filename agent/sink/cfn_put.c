/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The synchronous signal. ContentType=JSON makes Heat answer with the handle's whole metadata, in which our
 * own entry is looked for; it also makes Heat wrap its refusals into status 200 with a bare JSON string, so a
 * status alone says nothing here. A handle with so many guests in it that its metadata do not fit is asked
 * for the short XML answer from then on.
 */
#include "sink/cfn_put.h"

#include <errno.h>
#include <string.h>

#include "auth/ec2.h"
#include "core/json.h"
#include "core/text.h"
#include "sink/reply.h"

#define SKEW_MIN_S 60
#define ANSWER_MAX (2u << 20)
#define BODY_MAX   (1u << 20) /* Heat's max_json_body_size */

/* How a request is signed, in the order of trying. */
static const struct form {
	bool v4, dated;
} forms[] = {{true, true}, {false, true}, {false, false}};

struct cfn_put {
	struct loop *loop;
	struct http *http;
	int64_t timeout_ms;
	struct http_call *call;
	/* learned, kept between signals */
	int good_form;	/* -1: not known */
	int64_t skew_s; /* server minus our clock, when it mattered */
	bool brief;	/* do not ask for the metadata */
	/* the request under way */
	char *base, *access, *secret;
	bool insecure;
	struct buf path, body;
	const struct signal *s;
	unsigned form;
	bool corrected;
	cfn_put_fn *fn;
	void *ctx;
};

static void forget(struct cfn_put *p)
{
	if (p->secret)
		explicit_bzero(p->secret, strlen(p->secret));
	free(p->base);
	free(p->access);
	free(p->secret);
	p->base = p->access = p->secret = NULL;
	buf_deinit(&p->path);
	buf_deinit(&p->body);
	p->s = NULL;
}

static void finish(struct cfn_put *p, enum put_answer answer, int64_t retry_after_s, const char *why)
{
	cfn_put_fn *fn = p->fn;

	p->fn = NULL;
	p->call = NULL;
	forget(p);
	fn(answer, retry_after_s, why, p->ctx);
}

/* Workflows and policies are no handles: POST /v1/signal, whose answer says that Heat took it and no more. */
static bool is_post(const struct cfn_put *p)
{
	return p->s->kind == SIGNAL_ACTION;
}

/* ---- the request ---- */

int cfn_path(const char *base_path, const char *what, const char *arn, struct buf *out)
{
	_cleanup_buf_ struct buf raw = BUF_INIT(8192);
	size_t n = strcspn(base_path, "?");

	if (text_percent_decode(&raw, base_path, n) < 0)
		return -EINVAL;
	n = raw.len;
	while (n > 0 && raw.data[n - 1] == '/')
		n--;
	buf_put(out, raw.data, n);
	if (n < 3 || memcmp(raw.data + n - 3, "/v1", 3) != 0)
		buf_puts(out, "/v1");
	buf_printf(out, "/%s/%s", what, arn);
	return buf_error(out);
}

void cfn_authority(const struct http_url *u, struct buf *out)
{
	buf_printf(out, "%s://", u->scheme);
	if (u->bracketed)
		buf_printf(out, "[%s%s%s]", u->host, u->zone[0] ? "%25" : "", u->zone);
	else
		buf_puts(out, u->host);
	buf_printf(out, ":%d", u->port);
}

struct wire {
	struct buf url, host, query, authorization, header;
	char date[20], date_header[48];
	const char *headers[4];
};
#define WIRE_INIT                                                                                            \
	{                                                                                                    \
		.url = BUF_INIT(16384), .host = BUF_INIT(512), .query = BUF_INIT(8192),                      \
		.authorization = BUF_INIT(2048), .header = BUF_INIT(2304)                                    \
	}

static void wire_deinit(struct wire *w)
{
	buf_deinit(&w->url);
	buf_deinit(&w->host);
	buf_deinit(&w->query);
	buf_deinit(&w->authorization);
	buf_deinit(&w->header);
}

static int sign(const struct cfn_put *p, struct wire *w)
{
	const struct ec2_param params[] = {{"ContentType", "JSON"}};
	const struct form *f = &forms[p->form];
	struct ec2_request r = {
		.verb = is_post(p) ? "POST" : "PUT",
		.host = buf_str(&w->host),
		.path = buf_str(&p->path),
		.params = params,
		.n_params = p->brief || is_post(p) ? 0 : 1,
		.body = p->body.data,
		.body_len = p->body.len,
		.access_key = p->access,
		.secret_key = p->secret,
		.time_s = f->dated ? loop_env(p->loop)->real_ms() / 1000 + p->skew_s : -1,
	};

	if (f->v4)
		return ec2_sign_v4(&r, "heat", "cloudformation", &w->query, &w->authorization, w->date);
	return ec2_sign_v2(&r, &w->query);
}

static int assemble(const struct cfn_put *p, struct wire *w)
{
	struct http_url u;
	size_t n = 0;
	int r = http_url_parse(p->base, &u);

	if (r < 0)
		return r;
	http_url_host_header(&u, &w->host);
	cfn_authority(&u, &w->url);
	http_url_deinit(&u);
	r = sign(p, w);
	if (r < 0)
		return r;
	ec2_encode_path(&w->url, buf_str(&p->path));
	if (w->query.len > 0)
		buf_printf(&w->url, "?%s", buf_str(&w->query));
	w->headers[n++] = "Content-Type: application/json";
	if (forms[p->form].v4) {
		snprintf(w->date_header, sizeof(w->date_header), "X-Amz-Date: %s", w->date);
		buf_printf(&w->header, "Authorization: %s", buf_str(&w->authorization));
		w->headers[n++] = w->date_header;
		w->headers[n++] = buf_str(&w->header);
	}
	w->headers[n] = NULL;
	return buf_error(&w->url) ? buf_error(&w->url) : buf_error(&w->header);
}

static void answered(const struct http_answer *a, void *ctx);

static int ask(struct cfn_put *p)
{
	_cleanup_(wire_deinit) struct wire w = WIRE_INIT;
	struct http_request req;
	int r = assemble(p, &w);

	if (r < 0)
		return r;
	req = (struct http_request){
		.method = is_post(p) ? "POST" : "PUT",
		.url = buf_str(&w.url),
		.headers = w.headers,
		.body = p->body.data,
		.body_len = p->body.len,
		.timeout_ms = p->timeout_ms,
		.body_max = ANSWER_MAX,
		.haste = p->s->urgent ? HTTP_URGENT : HTTP_CALM,
		.insecure = p->insecure,
	};
	return http_start(p->http, &req, answered, p, &p->call);
}

static void ask_again(struct cfn_put *p)
{
	int r = ask(p);

	if (r < 0)
		finish(p, PUT_RETRY, -1, strerror(-r));
}

/* ---- the answer ---- */

static bool says(const char *p, size_t n, const char *words)
{
	return p && memmem(p, n, words, strlen(words)) != NULL;
}

struct judged {
	enum put_answer answer;
	char why[200];
};

/* Status 200: delivered only if it is the object that Heat makes of a stored signal. */
static struct judged judge_good(const struct cfn_put *p, const struct http_answer *a)
{
	struct judged j = {PUT_RETRY, "status 200, but not an answer of Heat"};
	_cleanup_json_ json_t *v = NULL;
	enum handle_kind kind;
	char text[160];

	if (is_post(p))
		return (struct judged){PUT_DELIVERED, "accepted"};
	if (p->brief && says(a->body.data, a->body.len, "<resource>"))
		return (struct judged){PUT_DELIVERED, "stored"};
	if (json_parse(buf_str(&a->body), a->body.len, &json_limits_default, &v, NULL) < 0)
		return j;
	if (json_is_string(v)) {
		reply_message(buf_str(&a->body), a->body.len, text);
		snprintf(j.why, sizeof(j.why), "refused: %s", text);
		j.answer = PUT_REFUSED;
		return j;
	}
	if (!json_is_object(v) || !json_str(v, "resource"))
		return j;
	if (!handle_holds(json_obj(v, "metadata"), p->s, &kind))
		return (struct judged){PUT_RETRY, "Heat answered without our entry"};
	return (struct judged){PUT_DELIVERED, "stored and read back"};
}

static struct judged judge(const struct cfn_put *p, const struct http_answer *a)
{
	struct judged j = {PUT_RETRY, ""};
	bool entry_possible =
		a->status >= 200 && a->status < 300 && a->body.len > 0 && a->body.data[0] == '{';
	struct verdict v;

	/* not in an object: that is metadata, in which a guest may have written these very words */
	if (a->failure == HTTP_OK && !entry_possible &&
	    says(a->body.data, a->body.len, "Metadata format invalid"))
		return (struct judged){PUT_WRONG_KIND, "Metadata format invalid"};
	if (a->failure == HTTP_OK && a->status >= 200 && a->status < 300)
		return judge_good(p, a);
	reply_judge(a, &v);
	j.answer = v.how == CARRY_RETRY ? PUT_RETRY : PUT_REFUSED;
	memcpy(j.why, v.why, sizeof(j.why));
	return j;
}

/* Does our clock explain the refusal? V2 and V4 are refused 15 minutes behind; the future is accepted. */
static bool correct_clock(struct cfn_put *p, const struct http_answer *a)
{
	int64_t skew = a->date_s - loop_env(p->loop)->real_ms() / 1000;
	int64_t off = skew - p->skew_s;

	if (p->corrected || a->date_s < 0 || (off < SKEW_MIN_S && off > -SKEW_MIN_S))
		return false;
	p->corrected = true;
	p->skew_s = skew;
	return true;
}

/* Return: true when another way of signing is worth a try. One that worked before is not doubted at once. */
static bool next_form(struct cfn_put *p, const struct http_answer *a)
{
	if (a->status != 403 && a->status != 401 && a->status != 400)
		return false;
	if (correct_clock(p, a))
		return true;
	if (p->good_form >= 0) {
		p->good_form = -1;
		return false;
	}
	return ++p->form < ARRAY_SIZE(forms);
}

/* The handle's metadata, more of them than can be read: of bytes, or of values, which a group whose
 * guests are all in trouble has sooner. */
static bool is_too_much(const struct cfn_put *p, const struct http_answer *a)
{
	if (p->brief || is_post(p))
		return false;
	if (a->failure == HTTP_TOO_BIG)
		return true;
	return a->failure == HTTP_OK && a->status == 200 && a->body.len > 0 &&
	       a->body.data[0] == '{' &&
	       json_scan(a->body.data, a->body.len, &json_limits_default, NULL) == -EFBIG;
}

static void answered(const struct http_answer *a, void *ctx)
{
	struct cfn_put *p = ctx;
	struct judged j;

	p->call = NULL;
	if (is_too_much(p, a)) {
		p->brief = true;
		ask_again(p);
		return;
	}
	j = judge(p, a);
	if (j.answer == PUT_REFUSED && a->failure == HTTP_OK && next_form(p, a)) {
		ask_again(p);
		return;
	}
	if (j.answer == PUT_DELIVERED || j.answer == PUT_WRONG_KIND)
		p->good_form = (int)p->form;
	finish(p, j.answer, a->retry_after_s, j.why);
}

/* ---- the public face ---- */

int cfn_put_new(struct loop *loop, struct http *http, int64_t timeout_ms, struct cfn_put **ret)
{
	struct cfn_put *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*p = (struct cfn_put){.loop = loop, .http = http, .timeout_ms = timeout_ms, .good_form = -1};
	*ret = p;
	return 0;
}

void cfn_put_cancel(struct cfn_put *p)
{
	if (p->call)
		http_cancel(p->call);
	p->call = NULL;
	p->fn = NULL;
	forget(p);
}

struct cfn_put *cfn_put_free(struct cfn_put *p)
{
	if (!p)
		return NULL;
	cfn_put_cancel(p);
	free(p);
	return NULL;
}

static int fill(struct cfn_put *p, const struct cfn_keys *keys, const char *arn, enum handle_kind kind)
{
	struct http_url u;
	int r = http_url_parse(keys->url, &u);

	if (r < 0)
		return r;
	p->base = strdup(keys->url);
	p->access = strdup(keys->access);
	p->secret = strdup(keys->secret);
	p->insecure = keys->insecure;
	p->path = BUF_INIT(8192);
	p->body = BUF_INIT(BODY_MAX);
	r = cfn_path(u.path, is_post(p) ? "signal" : "waitcondition", arn, &p->path);
	http_url_deinit(&u);
	if (r == 0)
		r = handle_body(kind, p->s, &p->body);
	return p->base && p->access && p->secret ? r : -ENOMEM;
}

int cfn_put_start(struct cfn_put *p, const struct cfn_keys *keys, const char *arn, enum handle_kind kind,
		  const struct signal *s, cfn_put_fn *fn, void *ctx)
{
	int r;

	if (p->fn)
		return -EBUSY;
	p->s = s;
	p->form = p->good_form >= 0 ? (unsigned)p->good_form : 0;
	p->corrected = false;
	r = fill(p, keys, arn, kind);
	if (r == 0)
		r = ask(p);
	if (r < 0) {
		forget(p);
		return r;
	}
	p->fn = fn;
	p->ctx = ctx;
	return 0;
}
