/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the HTTP client share; nobody else includes it, except their tests and fuzz targets.
 *	http.c         the multi handle on the loop, the life of a call
 *	http_call.c    one request made into an easy handle
 *	http_fetch.c   one request waited for
 *	http_answer.c  header lines and failures made into an answer
 *	http_name.c    resolver threads counted, last good addresses kept
 *	http_policy.c  proxies, near hosts, the bundle of authorities
 *	http_url.c     URLs
 */
#pragma once

#include <curl/curl.h>
#include "core/http.h"

#define HTTP_RESOLVERS_MAX      4
#define HTTP_NAMES_MAX          16
#define HTTP_KEPT_MAX           8L /* connections of HTTP_KEEP and HTTP_URGENT */
#define HTTP_RESOLVE_PATIENCE   5000  /* ms until the last good address is taken */
#define HTTP_CONNECT_TIMEOUT    10000 /* ms for resolving, connecting and TLS together */
#define HTTP_TIMEOUT_DEFAULT    30000
#define HTTP_BODY_DEFAULT       (8u << 20)
#define HTTP_HEADERS_MAX        (256u << 10)

/* ---- http_policy.c ---- */
/** http_policy_proxy() - the proxy for @u; "" = none, never NULL (libcurl would then ask the
 * environment). Borrowed from @setup. */
const char *http_policy_proxy(const struct http_setup *setup, const struct http_url *u);
/** http_policy_ca_file() - where to find authorities. Return: false when libcurl's own default is
 * all that is left. */
bool http_policy_ca_file(const struct env *env, const char *ca_file, char out[static ENV_PATH_MAX]);

/* ---- http_answer.c ---- */
struct http_head { /* what is collected while header lines come in */
	size_t bytes;
	bool body_began;
	char retry_after[64];
};
/** http_answer_line() - one header line, with or without its CRLF; a status line starts over.
 * -EFBIG over HTTP_HEADERS_MAX. */
int http_answer_line(struct http_answer *a, struct http_head *head, const char *p, size_t n) _must_check_;
/** http_retry_after() - seconds or a date into seconds from @now_s, at most a day. -EINVAL else;
 * @ret untouched. */
int http_retry_after(const char *p, size_t n, int64_t now_s, int64_t *ret) _must_check_;
/** http_failure_of() - the class of a libcurl code. */
enum http_failure http_failure_of(CURLcode code);
/** http_answer_explain() - fills why from failure, status, host and @detail ("" = none). */
void http_answer_explain(struct http_answer *a, const struct http_url *u, const char *detail);

/* ---- http_name.c ---- */
struct http_name {
	char host[256];    /* "" = free */
	char address[64];
	uint64_t used;     /* order of use: the oldest makes room */
};
struct http_names {
	struct http_name list[HTTP_NAMES_MAX];
	uint64_t order;
};
/** http_name_threads() - resolver threads alive in this process, abandoned ones too; -1 when /proc
 * does not say. */
long http_name_threads(void);
const char *http_names_last(struct http_names *names, const char *host); /* NULL = none */
void http_names_keep(struct http_names *names, const char *host, const char *address);
void http_names_forget(struct http_names *names, const char *host); /* not good any more */
/** http_name_needed() - what must be resolved for a request to @u by @proxy. @name "" when it is an
 * address or loopback's name. */
void http_name_needed(const struct http_url *u, const char *proxy, char name[static 256], int *port);

/* ---- the objects ---- */
struct http_socket {
	struct http_socket *prev, *next;
	struct http *http;
	struct loop_io *io;
	curl_socket_t fd;
};

enum call_state {
	CALL_NEW,
	CALL_QUEUED,    /* waits for a resolver */
	CALL_RESOLVING, /* with libcurl, no socket yet */
	CALL_RUNNING,   /* a socket was asked for: resolving is over */
	CALL_DONE,      /* being answered or dropped */
};

struct http_call {
	struct http_call *prev, *next;
	struct http *http;
	enum call_state state;
	enum http_haste haste;
	bool in_multi, thread_started, last_used, too_big;
	enum http_failure early; /* known before anything is sent */
	http_done_fn *fn;
	void *ctx;
	CURL *easy;
	struct curl_slist *headers, *resolve;
	struct loop_timer *deadline, *patience;
	struct http_url url;
	char *method, *body;
	size_t body_len;
	const char *proxy;   /* borrowed from http */
	char name[256];
	int name_port;
	int64_t timeout_ms;
	size_t body_max;
	int body_fd;                /* 0: the body goes to memory */
	uint64_t body_written;      /* to body_fd */
	struct http_head head;
	struct http_answer answer;
	char error[CURL_ERROR_SIZE];
};

struct http {
	struct loop *loop;
	struct http_setup setup; /* owned copies */
	char ca_file[ENV_PATH_MAX];
	bool ca_found;
	CURLM *multi;
	CURLSH *share; /* TLS sessions, where the multi does not keep them; NULL: it does */
	struct loop_timer *timer;   /* libcurl's */
	struct loop_timer *queue;   /* looks again for a free resolver */
	struct http_call *calls;
	struct http_socket *sockets;
	struct http_names names;
	unsigned depth;             /* > 0: an answer is being handed out */
	bool dying;
};

/* ---- http_call.c ---- */
/** http_call_new() - copies @req. -EINVAL on a method or header that could smuggle, -ENOMEM.
 * With a URL that leads nowhere the call has @early set, and an error text. */
int http_call_new(struct http *http, const struct http_request *req, struct http_call **ret) _must_check_;
/** http_call_use_address() - resolve nothing: the call's name is at @address. */
int http_call_use_address(struct http_call *call, const char *address) _must_check_;
void http_call_rewind(struct http_call *call); /* forgets a partial answer: the request goes out again */
struct http_call *http_call_free(struct http_call *call);
/** http_call_opened() - in http.c: libcurl asks for a socket, so the name is resolved. */
void http_call_opened(struct http_call *call);
