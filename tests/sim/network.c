/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/http.h over a simulated network: a request is answered by what stands below, at its time, or
 * meets the trouble that the options have put there. What a server took is told to the judge when
 * it took it, whether or not its answer arrives.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "core/json.h"
#include "core/text.h"
#include "world.h"

#define ANSWER_MS 40
#define SLOW_MS	  20000
#define TOKEN_S	  14400
#define SIGNATURE_MS (15 * 60 * 1000)
#define STACK_ID  "11111111-2222-4333-8444-555555555555"
#define PROJECT	  "5e1f0a"
#define ARN	  "arn:openstack:heat::" PROJECT ":stacks/sim/" STACK_ID

const char *const service_names[SERVICES] = {
	[SERVICE_CFN] = "cfn",	       [SERVICE_HANDLE] = "handle",	    [SERVICE_KEYSTONE] = "keystone",
	[SERVICE_HEAT] = "heat",       [SERVICE_MONASCA] = "monasca",	    [SERVICE_GNOCCHI] = "gnocchi",
	[SERVICE_PROMETHEUS] = "prometheus", [SERVICE_OTLP] = "otlp",
};
const char *const trouble_names[TROUBLES] = {
	[TROUBLE_DOWN] = "down",	   [TROUBLE_SLOW] = "slow",   [TROUBLE_STATUS] = "status",
	[TROUBLE_DNS] = "dns",		   [TROUBLE_BLACKHOLE] = "blackhole", [TROUBLE_CERT] = "cert",
	[TROUBLE_REVOKED] = "revoked", [TROUBLE_CUT] = "cut",
};

struct http_call {
	struct http_call *next;
	struct http *http;
	struct loop_timer *timer;
	http_done_fn *fn;
	void *ctx;
	struct http_answer answer;
};

struct http {
	struct loop *loop;
	struct http_call *calls;
};

int http_new(struct loop *loop, const struct http_setup *setup, struct http **ret, struct err *e)
{
	struct http *http = calloc(1, sizeof(*http));

	(void)setup;
	if (!http)
		return err_set(e, -ENOMEM, "no memory");
	http->loop = loop;
	*ret = http;
	return 0;
}

static void call_free(struct http_call *call)
{
	for (struct http_call **at = &call->http->calls; *at; at = &(*at)->next)
		if (*at == call) {
			*at = call->next;
			break;
		}
	loop_timer_free(call->timer);
	buf_deinit(&call->answer.body);
	free(call);
}

int http_set_ca_file(struct http *http _unused_, const char *ca_file _unused_)
{
	return 0;
}

struct http *http_free(struct http *http)
{
	while (http && http->calls)
		call_free(http->calls);
	free(http);
	return NULL;
}

void http_cancel(struct http_call *call)
{
	if (call && call->fn) /* else it is being answered and ends by itself */
		call_free(call);
}

/* ---- servers ---- */

static bool ends(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);

	return n >= m && !strcmp(s + n - m, tail);
}

/* The host's first label names the service. */
static enum service service_of(const char *url)
{
	const char *host = strstr(url, "://");

	host = host ? host + 3 : url;
	if (text_starts(host, "cfn.") && (strstr(url, "/waitcondition/") || strstr(url, "/v1/signal/")))
		return SERVICE_HANDLE;
	for (size_t i = 0; i < SERVICES; i++) {
		size_t n = strlen(service_names[i]);

		if (!strncmp(host, service_names[i], n) && host[n] == '.')
			return (enum service)i;
	}
	return SERVICES; /* nobody is there */
}

static void put_metadata(struct buf *out)
{
	buf_puts(out, "{\"heat-pulse\":{\"boot\":\"boot_handle\",\"health\":\"health\",\"action\":\"heal\",\"threshold\":0.85}}");
}

static void answer_describe(const struct http_request *req _unused_, struct http_answer *a)
{
	buf_puts(&a->body, "{\"DescribeStackResourceResponse\":{\"DescribeStackResourceResult\":{"
			   "\"StackResourceDetail\":{\"StackId\":\"" ARN "\",\"StackName\":\"sim\","
			   "\"LogicalResourceId\":\"server\",\"PhysicalResourceId\":\"" WORLD_UUID "\","
			   "\"ResourceStatus\":\"CREATE_COMPLETE\",\"LastUpdatedTimestamp\":\"2030-01-01T00:00:00Z\","
			   "\"Metadata\":");
	put_metadata(&a->body);
	buf_puts(&a->body, "}}}}");
}

/* As Heat: the whole handle comes back, here with the entry just made. */
static void answer_handle(const struct http_request *req, struct http_answer *a)
{
	_cleanup_json_ json_t *entry = NULL, *all = json_object();
	const char *id;

	if (strstr(req->url, "/v1/signal/")) { /* queued, which is all that is known */
		report_body("action", req->body, req->body_len);
		return;
	}
	report_body("signal", req->body, req->body_len);
	if (!all || json_parse(req->body, req->body_len, &json_limits_default, &entry, NULL))
		return;
	id = json_str(entry, "UniqueId") ? json_str(entry, "UniqueId") : json_str(entry, "id");
	json_object_set(all, id ? id : "1", entry);
	buf_puts(&a->body, "{\"resource\":\"health\",\"metadata\":");
	if (json_canonical(all, &a->body) == 0)
		buf_puts(&a->body, "}");
}

static void answer_keystone(const struct http_request *req, struct http_answer *a)
{
	char issued[24], expires[24];
	int64_t now_s = world_true_ms() / 1000;

	if (!ends(req->url, "/auth/tokens")) { /* no keys are minted here */
		a->status = 403;
		return;
	}
	clock_iso(now_s, issued);
	clock_iso(now_s + TOKEN_S, expires);
	a->status = 201;
	snprintf(a->subject_token, sizeof(a->subject_token), "sim-%lld", (long long)world_since_ms());
	buf_printf(&a->body,
		   "{\"token\":{\"issued_at\":\"%s\",\"expires_at\":\"%s\",\"user\":{\"id\":\"u1\"},\"project\":"
		   "{\"id\":\"" PROJECT "\"},\"catalog\":["
		   "{\"type\":\"monitoring\",\"endpoints\":[{\"interface\":\"public\",\"region\":\"r\",\"url\":"
		   "\"https://monasca.sim/v2.0\"}]},"
		   "{\"type\":\"metric\",\"endpoints\":[{\"interface\":\"public\",\"region\":\"r\",\"url\":"
		   "\"https://gnocchi.sim\"}]},"
		   "{\"type\":\"orchestration\",\"endpoints\":[{\"interface\":\"public\",\"region\":\"r\",\"url\":"
		   "\"https://heat.sim/v1/" PROJECT "\"}]}]}}",
		   issued, expires);
}

/* Whoever may read a handle finds what was signalled last; in memory of this process. */
static void read_handle(struct http_answer *a, const json_t *entry)
{
	_cleanup_json_ json_t *all = json_pack("{s:{s:O?}}", "metadata", WORLD_UUID, entry);

	if (!all || json_canonical(all, &a->body))
		a->status = 500;
}

static void answer_heat(const struct http_request *req, struct http_answer *a)
{
	static json_t *last;

	if (ends(req->url, "/resources/heal/signal")) {
		report_body("action", req->body, req->body_len);
	} else if (ends(req->url, "/signal")) {
		report_body("signal", req->body, req->body_len);
		json_decref(last);
		last = json_loadb(req->body, req->body_len, 0, NULL);
	} else if (!strstr(req->url, "/resources/server/")) {
		read_handle(a, last);
	} else {
		buf_puts(&a->body, "{\"metadata\":");
		put_metadata(&a->body);
		buf_puts(&a->body, "}");
	}
}

static void answer_monasca(const struct http_request *req, struct http_answer *a)
{
	a->status = 204;
	report_body("monasca", req->body, req->body_len);
}

static void answer_gnocchi(const struct http_request *req, struct http_answer *a)
{
	a->status = 202;
	report_body("gnocchi", req->body, req->body_len);
}

static void answer_prometheus(const struct http_request *req, struct http_answer *a)
{
	a->status = 204;
	report_body("prometheus", req->body, req->body_len);
}

static void answer_otlp(const struct http_request *req, struct http_answer *a)
{
	buf_puts(&a->body, "{}");
	report_body("otlp", req->body, req->body_len);
}

typedef void serve_fn(const struct http_request *req, struct http_answer *a);
static serve_fn *const servers[SERVICES] = {
	[SERVICE_CFN] = answer_describe,      [SERVICE_HANDLE] = answer_handle,
	[SERVICE_KEYSTONE] = answer_keystone, [SERVICE_HEAT] = answer_heat,
	[SERVICE_MONASCA] = answer_monasca,   [SERVICE_GNOCCHI] = answer_gnocchi,
	[SERVICE_PROMETHEUS] = answer_prometheus, [SERVICE_OTLP] = answer_otlp,
};

/* ---- trouble ---- */

static const struct fault *fault_of(enum service service)
{
	int64_t now = world_since_ms();

	for (size_t i = 0; i < world.n_faults; i++) {
		const struct fault *f = &world.faults[i];

		if (f->service == service && now >= f->from_ms && now < f->to_ms)
			return f;
	}
	return NULL;
}

/* Return: when the token with the request was given, -1 without one. */
static int64_t token_age(const struct http_request *req)
{
	static const char key[] = "X-Auth-Token: sim-";

	for (size_t i = 0; req->headers && req->headers[i]; i++)
		if (text_starts(req->headers[i], key))
			return strtoll(req->headers[i] + sizeof(key) - 1, NULL, 10);
	return -1;
}

static bool is_revoked(const struct fault *f, const struct http_request *req)
{
	return f->trouble == TROUBLE_REVOKED && token_age(req) < f->from_ms;
}

/* Keystone's check of signatures: one that is a quarter of an hour old is refused. */
static bool is_stale(const struct http_request *req)
{
	static const char key[] = "X-Amz-Date: ";
	struct tm tm = {0};

	for (size_t i = 0; req->headers && req->headers[i]; i++)
		if (text_starts(req->headers[i], key) &&
		    strptime(req->headers[i] + sizeof(key) - 1, "%Y%m%dT%H%M%SZ", &tm))
			return timegm(&tm) * 1000 < world_true_ms() - SIGNATURE_MS;
	return false;
}

/* Return: ms until the answer. */
static int64_t no_answer(const struct fault *f, const struct http_request *req, struct http_answer *a)
{
	static const enum http_failure failures[TROUBLES] = {[TROUBLE_DOWN] = HTTP_CONNECT,
							     [TROUBLE_DNS] = HTTP_RESOLVE,
							     [TROUBLE_BLACKHOLE] = HTTP_TIMEOUT,
							     [TROUBLE_CERT] = HTTP_CERT,
							     [TROUBLE_CUT] = HTTP_RESET};

	a->failure = failures[f->trouble];
	a->status = 0;
	snprintf(a->why, sizeof(a->why), "simulated: %s", trouble_names[f->trouble]);
	return f->trouble == TROUBLE_BLACKHOLE ? (req->timeout_ms ? req->timeout_ms : 30000) : 5;
}

static int64_t bad_status(const struct fault *f, struct http_answer *a)
{
	a->status = f->trouble == TROUBLE_REVOKED ? 401 : (long)f->status;
	if (f->retry_after_s > 0)
		a->retry_after_s = f->retry_after_s;
	if (a->status == 401)
		snprintf(a->www_authenticate, sizeof(a->www_authenticate), "Keystone uri=\"https://keystone.sim\"");
	snprintf(a->why, sizeof(a->why), "HTTP %ld", a->status);
	return ANSWER_MS;
}

static int64_t meet(const struct http_request *req, enum service service, struct http_answer *a)
{
	const struct fault *f = fault_of(service);
	bool status = f && (f->trouble == TROUBLE_STATUS || is_revoked(f, req));

	report_line("\"what\":\"request\",\"service\":\"%s\",\"method\":\"%s\",\"trouble\":\"%s\"",
		    service < SERVICES ? service_names[service] : "nobody", req->method,
		    f ? trouble_names[f->trouble] : "");
	if (service == SERVICES) {
		a->failure = HTTP_CONNECT;
		a->status = 0;
		return 5;
	}
	if (status)
		return bad_status(f, a);
	if (!f && is_stale(req)) {
		a->status = 403;
		return ANSWER_MS;
	}
	if (f && f->trouble != TROUBLE_SLOW && f->trouble != TROUBLE_CUT && f->trouble != TROUBLE_REVOKED)
		return no_answer(f, req, a);
	servers[service](req, a);
	if (f && f->trouble == TROUBLE_CUT)
		return no_answer(f, req, a);
	return f && f->trouble == TROUBLE_SLOW ? SLOW_MS : ANSWER_MS;
}

/* ---- the client ---- */

static void answered(struct loop *loop _unused_, void *ctx)
{
	struct http_call *call = ctx;
	http_done_fn *fn = call->fn;

	world_instant();
	call->answer.got_real_ms = world_real_ms();
	if (call->answer.failure == HTTP_OK)
		call->answer.date_s = world_true_ms() / 1000;
	call->fn = NULL;
	fn(&call->answer, call->ctx);
	call_free(call);
}

int http_start(struct http *http, const struct http_request *req, http_done_fn *fn, void *ctx,
	       struct http_call **ret)
{
	struct http_call *call = calloc(1, sizeof(*call));
	int64_t wait;

	if (!call || loop_timer_new(http->loop, 0, answered, call, &call->timer)) {
		free(call);
		return -ENOMEM;
	}
	call->http = http;
	call->next = http->calls;
	http->calls = call;
	call->fn = fn;
	call->ctx = ctx;
	call->answer = (struct http_answer){.status = 200, .body = BUF_INIT(1u << 20), .date_s = -1,
					    .retry_after_s = -1, .sent_real_ms = world_real_ms()};
	world_instant();
	wait = meet(req, service_of(req->url), &call->answer);
	if (req->timeout_ms && wait > req->timeout_ms) {
		wait = req->timeout_ms;
		call->answer.failure = HTTP_TIMEOUT;
		call->answer.status = 0;
		snprintf(call->answer.why, sizeof(call->answer.why), "simulated: too slow");
	}
	loop_timer_arm(call->timer, wait);
	if (ret)
		*ret = call;
	return 0;
}
