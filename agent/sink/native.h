/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST .../resources/NAME/signal with a Keystone token. Heat answers 200 before it looks at the
 * body and throws a wrong one away, so where the handle's kind is not known the signal is read
 * back, or, where a guest may not read (a stack user may only read its own server), sent in both
 * kinds.
 */
#pragma once

#include "core/http.h"
#include "sink/handle_kind.h"
#include "sink/heat_ref.h"
#include "sink/reply.h"

struct native_ask {
	const char *endpoint; /* orchestration, with the project, without trailing slash */
	const char *token;
	const struct heat_ref *ref;
	const char *resource;
	enum handle_kind kind; /* HANDLE_UNKNOWN: find out */
	bool insecure;
	int64_t timeout_ms;
};
/** @learned: HANDLE_UNKNOWN unless it was read back. @unauthorized: the token was refused (401). */
typedef void native_fn(const struct verdict *v, enum handle_kind learned, bool unauthorized,
		       void *ctx);
struct native;
int native_new(struct loop *loop, struct http *http, struct native **ret) _must_check_;
struct native *native_free(struct native *n); /* what is under way is not answered any more */
void native_cancel(struct native *n); /* the same, and it can be used again */
/** native_start() - one at a time; @ask is copied, @s borrowed until @fn, which is called once,
 * never from inside */
int native_start(struct native *n, const struct native_ask *ask, const struct signal *s,
		 native_fn *fn, void *ctx) _must_check_;
