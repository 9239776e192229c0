/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From header lines and libcurl's codes to a struct http_answer. A value that does not fit is left
 * out rather than cut: half an ETag or half a token would be wrong, not short. Nothing here keeps a
 * URL's query.
 */
#include "core/http_private.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include "core/text.h"

#define RETRY_AFTER_MAX 86400

const char *const http_failure_names[] = {
	[HTTP_OK] = "ok",
	[HTTP_RESOLVE] = "resolve",
	[HTTP_CONNECT] = "connect",
	[HTTP_TLS] = "tls",
	[HTTP_CERT] = "certificate",
	[HTTP_TIMEOUT] = "timeout",
	[HTTP_TOO_BIG] = "too-big",
	[HTTP_RESET] = "reset",
	[HTTP_BAD_URL] = "bad-url",
	[HTTP_BAD_ANSWER] = "bad-answer",
	[HTTP_CANCELLED] = "cancelled",
};

static const struct {
	const char *before, *after; /* around host and port */
} clauses[] = {
	[HTTP_RESOLVE] = {"the name ", " cannot be resolved"},
	[HTTP_CONNECT] = {"no connection to ", ""},
	[HTTP_TLS] = {"TLS with ", " failed"},
	[HTTP_CERT] = {"the certificate of ", " cannot be verified"},
	[HTTP_TIMEOUT] = {"no whole answer from ", " in time"},
	[HTTP_TOO_BIG] = {"the answer of ", " is larger than allowed"},
	[HTTP_RESET] = {"", " ended the connection before a whole answer"},
	[HTTP_BAD_URL] = {"not an absolute http or https URL without user and blanks", ""},
	[HTTP_BAD_ANSWER] = {"", " does not answer as HTTP has it"},
	[HTTP_CANCELLED] = {"cancelled: ", ""},
};

static const struct {
	CURLcode code;
	enum http_failure failure;
} codes[] = {
	{CURLE_OK, HTTP_OK},
	{CURLE_COULDNT_RESOLVE_HOST, HTTP_RESOLVE},
	{CURLE_COULDNT_RESOLVE_PROXY, HTTP_RESOLVE},
	{CURLE_COULDNT_CONNECT, HTTP_CONNECT},
	{CURLE_INTERFACE_FAILED, HTTP_CONNECT},
	{CURLE_PROXY, HTTP_CONNECT},
	{CURLE_PEER_FAILED_VERIFICATION, HTTP_CERT},
	{CURLE_SSL_ISSUER_ERROR, HTTP_CERT},
	{CURLE_SSL_CONNECT_ERROR, HTTP_TLS},
	{CURLE_SSL_ENGINE_NOTFOUND, HTTP_TLS},
	{CURLE_SSL_ENGINE_SETFAILED, HTTP_TLS},
	{CURLE_SSL_ENGINE_INITFAILED, HTTP_TLS},
	{CURLE_SSL_CERTPROBLEM, HTTP_TLS},
	{CURLE_SSL_CIPHER, HTTP_TLS},
	{CURLE_SSL_CACERT_BADFILE, HTTP_TLS},
	{CURLE_SSL_SHUTDOWN_FAILED, HTTP_TLS},
	{CURLE_USE_SSL_FAILED, HTTP_TLS},
	{CURLE_OPERATION_TIMEDOUT, HTTP_TIMEOUT},
	{CURLE_FILESIZE_EXCEEDED, HTTP_TOO_BIG},
	{CURLE_SEND_ERROR, HTTP_RESET},
	{CURLE_RECV_ERROR, HTTP_RESET},
	{CURLE_PARTIAL_FILE, HTTP_RESET},
	{CURLE_GOT_NOTHING, HTTP_RESET},
	{CURLE_URL_MALFORMAT, HTTP_BAD_URL},
};

enum http_failure http_failure_of(CURLcode code)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].code == code)
			return codes[i].failure;
	return HTTP_BAD_ANSWER;
}

/* ---- header lines ---- */

int http_retry_after(const char *p, size_t n, int64_t now_s, int64_t *ret)
{
	uint64_t seconds;
	int64_t when;
	int r;

	text_trim(&p, &n);
	r = text_u64(p, n, &seconds);
	if (r == 0 || r == -ERANGE) {
		*ret = r < 0 || seconds > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : (int64_t)seconds;
		return 0;
	}
	if (clock_parse_http_date(p, n, &when) < 0)
		return -EINVAL;
	if (when <= now_s)
		*ret = 0;
	else if (when - now_s > RETRY_AFTER_MAX)
		*ret = RETRY_AFTER_MAX;
	else
		*ret = when - now_s;
	return 0;
}

static void keep(char *out, size_t size, const char *p, size_t n)
{
	if (n >= size || memchr(p, '\0', n))
		n = 0;
	memcpy(out, p, n);
	out[n] = '\0';
}

static void start_over(struct http_answer *a, struct http_head *head)
{
	a->content_type[0] = a->etag[0] = a->location[0] = a->last_modified[0] = '\0';
	a->www_authenticate[0] = head->retry_after[0] = '\0';
	explicit_bzero(a->subject_token, sizeof(a->subject_token));
	a->date_s = a->retry_after_s = -1;
}

static void take_field(struct http_answer *a, struct http_head *head, const char *name,
		       size_t name_n, const char *p, size_t n)
{
	const struct {
		const char *name;
		char *out;
		size_t size;
	} fields[] = {
		{"Content-Type", a->content_type, sizeof(a->content_type)},
		{"ETag", a->etag, sizeof(a->etag)},
		{"Location", a->location, sizeof(a->location)},
		{"Last-Modified", a->last_modified, sizeof(a->last_modified)},
		{"WWW-Authenticate", a->www_authenticate, sizeof(a->www_authenticate)},
		{"X-Subject-Token", a->subject_token, sizeof(a->subject_token)},
		{"Retry-After", head->retry_after, sizeof(head->retry_after)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strlen(fields[i].name) == name_n &&
		    strncasecmp(fields[i].name, name, name_n) == 0)
			keep(fields[i].out, fields[i].size, p, n);
	if (name_n == 4 && strncasecmp("Date", name, 4) == 0 &&
	    clock_parse_http_date(p, n, &a->date_s) < 0)
		a->date_s = -1;
}

int http_answer_line(struct http_answer *a, struct http_head *head, const char *p, size_t n)
{
	const char *colon;
	size_t name_n;

	head->bytes += n;
	if (head->bytes > HTTP_HEADERS_MAX)
		return -EFBIG;
	if (head->body_began) /* a trailer: no field of ours may come that late */
		return 0;
	if (n >= 5 && memcmp(p, "HTTP/", 5) == 0) {
		start_over(a, head);
		return 0;
	}
	colon = memchr(p, ':', n);
	if (!colon)
		return 0;
	name_n = (size_t)(colon - p);
	n -= name_n + 1;
	colon++;
	text_trim(&colon, &n);
	take_field(a, head, p, name_n, colon, n);
	return 0;
}

/* ---- words for a person ---- */

static void printable(char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

static void add_detail(char *why, size_t size, const char *detail)
{
	size_t n = strlen(why);

	if (detail[0])
		snprintf(why + n, size - n, ": %s", detail);
}

void http_answer_explain(struct http_answer *a, const struct http_url *u, const char *detail)
{
	_cleanup_buf_ struct buf host = BUF_INIT(300);

	if (u->path)
		http_url_host_header(u, &host);
	if (a->failure == HTTP_OK) {
		snprintf(a->why, sizeof(a->why), "HTTP %ld from %s%.*s", a->status, buf_str(&host),
			 (int)strcspn(u->path, "?"), u->path);
	} else {
		snprintf(a->why, sizeof(a->why), "%s%s%s", clauses[a->failure].before,
			 buf_str(&host), clauses[a->failure].after);
		add_detail(a->why, sizeof(a->why), detail);
	}
	printable(a->why);
}

void http_answer_deinit(struct http_answer *a)
{
	buf_deinit(&a->body);
	explicit_bzero(a->subject_token, sizeof(a->subject_token));
}
