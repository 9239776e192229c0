/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * Results of deployments. Where they go is said by the inputs of the deployment; what to do when that way is
 * closed, by what else this guest has:
 *
 *   CFN_SIGNAL       POST the URL -- refused (it dies a quarter of an hour after it was made) --> the same path
 *                    signed with our own EC2 keys -- refused --> without a time -- refused --> our own token
 *   TEMP_URL_SIGNAL  PUT, not in the second in which Heat wrote the deployment: Heat reads only what is younger
 *   HEAT_SIGNAL      token of the deployment's user, POST -- refused --> our own token --> our own EC2 keys
 *   ZAQAR_SIGNAL     token of the deployment's user, POST a message
 */
/* clang-format on */
#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "sink/deployment_ask.h"
#include "sink/reply.h"
#include "sink/rows.h"

#define ANSWER_MAX   (256u << 10)
#define TEMP_WAIT_MS 2000

/* In the order in which they are tried; each way begins at its own place and skips what it has not.
 */
enum step {
	STEP_URL,
	STEP_TOKEN, /* of the deployment's own user */
	STEP_KEYS,
	STEP_KEYS_UNDATED,
	STEP_OWN_TOKEN,
	STEP_OVER
};

struct sink {
	struct sink_setup set;
	struct reply reply;
	struct http_call *call;
	struct loop_timer *timer;  /* temporary URLs: the second is not over */
	struct keystone *keystone; /* of the deployment's user */
	/* the signal under way */
	const struct signal *s;
	struct heat_ref ref;
	enum deployment_way way;
	enum step step;
	char *token;
	bool token_renewed;
	struct verdict refused; /* of the first way, to be told when all are closed */
};

static void forget_token(struct sink *k)
{
	if (k->token)
		explicit_bzero(k->token, strlen(k->token));
	free(k->token);
	k->token = NULL;
}

static void end(struct sink *k, enum carry how, int64_t retry_after_s, const char *why)
{
	heat_ref_deinit(&k->ref);
	forget_token(k);
	k->s = NULL;
	reply_end(&k->reply, how, retry_after_s, "%s", why);
}

static const json_t *route_of(const struct sink *k)
{
	return json_object_get(k->s->data, "route");
}

static const json_t *outputs_of(const struct sink *k)
{
	return json_object_get(k->s->data, "outputs");
}

static void next_step(struct sink *k);
static void answered(const struct http_answer *a, void *ctx);

/* ---- sending ---- */

static int send_request(struct sink *k, const struct deployment_request *q, bool insecure)
{
	const char *headers[5];
	struct http_request req;
	size_t n = 0;

	headers[n++] = "Content-Type: application/json";
	headers[n++] = "Accept: application/json";
	if (q->token.len > 0)
		headers[n++] = buf_str(&q->token);
	if (q->client_id[0])
		headers[n++] = q->client_id;
	headers[n] = NULL;
	req = (struct http_request){
		.method = q->method,
		.url = buf_str(&q->url),
		.headers = headers,
		.body = q->body.data,
		.body_len = q->body.len,
		.timeout_ms = k->set.conf->request_timeout_ms,
		.body_max = ANSWER_MAX,
		.insecure = insecure,
	};
	return http_start(k->set.http, &req, answered, k, &k->call);
}

/* Return: 0 when a request is under way; -errno when this step cannot be tried. */
static int send_url(struct sink *k)
{
	_cleanup_(deployment_request_deinit) struct deployment_request q = {0};
	int r = deployment_ask_url(&q, route_of(k), outputs_of(k));

	return r < 0 ? r : send_request(k, &q, false);
}

static int url_to_sign(const struct sink *k, struct buf *out)
{
	const char *url = json_str(route_of(k), "deploy_signal_id");
	const char *project = k->set.keystone ? keystone_project_id(k->set.keystone) : NULL;

	if (url && strstr(url, "/v1/signal/"))
		return buf_puts(out, url);
	if (!k->ref.name || (!k->ref.tenant && !project))
		return -ENOENT;
	return deployment_signal_url(k->set.creds->cfn.metadata_url, &k->ref, project, k->s->target,
				     out);
}

static int send_signed(struct sink *k, bool dated)
{
	_cleanup_(deployment_request_deinit) struct deployment_request q = {0};
	_cleanup_buf_ struct buf url = BUF_INIT(16384);
	const struct credentials *c = &k->set.creds->cfn;
	int r = c->kind == CREDENTIALS_EC2 && c->access_key && c->secret_key && c->metadata_url
			? 0
			: -ENOENT;

	if (r == 0)
		r = url_to_sign(k, &url);
	if (r == 0)
		r = deployment_ask_signed(&q, buf_str(&url), outputs_of(k), c->access_key,
					  c->secret_key,
					  dated ? loop_env(k->set.loop)->real_ms() / 1000 : -1);
	return r < 0 ? r : send_request(k, &q, c->insecure);
}

/* ---- with a token ---- */

static struct keystone *session(const struct sink *k)
{
	return k->step == STEP_OWN_TOKEN ? k->set.keystone : k->keystone;
}

static int send_native(struct sink *k)
{
	_cleanup_(deployment_request_deinit) struct deployment_request q = {0};
	const struct credentials *own = credentials_session(k->set.creds);
	bool insecure = k->step == STEP_OWN_TOKEN && own && own->insecure;
	int r;

	if (k->way == WAY_QUEUE)
		r = deployment_ask_queue(&q, session(k), k->token, k->s->id, route_of(k),
					 outputs_of(k));
	else
		r = deployment_ask_native(&q, session(k), k->token, &k->ref, k->s->target,
					  outputs_of(k));
	return r < 0 ? r : send_request(k, &q, insecure);
}

/* The first of them, but for one that nothing can heal where another may. */
static void remember(struct sink *k, enum carry how, const char *why)
{
	if (k->refused.why[0] && k->refused.how != CARRY_REFUSED)
		return;
	k->refused = (struct verdict){.how = how, .retry_after_s = -1};
	text_print(k->refused.why, sizeof(k->refused.why), "%s", why);
}

static void closed(struct sink *k, enum carry how, const char *why)
{
	remember(k, how, why);
	k->step++;
	next_step(k);
}

static void got_token(int status, const char *why, const char *token, void *ctx)
{
	struct sink *k = ctx;
	int r;

	if (!k->s)
		return;
	if (status < 0 && status != -EACCES && status != -ENOENT && status != -EINVAL) {
		end(k, CARRY_RETRY, keystone_retry_after_s(session(k)), why);
		return;
	}
	if (status < 0) {
		closed(k, CARRY_SLOWLY, why);
		return;
	}
	forget_token(k);
	k->token = strdup(token);
	r = k->token ? send_native(k) : -ENOMEM;
	if (r == -ENOENT)
		closed(k, CARRY_SLOWLY, "the catalog has no endpoint for it");
	else if (r < 0)
		end(k, CARRY_RETRY, -1, strerror(-r));
}

static int own_session(struct sink *k)
{
	struct credentials cred;
	int r = deployment_credentials(route_of(k), &cred);

	if (r < 0)
		return r;
	k->keystone = keystone_free(k->keystone);
	r = cred.auth_url ? keystone_new(k->set.loop, k->set.http, &cred, &k->keystone) : -ENOENT;
	credentials_deinit(&cred);
	return r;
}

/* By name the resource of the stack is signalled; a queue needs no name. */
static int ask_token(struct sink *k)
{
	int r = k->step == STEP_OWN_TOKEN ? 0 : own_session(k);

	if (r == 0 && k->step == STEP_OWN_TOKEN &&
	    (k->way == WAY_QUEUE || !k->set.keystone || !credentials_session(k->set.creds)))
		r = -ENOENT;
	if (r == 0 && k->way != WAY_QUEUE && !k->ref.name)
		r = -ENOENT;
	return r < 0 ? r : keystone_get(session(k), got_token, k);
}

/* ---- the answer ---- */

/* The token may have been taken back: once a new one. */
static bool renew(struct sink *k, const struct http_answer *a)
{
	if (a->status != 401 || !k->token || k->token_renewed)
		return false;
	k->token_renewed = true;
	keystone_reject(session(k), k->token);
	return keystone_get(session(k), got_token, k) == 0;
}

static void answered(const struct http_answer *a, void *ctx)
{
	struct sink *k = ctx;
	struct verdict v;

	k->call = NULL;
	reply_judge(a, &v);
	if (a->failure ==
	    HTTP_BAD_URL) /* no server that is away: the others need not wait for it */
		v.how = CARRY_REFUSED;
	if (v.how == CARRY_SLOWLY && renew(k, a))
		return;
	/* A temporary URL and a queue have no second way. */
	if ((v.how != CARRY_SLOWLY && v.how != CARRY_REFUSED) || k->way == WAY_QUEUE ||
	    (k->way == WAY_URL && deployment_is_put(route_of(k)))) {
		end(k, v.how, v.retry_after_s, v.why);
		return;
	}
	closed(k, v.how, v.why);
}

/* ---- the ways ---- */

static int try_step(struct sink *k)
{
	switch (k->step) {
	case STEP_URL:
		return k->way == WAY_URL ? send_url(k) : -ENOENT;
	case STEP_TOKEN:
		return k->way == WAY_URL ? -ENOENT : ask_token(k);
	case STEP_KEYS:
		return k->way == WAY_QUEUE ? -ENOENT : send_signed(k, true);
	case STEP_KEYS_UNDATED:
		return k->way == WAY_QUEUE ? -ENOENT : send_signed(k, false);
	default:
		return ask_token(k);
	}
}

static void next_step(struct sink *k)
{
	for (; k->step < STEP_OVER; k->step++) {
		int r = try_step(k);

		if (r == 0)
			return;
		if (r != -ENOENT)
			remember(k, r == -EINVAL ? CARRY_SLOWLY : CARRY_RETRY, strerror(-r));
	}
	if (k->refused.why[0])
		end(k, k->refused.how, -1, k->refused.why);
	else
		end(k, CARRY_NO_ROUTE, -1, "nothing says how this result can be told");
}

static void second_over(struct loop *loop, void *ctx)
{
	(void)loop;
	next_step(ctx);
}

/* Heat reads the object only if Swift says that it is younger than the deployment, in whole
 * seconds. */
static int64_t temp_url_wait(const struct sink *k)
{
	int64_t received = 0, now = loop_env(k->set.loop)->real_ms();

	if (k->way != WAY_URL || !deployment_is_put(route_of(k)) ||
	    !json_int(k->s->data, "received_ms", &received))
		return 0;
	/* a clock that was set back must not hold it up */
	return received <= now && now - received < TEMP_WAIT_MS ? TEMP_WAIT_MS - (now - received)
								: 0;
}

/* ---- the row ---- */

static bool deployment_takes(const struct sink_setup *setup, const struct signal *s)
{
	(void)setup;
	return s->kind == SIGNAL_DEPLOYMENT;
}

/* A deployment of a group stands in a nested stack: its own inputs say which. The tenant, which
 * signing by name needs, stands in the document only. */
static void find_stack(struct sink *k)
{
	const struct document *doc = k->set.document ? k->set.document(k->set.ctx) : NULL;
	const char *stack = json_str(route_of(k), "deploy_stack_id");
	struct heat_ref own = {0};
	bool known = doc && heat_ref_parse(doc->stack_id, &own) == 0;

	if (stack && heat_ref_parse(stack, &k->ref) == 0) {
		if (known && !k->ref.tenant)
			k->ref.tenant = take_ptr(own.tenant);
	} else if (known) {
		k->ref = own;
		own = (struct heat_ref){0};
	}
	heat_ref_deinit(&own);
}

static int deployment_send(struct sink *k, const struct signal *s, carry_done_fn *done, void *ctx)
{
	int r = reply_begin(&k->reply, done, ctx);
	int64_t wait;

	if (r < 0)
		return r;
	k->s = s;
	k->step = STEP_URL;
	k->token_renewed = false;
	k->refused.why[0] = '\0';
	k->way = deployment_way(route_of(k));
	if (k->way == WAY_NONE || !json_is_object(outputs_of(k))) {
		end(k, CARRY_REFUSED, -1, "this deployment has no way to be told");
		return 0;
	}
	find_stack(k);
	wait = temp_url_wait(k);
	if (wait > 0)
		loop_timer_arm(k->timer, wait);
	else
		next_step(k);
	return 0;
}

static json_t *deployment_status(const struct sink *k)
{
	return reply_status(&k->reply, "deployment");
}

static struct sink *deployment_close(struct sink *k)
{
	if (!k)
		return NULL;
	if (k->call)
		http_cancel(k->call);
	if (k->set.keystone)
		keystone_cancel(k->set.keystone, k);
	k->s = NULL;
	keystone_free(k->keystone);
	forget_token(k);
	heat_ref_deinit(&k->ref);
	loop_timer_free(k->timer);
	reply_deinit(&k->reply);
	free(k);
	return NULL;
}

static int deployment_open(const struct sink_setup *setup, struct sink **ret, struct err *e)
{
	struct sink *k = calloc(1, sizeof(*k));
	int r = k ? reply_init(&k->reply, setup->loop) : -ENOMEM;

	if (r == 0)
		r = loop_timer_new(setup->loop, 0, second_over, k, &k->timer);
	if (r < 0) {
		if (k)
			reply_deinit(&k->reply);
		free(k);
		return err_set(e, r, "cannot open the deployment sink");
	}
	k->set = *setup;
	*ret = k;
	return 0;
}

const struct sink_ops sink_deployment = {
	.name = "deployment",
	.takes = deployment_takes,
	.open = deployment_open,
	.send = deployment_send,
	.status = deployment_status,
	.close = deployment_close,
};
