/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any OpenTelemetry collector: POST of OTLP/HTTP JSON. 200 with partialSuccess is an answer and not
 * to be repeated; only 429, 502, 503, 504 and no answer are. The rest is for good.
 */
#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "sink/metric_receiver.h"
#include "sink/otlp_body.h"

#define BODY_MAX   (512u << 10)
#define DAY_MS     (86400 * 1000LL)

struct metric_sink {
	struct metric_receiver receiver;
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

	k->receiver.call.http = NULL;
	metric_judge(a, &v);
	if (v.how == METRIC_TAKEN)
		read_partial(a, &v);
	if (a->failure == HTTP_OK && (a->status == 500 || a->status == 501 || a->status == 408))
		v.how = METRIC_REFUSED;
	metric_call_end(&k->receiver.call, &v);
}

static void request(struct metric_sink *k)
{
	static const char *const headers[] = {"Content-Type: application/json", NULL};

	metric_receiver_ask(&k->receiver, "POST", headers, answered, k);
}

static int otlp_send(struct metric_sink *k, const struct metric_point *points, size_t n,
		     metric_done_fn *done, void *ctx)
{
	int r = metric_call_begin(&k->receiver.call, done, ctx);

	if (r < 0)
		return r;
	buf_reset(&k->receiver.body);
	r = otlp_body(points, n, k->receiver.call.set.labels, &k->receiver.body);
	if (metric_call_built(&k->receiver.call, r, BODY_MAX))
		request(k);
	return 0;
}

/* No metrics at all is a valid request. */
static int otlp_probe(struct metric_sink *k, metric_done_fn *done, void *ctx)
{
	int r = metric_call_begin(&k->receiver.call, done, ctx);

	if (r < 0)
		return r;
	buf_reset(&k->receiver.body);
	buf_puts(&k->receiver.body, "{\"resourceMetrics\":[]}");
	request(k);
	return 0;
}

static struct metric_sink *otlp_close(struct metric_sink *k)
{
	if (!k)
		return NULL;
	metric_receiver_deinit(&k->receiver);
	free(k);
	return NULL;
}

static int otlp_open(const struct metric_sink_setup *setup, struct metric_sink **ret, struct err *e)
{
	struct metric_sink *k;
	int r;

	if (!setup->setting->url)
		return err_set(
			e, -EINVAL,
			"the otlp sink needs the URL of a collector (it ends in /v1/metrics)");
	k = calloc(1, sizeof(*k));
	r = k ? metric_receiver_init(&k->receiver, setup, BODY_MAX) : -ENOMEM;
	if (r < 0) {
		free(k);
		return err_set(e, r, "cannot open the otlp sink");
	}
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
