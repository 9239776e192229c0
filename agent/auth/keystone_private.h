/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pure half of the Keystone session: what is sent and what an answer says. For keystone.c, the
 * tests and the fuzz target only.
 */
#pragma once

#include "auth/keystone.h"

#define KEYSTONE_ENDPOINTS_MAX 256
#define KEYSTONE_TOKEN_MAX     4096

struct keystone_endpoint_row {
	char *type, *url; /* url: no slash at the end */
};

struct keystone_token {
	char text[KEYSTONE_TOKEN_MAX];
	int64_t life_s; /* from its issue to its end by the server's own clock; at least 0 */
	char *project_id, *user_id;
	struct keystone_endpoint_row *endpoints;
	size_t n_endpoints;
};
void keystone_token_deinit(struct keystone_token *t); /* wipes */

/** keystone_auth_url() - @out gets what a POST for a token goes to; takes auth_url with or without
 * /v3, /v2.0 and slashes. -EINVAL on no URL. */
int keystone_auth_url(const char *auth_url, struct buf *out) _must_check_;
/** keystone_request() - the body of that POST. -EINVAL when @cred lacks what its kind needs. Holds
 * the secret: wipe it. */
int keystone_request(const struct credentials *cred, struct buf *out) _must_check_;
/** keystone_token_parse() - an answer's body. @region: NULL = any. @date_s: the answer's time if
 * the body does not say when the token was issued. */
int keystone_token_parse(const char *p, size_t n, const char *region, int64_t date_s,
			 struct keystone_token *ret, struct err *e) _must_check_;
/** keystone_token_good() - is it text that can be a header's value? */
bool keystone_token_good(const char *token);
/** keystone_judge() - errno for an answer that brought no token, and the clause for a person into
 * @why. */
int keystone_judge(const struct http_answer *a, const struct credentials *cred, char *why,
		   size_t size);
