/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests that tell the result of a deployment, and where the inputs of the deployment send
 * them. All but the sending is here.
 */
#pragma once

#include "auth/keystone.h"
#include "core/buf.h"
#include "core/json.h"
#include "sink/heat_ref.h"

#define DEPLOYMENT_BODY_MAX  1000000 /* Heat takes 1 MiB */
#define DEPLOYMENT_QUEUE_MAX 250000  /* Zaqar's default is 256 KiB */

enum deployment_way {
	WAY_NONE, /* NO_SIGNAL, or nothing says where to */
	WAY_URL,  /* presigned (POST) or temporary (PUT) */
	WAY_HEAT,
	WAY_QUEUE,
};
/** deployment_way() - by the route: deploy_signal_id, deploy_queue_id, deploy_auth_url, in this
 * order. */
enum deployment_way deployment_way(const json_t *route);
bool deployment_is_put(const json_t *route); /* a temporary URL */

struct deployment_request {
	const char *method;
	struct buf url, body, token; /* token: the header's line, "" without one */
	char client_id[64];          /* the header's line of a queue, "" without one */
};
void deployment_request_deinit(struct deployment_request *q); /* wipes */
/** deployment_ask_url() - the URL as Heat gave it. 0 or -errno, as all of these. */
int deployment_ask_url(struct deployment_request *q, const json_t *route,
		       const json_t *outputs) _must_check_;
/**
 * deployment_ask_signed() - the same path signed anew with this guest's EC2 keys, V2
 * @url: a URL whose path is .../v1/signal/ARN; its query is dropped
 * @time_s: -1: without a time, which never expires
 */
int deployment_ask_signed(struct deployment_request *q, const char *url, const json_t *outputs,
			  const char *access, const char *secret, int64_t time_s) _must_check_;
/** deployment_signal_url() - BASE/v1/signal/ARN of a resource below a CFN endpoint. */
int deployment_signal_url(const char *base, const struct heat_ref *ref, const char *tenant,
			  const char *resource, struct buf *out) _must_check_;
/** deployment_ask_native() - POST of the orchestration API. */
int deployment_ask_native(struct deployment_request *q, const struct keystone *k, const char *token,
			  const struct heat_ref *ref, const char *resource,
			  const json_t *outputs) _must_check_;
/** deployment_ask_queue() - one message to deploy_queue_id, API v2. */
int deployment_ask_queue(struct deployment_request *q, const struct keystone *k, const char *token,
			 const char *id, const json_t *route, const json_t *outputs) _must_check_;
/** deployment_credentials() - of the deploy_* inputs; credentials_deinit() them. 0 or -ENOMEM. */
int deployment_credentials(const json_t *route, struct credentials *ret) _must_check_;
