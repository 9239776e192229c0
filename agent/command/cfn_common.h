/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cfn tools share: the union of both vendors' flags about who asks whom, credentials given
 * or found, one request with retries. They are run by hand as well as by scripts, often as root
 * while the agent runs: nothing here writes a file or touches the agent's state.
 */
#pragma once

#include "command/direct.h"
#include "command/options.h"
#include "core/http.h"
#include "metadata/source.h"

struct cfn_access {
	const char *url, *credential_file, *access_key, *secret_key, *region, *role, *http_proxy,
		*https_proxy;
	bool insecure, verbose;
	int64_t timeout_ms; /* of the whole command; 0 = its default */
};

/* Rows for a command's table; @type has a member "access". -u, -f and -k are the command's own to
 * give or not. */
#define CFN_ACCESS_ROWS(type)                                                                      \
	{'u',         "url",                                                                       \
	 OPTION_TEXT, offsetof(type, access.url),                                                  \
	 "URL",       "CFN endpoint, https://host:port/v1/"},                                      \
		{'f',         "credential-file",                                                   \
		 OPTION_TEXT, offsetof(type, access.credential_file),                              \
		 "FILE",      "keys: lines AWSAccessKeyId=..., AWSSecretKey=..."},                 \
		{0,           "access-key",                                                        \
		 OPTION_TEXT, offsetof(type, access.access_key),                                   \
		 "KEY",       "with --secret-key (seen in the process list)"},                     \
		{0,           "secret-key",                                                        \
		 OPTION_TEXT, offsetof(type, access.secret_key),                                   \
		 "KEY",       "better: --credential-file"},                                        \
		{0,           "region",                                                            \
		 OPTION_TEXT, offsetof(type, access.region),                                       \
		 "NAME",      "scope of signatures; Heat takes any"},                              \
		{0, "role", OPTION_TEXT, offsetof(type, access.role), "NAME", NULL},               \
		{0,     "http-proxy",    OPTION_TEXT, offsetof(type, access.http_proxy),           \
		 "URL", "proxy for http"},                                                         \
		{0,     "https-proxy",    OPTION_TEXT, offsetof(type, access.https_proxy),         \
		 "URL", "proxy for https"},                                                        \
		{'v',  "verbose",           OPTION_FLAG, offsetof(type, access.verbose),           \
		 NULL, "say more on stderr"},                                                      \
	{                                                                                          \
		0, "timeout", OPTION_DURATION, offsetof(type, access.timeout_ms), "TIME",          \
			"give up after that long, tries and all"                                   \
	}

/* Rows for a table of whose metadata are wanted; @type has members "stack" and "resource". */
#define CFN_RESOURCE_ROWS(type)                                                                    \
	{'s', "stack", OPTION_TEXT, offsetof(type, stack), "STACK", "name or ARN of the stack"},   \
	{                                                                                          \
		'r', "resource", OPTION_TEXT, offsetof(type, resource), "NAME",                    \
			"logical id of the resource"                                               \
	}

struct cfn_session {
	struct direct direct; /* creds.cfn is what will be used: kind NONE when there is nothing */
	struct loop *loop;
	struct http *http;
	bool given;          /* the caller named the keys; else they were found */
	int64_t deadline_ms; /* boot ms */
};

/** cfn_check_keys() - the flags for keys fit each other. Return: 0, or the exit code of a usage error
 * that is printed. */
int cfn_check_keys(const char *command, const struct cfn_access *access);
/** cfn_check_named() - both names are given. The same return. */
int cfn_check_named(const char *command, const char *stack, const char *resource);
/** cfn_session_open() - Return: 0, or an exit code (the reason is printed). cfn_session_close() it
 * in any case. */
int cfn_session_open(struct env *env, const char *command, const struct cfn_access *access,
		     int64_t timeout_ms, struct cfn_session *s) _must_check_;
void cfn_session_close(struct cfn_session *s);

/** cfn_proxies() - proxies of the flags, else of the configuration; borrowed from both. */
struct http_setup cfn_proxies(const struct cfn_access *access, const struct conf *conf);

/**
 * cfn_describe() - DescribeStackResource, tried again with backoff until the deadline while the
 * world is at fault
 * @stack: name or ARN. @ret: result of the last try; document_deinit(&ret->doc) it.
 *
 * Return: 0 when @ret tells (its class may be any), -errno when no request could be started.
 */
int cfn_describe(struct cfn_session *s, const char *stack, const char *resource,
		 struct fetch_result *ret, struct err *e) _must_check_;

/** cfn_metadata() - the metadata of a resource, asked as cfn_describe() does. Return: 0 and a new
 * tree (NULL when the server has none), or EXIT_NETWORK with the reason in @e. */
int cfn_metadata(struct cfn_session *s, const char *stack, const char *resource, json_t **ret,
		 struct err *e) _must_check_;

/** cfn_pause() - sleep before the next try, jittered, at least @retry_after_s. Return: false when
 * the deadline would pass. */
struct backoff;
bool cfn_pause(const struct env *env, struct backoff *backoff, int64_t retry_after_s,
	       int64_t deadline_ms);
