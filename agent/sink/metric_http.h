/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sinks of metrics that speak HTTP have in common: one request, one verdict on a later turn of
 * the loop, the receiver's clock out of its answers; and requests to OpenStack services with a
 * token of ours.
 */
#pragma once

#include "sink/metric.h"

/* A verdict under way. */
struct metric_call {
	struct metric_sink_setup set;
	struct loop_timer *timer;
	struct http_call *http;
	metric_done_fn *done; /* NULL: nothing is under way */
	void *ctx;
	struct metric_verdict verdict;
};
int metric_call_init(struct metric_call *c, const struct metric_sink_setup *setup) _must_check_;
void metric_call_deinit(struct metric_call *c); /* what is under way is not answered any more */
int metric_call_begin(struct metric_call *c, metric_done_fn *done,
		      void *ctx) _must_check_; /* -EBUSY */
void metric_call_end(struct metric_call *c, const struct metric_verdict *v);
void metric_call_fail(struct metric_call *c, enum metric_how how, const char *fmt, ...)
	_printf_(3, 4);
/** metric_call_built() - with @r of who built a body of at most @max. Return: true to send it;
 * false: the call ends by itself, by -EFBIG as too large, by any other error to be tried again. */
bool metric_call_built(struct metric_call *c, int r, size_t max);
/** metric_call_http() - @fn gets the answer; it ends the call. */
int metric_call_http(struct metric_call *c, const struct http_request *req, http_done_fn *fn,
		     void *ctx) _must_check_;

/** metric_judge() - by status: 2xx taken; 400, 422 refused; 413 too large; 408, 429, 5xx and no
 * answer: retry; the rest denied. */
void metric_judge(const struct http_answer *a, struct metric_verdict *ret);
/** metric_skew() - receiver's clock less ours, METRIC_SKEW_UNKNOWN without a usable Date. */
int64_t metric_skew(const struct http_answer *a);
/** metric_error_text() - the human part of an error body (JSON of several kinds, plain text),
 * escaped and cut; "" when there is none (fuzzed). */
void metric_error_text(const char *p, size_t n, char out[static 160]);
/** metric_same_origin() - scheme, host and port are equal. */
bool metric_same_origin(const char *a, const char *b);

/* ---- OpenStack ---- */

struct metric_service {
	struct metric_call *call;
	const char *type;      /* of the service in the catalog */
	struct buf url, token; /* of the request under way */
	const char *path, *body, *const *headers;
	size_t body_len;
	bool renewed;
	http_done_fn *fn;
	void *ctx;
};
void metric_service_init(struct metric_service *s, struct metric_call *call, const char *type);
void metric_service_deinit(struct metric_service *s);
/**
 * metric_service_post() - POST to @path below the service's endpoint, with a token
 *
 * A 401 of Keystone's middleware gets a fresh token, once. Where no token can be had, or may not be
 * sent, the call ends by itself; @fn gets every other answer. All that is handed in is borrowed
 * until then; @headers has room for the token's line at its end: a NULL-terminated list of lines.
 */
void metric_service_post(struct metric_service *s, const char *path, const char *const *headers,
			 const char *body, size_t n, http_done_fn *fn, void *ctx);
/** metric_service_denied() - is this 401 about missing rights, which a new token does not give? */
bool metric_service_denied(const struct http_answer *a);
