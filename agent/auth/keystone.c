/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session: who waits, the one request under way, the token. A token's life is measured by the
 * server's clock and counted by CLOCK_BOOTTIME, so a guest with a wrong clock renews in time. If
 * renewing fails while the old token still lives, the old one is handed out. When to ask again
 * after a failure is the caller's to decide.
 */
#include "auth/keystone_private.h"

#include <errno.h>
#include <string.h>
#include "core/loop.h"
#include "core/text.h"

#define BODY_MAX   (2u << 20)
#define TIMEOUT_MS 30000

struct waiter {
	struct waiter *next;
	keystone_fn *fn;
	void *ctx;
};

struct keystone {
	struct loop *loop;
	struct http *http;
	struct credentials cred;
	struct buf url;
	struct http_call *call;
	struct loop_timer *deliver;
	struct waiter *waiting, *served; /* served: taken off for the round of answers under way */
	struct keystone_token token;	 /* text "" = none */
	int64_t renew_at, ends_at;	 /* boot ms */
	int64_t retry_after_s;
	int status; /* of the last request */
	char why[400];
	unsigned depth;
	bool dying;
};

/* ---- handing out ---- */

static int64_t now(const struct keystone *k)
{
	return loop_env(k->loop)->boot_ms();
}

static bool have_token(const struct keystone *k)
{
	return k->token.text[0] != '\0' && now(k) < k->ends_at;
}

static void destroy(struct keystone *k)
{
	http_cancel(k->call);
	loop_timer_free(k->deliver);
	keystone_token_deinit(&k->token);
	credentials_deinit(&k->cred);
	buf_deinit(&k->url);
	free(k);
}

static void hand_out(struct keystone *k, int status, const char *why, const char *token)
{
	struct waiter *w;

	k->depth++;
	while ((w = k->served)) {
		k->served = w->next;
		w->fn(k->dying ? -ECANCELED : status, k->dying ? "the session ends" : why,
		      k->dying ? NULL : token, w->ctx);
		free(w);
	}
	k->depth--;
}

/* The token is copied: a callback may reject it, which wipes it, while others still wait. */
static void serve(struct keystone *k)
{
	char token[KEYSTONE_TOKEN_MAX];
	bool have = have_token(k);

	if (k->depth > 0)
		return;
	k->served = k->waiting;
	k->waiting = NULL;
	memcpy(token, k->token.text, sizeof(token));
	hand_out(k, have ? 0 : k->status, have ? "" : k->why, have ? token : NULL);
	explicit_bzero(token, sizeof(token));
	if (k->dying)
		destroy(k);
	else if (k->waiting && !k->call)
		loop_timer_arm(k->deliver, 0);
}

/* ---- asking ---- */

static void refuse(struct keystone *k, int status, const char *why)
{
	k->status = status;
	text_print(k->why, sizeof(k->why), "%s", why);
	if (status == -EACCES)
		keystone_token_deinit(&k->token); /* refused a new one: the old is not used up */
}

static void accept_token(struct keystone *k, const struct http_answer *a)
{
	int64_t date_s = a->date_s >= 0 ? a->date_s : a->got_real_ms / 1000;
	struct keystone_token fresh;
	struct err e = ERR_INIT;
	int r;

	if (!keystone_token_good(a->subject_token)) {
		refuse(k, -EPROTO, "Keystone's answer has no usable X-Subject-Token");
		return;
	}
	r = keystone_token_parse(a->body.data, a->body.len, k->cred.region, date_s, &fresh, &e);
	if (r < 0) {
		refuse(k, r, e.text);
		return;
	}
	memcpy(fresh.text, a->subject_token, strlen(a->subject_token) + 1);
	keystone_token_deinit(&k->token);
	k->token = fresh;
	explicit_bzero(fresh.text, sizeof(fresh.text));
	/* At least a second: one that is born dead must still reach those who asked for it. */
	k->renew_at = now(k) + k->token.life_s * 800;
	k->ends_at = now(k) + (k->token.life_s > 0 ? k->token.life_s * 1000 : 1000);
	k->status = 0;
}

static void answered(const struct http_answer *a, void *ctx)
{
	struct keystone *k = ctx;
	char why[400];
	int r;

	k->call = NULL;
	k->retry_after_s = a->retry_after_s;
	if (a->failure == HTTP_OK && (a->status == 201 || a->status == 200)) {
		accept_token(k, a);
	} else {
		r = keystone_judge(a, &k->cred, why, sizeof(why));
		refuse(k, r, why);
	}
	serve(k);
}

static int ask(struct keystone *k)
{
	static const char *const headers[] = {"Content-Type: application/json",
					      "Accept: application/json", NULL};
	struct buf body = BUF_INIT(65536);
	struct http_request req = {.method = "POST",
				   .url = buf_str(&k->url),
				   .headers = headers,
				   .timeout_ms = TIMEOUT_MS,
				   .body_max = BODY_MAX,
				   .insecure = k->cred.insecure};
	int r = keystone_request(&k->cred, &body);

	if (r == 0) {
		req.body = body.data;
		req.body_len = body.len;
		r = http_start(k->http, &req, answered, k, &k->call);
	}
	if (body.data)
		explicit_bzero(body.data, body.cap);
	buf_deinit(&body);
	return r;
}

/* Says what @cred needs of the session. */
static int take_credentials(const struct credentials *cred, struct credentials *copy, struct buf *url)
{
	int r = credentials_copy(copy, cred);

	*url = BUF_INIT(20000);
	if (r == 0 && cred->kind != CREDENTIALS_NONE)
		r = keystone_auth_url(copy->auth_url, url);
	if (r < 0) {
		credentials_deinit(copy);
		buf_deinit(url);
	}
	return r;
}

static void deliver_now(struct loop *loop _unused_, void *ctx)
{
	struct keystone *k = ctx;
	int r;

	if (k->call || !k->waiting)
		return;
	if (have_token(k) && now(k) < k->renew_at) {
		serve(k);
		return;
	}
	r = k->cred.kind == CREDENTIALS_NONE ? -ENOKEY : ask(k);
	if (r == -ENOKEY) {
		refuse(k, -EINVAL, "no Keystone credentials are known");
		serve(k);
	} else if (r < 0) {
		refuse(k, r, "the request for a token could not be started");
		serve(k);
	}
}

/* ---- the session ---- */

int keystone_new(struct loop *loop, struct http *http, const struct credentials *cred,
		 struct keystone **ret)
{
	struct keystone *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	k->loop = loop;
	k->http = http;
	k->retry_after_s = -1;
	r = take_credentials(cred, &k->cred, &k->url);
	if (r == 0)
		r = loop_timer_new(loop, 0, deliver_now, k, &k->deliver);
	if (r < 0) {
		destroy(k);
		return r;
	}
	*ret = k;
	return 0;
}

struct keystone *keystone_free(struct keystone *k)
{
	struct waiter **last;

	if (!k || k->dying)
		return NULL;
	k->dying = true;
	http_cancel(k->call);
	k->call = NULL;
	for (last = &k->served; *last; last = &(*last)->next)
		;
	*last = k->waiting;
	k->waiting = NULL;
	hand_out(k, -ECANCELED, "", NULL);
	if (k->depth == 0)
		destroy(k);
	return NULL;
}

int keystone_replace(struct keystone *k, const struct credentials *cred)
{
	struct credentials copy = {0};
	struct buf url;
	int r = take_credentials(cred, &copy, &url);

	if (r < 0)
		return r;
	http_cancel(k->call);
	k->call = NULL;
	credentials_deinit(&k->cred);
	buf_deinit(&k->url);
	k->cred = copy;
	k->url = url;
	keystone_token_deinit(&k->token);
	k->retry_after_s = -1;
	if (k->waiting)
		loop_timer_arm(k->deliver, 0);
	return 0;
}

int keystone_get(struct keystone *k, keystone_fn *fn, void *ctx)
{
	struct waiter *w, **last;

	if (k->dying)
		return -ECANCELED;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->fn = fn;
	w->ctx = ctx;
	for (last = &k->waiting; *last; last = &(*last)->next)
		;
	*last = w;
	if (!k->call)
		loop_timer_arm(k->deliver, 0);
	return 0;
}

static void forget(struct waiter **list, const void *ctx)
{
	while (*list) {
		struct waiter *w = *list;

		if (w->ctx != ctx) {
			list = &w->next;
			continue;
		}
		*list = w->next;
		free(w);
	}
}

void keystone_cancel(struct keystone *k, void *ctx)
{
	forget(&k->waiting, ctx);
	forget(&k->served, ctx);
}

void keystone_reject(struct keystone *k, const char *token)
{
	if (token && strcmp(k->token.text, token) == 0)
		explicit_bzero(k->token.text, sizeof(k->token.text));
}

const char *keystone_endpoint(const struct keystone *k, const char *type)
{
	for (size_t i = 0; i < k->token.n_endpoints; i++)
		if (strcmp(k->token.endpoints[i].type, type) == 0)
			return k->token.endpoints[i].url;
	return NULL;
}

const char *keystone_project_id(const struct keystone *k)
{
	return k->token.project_id ? k->token.project_id : k->cred.project_id;
}

const char *keystone_user_id(const struct keystone *k)
{
	return k->token.user_id ? k->token.user_id : k->cred.user_id;
}

int64_t keystone_retry_after_s(const struct keystone *k)
{
	return k->retry_after_s;
}
