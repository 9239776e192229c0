/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EC2-style request signatures as heat-api-cfn has Keystone check them: V2 in the query
 * (HMAC-SHA256) and V4 in the Authorization header. Pure: time and everything else are handed in.
 * Rules and vectors: Keystone's POST /v3/ec2tokens recomputes over verb, Host header, path as the
 * server re-encodes it, and parameters.
 */
#pragma once

#include "core/buf.h"
#include "core/err.h"

struct ec2_param {
	const char *key, *value;
}; /* raw, not encoded */

struct ec2_request {
	const char *verb;
	const char *host; /* byte-equal to the Host header */
	const char *
		path; /* raw (decoded) path with any mount prefix, e.g. /v1/waitcondition/arn:... */
	const struct ec2_param *params;
	size_t n_params;
	const void *body;
	size_t body_len;
	const char *access_key, *secret_key;
	int64_t time_s; /* -1 with V2: no Timestamp (never expires) */
};
/** ec2_encode_path() - unreserved and / ! $ & ' ( ) * + , ; = : @ ~ raw, the rest %XX. */
void ec2_encode_path(struct buf *out, const char *path);
/** ec2_sign_v2() - @query gets the whole query string with AWSAccessKeyId, SignatureMethod,
 * SignatureVersion, Timestamp, Signature. */
int ec2_sign_v2(const struct ec2_request *r, struct buf *query) _must_check_;
/** ec2_sign_v4() - @query gets the parameters, @authorization the header's value, @amz_date
 * X-Amz-Date's value.
 * @region, @service: free text of the scope ("heat", "cloudformation"). Signed headers:
 * host;x-amz-date. */
int ec2_sign_v4(const struct ec2_request *r, const char *region, const char *service,
		struct buf *query, struct buf *authorization,
		char amz_date[static 20]) _must_check_;
struct ec2_header {
	const char *name, *value;
}; /* name in lower case; the order given is the order signed */
/** ec2_v4_authorization() - what ec2_sign_v4() does, with any list of signed headers. @date:
 * X-Amz-Date's value, basic ISO. */
int ec2_v4_authorization(const struct ec2_request *r, const char *region, const char *service,
			 const char *date, const struct ec2_header *headers, size_t n_headers,
			 struct buf *authorization) _must_check_;
