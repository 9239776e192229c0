/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any OpenTelemetry collector: POST of OTLP/HTTP JSON. 200 with partialSuccess is an answer and not
 * to be repeated; only 429, 502, 503, 504 and no answer are. The rest is for good.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "core/json.h"
#include "sink/metric_http.h"
#include "sink/otlp_body.h"

#define BODY_MAX   (512u << 10)
#define ANSWER_MAX (64u << 10)
#define DAY_MS     (86400 * 1000LL)

struct metric_sink {
	struct metric_call call;
	struct buf body, authorization;
};

/* How many points the receiver left out; a word of it for status. */
static void read_partial(const struct http_answer *a, struct metric_verdict *v)
{
	_cleanup_json_ json_t *o = NULL;
	const char *count;
	int64_t n = 0;

	if (json_parse(buf_str(&a->body), a->body.len, &json_limits_default, &o, NULL) < 0)
		return;
	count = json_str(json_obj(o, "partialSuccess"), "rejectedDataPoints");
	if (count || json_int(json_obj(o, "partialSuccess"), "rejectedDataPoints", &n))
		snprintf(v->why, sizeof(v->why), "the receiver left out %.20s points",
			 count ? count : "some");
}

static void answered(const struct http_answer *a, void *ctx)
{
	struct metric_sink *k = ctx;
	struct metric_verdict v;

	k->call.http = NULL;
	metric_judge(a, &v);
	if (v.how == METRIC_TAKEN)
		read_partial(a, &v);
	if (a->failure == HTTP_OK && (a->status == 500 || a->status == 501 || a->status == 408))
		v.how = METRIC_REFUSED;
	metric_call_end(&k->call, &v);
}

static void request(struct metric_sink *k)
{
	const char *headers[] = {"Content-Type: application/json", NULL, NULL};
	struct http_request req = {
		.method = "POST",
		.url = k->call.set.setting->url,
		.headers = headers,
		.body = k->body.data,
		.body_len = k->body.len,
		.timeout_ms = k->call.set.timeout_ms,
		.body_max = ANSWER_MAX,
	};
	int r;

	if (k->authorization.len)
		headers[1] = buf_str(&k->authorization);
	r = metric_call_http(&k->call, &req, answered, k);
	if (r < 0)
		metric_call_fail(&k->call, METRIC_RETRY, "%s", strerror(-r));
}

static int otlp_send(struct metric_sink *k, const struct metric_point *points, size_t n,
		     metric_done_fn *done, void *ctx)
{
	int r = metric_call_begin(&k->call, done, ctx);

	if (r < 0)
		return r;
	buf_reset(&k->body);
	r = otlp_body(points, n, k->call.set.labels, &k->body);
	if (r == -EFBIG)
		metric_call_fail(&k->call, METRIC_TOO_LARGE, "over %u KiB", BODY_MAX >> 10);
	else if (r < 0)
		metric_call_fail(&k->call, METRIC_RETRY, "%s", strerror(-r));
	else
		request(k);
	return 0;
}

/* No metrics at all is a valid request. */
static int otlp_probe(struct metric_sink *k, metric_done_fn *done, void *ctx)
{
	int r = metric_call_begin(&k->call, done, ctx);

	if (r < 0)
		return r;
	buf_reset(&k->body);
	buf_puts(&k->body, "{\"resourceMetrics\":[]}");
	request(k);
	return 0;
}

static struct metric_sink *otlp_close(struct metric_sink *k)
{
	if (!k)
		return NULL;
	metric_call_deinit(&k->call);
	buf_deinit(&k->body);
	if (k->authorization.data)
		OPENSSL_cleanse(k->authorization.data, k->authorization.cap);
	buf_deinit(&k->authorization);
	free(k);
	return NULL;
}

static int otlp_open(const struct metric_sink_setup *setup, struct metric_sink **ret, struct err *e)
{
	const struct sink_setting *s = setup->setting;
	struct metric_sink *k;
	int r;

	if (!s->url)
		return err_set(
			e, -EINVAL,
			"the otlp sink needs the URL of a collector (it ends in /v1/metrics)");
	k = calloc(1, sizeof(*k));
	r = k ? metric_call_init(&k->call, setup) : -ENOMEM;
	if (r < 0) {
		free(k);
		return err_set(e, r, "cannot open the otlp sink");
	}
	k->body = BUF_INIT(BODY_MAX);
	k->authorization = BUF_INIT(8192);
	if (s->trusted && s->token)
		buf_printf(&k->authorization, "Authorization: Bearer %s", s->token);
	*ret = k;
	return 0;
}

const struct metric_sink_ops metric_sink_otlp = {
	.name = "otlp",
	.points_max = 500,
	.age_max_ms = DAY_MS,
	.open = otlp_open,
	.send = otlp_send,
	.probe = otlp_probe,
	.close = otlp_close,
};
