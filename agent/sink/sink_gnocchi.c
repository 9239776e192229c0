/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gnocchi's batch API: measures by resource (this server) and metric name, made where they do not
 * exist. Times are seconds: milliseconds would be taken and destroy the metric. All names begin
 * with "guest.": an existing metric of Ceilometer may not be written by a tenant, and one such name
 * makes the whole batch 403. A metric of an entity has it in its name, as measures have no
 * dimensions; '/' is not allowed there and becomes ':'.
 */
#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "sink/gnocchi_body.h"
#include "sink/metric_http.h"

#define BODY_MAX (256u << 10)
#define DAY_MS   (86400 * 1000LL)
#define BATCH    "/v1/batch/resources/metrics/measures?create_metrics=true"
#define RESOURCE "/v1/resource/generic"

struct metric_sink {
	struct metric_call call;
	struct metric_service service;
	struct buf body, resource;
	bool made; /* the resource was tried to be made for this request */
};

static const char *const headers[] = {"Content-Type: application/json", "Accept: application/json",
				      NULL};

static void answered(const struct http_answer *a, void *ctx);

static void post(struct metric_sink *k)
{
	metric_service_post(&k->service, BATCH, headers, buf_str(&k->body), k->body.len, answered,
			    k);
}

/* 201 made, 409 there already: both good. */
static void resource_made(const struct http_answer *a, void *ctx)
{
	struct metric_sink *k = ctx;
	struct metric_verdict v;

	metric_judge(a, &v);
	if (a->failure == HTTP_OK && (a->status == 201 || a->status == 409)) {
		post(k);
		return;
	}
	if (v.how == METRIC_REFUSED || v.how == METRIC_TAKEN)
		v.how = METRIC_DENIED;
	metric_call_end(&k->call, &v);
}

static bool resource_unknown(const struct http_answer *a)
{
	static const char words[] = "Unknown resources";

	return a->failure == HTTP_OK && a->status == 400 && a->body.len &&
	       memmem(a->body.data, a->body.len, words, sizeof(words) - 1);
}

static void answered(const struct http_answer *a, void *ctx)
{
	struct metric_sink *k = ctx;
	struct metric_verdict v;

	metric_judge(a, &v);
	if (resource_unknown(a) && !k->made) {
		k->made = true;
		metric_service_post(&k->service, RESOURCE, headers, buf_str(&k->resource),
				    k->resource.len, resource_made, k);
		return;
	}
	if (a->failure == HTTP_OK && a->status == 403)
		v.how = METRIC_FORBIDDEN;
	metric_call_end(&k->call, &v);
}

static int gnocchi_send(struct metric_sink *k, const struct metric_point *points, size_t n,
			metric_done_fn *done, void *ctx)
{
	int r = metric_call_begin(&k->call, done, ctx);

	if (r < 0)
		return r;
	k->made = false;
	buf_reset(&k->body);
	r = gnocchi_body(points, n, k->call.set.labels->resource_id, &k->body);
	if (metric_call_built(&k->call, r, BODY_MAX))
		post(k);
	return 0;
}

/* An empty batch writes nothing. */
static int gnocchi_probe(struct metric_sink *k, metric_done_fn *done, void *ctx)
{
	return gnocchi_send(k, NULL, 0, done, ctx);
}

static struct metric_sink *gnocchi_close(struct metric_sink *k)
{
	if (!k)
		return NULL;
	metric_service_deinit(&k->service);
	metric_call_deinit(&k->call);
	buf_deinit(&k->body);
	buf_deinit(&k->resource);
	free(k);
	return NULL;
}

static int gnocchi_open(const struct metric_sink_setup *setup, struct metric_sink **ret,
			struct err *e)
{
	struct metric_sink *k;
	int r;

	if (!setup->labels->resource_id)
		return err_set(e, -EINVAL, "the gnocchi sink needs the server's UUID");
	k = calloc(1, sizeof(*k));
	r = k ? metric_call_init(&k->call, setup) : -ENOMEM;
	if (r < 0) {
		free(k);
		return err_set(e, r, "cannot open the gnocchi sink");
	}
	metric_service_init(&k->service, &k->call, "metric");
	k->body = BUF_INIT(BODY_MAX);
	k->resource = BUF_INIT(1024);
	r = gnocchi_resource(setup->labels, &k->resource);
	if (r < 0) {
		gnocchi_close(k);
		return err_set(e, r, "cannot open the gnocchi sink");
	}
	*ret = k;
	return 0;
}

const struct metric_sink_ops metric_sink_gnocchi = {
	.name = "gnocchi",
	.points_max = 500,
	.age_max_ms = DAY_MS,
	.open = gnocchi_open,
	.send = gnocchi_send,
	.probe = gnocchi_probe,
	.close = gnocchi_close,
};
