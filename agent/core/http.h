/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP client on the loop: libcurl's multi interface, nothing blocks. Each request has one total
 * deadline, a body ceiling and one answer. Redirects are not followed (a signature is for one
 * host). Proxies come from struct http_setup only and are never used for loopback, link-local and
 * the metadata service. libcurl's resolver is a thread: at most four run at a time, and the last
 * good address of a host is kept and used when resolving fails or takes over 5 s. TLS sessions are
 * resumed from one request to the next.
 */
#pragma once

#include "core/loop.h"
#include "core/err.h"

struct http_setup {
	const char *ca_file; /* NULL: first bundle found of the distributions' places */
	const char *http_proxy, *https_proxy, *no_proxy;
	const char *user_agent;
};

enum http_failure { /* why there is no status */
		    HTTP_OK = 0,
		    HTTP_RESOLVE,
		    HTTP_CONNECT,
		    HTTP_TLS,
		    HTTP_CERT,
		    HTTP_TIMEOUT,
		    HTTP_TOO_BIG,
		    HTTP_RESET,
		    HTTP_BAD_URL,
		    HTTP_BAD_ANSWER,
		    HTTP_CANCELLED
};
extern const char *const http_failure_names[];

enum http_haste {
	HTTP_CALM,   /* a connection of its own, closed afterwards: idle ones only cost the server */
	HTTP_KEEP,   /* the connection is kept for the next such request, about two minutes */
	HTTP_URGENT, /* kept too; and a name that was resolved before is not resolved again first */
};

struct http_request {
	const char *method; /* "GET", "PUT", "POST", "DELETE", "HEAD" */
	const char *url;
	const char *const
		*headers; /* "Name: value" lines, NULL-terminated; "Name;" sends an empty value */
	const void *body;
	size_t body_len;
	int64_t timeout_ms; /* whole request; 0 = 30 s */
	size_t body_max;    /* of the answer; 0 = 8 MiB */
	int body_fd;        /* over 0: where the body of a 2xx answer is written instead of memory; borrowed.
			       For commands only: a file's write blocks */
	enum http_haste haste;
	bool insecure;      /* TLS verification off: only where root-owned files say so */
};

struct http_answer {
	enum http_failure failure;
	long status; /* 0 when failure */
	struct buf body;
	char content_type[96];
	char etag[160];
	char location[2048]; /* of a redirect: may hold a signature, not for a log */
	char last_modified[64];
	char www_authenticate[160];
	char subject_token[4096]; /* X-Subject-Token; wiped */
	int64_t date_s;           /* Date header, -1 absent */
	int64_t sent_real_ms, got_real_ms;
	int64_t retry_after_s; /* -1 absent; dates are turned into seconds */
	char why[200];         /* one clause for a person, without the URL's query */
};
/* @answer is the callee's to read only during the call. */
typedef void http_done_fn(const struct http_answer *answer, void *ctx);

struct http;
struct http_call;
/** http_new() - @setup's strings are copied; @loop borrowed. */
int http_new(struct loop *loop, const struct http_setup *setup, struct http **ret,
	     struct err *e) _must_check_;
/** http_set_ca_file() - authorities for connections made from now on; NULL as in http_setup. */
int http_set_ca_file(struct http *http, const char *ca_file) _must_check_;
struct http *http_free(struct http *http); /* open calls get HTTP_CANCELLED */
/**
 * http_start() - everything in @req is copied. @fn is called exactly once, never from inside
 * http_start()
 * @ret: for http_cancel(), good until @fn is called; may be NULL
 *
 * Host is http_url_host_header()'s unless a header names another; no Content-Type is sent unless
 * one is given. Return: 0 (a URL that leads nowhere is answered too), -EINVAL for a method or
 * header that could add lines, -ENOMEM.
 */
int http_start(struct http *http, const struct http_request *req, http_done_fn *fn, void *ctx,
	       struct http_call **ret) _must_check_;
void http_cancel(struct http_call *call); /* its fn is not called any more */
/** http_fetch() - for commands: runs a private loop. Return: 0, or -errno when it could not start;
 * @answer filled; http_answer_deinit() it. */
int http_fetch(const struct env *env, const struct http_setup *setup,
	       const struct http_request *req, struct http_answer *answer,
	       struct err *e) _must_check_;
void http_answer_deinit(struct http_answer *a);

struct http_url {
	char scheme[8];
	char host[256]; /* without brackets */
	char zone[32];
	int port;
	bool bracketed;
	char *path; /* with query, starts with / */
};
/** http_url_parse() - absolute http/https URL; -EINVAL else (fuzzed). host_header() = what the Host
 * header will be. */
int http_url_parse(const char *url, struct http_url *ret) _must_check_;
void http_url_deinit(struct http_url *u);
/** http_url_host_header() - host[:port], port left out only for 80/http and 443/https, brackets for
 * IPv6, zone dropped. */
void http_url_host_header(const struct http_url *u, struct buf *out);
/** http_url_redact() - scheme, host and path without query and userinfo: fit for a log. */
void http_url_redact(const char *url, struct buf *out);
/** http_no_proxy_matches() - comma list of "*", addresses, networks (10.0.0.0/8) and names, which
 * stand for all below them too. */
bool http_no_proxy_matches(const char *no_proxy, const char *host);
/** http_host_is_near() - loopback, link-local or metadata service (169.254.0.0/16, fe80::/10,
 * 127/8, ::1, localhost). */
bool http_host_is_near(const char *host);
