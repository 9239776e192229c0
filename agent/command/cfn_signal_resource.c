/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signal to a handle by its name: the stack's ARN is asked for, then the heat sink signs and
 * sends as it does for the agent (PUT with EC2 keys, native signal with a token). Nothing is
 * stored: no handle kinds, no minted keys, no spool.
 */
#include "command/cfn_signal.h"

#include <errno.h>
#include <string.h>

#include "command/command.h"
#include "command/documents.h"
#include "core/backoff.h"
#include "core/text.h"
#include "metadata/document.h"
#include "sink/rows.h"

#define PAUSE_FIRST_MS 1000
#define PAUSE_MAX_MS   30000

struct resource_signal {
	struct cfn_session *session;
	struct document doc; /* its stack_id is what the sink looks at */
	struct keystone *keystone;
	struct sink *sink;
	enum carry how;
	int64_t retry_after_s;
	char why[320];
};

static const struct document *own_document(void *ctx)
{
	const struct resource_signal *r = ctx;

	return r->doc.stack_id ? &r->doc : NULL;
}

/* ---- which stack ---- */

static bool is_of_stack(const struct document *doc, const char *stack)
{
	return doc->stack_id && (text_equal(doc->stack, stack) || text_equal(doc->stack_id, stack));
}

/* The agent's last document knows the ARN even where this cloud's policy forbids to ask. */
static void stack_from_state(struct resource_signal *r, const char *stack)
{
	_cleanup_buf_ struct buf text = BUF_INIT(STORE_ENTRY_MAX);
	const struct env *env = r->session->direct.env;
	char dir[ENV_PATH_MAX], name[STORE_NAME_MAX];
	struct document doc = {0};

	if (store_file_read(env, env_path(env, STORE_DIR, dir), documents_entry(NULL, name), NULL,
			    &text, NULL) < 0 ||
	    document_load(text.data, text.len, &doc, NULL) < 0)
		return;
	if (is_of_stack(&doc, stack))
		r->doc = doc;
	else
		document_deinit(&doc);
}

/* Found keys may read their own server's resource, and nothing says that they may read the handle.
 */
static const char *what_to_describe(const struct cfn_session *s, const char *resource)
{
	const char *own = s->direct.creds.cfn.resource;

	return own && !s->given ? own : resource;
}

static int ask_stack(struct resource_signal *r, const char *stack, const char *resource,
		     struct err *e)
{
	struct fetch_result result;
	int rc =
		cfn_describe(r->session, stack, what_to_describe(r->session, resource), &result, e);

	if (rc == 0 && result.class == FETCH_OK)
		r->doc = result.doc;
	else if (rc == 0)
		rc = err_set(e, -EIO, "the stack cannot be asked for: %s", result.why);
	if (!r->doc.stack_id)
		stack_from_state(r, stack);
	return r->doc.stack_id ? 0
	       : rc            ? rc
			       : err_set(e, -EIO, "the server did not name the stack");
}

static int find_stack(struct resource_signal *r, const char *stack, const char *resource,
		      struct err *e)
{
	const struct credentials_set *creds = &r->session->direct.creds;

	if (text_starts(stack, "arn:")) {
		r->doc.stack_id = strdup(stack);
		return r->doc.stack_id ? 0 : err_set(e, -ENOMEM, "no memory");
	}
	if (creds->cfn.kind == CREDENTIALS_EC2)
		return ask_stack(r, stack, resource, e);
	/* "name/uuid": Heat's own form, with the heat transport */
	if (creds->heat.stack && text_starts(creds->heat.stack, stack) &&
	    creds->heat.stack[strlen(stack)] == '/')
		r->doc.stack_id = strdup(creds->heat.stack);
	return r->doc.stack_id ? 0
			       : err_set(e, -ENOENT, "the credentials found are of another stack");
}

/* ---- sending ---- */

static void carried(enum carry how, int64_t retry_after_s, const char *why, void *ctx)
{
	struct resource_signal *r = ctx;

	r->how = how;
	r->retry_after_s = retry_after_s;
	text_print(r->why, sizeof(r->why), "%s", why ? why : carry_names[how]);
	loop_quit(r->session->loop, 0);
}

static int open_sink(struct resource_signal *r, struct err *e)
{
	struct cfn_session *s = r->session;
	struct sink_setup setup = {.loop = s->loop,
				   .http = s->http,
				   .conf = &s->direct.conf,
				   .creds = &s->direct.creds,
				   .document = own_document,
				   .ctx = r};

	if (s->given) /* the caller named the keys to use */
		credentials_deinit(&s->direct.creds.heat);
	if (s->direct.creds.heat.kind != CREDENTIALS_NONE &&
	    keystone_new(s->loop, s->http, &s->direct.creds.heat, &r->keystone) < 0)
		return err_set(e, -ENOMEM, "no memory");
	setup.keystone = r->keystone;
	return sink_heat.open(&setup, &r->sink, e);
}

static int make_signal(const struct cfn_signal_message *m, const char *resource, int64_t now_ms,
		       struct signal *s)
{
	*s = (struct signal){.kind = SIGNAL_CUSTOM, .key = "cfn-signal", .made_real_ms = now_ms};
	s->target = strdup(resource);
	s->status = strdup(m->status);
	s->reason = strdup(m->reason);
	s->id = strdup(m->id);
	s->data = json_string(m->data);
	return s->target && s->status && s->reason && s->id && s->data ? 0 : -ENOMEM;
}

static bool send_until_told(struct resource_signal *r, const struct signal *signal)
{
	struct backoff backoff = {.base_ms = PAUSE_FIRST_MS, .cap_ms = PAUSE_MAX_MS};

	do {
		int rc = sink_heat.send(r->sink, signal, carried, r);

		if (rc == 0)
			rc = loop_run(r->session->loop);
		if (rc < 0) {
			text_print(r->why, sizeof(r->why), "%s", strerror(-rc));
			return false;
		}
		if (r->how != CARRY_RETRY)
			return r->how == CARRY_DELIVERED;
	} while (cfn_pause(r->session->direct.env, &backoff, r->retry_after_s,
			   r->session->deadline_ms));
	return false;
}

static void close_all(struct resource_signal *r)
{
	sink_heat.close(r->sink);
	keystone_free(r->keystone);
	document_deinit(&r->doc);
}

static int fail(const char *resource, const char *why, int code)
{
	fprintf(stderr, CFN_SIGNAL_NAME ": %s: %s\n", resource, why);
	return code;
}

int cfn_signal_to_resource(struct cfn_session *session, const char *stack, const char *resource,
			   const struct cfn_signal_message *message)
{
	struct resource_signal r = {.session = session, .retry_after_s = -1};
	const struct credentials_set *creds = &session->direct.creds;
	struct signal signal = {0};
	struct err e = ERR_INIT;
	int code = EXIT_GOOD;

	if (creds->cfn.kind == CREDENTIALS_NONE && creds->heat.kind == CREDENTIALS_NONE)
		return fail(resource,
			    "no credentials: give --credential-file, or see `heat-pulse check`",
			    EXIT_CONFIG);
	if (find_stack(&r, stack, resource, &e) < 0)
		code = fail(resource, e.text,
			    e.code == -ENOENT || e.code == -EINVAL ? EXIT_CONFIG : EXIT_NETWORK);
	else if (open_sink(&r, &e) < 0 ||
		 make_signal(message, resource, session->direct.env->real_ms(), &signal) < 0)
		code = fail(resource, e.text[0] ? e.text : "no memory", EXIT_CONFIG);
	else if (!send_until_told(&r, &signal))
		code = fail(resource, r.why, r.how == CARRY_NO_ROUTE ? EXIT_CONFIG : EXIT_NETWORK);
	close_all(&r);
	signal_deinit(&signal);
	return code;
}
