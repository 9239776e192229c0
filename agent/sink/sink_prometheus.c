/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus, Mimir, Thanos, VictoriaMetrics and whoever else takes remote write 1.0. A sample that
 * is bad rolls the whole request back there, good ones included; one from the future moves the head
 * of the receiver's store so that it refuses everybody's honest samples, hence no request before
 * its clock is known. Beyond about an hour it takes nothing (out of bounds), with some settings by
 * a 500 that will never be anything else.
 */
#include <errno.h>
#include <string.h>

#include "sink/metric_receiver.h"
#include "sink/remote_write.h"
#include "sink/snappy.h"

#define BODY_MAX   (512u << 10)
#define AGE_MAX_MS (55 * 60 * 1000)

struct metric_sink {
	struct metric_receiver receiver;
};

static const char *const for_good[] = {"out of order", "out of bounds", "too old",
				       "duplicate sample", "duplicate label"};

static bool is_for_good(const struct http_answer *a)
{
	for (size_t i = 0; i < ARRAY_SIZE(for_good); i++)
		if (a->body.len &&
		    memmem(a->body.data, a->body.len, for_good[i], strlen(for_good[i])))
			return true;
	return false;
}

static void answered(const struct http_answer *a, void *ctx)
{
	struct metric_sink *k = ctx;
	struct metric_verdict v;

	k->receiver.call.http = NULL;
	metric_judge(a, &v);
	if (v.how == METRIC_RETRY && a->status == 500 && is_for_good(a))
		v.how = METRIC_REFUSED;
	metric_call_end(&k->receiver.call, &v);
}

/* Whatever it answers has a Date, and nothing is written. */
static void probed(const struct http_answer *a, void *ctx)
{
	struct metric_sink *k = ctx;
	struct metric_verdict v;

	k->receiver.call.http = NULL;
	metric_judge(a, &v);
	if (a->failure == HTTP_OK && a->status < 500)
		v.how = METRIC_TAKEN;
	metric_call_end(&k->receiver.call, &v);
}

static void request(struct metric_sink *k, const char *method, http_done_fn *fn)
{
	static const char *const headers[] = {"Content-Type: application/x-protobuf",
					      "Content-Encoding: snappy",
					      "X-Prometheus-Remote-Write-Version: 0.1.0", NULL};

	metric_receiver_ask(&k->receiver, method, headers, fn, k);
}

static int build(struct metric_sink *k, const struct metric_point *points, size_t n)
{
	_cleanup_buf_ struct buf raw = BUF_INIT(BODY_MAX - 1024);
	int r = remote_write_body(points, n, k->receiver.call.set.labels, &raw);

	buf_reset(&k->receiver.body);
	return r < 0 ? r : snappy_literals(buf_str(&raw), raw.len, &k->receiver.body);
}

static int prometheus_send(struct metric_sink *k, const struct metric_point *points, size_t n,
			   metric_done_fn *done, void *ctx)
{
	int r = metric_call_begin(&k->receiver.call, done, ctx);

	if (r < 0)
		return r;
	r = build(k, points, n);
	if (metric_call_built(&k->receiver.call, r, BODY_MAX))
		request(k, "POST", answered);
	return 0;
}

static int prometheus_probe(struct metric_sink *k, metric_done_fn *done, void *ctx)
{
	int r = metric_call_begin(&k->receiver.call, done, ctx);

	if (r < 0)
		return r;
	buf_reset(&k->receiver.body);
	request(k, "GET", probed);
	return 0;
}

static struct metric_sink *prometheus_close(struct metric_sink *k)
{
	if (!k)
		return NULL;
	metric_receiver_deinit(&k->receiver);
	free(k);
	return NULL;
}

static int prometheus_open(const struct metric_sink_setup *setup, struct metric_sink **ret,
			   struct err *e)
{
	struct metric_sink *k;
	int r;

	if (!setup->setting->url)
		return err_set(e, -EINVAL,
			       "the prometheus sink needs the URL of a remote-write receiver");
	k = calloc(1, sizeof(*k));
	r = k ? metric_receiver_init(&k->receiver, setup, BODY_MAX) : -ENOMEM;
	if (r < 0) {
		free(k);
		return err_set(e, r, "cannot open the prometheus sink");
	}
	*ret = k;
	return 0;
}

const struct metric_sink_ops metric_sink_prometheus = {
	.name = "prometheus",
	.points_max = 500,
	.age_max_ms = AGE_MAX_MS,
	.open = prometheus_open,
	.send = prometheus_send,
	.probe = prometheus_probe,
	.close = prometheus_close,
};
