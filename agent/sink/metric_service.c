/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to OpenStack services: the token, the endpoint, and the 401 that a fresh token cures.
 * The token goes to the service's own endpoint of the catalog, to its origin, or to a URL of
 * root-owned configuration; to no other.
 */
#include "sink/metric_http.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "core/text.h"

#define URL_MAX     4096
#define TOKEN_MAX   8192
#define ANSWER_MAX  (256u << 10)
#define HEADERS_MAX 8

void metric_service_init(struct metric_service *s, struct metric_call *call, const char *type)
{
	*s = (struct metric_service){
		.call = call, .type = type, .url = BUF_INIT(URL_MAX), .token = BUF_INIT(TOKEN_MAX)};
}

static void wipe_token(struct metric_service *s)
{
	if (s->token.data)
		OPENSSL_cleanse(s->token.data, s->token.cap);
	buf_reset(&s->token);
}

void metric_service_deinit(struct metric_service *s)
{
	if (s->call && s->call->set.keystone)
		keystone_cancel(s->call->set.keystone, s);
	wipe_token(s);
	buf_deinit(&s->token);
	buf_deinit(&s->url);
}

bool metric_service_denied(const struct http_answer *a)
{
	return a->failure == HTTP_OK && a->status == 401 &&
	       !text_starts(a->www_authenticate, "Keystone");
}

/* Return: 0, or -errno after the call was ended. */
static int find_url(struct metric_service *s)
{
	const struct sink_setting *set = s->call->set.setting;
	const char *catalog = keystone_endpoint(s->call->set.keystone, s->type);
	const char *base = set->url ? set->url : catalog;

	if (!base) {
		metric_call_fail(s->call, METRIC_DENIED,
				 "the catalog has no endpoint of type %s; set a URL", s->type);
		return -ENOENT;
	}
	if (set->url && !set->trusted && !(catalog && metric_same_origin(set->url, catalog))) {
		metric_call_fail(s->call, METRIC_DENIED,
				 "the URL is not in the catalog and not of root-owned "
				 "configuration: no token is "
				 "sent there");
		return -EPERM;
	}
	buf_reset(&s->url);
	buf_printf(&s->url, "%.*s%s",
		   (int)(strlen(base) - (base[0] && base[strlen(base) - 1] == '/')), base, s->path);
	return buf_error(&s->url);
}

static void ask_token(struct metric_service *s);

static void answered(const struct http_answer *a, void *ctx)
{
	struct metric_service *s = ctx;

	s->call->http = NULL;
	if (a->failure == HTTP_OK && a->status == 401 && !metric_service_denied(a) && !s->renewed) {
		s->renewed = true;
		keystone_reject(s->call->set.keystone,
				buf_str(&s->token) + strlen("X-Auth-Token: "));
		ask_token(s);
		return;
	}
	wipe_token(s);
	s->fn(a, s->ctx);
}

static int send_request(struct metric_service *s)
{
	const char *lines[HEADERS_MAX + 2] = {0};
	size_t n = 0;
	struct http_request req = {
		.method = "POST",
		.url = buf_str(&s->url),
		.headers = lines,
		.body = s->body,
		.body_len = s->body_len,
		.timeout_ms = s->call->set.timeout_ms,
		.body_max = ANSWER_MAX,
	};

	for (; n < HEADERS_MAX && s->headers[n]; n++)
		lines[n] = s->headers[n];
	lines[n] = buf_str(&s->token);
	return metric_call_http(s->call, &req, answered, s);
}

static void got_token(int status, const char *why, const char *token, void *ctx)
{
	struct metric_service *s = ctx;
	int r;

	if (status < 0) {
		bool denied = status == -EACCES || status == -EINVAL || status == -ENOENT;
		struct metric_verdict v = {.how = denied ? METRIC_DENIED : METRIC_RETRY,
					   .retry_after_s =
						   keystone_retry_after_s(s->call->set.keystone),
					   .skew_ms = METRIC_SKEW_UNKNOWN};

		snprintf(v.why, sizeof(v.why), "no token: %s", why);
		metric_call_end(s->call, &v);
		return;
	}
	wipe_token(s);
	buf_printf(&s->token, "X-Auth-Token: %s", token);
	r = buf_error(&s->token) ? buf_error(&s->token) : find_url(s);
	if (r == 0)
		r = send_request(s);
	if (r < 0) /* nothing happens if the call was ended already */
		metric_call_fail(s->call, METRIC_RETRY, "%s", strerror(-r));
}

static void ask_token(struct metric_service *s)
{
	int r = keystone_get(s->call->set.keystone, got_token, s);

	if (r < 0)
		metric_call_fail(s->call, METRIC_RETRY, "%s", strerror(-r));
}

void metric_service_post(struct metric_service *s, const char *path, const char *const *headers,
			 const char *body, size_t n, http_done_fn *fn, void *ctx)
{
	s->path = path;
	s->headers = headers;
	s->body = body;
	s->body_len = n;
	s->fn = fn;
	s->ctx = ctx;
	s->renewed = false;
	if (s->call->set.keystone)
		ask_token(s);
	else
		metric_call_fail(
			s->call, METRIC_DENIED,
			"no Keystone credentials: give an application credential in [sinks]");
}
