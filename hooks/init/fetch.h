/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sources and files name by URL, into a nameless file: http and https alone, verified as
 * everywhere, redirects followed but never from https to http, bounded in size and time, tried
 * again while the server or the network is at fault.
 */
#pragma once

#include "hooks/init/init.h"

#define FETCH_BYTES_MAX (4ull << 30)
#define FETCH_TIME_MS   (15 * 60 * 1000)

/** fetch_file() - @auth: value of AWS::CloudFormation::Authentication or NULL; @auth_name: the
 * entry to use, NULL: the one whose "uris" begin the URL. Return: an open file at its beginning, or
 * -errno with the redacted URL in @e. */
int fetch_file(const struct init_setup *setup, const char *url, const json_t *auth,
	       const char *auth_name, struct err *e) _must_check_;
/** fetch_next_url() - where a Location leads from @url, into @out: absolute, or below the same
 * host. -EINVAL for what is not followed. Pure. */
int fetch_next_url(const char *url, const char *location, struct buf *out) _must_check_;
/** fetch_authorization() - "Authorization: Basic …" into @out, or nothing when no entry is for
 * @url. -EINVAL: the named entry is missing, or of a type that is not known. Pure. */
int fetch_authorization(const json_t *auth, const char *name, const char *url, struct buf *out,
			struct err *e) _must_check_;
