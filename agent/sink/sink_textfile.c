/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file for node_exporter's textfile collector: the newest values, replaced whole by a rename. The
 * store process writes it, to the one path that root-owned configuration gave it at its start; the
 * agent opens no file.
 */
#include <errno.h>
#include <string.h>

#include "core/store_log.h"
#include "sink/exposition.h"
#include "sink/metric_http.h"

#define FILE_MAX (512u << 10)

struct metric_sink {
	struct metric_call call;
	struct metric_sink **self; /* what the store answers to: outlives us while it is asked */
};

static void written(int status, void *ctx)
{
	struct metric_sink **self = ctx, *k = *self;
	struct metric_verdict v = {
		.how = METRIC_TAKEN, .retry_after_s = -1, .skew_ms = METRIC_SKEW_UNKNOWN};

	free(self);
	if (!k)
		return;
	k->self = NULL;
	if (status < 0) {
		v.how = METRIC_RETRY;
		snprintf(v.why, sizeof(v.why), "the textfile cannot be written: %s",
			 status == -ENOTCONN ? "the store process is not running"
					     : strerror(-status));
	}
	metric_call_end(&k->call, &v);
}

static int write_file(struct metric_sink *k, const struct metric_point *points, size_t n)
{
	_cleanup_buf_ struct buf text = BUF_INIT(FILE_MAX);
	struct metric_sink **self = malloc(sizeof(struct metric_sink *));
	int r = self ? exposition(points, n, &text) : -ENOMEM;

	if (self)
		*self = k;
	if (r == 0)
		r = store_export(k->call.set.store, buf_str(&text), text.len, written, self);
	if (r < 0)
		free(self);
	else
		k->self = self;
	return r;
}

static int textfile_send(struct metric_sink *k, const struct metric_point *points, size_t n,
			 metric_done_fn *done, void *ctx)
{
	int r = metric_call_begin(&k->call, done, ctx);

	if (r < 0)
		return r;
	r = write_file(k, points, n);
	if (r < 0)
		metric_call_fail(&k->call, METRIC_RETRY, "the textfile cannot be written: %s",
				 strerror(-r));
	return 0;
}

static struct metric_sink *textfile_close(struct metric_sink *k)
{
	if (!k)
		return NULL;
	if (k->self)
		*k->self = NULL;
	metric_call_deinit(&k->call);
	free(k);
	return NULL;
}

static int textfile_open(const struct metric_sink_setup *setup, struct metric_sink **ret,
			 struct err *e)
{
	struct metric_sink *k;
	int r;

	if (!setup->setting->trusted || !setup->setting->path || !setup->store)
		return err_set(
			e, -EINVAL,
			"a textfile is named by root-owned configuration alone ([sinks] textfile)");
	k = calloc(1, sizeof(*k));
	r = k ? metric_call_init(&k->call, setup) : -ENOMEM;
	if (r < 0) {
		free(k);
		return err_set(e, r, "cannot open the textfile sink");
	}
	*ret = k;
	return 0;
}

const struct metric_sink_ops metric_sink_textfile = {
	.name = "textfile",
	.points_max = 4096,
	.age_max_ms = 5 * 60 * 1000,
	.newest_only = true,
	.open = textfile_open,
	.send = textfile_send,
	.close = textfile_close,
};
