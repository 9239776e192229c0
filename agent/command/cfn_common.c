/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials given or found, one described resource, patience. For the cfn tools only. */
#include "command/cfn_common.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "auth/credentials_parse.h"
#include "command/command.h"
#include "command/input.h"
#include "core/backoff.h"
#include "core/fs.h"
#include "core/log.h"

#define CREDENTIAL_FILE_MAX (64u * 1024)
#define PAUSE_MAX_MS        30000

int cfn_check_keys(const char *command, const struct cfn_access *access)
{
	if (!access->access_key == !access->secret_key)
		return 0;
	return command_usage(command, "--access-key and --secret-key go together");
}

int cfn_check_named(const char *command, const char *stack, const char *resource)
{
	if (stack && resource)
		return 0;
	return command_usage(command, "%s is needed", stack ? "--resource" : "--stack");
}

struct http_setup cfn_proxies(const struct cfn_access *access, const struct conf *conf)
{
	return (struct http_setup){
		.ca_file = conf->ca_file,
		.http_proxy = access->http_proxy ? access->http_proxy : conf->http_proxy,
		.https_proxy = access->https_proxy ? access->https_proxy : conf->https_proxy,
		.no_proxy = conf->no_proxy,
	};
}

bool cfn_pause(const struct env *env, struct backoff *backoff, int64_t retry_after_s,
	       int64_t deadline_ms)
{
	int64_t wait = backoff_next(backoff, random_unit());
	struct timespec left;

	if (retry_after_s > 0 && retry_after_s * 1000 > wait)
		wait = retry_after_s * 1000;
	if (env->boot_ms() + wait >= deadline_ms)
		return false;
	left = (struct timespec){.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000};
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
	return true;
}

/* ---- credentials ---- */

static int fail(const char *command, const struct err *e)
{
	fprintf(stderr, "%s: %s\n", command, e->text);
	return EXIT_CONFIG;
}

static int read_given_file(const struct env *env, const char *name, struct credentials *c,
			   struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_INIT(CREDENTIAL_FILE_MAX);
	int r = input_read(env, name, &text, e);

	if (r == 0) {
		r = credentials_parse_file(buf_str(&text), text.len, &c->access_key, &c->secret_key,
					   e);
		if (r < 0)
			err_prefix(e, "%s", name);
	}
	if (text.data)
		explicit_bzero(text.data, text.cap);
	return r;
}

static int take_given_keys(const struct env *env, const struct cfn_access *a, struct credentials *c,
			   struct err *e)
{
	if (a->credential_file)
		return read_given_file(env, a->credential_file, c, e);
	c->access_key = strdup(a->access_key);
	c->secret_key = strdup(a->secret_key);
	return c->access_key && c->secret_key ? 0 : err_set(e, -ENOMEM, "no memory");
}

/* The endpoint for keys that were given: a flag, else what Heat's files or our configuration name.
 * Nobody else is ever asked. */
static int take_endpoint(const struct cfn_access *a, const struct credentials_set *found,
			 struct credentials *c, struct err *e)
{
	const char *known = found->cfn.metadata_url ? found->cfn.metadata_url : found->endpoint;

	if (a->url) {
		if (credentials_url(a->url, strlen(a->url), "https", &c->metadata_url) < 0)
			return err_set(e, -EINVAL, "--url takes an http or https URL");
		return 0;
	}
	if (!known)
		return err_set(e, -ENOENT,
			       "no CFN endpoint is configured: give --url, or put it into "
			       "/var/lib/heat-cfntools/cfn-metadata-server");
	c->insecure = found->cfn.metadata_url ? found->cfn.insecure : found->endpoint_insecure;
	c->metadata_url = strdup(known);
	return c->metadata_url ? 0 : err_set(e, -ENOMEM, "no memory");
}

static int use_given(const struct env *env, const struct cfn_access *a, struct credentials_set *set,
		     struct err *e)
{
	struct credentials c = {.kind = CREDENTIALS_EC2};
	int r = take_given_keys(env, a, &c, e);

	if (r == 0)
		r = take_endpoint(a, set, &c, e);
	if (r == 0) {
		c.origin = strdup("command line");
		c.resource = set->cfn.resource ? strdup(set->cfn.resource) : NULL;
		credentials_deinit(&set->cfn);
		set->cfn = c;
		return 0;
	}
	credentials_deinit(&c);
	return r;
}

static int use_found(const struct cfn_access *a, struct credentials_set *set, struct err *e)
{
	if (set->cfn.kind == CREDENTIALS_NONE || !a->url)
		return 0;
	free(set->cfn.metadata_url);
	set->cfn.metadata_url = NULL;
	return take_endpoint(a, set, &set->cfn, e);
}

static void show_problems(const char *command, const struct problems *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->list[i].level != PROBLEM_OK)
			fprintf(stderr, "%s: %s\n", command, p->list[i].text);
}

int cfn_session_open(struct env *env, const char *command, const struct cfn_access *a,
		     int64_t timeout_ms, struct cfn_session *s)
{
	struct http_setup setup;
	struct err e = ERR_INIT;
	int r;

	*s = (struct cfn_session){.given = a->credential_file || (a->access_key && a->secret_key)};
	if (a->verbose)
		log_setup(LOG_LEVEL_DEBUG, command);
	r = direct_init(&s->direct, env, &e);
	if (r == 0)
		r = s->given ? use_given(env, a, &s->direct.creds, &e)
			     : use_found(a, &s->direct.creds, &e);
	if (a->secret_key) /* copied by now; the flag is still in the process list */
		input_scrub((char *)(uintptr_t)a->secret_key);
	if (r < 0)
		return fail(command, &e);
	if (a->verbose)
		show_problems(command, &s->direct.problems);
	s->direct.creds.cfn.insecure = s->direct.creds.cfn.insecure || a->insecure;
	s->deadline_ms = env->boot_ms() + (a->timeout_ms > 0 ? a->timeout_ms : timeout_ms);
	setup = cfn_proxies(a, &s->direct.conf);
	if (loop_new(env, &s->loop) < 0 || http_new(s->loop, &setup, &s->http, &e) < 0)
		return fail(command, &e);
	return 0;
}

void cfn_session_close(struct cfn_session *s)
{
	s->http = http_free(s->http);
	loop_free(s->loop);
	direct_deinit(&s->direct);
	*s = (struct cfn_session){0};
}

/* ---- one described resource ---- */

struct describing {
	struct loop *loop;
	struct fetch_result *ret;
};

static void described(const struct fetch_result *result, void *ctx)
{
	struct describing *d = ctx;

	*d->ret = *result;
	d->ret->doc = (struct document){0};
	loop_quit(d->loop, document_copy(&d->ret->doc, &result->doc));
}

static bool is_the_worlds_fault(enum fetch_class class)
{
	return class == FETCH_UNREACHABLE || class == FETCH_SERVER_ERROR || class == FETCH_BUSY;
}

static int describe_once(struct cfn_session *s, struct source *source, const char *resource,
			 struct fetch_result *ret)
{
	struct describing d = {s->loop, ret};
	int r = source_cfn.fetch(source, resource, true, described, &d);

	return r < 0 ? r : loop_run(s->loop);
}

static int open_source(struct cfn_session *s, const char *stack, struct source **ret, struct err *e)
{
	struct watch_setup setup = {.loop = s->loop,
				    .http = s->http,
				    .conf = &s->direct.conf,
				    .creds = &s->direct.creds};
	struct credentials *cfn = &s->direct.creds.cfn;
	int64_t left = s->deadline_ms - s->direct.env->boot_ms();
	char *name = strdup(stack);

	if (!name)
		return err_set(e, -ENOMEM, "no memory");
	free(cfn->stack);
	cfn->stack = name;
	if (left < s->direct.conf.request_timeout_ms)
		s->direct.conf.request_timeout_ms = left > 1000 ? left : 1000;
	return source_cfn.open(&setup, ret, e);
}

int cfn_describe(struct cfn_session *s, const char *stack, const char *resource,
		 struct fetch_result *ret, struct err *e)
{
	struct backoff backoff = {.base_ms = 500, .cap_ms = PAUSE_MAX_MS};
	struct source *source = NULL;
	int r;

	*ret = (struct fetch_result){.retry_after_s = -1};
	r = open_source(s, stack, &source, e);
	if (r < 0)
		return r;
	do {
		document_deinit(&ret->doc);
		r = describe_once(s, source, resource, ret);
	} while (r == 0 && is_the_worlds_fault(ret->class) &&
		 cfn_pause(s->direct.env, &backoff, ret->retry_after_s, s->deadline_ms));
	source_cfn.close(source);
	return r < 0 ? err_sys(e, -r, "the request cannot be made") : 0;
}

int cfn_metadata(struct cfn_session *s, const char *stack, const char *resource, json_t **ret,
		 struct err *e)
{
	struct fetch_result result;
	int r = cfn_describe(s, stack, resource, &result, e);

	if (r == 0 && result.class == FETCH_OK)
		*ret = json_incref(result.doc.metadata);
	else if (r == 0)
		r = err_set(e, -EIO, "%s", result.why);
	document_deinit(&result.doc);
	return r < 0 ? EXIT_NETWORK : 0;
}
