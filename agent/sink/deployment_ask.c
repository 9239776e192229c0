/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * One function per kind of request. Which hosts they go to is Heat's to say: the URL and the Keystone of the
 * deployment's own inputs, and the catalog of that Keystone.
 */
/* clang-format on */
#include "sink/deployment_ask.h"

#include <errno.h>
#include <string.h>

#include "auth/ec2.h"
#include "core/text.h"
#include "sink/cfn_put.h"

#define URL_MAX     16384
#define MESSAGE_TTL 600 /* s, as heat-agents has it; Heat reads the queue every few seconds */

static const char *text_of(const json_t *route, const char *key)
{
	const char *text = json_str(route, key);

	return text ? text : "";
}

bool deployment_is_put(const json_t *route)
{
	return strcmp(text_of(route, "deploy_signal_verb"), "PUT") == 0;
}

enum deployment_way deployment_way(const json_t *route)
{
	if (strcmp(text_of(route, "deploy_signal_transport"), "NO_SIGNAL") == 0)
		return WAY_NONE;
	if (*text_of(route, "deploy_signal_id"))
		return WAY_URL;
	if (*text_of(route, "deploy_queue_id"))
		return WAY_QUEUE;
	return *text_of(route, "deploy_auth_url") ? WAY_HEAT : WAY_NONE;
}

int deployment_credentials(const json_t *route, struct credentials *ret)
{
	static const struct {
		const char *input;
		size_t offset;
	} rows[] = {
		{"deploy_auth_url", offsetof(struct credentials, auth_url)},
		{"deploy_user_id", offsetof(struct credentials, user_id)},
		{"deploy_username", offsetof(struct credentials, username)},
		{"deploy_password", offsetof(struct credentials, password)},
		{"deploy_project_id", offsetof(struct credentials, project_id)},
		{"deploy_region_name", offsetof(struct credentials, region)},
	};

	*ret = (struct credentials){.kind = CREDENTIALS_PASSWORD};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *text = text_of(route, rows[i].input);
		char **to = (char **)((char *)ret + rows[i].offset);

		*to = *text ? strdup(text) : NULL;
		if (*text && !*to) {
			credentials_deinit(ret);
			return -ENOMEM;
		}
	}
	return 0;
}

/* ---- requests ---- */

static void wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->len);
	buf_deinit(b);
}

void deployment_request_deinit(struct deployment_request *q)
{
	wipe(&q->url);
	wipe(&q->token);
	buf_deinit(&q->body);
}

static int put_json(struct buf *out, const json_t *value)
{
	_cleanup_free_ char *text = json_compact(value);

	return text ? buf_puts(out, text) : -ENOMEM;
}

static int begin(struct deployment_request *q, const char *method, const char *token,
		 const json_t *body)
{
	*q = (struct deployment_request){.method = method,
					 .url = BUF_INIT(URL_MAX),
					 .body = BUF_INIT(DEPLOYMENT_BODY_MAX),
					 .token = BUF_INIT(8192)};
	if (token)
		buf_printf(&q->token, "X-Auth-Token: %s", token);
	return body ? put_json(&q->body, body) : 0;
}

static int end(struct deployment_request *q)
{
	if (buf_error(&q->url))
		return buf_error(&q->url);
	return buf_error(&q->body) ? buf_error(&q->body) : buf_error(&q->token);
}

int deployment_ask_url(struct deployment_request *q, const json_t *route, const json_t *outputs)
{
	int r = begin(q, deployment_is_put(route) ? "PUT" : "POST", NULL, outputs);

	buf_puts(&q->url, text_of(route, "deploy_signal_id"));
	return r < 0 ? r : end(q);
}

static int sign(struct deployment_request *q, const struct http_url *u, const char *access,
		const char *secret, int64_t time_s)
{
	_cleanup_buf_ struct buf host = BUF_INIT(512), path = BUF_INIT(8192),
				 query = BUF_INIT(8192);
	struct ec2_request r = {
		.verb = q->method, .access_key = access, .secret_key = secret, .time_s = time_s};
	int code = text_percent_decode(&path, u->path, strcspn(u->path, "?#"));

	http_url_host_header(u, &host);
	r.host = buf_str(&host);
	r.path = buf_str(&path);
	if (code == 0)
		code = ec2_sign_v2(&r, &query);
	if (code < 0)
		return code;
	cfn_authority(u, &q->url);
	ec2_encode_path(&q->url, buf_str(&path));
	buf_printf(&q->url, "?%s", buf_str(&query));
	return end(q);
}

int deployment_ask_signed(struct deployment_request *q, const char *url, const json_t *outputs,
			  const char *access, const char *secret, int64_t time_s)
{
	struct http_url u;
	int r = begin(q, "POST", NULL, outputs);

	if (r == 0)
		r = http_url_parse(url, &u);
	if (r < 0)
		return r;
	r = sign(q, &u, access, secret, time_s);
	http_url_deinit(&u);
	return r;
}

int deployment_signal_url(const char *base, const struct heat_ref *ref, const char *tenant,
			  const char *resource, struct buf *out)
{
	_cleanup_buf_ struct buf arn = BUF_INIT(4096);
	size_t n = strlen(base);
	int r = heat_ref_arn(ref, tenant, resource, &arn);

	while (n > 0 && base[n - 1] == '/')
		n--;
	buf_put(out, base, n);
	if (n < 3 || memcmp(base + n - 3, "/v1", 3) != 0)
		buf_puts(out, "/v1");
	buf_puts(out, "/signal/");
	text_percent_encode(out, buf_str(&arn), arn.len, "/");
	return r < 0 ? r : buf_error(out);
}

int deployment_ask_native(struct deployment_request *q, const struct keystone *k, const char *token,
			  const struct heat_ref *ref, const char *resource, const json_t *outputs)
{
	const char *endpoint = keystone_endpoint(k, "orchestration");
	int r = begin(q, "POST", token, outputs);

	if (r < 0 || !endpoint)
		return r < 0 ? r : -ENOENT;
	buf_printf(&q->url, "%s/stacks/%s/%s/resources/", endpoint, ref->name, ref->uuid);
	text_percent_encode(&q->url, resource, strlen(resource), "");
	buf_puts(&q->url, "/signal");
	return end(q);
}

/* "/v2" is part of some clouds' endpoint. */
static void put_queue_url(struct buf *out, const char *endpoint, const char *queue)
{
	size_t n = strlen(endpoint);

	buf_puts(out, endpoint);
	if (n < 3 || strcmp(endpoint + n - 3, "/v2") != 0)
		buf_puts(out, "/v2");
	buf_puts(out, "/queues/");
	text_percent_encode(out, queue, strlen(queue), "");
	buf_puts(out, "/messages");
}

int deployment_ask_queue(struct deployment_request *q, const struct keystone *k, const char *token,
			 const char *id, const json_t *route, const json_t *outputs)
{
	static const char *const first[] = {"deploy_stdout", "deploy_stderr", NULL};
	const char *endpoint = keystone_endpoint(k, "messaging");
	_cleanup_json_ json_t *cut = json_deep_copy(outputs), *message = NULL;
	int r = cut ? json_shrink(cut, DEPLOYMENT_QUEUE_MAX, first) : -ENOMEM;

	if (r == 0)
		message =
			json_pack("{s:[{s:i, s:O}]}", "messages", "ttl", MESSAGE_TTL, "body", cut);
	if (r == 0)
		r = message ? begin(q, "POST", token, message) : -ENOMEM;
	if (r < 0 || !endpoint)
		return r < 0 ? r : -ENOENT;
	put_queue_url(&q->url, endpoint, text_of(route, "deploy_queue_id"));
	/* Zaqar wants a UUID, and Heat's ids are. */
	snprintf(q->client_id, sizeof(q->client_id), "Client-ID: %.36s", id);
	return end(q);
}
