/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUT /v1/waitcondition/<arn>: the only signal that Heat answers after it was judged and stored.
 * Signed afresh at each try from EC2 keys: V4, then V2, then V2 without a time, where the earlier
 * is refused; a clock that is wrong is corrected once from the answer's Date. An action signal is a
 * POST /v1/signal/<arn> instead, signed the same way: queued, and judged by its status alone.
 */
#pragma once

#include "core/http.h"
#include "sink/handle_kind.h"

enum put_answer {
	PUT_DELIVERED,
	PUT_WRONG_KIND, /* "Metadata format invalid" */
	PUT_REFUSED,    /* keys, stack or handle: 400, 401, 403, 404 or their like inside a 200 */
	PUT_RETRY,      /* not reached, busy, broken */
};
typedef void cfn_put_fn(enum put_answer answer, int64_t retry_after_s, const char *why, void *ctx);
struct cfn_keys {
	const char *url; /* base, with or without /v1/ */
	const char *access, *secret;
	bool insecure;
};
struct cfn_put;
int cfn_put_new(struct loop *loop, struct http *http, int64_t timeout_ms,
		struct cfn_put **ret) _must_check_;
struct cfn_put *cfn_put_free(struct cfn_put *p); /* what is under way is not answered any more */
void cfn_put_cancel(struct cfn_put *p); /* the same, and it can be used again */
/** cfn_put_start() - one at a time. @fn once, never from inside; everything is copied but @s, which
 * is borrowed until then. -EINVAL for a bad URL. */
int cfn_put_start(struct cfn_put *p, const struct cfn_keys *keys, const char *arn,
		  enum handle_kind kind, const struct signal *s, cfn_put_fn *fn,
		  void *ctx) _must_check_;
/** cfn_authority() - scheme://host:port of a request. */
void cfn_authority(const struct http_url *u, struct buf *out);
/** cfn_path() - raw path (@what: "waitcondition" or "signal") of the request below a base
 * URL's (decoded) path: adds /v1 where it is not there. 0 or -errno. */
int cfn_path(const char *base_path, const char *what, const char *arn, struct buf *out) _must_check_;
