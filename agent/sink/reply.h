/* SPDX-License-Identifier: Apache-2.0 */
/* A sink's one answer: exactly once, on a later turn of the loop. And what an HTTP answer means for
 * a signal.
 */
#pragma once

#include "core/http.h"
#include "signal/outbox.h"

struct reply {
	struct loop_timer *timer;
	carry_done_fn *done; /* NULL: nothing is under way */
	void *ctx;
	enum carry how;
	int64_t retry_after_s;
	char why[240];
	/* for status */
	uint64_t delivered;
	bool any;
	enum carry last;
};
int reply_init(struct reply *r, struct loop *loop) _must_check_;
void reply_deinit(struct reply *r); /* what is under way is not answered any more */
int reply_begin(struct reply *r, carry_done_fn *done, void *ctx) _must_check_; /* -EBUSY */
/** reply_end() - the callee's @done runs on the next turn; ignored when nothing is under way */
void reply_end(struct reply *r, enum carry how, int64_t retry_after_s, const char *fmt, ...)
	_printf_(4, 5);
/** reply_pending() - something is under way and not yet answered */
bool reply_pending(const struct reply *r);
void reply_drop(struct reply *r); /* it is not answered any more */
json_t *reply_status(const struct reply *r,
		     const char *name); /* {"name","state","error","delivered"} new reference */

struct verdict {
	enum carry how;
	int64_t retry_after_s;
	char why[200]; /* escaped, without URLs */
};
/** reply_judge() - by status alone: 2xx delivered; 408, 409, 425, 429, 5xx and no answer: retry;
 * the rest may heal: slowly */
void reply_judge(const struct http_answer *a, struct verdict *ret);
/** reply_message() - the human part of an error body (XML, JSON object, JSON string), escaped and
 * cut; "" when there is none */
void reply_message(const char *p, size_t n, char out[static 160]);
