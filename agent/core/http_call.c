/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request made into a libcurl easy handle. Every option that libcurl would otherwise take from
 * the environment or from its build is set. The query goes to libcurl only as the request target,
 * so none of its messages can hold it, and the path goes out byte for byte as it was signed.
 */
#include "core/http_private.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <strings.h>
#include "core/text.h"

/* ---- what libcurl calls ---- */

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
	struct http_call *call = ctx;

	if (http_answer_line(&call->answer, &call->head, p, size * n) < 0) {
		call->too_big = true;
		return 0;
	}
	return size * n;
}

/* The status of what is coming; libcurl knows it before the body. */
static bool goes_to_file(const struct http_call *call)
{
	long status = 0;

	return call->body_fd > 0 &&
	       curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
	       status >= 200 && status < 300;
}

static size_t write_body(struct http_call *call, const char *p, size_t n)
{
	size_t done = 0;

	if (n > call->body_max - call->body_written) {
		call->too_big = true;
		return 0;
	}
	while (done < n) {
		ssize_t put = write(call->body_fd, p + done, n - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return 0;
		done += (size_t)put;
	}
	call->body_written += n;
	return n;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct http_call *call = ctx;

	call->head.body_began = true;
	if (goes_to_file(call))
		return write_body(call, p, size * n);
	if (buf_put(&call->answer.body, p, size * n) < 0) {
		call->too_big = call->answer.body.error == -EFBIG;
		return 0;
	}
	return size * n;
}

static curl_socket_t on_open(void *ctx, curlsocktype purpose _unused_, struct curl_sockaddr *a)
{
	http_call_opened(ctx);
	return socket(a->family, a->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->protocol);
}

static int on_resolve(void *state _unused_, void *reserved _unused_, void *ctx)
{
	struct http_call *call = ctx;

	call->thread_started = true;
	return 0;
}

/* ---- headers ---- */

static bool is_token(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] > '~' || strchr("()<>@,;:\\\"/[]?={}", p[i]))
			return false;
	return n > 0;
}

/* "Name: value" or "Name;", one line: what came from metadata must not add lines to a request. */
static bool header_is_good(const char *line)
{
	size_t name = strcspn(line, ":;");

	if (!is_token(line, name) || line[name] == '\0' ||
	    (line[name] == ';' && line[name + 1] != '\0'))
		return false;
	for (const char *p = line + name; *p; p++)
		if ((*p >= '\0' && *p < ' ' && *p != '\t') || *p == 0x7f)
			return false;
	return true;
}

static bool has_header(const struct http_request *req, const char *name)
{
	size_t n = strlen(name);

	for (const char *const *h = req->headers; h && *h; h++)
		if (strncasecmp(*h, name, n) == 0 && ((*h)[n] == ':' || (*h)[n] == ';'))
			return true;
	return false;
}

static int add_header(struct http_call *call, const char *line)
{
	struct curl_slist *list = curl_slist_append(call->headers, line);

	if (!list)
		return -ENOMEM;
	call->headers = list;
	return 0;
}

static int add_host(struct http_call *call)
{
	_cleanup_buf_ struct buf line = BUF_INIT(400);

	buf_puts(&line, "Host: ");
	http_url_host_header(&call->url, &line);
	return buf_error(&line) ? buf_error(&line) : add_header(call, buf_str(&line));
}

/* "Name:" keeps libcurl from sending its own: it would wait for a 100 answer, and call a body a
 * form (which Heat then counts into the signature). */
static int add_headers(struct http_call *call, const struct http_request *req)
{
	int r = 0;

	for (const char *const *h = req->headers; r == 0 && h && *h; h++)
		r = header_is_good(*h) ? add_header(call, *h) : -EINVAL;
	if (r == 0 && !has_header(req, "Host"))
		r = add_host(call);
	if (r == 0 && !has_header(req, "Content-Type"))
		r = add_header(call, "Content-Type:");
	return r == 0 ? add_header(call, "Expect:") : r;
}

static void free_headers(struct curl_slist *list)
{
	for (struct curl_slist *i = list; i; i = i->next)
		explicit_bzero(i->data, strlen(i->data)); /* tokens */
	curl_slist_free_all(list);
}

/* ---- options ---- */

/* libcurl says CURLE_UNKNOWN_OPTION or CURLE_OUT_OF_MEMORY; the first failure is kept. */
#define SET(call, option, value)                                                                   \
	do {                                                                                       \
		if (r == CURLE_OK)                                                                 \
			r = curl_easy_setopt((call)->easy, (option), (value));                     \
	} while (0)

static CURLcode set_callbacks(struct http_call *call)
{
	CURLcode r = CURLE_OK;

	SET(call, CURLOPT_PRIVATE, call);
	SET(call, CURLOPT_ERRORBUFFER, call->error);
	SET(call, CURLOPT_HEADERFUNCTION, on_header);
	SET(call, CURLOPT_HEADERDATA, call);
	SET(call, CURLOPT_WRITEFUNCTION, on_body);
	SET(call, CURLOPT_WRITEDATA, call);
	SET(call, CURLOPT_OPENSOCKETFUNCTION, on_open);
	SET(call, CURLOPT_OPENSOCKETDATA, call);
	SET(call, CURLOPT_RESOLVER_START_FUNCTION, on_resolve);
	SET(call, CURLOPT_RESOLVER_START_DATA, call);
	return r;
}

static CURLcode set_limits(struct http_call *call)
{
	long connect = call->timeout_ms < HTTP_CONNECT_TIMEOUT ? (long)call->timeout_ms
							       : HTTP_CONNECT_TIMEOUT;
	CURLcode r = CURLE_OK;

	SET(call, CURLOPT_NOSIGNAL, 1L);
	SET(call, CURLOPT_QUICK_EXIT, 1L); /* else dropping a call waits for its resolver thread */
	SET(call, CURLOPT_CONNECTTIMEOUT_MS, connect);
	if (strcmp(call->method, "HEAD") != 0) /* there Content-Length announces nothing */
		SET(call, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)call->body_max);
	SET(call, CURLOPT_FOLLOWLOCATION, 0L);
	SET(call, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(call, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	/* At one request a minute an idle connection only costs the server, and a lost one costs us
	 * a retry. Who sends more, or must be quick, asks for it; libcurl sends again what a kept
	 * connection turns out to be dead for. */
	SET(call, CURLOPT_FORBID_REUSE, call->haste == HTTP_CALM ? 1L : 0L);
	SET(call, CURLOPT_SHARE, call->http->share);
	return r;
}

static CURLcode set_tls(struct http_call *call, bool insecure)
{
	struct http *http = call->http;
	CURLcode r = CURLE_OK;

	SET(call, CURLOPT_SSL_VERIFYPEER, insecure ? 0L : 1L);
	SET(call, CURLOPT_SSL_VERIFYHOST, insecure ? 0L : 2L);
	SET(call, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (http->ca_found) {
		SET(call, CURLOPT_CAINFO, http->ca_file);
		/* Only this bundle; and libcurl keeps a parsed bundle only when there is no folder. */
		SET(call, CURLOPT_CAPATH, NULL);
		SET(call, CURLOPT_CA_CACHE_TIMEOUT, 3600L);
	}
	return r;
}

static CURLcode set_way(struct http_call *call)
{
	CURLcode r = CURLE_OK;

	SET(call, CURLOPT_PROXY, call->proxy); /* "" = none: else libcurl asks the environment */
	SET(call, CURLOPT_NOPROXY, "");	       /* the same */
	SET(call, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (call->http->setup.user_agent)
		SET(call, CURLOPT_USERAGENT, call->http->setup.user_agent);
	return r;
}

static CURLcode set_method(struct http_call *call, const struct http_request *req)
{
	bool body =
		req->body || strcmp(call->method, "PUT") == 0 || strcmp(call->method, "POST") == 0;
	CURLcode r = CURLE_OK;

	if (strcmp(call->method, "HEAD") == 0) {
		SET(call, CURLOPT_NOBODY, 1L);
		return r;
	}
	if (body) {
		SET(call, CURLOPT_POST, 1L);
		SET(call, CURLOPT_POSTFIELDS, call->body);
		SET(call, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
	}
	if (strcmp(call->method, body ? "POST" : "GET") != 0)
		SET(call, CURLOPT_CUSTOMREQUEST, call->method);
	return r;
}

/* The zone is for the kernel only. A number is taken as it is, a name must be an interface that
 * exists. */
static int find_zone(const char *zone, long *ret)
{
	uint64_t number = if_nametoindex(zone);

	if (number == 0 &&
	    (text_u64(zone, strlen(zone), &number) < 0 || number == 0 || number > INT32_MAX))
		return -ENODEV;
	*ret = (long)number;
	return 0;
}

static CURLcode set_url(struct http_call *call)
{
	_cleanup_buf_ struct buf base = BUF_INIT(400), target = BUF_INIT(32768);
	bool absolute = call->proxy[0] && strcmp(call->url.scheme, "http") == 0;
	CURLcode r = CURLE_OK;
	long zone;

	buf_printf(&base, "%s://", call->url.scheme);
	buf_printf(&base, call->url.bracketed ? "[%s]:%d" : "%s:%d", call->url.host,
		   call->url.port);
	if (absolute) { /* what a proxy is asked for; a tunnel through one gets the path */
		buf_printf(&target, "%s://", call->url.scheme);
		http_url_host_header(&call->url, &target);
	}
	buf_puts(&target, call->url.path);
	if (buf_error(&base) || buf_error(&target))
		return CURLE_OUT_OF_MEMORY;
	SET(call, CURLOPT_URL, buf_str(&base));
	SET(call, CURLOPT_REQUEST_TARGET, buf_str(&target));
	if (!call->url.zone[0])
		return r;
	if (find_zone(call->url.zone, &zone) == 0) {
		SET(call, CURLOPT_ADDRESS_SCOPE, zone);
	} else {
		call->early = HTTP_CONNECT;
		snprintf(call->error, sizeof(call->error), "no interface %s", call->url.zone);
	}
	return r;
}

static int make_easy(struct http_call *call, const struct http_request *req)
{
	CURLcode r;
	int added;

	call->easy = curl_easy_init();
	if (!call->easy)
		return -ENOMEM;
	added = add_headers(call, req);
	if (added < 0)
		return added;
	r = set_callbacks(call);
	r = r == CURLE_OK ? set_limits(call) : r;
	r = r == CURLE_OK ? set_tls(call, req->insecure) : r;
	r = r == CURLE_OK ? set_way(call) : r;
	r = r == CURLE_OK ? set_method(call, req) : r;
	r = r == CURLE_OK ? set_url(call) : r;
	SET(call, CURLOPT_HTTPHEADER, call->headers);
	return r == CURLE_OK ? 0 : -ENOMEM;
}

/* ---- making and freeing ---- */

static int copy_request(struct http_call *call, const struct http_request *req)
{
	call->haste = req->haste;
	call->timeout_ms = req->timeout_ms > 0 ? req->timeout_ms : HTTP_TIMEOUT_DEFAULT;
	call->body_max = req->body_max > 0 ? req->body_max : HTTP_BODY_DEFAULT;
	call->body_fd = req->body_fd;
	call->answer.body = BUF_INIT(call->body_max);
	call->answer.date_s = call->answer.retry_after_s = -1;
	call->method = strdup(req->method);
	call->body_len = req->body ? req->body_len : 0;
	call->body = malloc(call->body_len + 1);
	if (!call->method || !call->body)
		return -ENOMEM;
	if (call->body_len > 0)
		memcpy(call->body, req->body, call->body_len);
	call->body[call->body_len] = '\0';
	return 0;
}

int http_call_new(struct http *http, const struct http_request *req, struct http_call **ret)
{
	struct http_call *call;
	int r;

	if (!req->method || !is_token(req->method, strlen(req->method)))
		return -EINVAL;
	call = calloc(1, sizeof(*call));
	if (!call)
		return -ENOMEM;
	call->http = http;
	r = copy_request(call, req);
	if (r == 0)
		r = http_url_parse(req->url, &call->url);
	if (r == -EINVAL) { /* a call with nothing to do but say so */
		call->early = HTTP_BAD_URL;
		*ret = call;
		return 0;
	}
	if (r == 0) {
		call->proxy = http_policy_proxy(&http->setup, &call->url);
		http_name_needed(&call->url, call->proxy, call->name, &call->name_port);
		r = make_easy(call, req);
	}
	if (r < 0) {
		http_call_free(call);
		return r;
	}
	*ret = call;
	return 0;
}

int http_call_use_address(struct http_call *call, const char *address)
{
	bool six = strchr(address, ':') != NULL;
	char line[400];

	/* "+": libcurl may forget it when its cache entry has aged, and resolve again. */
	snprintf(line, sizeof(line), six ? "+%s:%d:[%s]" : "+%s:%d:%s", call->name, call->name_port,
		 address);
	curl_slist_free_all(call->resolve);
	call->resolve = curl_slist_append(NULL, line);
	if (!call->resolve ||
	    curl_easy_setopt(call->easy, CURLOPT_RESOLVE, call->resolve) != CURLE_OK)
		return -ENOMEM;
	call->last_used = true;
	return 0;
}

void http_call_rewind(struct http_call *call)
{
	buf_reset(&call->answer.body);
	call->head = (struct http_head){0};
	call->error[0] = '\0';
	call->too_big = call->thread_started = false;
	call->body_written = 0;
	if (call->body_fd > 0 &&
	    (ftruncate(call->body_fd, 0) < 0 || lseek(call->body_fd, 0, SEEK_SET) < 0))
		call->body_fd = 0; /* not a file that can be begun again: the answer then has no body there */
}

struct http_call *http_call_free(struct http_call *call)
{
	if (!call)
		return NULL;
	curl_easy_cleanup(call->easy);
	free_headers(call->headers);
	curl_slist_free_all(call->resolve);
	loop_timer_free(call->deadline);
	loop_timer_free(call->patience);
	http_url_deinit(&call->url);
	if (call->body)
		explicit_bzero(call->body, call->body_len); /* may hold a password */
	free(call->body);
	free(call->method);
	http_answer_deinit(&call->answer);
	explicit_bzero(call, sizeof(*call));
	free(call);
	return NULL;
}
