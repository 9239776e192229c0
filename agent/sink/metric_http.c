/* SPDX-License-Identifier: Apache-2.0 */
/* One request, one verdict: see metric_http.h. */
#include "sink/metric_http.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"

#define SLOW_ANSWER_MS 10000

/* ---- a call ---- */

static void answer(struct loop *loop, void *ctx)
{
	struct metric_call *c = ctx;
	metric_done_fn *done = c->done;

	(void)loop;
	c->done = NULL;
	if (done)
		done(&c->verdict, c->ctx);
}

int metric_call_init(struct metric_call *c, const struct metric_sink_setup *setup)
{
	*c = (struct metric_call){.set = *setup};
	return loop_timer_new(setup->loop, 0, answer, c, &c->timer);
}

void metric_call_deinit(struct metric_call *c)
{
	if (c->http)
		http_cancel(c->http);
	c->http = NULL;
	c->timer = loop_timer_free(c->timer);
	c->done = NULL;
}

int metric_call_begin(struct metric_call *c, metric_done_fn *done, void *ctx)
{
	if (c->done)
		return -EBUSY;
	c->done = done;
	c->ctx = ctx;
	return 0;
}

void metric_call_end(struct metric_call *c, const struct metric_verdict *v)
{
	if (!c->done || loop_timer_armed(c->timer))
		return;
	c->verdict = *v;
	loop_timer_arm(c->timer, 0);
}

void metric_call_fail(struct metric_call *c, enum metric_how how, const char *fmt, ...)
{
	struct metric_verdict v = {.how = how, .retry_after_s = -1, .skew_ms = METRIC_SKEW_UNKNOWN};
	va_list ap;

	va_start(ap, fmt);
	text_vprint(v.why, sizeof(v.why), fmt, ap);
	va_end(ap);
	metric_call_end(c, &v);
}

bool metric_call_built(struct metric_call *c, int r, size_t max)
{
	if (r == -EFBIG)
		metric_call_fail(c, METRIC_TOO_LARGE, "over %zu KiB", max >> 10);
	else if (r < 0)
		metric_call_fail(c, METRIC_RETRY, "%s", strerror(-r));
	return r >= 0;
}

int metric_call_http(struct metric_call *c, const struct http_request *req, http_done_fn *fn,
		     void *ctx)
{
	struct http_request kept = *req;

	kept.haste = HTTP_KEEP; /* the next one comes within a minute */
	return http_start(c->set.http, &kept, fn, ctx, &c->http);
}

/* ---- answers ---- */

static const struct {
	long from, to;
	enum metric_how how;
} statuses[] = {
	{200, 299, METRIC_TAKEN},     {400, 400, METRIC_REFUSED}, {422, 422, METRIC_REFUSED},
	{413, 413, METRIC_TOO_LARGE}, {408, 408, METRIC_RETRY},   {425, 425, METRIC_RETRY},
	{429, 429, METRIC_RETRY},     {500, 599, METRIC_RETRY},
};

static enum metric_how how_of(long status)
{
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (status >= statuses[i].from && status <= statuses[i].to)
			return statuses[i].how;
	return METRIC_DENIED;
}

int64_t metric_skew(const struct http_answer *a)
{
	if (a->date_s < 0 || a->got_real_ms - a->sent_real_ms > SLOW_ANSWER_MS ||
	    a->got_real_ms < a->sent_real_ms)
		return METRIC_SKEW_UNKNOWN;
	return a->date_s * 1000 + 500 - (a->sent_real_ms + a->got_real_ms) / 2;
}

void metric_judge(const struct http_answer *a, struct metric_verdict *ret)
{
	char text[160] = "";

	*ret = (struct metric_verdict){
		.how = METRIC_RETRY, .retry_after_s = a->retry_after_s, .skew_ms = metric_skew(a)};
	if (a->failure == HTTP_BAD_URL)
		ret->how = METRIC_DENIED;
	if (a->failure != HTTP_OK) {
		text_print(ret->why, sizeof(ret->why), "%s",
			   a->why[0] ? a->why : http_failure_names[a->failure]);
		return;
	}
	ret->how = how_of(a->status);
	/* Said of a fresh token, it is a matter of seconds: one that Keystone gave within the second of a
	 * revocation, or a service that cannot reach Keystone. */
	if (a->status == 401 && text_starts(a->www_authenticate, "Keystone"))
		ret->how = METRIC_RETRY;
	if (a->status >= 300)
		metric_error_text(buf_str(&a->body), a->body.len, text);
	snprintf(ret->why, sizeof(ret->why), "HTTP %ld%s%s", a->status, text[0] ? ": " : "", text);
}

static void put_cut(const char *p, size_t n, char out[static 160])
{
	_cleanup_buf_ struct buf b = BUF_INIT(4096);

	text_trim(&p, &n);
	text_escape(&b, p, n < 600 ? n : 600);
	snprintf(out, 160, "%s", buf_str(&b));
}

/* {"title","description"} of Falcon; Gnocchi puts an object with "cause" there; {"message"} of
 * others. */
static const char *from_object(const json_t *o)
{
	const json_t *inner = json_obj(o, "description");
	const char *text = json_str(o, "description");

	if (!text && inner)
		text = json_str(inner, "reason") ? json_str(inner, "reason")
						 : json_str(inner, "cause");
	if (!text && json_obj(o, "error"))
		text = json_str(json_obj(o, "error"), "message");
	if (!text)
		text = json_str(o, "message");
	return text ? text : json_str(o, "title");
}

void metric_error_text(const char *p, size_t n, char out[static 160])
{
	_cleanup_json_ json_t *v = NULL;
	const char *text = NULL;

	out[0] = '\0';
	if (n == 0 || n > (64u << 10))
		return;
	if (p[0] == '<') /* a proxy's page says nothing */
		return;
	if (json_parse(p, n, &json_limits_default, &v, NULL) < 0) {
		put_cut(p, n, out);
		return;
	}
	text = json_is_string(v) ? json_string_value(v) : json_is_object(v) ? from_object(v) : NULL;
	if (text)
		put_cut(text, strlen(text), out);
}

bool metric_same_origin(const char *x, const char *y)
{
	struct http_url a, b;
	bool same = false;

	if (http_url_parse(x, &a) < 0)
		return false;
	if (http_url_parse(y, &b) == 0) {
		same = strcmp(a.scheme, b.scheme) == 0 && strcmp(a.host, b.host) == 0 &&
		       strcmp(a.zone, b.zone) == 0 && a.port == b.port;
		http_url_deinit(&b);
	}
	http_url_deinit(&a);
	return same;
}
