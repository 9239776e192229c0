/* SPDX-License-Identifier: Apache-2.0 */
/* One URL and its secret: see metric_receiver.h. */
#include "sink/metric_receiver.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "core/text.h"

#define AUTHORIZATION_MAX 8192
#define ANSWER_MAX        (64u << 10)
#define HEADERS_MAX       4

/* Only root-owned configuration has secrets, and they are for its URL. */
static int authorize(struct metric_receiver *r, const struct sink_setting *s)
{
	_cleanup_buf_ struct buf pair = BUF_INIT(4096);

	if (!s->trusted)
		return 0;
	if (s->token) {
		buf_printf(&r->authorization, "Authorization: Bearer %s", s->token);
	} else if (s->username) {
		buf_printf(&pair, "%s:%s", s->username, s->password ? s->password : "");
		buf_puts(&r->authorization, "Authorization: Basic ");
		text_base64(&r->authorization, buf_str(&pair), pair.len);
	}
	return buf_error(&r->authorization);
}

int metric_receiver_init(struct metric_receiver *r, const struct metric_sink_setup *setup,
			 size_t body_max)
{
	int code = metric_call_init(&r->call, setup);

	if (code < 0)
		return code;
	r->body = BUF_INIT(body_max);
	r->authorization = BUF_INIT(AUTHORIZATION_MAX);
	code = authorize(r, setup->setting);
	if (code < 0)
		metric_receiver_deinit(r);
	return code;
}

void metric_receiver_deinit(struct metric_receiver *r)
{
	metric_call_deinit(&r->call);
	buf_deinit(&r->body);
	if (r->authorization.data)
		OPENSSL_cleanse(r->authorization.data, r->authorization.cap);
	buf_deinit(&r->authorization);
}

void metric_receiver_ask(struct metric_receiver *r, const char *method, const char *const *headers,
			 http_done_fn *fn, void *ctx)
{
	const char *lines[HEADERS_MAX + 2] = {NULL};
	struct http_request req = {
		.method = method,
		.url = r->call.set.setting->url,
		.headers = lines,
		.body = r->body.data,
		.body_len = r->body.len,
		.timeout_ms = r->call.set.timeout_ms,
		.body_max = ANSWER_MAX,
	};
	size_t n = 0;
	int code;

	while (n < HEADERS_MAX && headers[n]) {
		lines[n] = headers[n];
		n++;
	}
	if (r->authorization.len)
		lines[n] = buf_str(&r->authorization);
	code = metric_call_http(&r->call, &req, fn, ctx);
	if (code < 0)
		metric_call_fail(&r->call, METRIC_RETRY, "%s", strerror(-code));
}
