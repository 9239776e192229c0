/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the HTTP client share: one server for the whole program, and a request that is
 * waited for. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "core/http_private.h"
#include "httpd.h"

static struct httpd *server;
static struct env env;

static _unused_ int start_server(void **state)
{
	(void)state;
	server = httpd_start(&(struct httpd_setup){0});
	return server && env_init(&env, "") == 0 ? 0 : -1;
}

static _unused_ int stop_server(void **state)
{
	(void)state;
	server = httpd_stop(server);
	return 0;
}

/* The request that the server read last. */
static _unused_ const struct httpd_seen *last_seen(void)
{
	return httpd_seen(server, httpd_count(server) - 1);
}

static _unused_ void fetch_with(const struct http_setup *setup, struct http_request req,
				struct http_answer *a)
{
	struct err e = ERR_INIT;

	if (!req.method)
		req.method = "GET";
	assert_int_equal(http_fetch(&env, setup, &req, a, &e), 0);
}

static _unused_ void fetch(const char *path, struct http_request req, struct http_answer *a)
{
	req.url = httpd_url(server, path);
	fetch_with(&(struct http_setup){0}, req, a);
}
