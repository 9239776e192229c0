/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Monasca: POST <endpoint>/metrics with a token. Its 204 means queued. The Content-Type is compared
 * as a string and must be exactly application/json; chunked bodies are not read.
 */
#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "sink/metric_http.h"
#include "sink/monasca_body.h"

#define BODY_MAX (256u << 10) /* what proxies in front of it take */
#define DAY_MS   (86400 * 1000LL)

struct metric_sink {
	struct metric_call call;
	struct metric_service service;
	struct buf body;
};

static void answered(const struct http_answer *a, void *ctx)
{
	struct metric_sink *k = ctx;
	struct metric_verdict v;

	metric_judge(a, &v);
	if (metric_service_denied(a))
		snprintf(v.why, sizeof(v.why),
			 "HTTP 401: the role to post metrics is missing (monasca-agent or "
			 "monasca-user)");
	if (a->failure == HTTP_OK && a->status == 404)
		snprintf(v.why, sizeof(v.why),
			 "HTTP 404: not the base URL of Monasca's API, which ends in /v2.0");
	metric_call_end(&k->call, &v);
}

static int monasca_send(struct metric_sink *k, const struct metric_point *points, size_t n,
			metric_done_fn *done, void *ctx)
{
	static const char *const headers[] = {"Content-Type: application/json",
					      "Accept: application/json", NULL};
	int r = metric_call_begin(&k->call, done, ctx);

	if (r < 0)
		return r;
	buf_reset(&k->body);
	r = monasca_body(points, n, k->call.set.labels, &k->body);
	if (metric_call_built(&k->call, r, BODY_MAX))
		metric_service_post(&k->service, "/metrics", headers, buf_str(&k->body),
				    k->body.len, answered, k);
	return 0;
}

/* An empty array is answered 204, with a Date, and shows rights and address as well. */
static int monasca_probe(struct metric_sink *k, metric_done_fn *done, void *ctx)
{
	return monasca_send(k, NULL, 0, done, ctx);
}

static struct metric_sink *monasca_close(struct metric_sink *k)
{
	if (!k)
		return NULL;
	metric_service_deinit(&k->service);
	metric_call_deinit(&k->call);
	buf_deinit(&k->body);
	free(k);
	return NULL;
}

static int monasca_open(const struct metric_sink_setup *setup, struct metric_sink **ret,
			struct err *e)
{
	struct metric_sink *k = calloc(1, sizeof(*k));
	int r = k ? metric_call_init(&k->call, setup) : -ENOMEM;

	if (r < 0) {
		free(k);
		return err_set(e, r, "cannot open the monasca sink");
	}
	metric_service_init(&k->service, &k->call, "monitoring");
	k->body = BUF_INIT(BODY_MAX);
	*ret = k;
	return 0;
}

const struct metric_sink_ops metric_sink_monasca = {
	.name = "monasca",
	.points_max = 500,
	.age_max_ms = 14 * DAY_MS - 3600 * 1000,
	.open = monasca_open,
	.send = monasca_send,
	.probe = monasca_probe,
	.close = monasca_close,
};
