/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP server for tests: a forked process on loopback, port chosen by the kernel, one request per
 * connection, that behaves well or badly on demand. It does not share memory with the test except
 * for what it saw.
 *
 *	struct httpd *h = httpd_start(&(struct httpd_setup){0});
 *	... request httpd_url(h, "/ok") ...
 *	assert_int_equal(httpd_count(h), 1);
 *	assert_string_equal(httpd_seen(h, 0)->method, "GET");
 *	httpd_stop(h);
 *
 * Without a function of your own the path says what happens (a query is ignored):
 *	/ok             200 {"ok":true}
 *	/status/N       status N, body "status N"
 *	/echo           200, the request's body
 *	/hang           reads the request, never answers
 *	/trickle        headers, then one byte a second for ever
 *	/slow/MS        200 after that many milliseconds
 *	/flood/N        N bytes of body without Content-Length (chunked)
 *	/length/N       Content-Length N and that many bytes
 *	/cut            Content-Length 1000, ten bytes, then closed
 *	/reset          a TCP reset instead of an answer
 *	/close          closed without a byte
 *	/garbage        bytes that are not HTTP
 *	/redirect       302 to /ok
 *	/chunked        200 {"ok":true} in chunks
 *	/deep/N         200, a JSON array nested N levels
 *	/manyheaders    header lines for ever
 *
 * With a function (it runs in the server's process, one request at a time, and may keep counters
 * there) anything can be answered:
 *	static void answer(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply, void *ctx)
 *	{
 *		reply->status = nth == 0 ? 503 : 200;
 *		reply->headers = "Retry-After: 7\r\n";
 *		reply->body = "{}";
 *	}
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum httpd_act {
	HTTPD_ANSWER,     /* status, headers, body */
	HTTPD_HANG,
	HTTPD_TRICKLE,
	HTTPD_CHUNKED,    /* as HTTPD_ANSWER, body in chunks of 7 bytes */
	HTTPD_FLOOD,      /* amount bytes, chunked */
	HTTPD_LENGTH,     /* amount bytes with Content-Length */
	HTTPD_CUT,
	HTTPD_RESET,
	HTTPD_CLOSE,
	HTTPD_RAW,        /* body as it is, then closed */
	HTTPD_DEEP,       /* amount levels of [ ] */
	HTTPD_MANY_HEADERS,
};

enum httpd_tls {
	HTTPD_PLAIN,
	HTTPD_TLS,             /* self-signed for localhost, 127.0.0.1, ::1; trusted by httpd_ca_file() */
	HTTPD_TLS_WRONG_NAME,  /* in httpd_ca_file() too, but made out to other.example */
	HTTPD_TLS_EXPIRED,
};

struct httpd_seen {
	char method[16];
	char target[4096];  /* as on the wire, with query */
	char head[16384];   /* request line and header lines, as on the wire */
	size_t body_len;
	char body[131072];  /* NUL-terminated; cut when longer */
};

struct httpd_reply { /* filled with 200, no headers, empty body */
	enum httpd_act act;
	int status;
	const char *headers;  /* lines that end in \r\n, or NULL */
	const char *body;     /* must outlive the call */
	size_t body_len;      /* 0: strlen(body) */
	uint64_t amount;
	unsigned delay_ms;
};

/** @nth counts all requests of this server, from 0. */
typedef void httpd_fn(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply, void *ctx);

struct httpd_setup {
	const char *address;  /* NULL: 127.0.0.1; "::1" */
	enum httpd_tls tls;
	httpd_fn *fn;         /* NULL: the paths above */
	void *ctx;            /* as it was at httpd_start(): the server is a fork */
};

struct httpd;
/** httpd_start() - listening when it returns. NULL when loopback or that address cannot be used (errno). */
struct httpd *httpd_start(const struct httpd_setup *setup);
/** httpd_stop() - kills it with what it started; accepts NULL; returns NULL. */
struct httpd *httpd_stop(struct httpd *h);
int httpd_port(const struct httpd *h);
/** httpd_url() - scheme://address:port + @path; borrowed; one of four buffers used in turn. */
const char *httpd_url(struct httpd *h, const char *path);
/** httpd_ca_file() - PEM file with the server's certificate, removed by httpd_stop(); NULL without TLS. */
const char *httpd_ca_file(const struct httpd *h);
/** httpd_count() - requests read so far. */
unsigned httpd_count(const struct httpd *h);
/** httpd_seen() - the @nth request, of the last HTTPD_KEPT; NULL otherwise. */
#define HTTPD_KEPT 64
const struct httpd_seen *httpd_seen(const struct httpd *h, unsigned nth);
/** httpd_header() - value of a header of a request ("" when absent), matched without case. @out gets it. */
const char *httpd_header(const struct httpd_seen *seen, const char *name, char *out, size_t size);
