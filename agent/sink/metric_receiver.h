/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sinks share whose receiver is one URL of the configuration, with a secret that is for it
 * alone: a call, the body under way, the line that says who we are.
 */
#pragma once

#include "sink/metric_http.h"

struct metric_receiver {
	struct metric_call call;
	struct buf body;          /* of the next request */
	struct buf authorization; /* a header line, or empty */
};

/** metric_receiver_init() - on failure nothing is left behind. */
int metric_receiver_init(struct metric_receiver *r, const struct metric_sink_setup *setup,
			 size_t body_max) _must_check_;
void metric_receiver_deinit(struct metric_receiver *r);
/**
 * metric_receiver_ask() - sends the body
 * @headers: NULL-terminated list of at most four lines. @fn gets the answer and ends the call, or
 * it ends by itself where no request can be started.
 */
void metric_receiver_ask(struct metric_receiver *r, const char *method, const char *const *headers,
			 http_done_fn *fn, void *ctx);
