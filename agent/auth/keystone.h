/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Keystone v3 session: a token kept in memory, renewed at 80 % of its life or once on 401, and
 * the endpoints of its catalog. Tokens go only to hosts of that catalog or of root-owned
 * configuration.
 */
#pragma once

#include "core/http.h"
#include "core/types.h"

struct keystone;
/** keystone_new() - -EINVAL when auth_url is no URL. All borrowed strings below are good until the
 * next token arrives. */
int keystone_new(struct loop *loop, struct http *http, const struct credentials *cred,
		 struct keystone **ret) _must_check_; /* copies cred */
struct keystone *keystone_free(struct keystone *k);   /* waiting calls get -ECANCELED */
/** keystone_replace() - the session is @cred's from now on: another user's token is not handed out any more,
 * and those who wait get one of the new user. A session may begin with credentials of kind NONE: until they
 * are replaced everybody who asks is refused. -EINVAL as keystone_new(), and the old ones stay. */
int keystone_replace(struct keystone *k, const struct credentials *cred) _must_check_;
/** @status 0; -EACCES (401, 403), -ENOENT (404), -EINVAL (400 or credentials incomplete), -EBUSY
 * (429, 503), -EREMOTEIO (5xx), -EPROTO; no answer: -EHOSTUNREACH, -ETIMEDOUT, -ECONNRESET,
 * -EKEYREJECTED (certificate), -EFBIG; -ECANCELED. @why a clause for a person */
typedef void keystone_fn(int status, const char *why, const char *token, void *ctx);
/** keystone_get() - the current token or a new one; concurrent callers share one request. @fn never
 * from inside. */
int keystone_get(struct keystone *k, keystone_fn *fn, void *ctx) _must_check_;
void keystone_cancel(struct keystone *k, void *ctx); /* forget waiting callbacks with that ctx */
void keystone_reject(struct keystone *k,
		     const char *token); /* a 401 came: do not hand it out again */
/** keystone_endpoint() - public URL of a service type in the credential's region, without trailing
 * slash; NULL before a token or when absent. */
const char *keystone_endpoint(const struct keystone *k, const char *type);
const char *keystone_project_id(const struct keystone *k);
const char *keystone_user_id(const struct keystone *k);
int64_t keystone_retry_after_s(const struct keystone *k);
