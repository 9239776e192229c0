/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * Signals to a handle by its name in the template, with the guest's own credentials: no URL is handed in,
 * and none expires. Which way a signal goes:
 *
 *   own EC2 keys ----------------------------> PUT (cfn_put.c) -- refused --> token, if there is one
 *   token -- EC2 keys made with it (minted.c)--> PUT ------------ refused --> native POST (native.c)
 *   token -- no keys to be had ---------------------------------------------> native POST
 *
 * The PUT is preferred because Heat answers it after it stored the signal; it also tells the kinds of handles
 * apart.
 */
/* clang-format on */
#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "sink/cfn_put.h"
#include "sink/heat_ref.h"
#include "sink/minted.h"
#include "sink/native.h"
#include "sink/rows.h"

#define PUT_OFF_MS 3600000 /* how long keys that Heat refused are left alone while the token works */

struct sink {
	struct sink_setup set;
	struct reply reply;
	struct handle_kinds *kinds;
	struct cfn_put *put;
	struct minted *minted;
	struct native *native;
	int64_t put_off_until; /* boot ms: minted keys are not tried before */
	unsigned put_failures; /* of minted keys, in a row, without a judgement */
	/* the signal under way */
	const struct signal *s;
	struct heat_ref ref;
	const char *resource; /* of the target, in that stack */
	enum handle_kind kind;
	bool other_tried, own_keys, put_refused, token_renewed;
	bool minting; /* keys that are being made are not given up: they would be nobody's */
	char *token;
	char name[600]; /* for handle_kinds */
};

static void forget(struct sink *k)
{
	heat_ref_deinit(&k->ref);
	if (k->token)
		explicit_bzero(k->token, strlen(k->token));
	free(k->token);
	k->token = NULL;
	k->s = NULL;
}

static void end(struct sink *k, enum carry how, int64_t retry_after_s, const char *why)
{
	forget(k);
	reply_end(&k->reply, how, retry_after_s, "%s", why);
}

static bool has_token_credentials(const struct sink *k)
{
	return k->set.keystone && credentials_session(k->set.creds);
}

static bool has_own_keys(const struct sink *k)
{
	const struct credentials *c = &k->set.creds->cfn;

	return c->kind == CREDENTIALS_EC2 && c->access_key && c->secret_key && c->metadata_url;
}

/* ---- native ---- */

static void ask_token(struct sink *k);

static bool is_insecure(const struct sink *k)
{
	const struct credentials *c = credentials_session(k->set.creds);

	return c && c->insecure;
}

static struct minted_ask mint_ask(const struct sink *k)
{
	const struct credentials *c = credentials_session(k->set.creds);

	return (struct minted_ask){
		.auth_url = c ? c->auth_url : NULL,
		.token = k->token,
		.user_id = keystone_user_id(k->set.keystone),
		.project_id = keystone_project_id(k->set.keystone),
		.insecure = is_insecure(k),
		.timeout_ms = k->set.conf->request_timeout_ms,
	};
}

/* The token works and the keys do not: they are left alone for a while, or are gone for good. */
static void keys_are_refused(struct sink *k)
{
	struct minted_ask ask = mint_ask(k);

	k->put_off_until = loop_now(k->set.loop) + PUT_OFF_MS;
	if (ask.auth_url && ask.user_id && ask.project_id)
		minted_refused(k->minted, &ask);
}

static void native_done(const struct verdict *v, enum handle_kind learned, bool unauthorized, void *ctx)
{
	struct sink *k = ctx;

	if (unauthorized) {
		keystone_reject(k->set.keystone, k->token);
		if (!k->token_renewed) {
			k->token_renewed = true;
			ask_token(k);
			return;
		}
	}
	handle_kinds_learn(k->kinds, k->name, learned);
	if (v->how == CARRY_DELIVERED && k->put_refused && !k->own_keys)
		keys_are_refused(k);
	end(k, v->how, v->retry_after_s, v->why);
}

static void go_native(struct sink *k)
{
	struct native_ask ask = {
		.endpoint = keystone_endpoint(k->set.keystone, "orchestration"),
		.token = k->token,
		.ref = &k->ref,
		.resource = k->resource,
		.kind = handle_kinds_get(k->kinds, k->name),
		.insecure = is_insecure(k),
		.timeout_ms = k->set.conf->request_timeout_ms,
	};
	int r = ask.endpoint ? native_start(k->native, &ask, k->s, native_done, k) : -ENOENT;

	if (r < 0)
		end(k, CARRY_RETRY, -1,
		    ask.endpoint ? strerror(-r) : "the catalog has no orchestration endpoint");
}

/* ---- synchronous PUT ---- */

static void put_done(enum put_answer answer, int64_t retry_after_s, const char *why, void *ctx);

static int start_put(struct sink *k, const struct cfn_keys *keys)
{
	_cleanup_buf_ struct buf arn = BUF_INIT(4096);
	const char *project = k->set.keystone ? keystone_project_id(k->set.keystone) : NULL;
	int r;

	if (!k->ref.tenant && !project)
		return -ENOENT;
	r = heat_ref_arn(&k->ref, project, k->resource, &arn);
	return r < 0 ? r : cfn_put_start(k->put, keys, buf_str(&arn), k->kind, k->s, put_done, k);
}

static int put_with_own(struct sink *k)
{
	const struct credentials *c = &k->set.creds->cfn;
	struct cfn_keys keys = {c->metadata_url, c->access_key, c->secret_key, c->insecure};

	k->own_keys = true;
	return start_put(k, &keys);
}

static int put_with_minted(struct sink *k)
{
	const char *user = keystone_user_id(k->set.keystone), *project = keystone_project_id(k->set.keystone);
	struct cfn_keys keys = {.url = keystone_endpoint(k->set.keystone, "cloudformation"),
				.insecure = is_insecure(k)};

	k->own_keys = false;
	if (!keys.url || !user || !project || loop_now(k->set.loop) < k->put_off_until)
		return -ENOENT;
	if (!minted_keys(k->minted, user, project, &keys.access, &keys.secret))
		return -ENOKEY;
	return start_put(k, &keys);
}

static void put_again(struct sink *k)
{
	int r = k->own_keys ? put_with_own(k) : put_with_minted(k);

	if (r < 0)
		end(k, CARRY_RETRY, -1, strerror(-r));
}

static void put_delivered(struct sink *k, const char *why)
{
	if (k->s->kind != SIGNAL_ACTION)
		handle_kinds_learn(k->kinds, k->name, k->kind);
	if (!k->own_keys)
		minted_proved(k->minted);
	k->put_failures = 0;
	end(k, CARRY_DELIVERED, -1, why);
}

static void wrong_kind(struct sink *k)
{
	if (!k->own_keys)
		minted_proved(k->minted);
	if (k->other_tried) {
		end(k, CARRY_REFUSED, -1, "Heat takes this signal in neither form: Metadata format invalid");
		return;
	}
	k->other_tried = true;
	k->kind = handle_other(k->kind);
	put_again(k);
}

/* A Heat that lets Keystone's 404 for a deleted key escape as 500 looks busy for ever. */
static bool give_up_on_keys(struct sink *k, enum put_answer answer)
{
	if (answer == PUT_REFUSED)
		return true;
	return !k->own_keys && ++k->put_failures >= 3;
}

static void put_done(enum put_answer answer, int64_t retry_after_s, const char *why, void *ctx)
{
	struct sink *k = ctx;

	if (answer == PUT_DELIVERED) {
		put_delivered(k, why);
	} else if (answer == PUT_WRONG_KIND) {
		wrong_kind(k);
	} else if (give_up_on_keys(k, answer) && has_token_credentials(k)) {
		k->put_refused = true;
		k->put_failures = 0;
		if (k->own_keys)
			ask_token(k);
		else
			go_native(k);
	} else {
		end(k, answer == PUT_REFUSED ? CARRY_SLOWLY : CARRY_RETRY, retry_after_s, why);
	}
}

/* ---- token ---- */

static void made_keys(int status, const char *why, void *ctx)
{
	struct sink *k = ctx;

	(void)why;
	k->minting = false;
	if (status < 0 || put_with_minted(k) < 0)
		go_native(k);
}

static void with_token(struct sink *k)
{
	struct minted_ask ask = mint_ask(k);
	int r = k->put_refused ? -ENOENT : put_with_minted(k);

	if (r == 0)
		return;
	k->minting = r == -ENOKEY && ask.auth_url && minted_make(k->minted, &ask, made_keys, k) == 0;
	if (k->minting)
		return;
	go_native(k);
}

static void got_token(int status, const char *why, const char *token, void *ctx)
{
	struct sink *k = ctx;

	if (!k->s)
		return;
	if (status < 0) {
		end(k, status == -EACCES ? CARRY_SLOWLY : CARRY_RETRY,
		    keystone_retry_after_s(k->set.keystone), why);
		return;
	}
	if (k->token)
		explicit_bzero(k->token, strlen(k->token));
	free(k->token);
	k->token = strdup(token);
	if (!k->token)
		end(k, CARRY_RETRY, -1, "no memory");
	else
		with_token(k);
}

static void ask_token(struct sink *k)
{
	int r = keystone_get(k->set.keystone, got_token, k);

	if (r < 0)
		end(k, CARRY_RETRY, -1, strerror(-r));
}

/* ---- the row ---- */

static bool heat_takes(const struct sink_setup *setup, const struct signal *s)
{
	bool named = s->target[0] && strcmp(s->target, "-") != 0 && !text_starts(s->target, "http://") &&
		     !text_starts(s->target, "https://");

	return named && s->kind != SIGNAL_DEPLOYMENT &&
	       (setup->creds->cfn.kind != CREDENTIALS_NONE || credentials_session(setup->creds));
}

/* The stack that the target names; whose it is says our own stack, which belongs to the same owner. */
static void take_tenant(struct sink *k, const struct document *doc)
{
	const char *const ids[] = {doc ? doc->stack_id : NULL, k->set.creds->cfn.stack};

	for (size_t i = 0; i < ARRAY_SIZE(ids) && !k->ref.tenant; i++) {
		struct heat_ref own;

		if (heat_ref_parse(ids[i], &own) < 0)
			continue;
		k->ref.tenant = own.tenant;
		own.tenant = NULL;
		heat_ref_deinit(&own);
	}
}

/* The document knows best; credentials from a heat block name the stack, too, and a configuration may give
 * the ARN. */
static int find_stack(struct sink *k)
{
	const struct document *doc = k->set.document ? k->set.document(k->set.ctx) : NULL;
	int r = heat_ref_target(k->s->target, &k->ref, &k->resource);

	if (r == 0)
		take_tenant(k, doc);
	if (r != -EINVAL)
		return r;
	k->resource = k->s->target;

	if (doc && heat_ref_parse(doc->stack_id, &k->ref) == 0)
		return 0;
	if (heat_ref_parse(k->set.creds->heat.stack, &k->ref) == 0)
		return 0;
	return heat_ref_parse(k->set.creds->cfn.stack, &k->ref);
}

static int heat_send(struct sink *k, const struct signal *s, carry_done_fn *done, void *ctx)
{
	int r = reply_begin(&k->reply, done, ctx);

	if (r < 0)
		return r;
	k->s = s;
	k->other_tried = k->put_refused = k->token_renewed = k->own_keys = false;
	if (find_stack(k) < 0) {
		end(k, CARRY_NO_ROUTE, -1, "the stack is not known before its first document");
		return 0;
	}
	snprintf(k->name, sizeof(k->name), "%s/%s", k->ref.uuid, k->resource);
	k->kind = handle_kinds_get(k->kinds, k->name) == HANDLE_AWS ? HANDLE_AWS : HANDLE_HEAT;
	if (has_own_keys(k) && put_with_own(k) == 0)
		return 0;
	if (has_token_credentials(k))
		ask_token(k);
	else
		end(k, CARRY_NO_ROUTE, -1,
		    "the credentials are not complete: no usable EC2 keys and endpoint, no Keystone user");
	return 0;
}

static int heat_drop(struct sink *k)
{
	if (k->minting || !k->s || !reply_pending(&k->reply))
		return -EBUSY;
	if (k->set.keystone)
		keystone_cancel(k->set.keystone, k);
	cfn_put_cancel(k->put);
	native_cancel(k->native);
	forget(k);
	reply_drop(&k->reply);
	return 0;
}

static json_t *heat_status(const struct sink *k)
{
	return reply_status(&k->reply, "heat");
}

static struct sink *heat_close(struct sink *k)
{
	if (!k)
		return NULL;
	if (k->set.keystone)
		keystone_cancel(k->set.keystone, k);
	cfn_put_free(k->put);
	native_free(k->native);
	minted_free(k->minted);
	handle_kinds_free(k->kinds);
	end(k, CARRY_RETRY, -1, "");
	reply_deinit(&k->reply);
	free(k);
	return NULL;
}

static int heat_open(const struct sink_setup *setup, struct sink **ret, struct err *e)
{
	struct sink *k = calloc(1, sizeof(*k));
	int r = k ? reply_init(&k->reply, setup->loop) : -ENOMEM;

	if (r < 0) {
		free(k);
		return err_set(e, r, "cannot open the heat sink");
	}
	k->set = *setup;
	r = handle_kinds_new(setup->store, &k->kinds);
	if (r == 0)
		r = cfn_put_new(setup->loop, setup->http, setup->conf->request_timeout_ms, &k->put);
	if (r == 0)
		r = minted_new(setup->loop, setup->http, setup->store, &k->minted);
	if (r == 0)
		r = native_new(setup->loop, setup->http, &k->native);
	if (r < 0) {
		heat_close(k);
		return err_set(e, r, "cannot open the heat sink");
	}
	*ret = k;
	return 0;
}

const struct sink_ops sink_heat = {
	.name = "heat",
	.takes = heat_takes,
	.open = heat_open,
	.send = heat_send,
	.drop = heat_drop,
	.status = heat_status,
	.close = heat_close,
};
