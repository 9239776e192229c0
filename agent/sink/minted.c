/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Minting EC2 keys: POST {auth_url}/v3/users/{user}/credentials/OS-EC2. Each success leaves a row in
 * Keystone's database, so there is never a second one while the first might still be on our disk, and never
 * more than one an hour.
 */
#include "sink/minted.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"
#include "sink/reply.h"

#define STORE_NAME    "ec2-keys"
#define MINT_EVERY_MS 3600000

struct minted {
	struct loop *loop;
	struct http *http;
	struct store *store;
	bool asking;   /* the store has not answered yet */
	bool proved;   /* they worked once, in this life or an earlier one */
	bool readable; /* the store has answered: what it has not is not there */
	char *user, *project, *access, *secret;
	int64_t next_ms; /* boot ms before which nothing is minted */
	struct http_call *call, *removal;
	char *want_user, *want_project;
	minted_fn *fn;
	void *ctx;
};

static void wipe(char **s)
{
	if (*s)
		explicit_bzero(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

static void drop_keys(struct minted *m)
{
	wipe(&m->user);
	wipe(&m->project);
	wipe(&m->access);
	wipe(&m->secret);
	m->proved = false;
}

static int take_keys(struct minted *m, const char *user, const char *project, const char *access,
		     const char *secret)
{
	drop_keys(m);
	m->user = user ? strdup(user) : NULL;
	m->project = project ? strdup(project) : NULL;
	m->access = access ? strdup(access) : NULL;
	m->secret = secret ? strdup(secret) : NULL;
	if (m->user && m->project && m->access && m->secret)
		return 0;
	drop_keys(m);
	return -EBADMSG;
}

/* ---- store ---- */

static void loaded(int status, const char *p, size_t n, void *ctx)
{
	struct minted *m = ctx;
	_cleanup_json_ json_t *o = NULL;
	int64_t v;

	m->asking = false;
	m->readable = status == 0 || status == -ENOENT || status == -ESTALE || status == -EBADMSG;
	if (status == 0 && json_parse(p, n, &json_limits_default, &o, NULL) == 0 && json_int(o, "v", &v) &&
	    v == 1 &&
	    take_keys(m, json_str(o, "user"), json_str(o, "project"), json_str(o, "access"),
		      json_str(o, "secret")) == 0)
		m->proved = json_is_true(json_object_get(o, "proved"));
}

static void save(struct minted *m)
{
	_cleanup_json_ json_t *o =
		json_pack("{s:i, s:s, s:s, s:s, s:s, s:b}", "v", 1, "user", m->user, "project", m->project,
			  "access", m->access, "secret", m->secret, "proved", (int)m->proved);
	char *text = o ? json_compact(o) : NULL;

	if (text && m->store)
		(void)!store_put(m->store, STORE_NAME, text, strlen(text), NULL, NULL);
	wipe(&text);
}

static void ask_store(struct minted *m)
{
	if (m->store && !m->asking && !m->readable)
		m->asking = store_get(m->store, STORE_NAME, loaded, m) == 0;
}

int minted_new(struct loop *loop, struct http *http, struct store *store, struct minted **ret)
{
	struct minted *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	*m = (struct minted){.loop = loop, .http = http, .store = store};
	ask_store(m);
	*ret = m;
	return 0;
}

struct minted *minted_free(struct minted *m)
{
	if (!m)
		return NULL;
	if (m->call)
		http_cancel(m->call);
	if (m->removal)
		http_cancel(m->removal);
	drop_keys(m);
	wipe(&m->want_user);
	wipe(&m->want_project);
	free(m);
	return NULL;
}

bool minted_keys(const struct minted *m, const char *user_id, const char *project_id, const char **access,
		 const char **secret)
{
	if (!m->access || !text_equal(m->user, user_id) || !text_equal(m->project, project_id))
		return false;
	*access = m->access;
	*secret = m->secret;
	return true;
}

/* ---- Keystone ---- */

int minted_base_url(const char *auth_url, struct buf *out)
{
	static const char *const endings[] = {"/v3", "/v2.0"};
	size_t n = strlen(auth_url);

	while (n > 0 && auth_url[n - 1] == '/')
		n--;
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		size_t m = strlen(endings[i]);

		if (n > m && memcmp(auth_url + n - m, endings[i], m) == 0) {
			n -= m;
			break;
		}
	}
	buf_put(out, auth_url, n);
	return buf_puts(out, "/v3");
}

static int keys_url(const struct minted_ask *ask, const char *access, struct buf *out)
{
	minted_base_url(ask->auth_url, out);
	buf_puts(out, "/users/");
	text_percent_encode(out, ask->user_id, strlen(ask->user_id), "");
	buf_puts(out, "/credentials/OS-EC2");
	if (access) {
		buf_putc(out, '/');
		text_percent_encode(out, access, strlen(access), "");
	}
	return buf_error(out);
}

static int start(struct minted *m, const struct minted_ask *ask, const char *method, const char *access,
		 const char *body, http_done_fn *fn, struct http_call **ret)
{
	_cleanup_buf_ struct buf url = BUF_INIT(4096), token = BUF_INIT(8192);
	const char *headers[] = {NULL, "Content-Type: application/json", "Accept: application/json", NULL};
	struct http_request req;
	int r = keys_url(ask, access, &url);

	buf_printf(&token, "X-Auth-Token: %s", ask->token);
	if (r < 0 || buf_error(&token))
		return r < 0 ? r : buf_error(&token);
	headers[0] = buf_str(&token);
	req = (struct http_request){
		.method = method,
		.url = buf_str(&url),
		.headers = headers,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.timeout_ms = ask->timeout_ms,
		.body_max = 64u << 10,
		.insecure = ask->insecure,
	};
	r = http_start(m->http, &req, fn, m, ret);
	explicit_bzero(token.data, token.len);
	return r;
}

static int take_answer(struct minted *m, const struct http_answer *a)
{
	_cleanup_json_ json_t *o = NULL;
	const json_t *c;

	if (json_parse(buf_str(&a->body), a->body.len, &json_limits_default, &o, NULL) < 0)
		return -EBADMSG;
	c = json_obj(o, "credential");
	return c ? take_keys(m, m->want_user, m->want_project, json_str(c, "access"), json_str(c, "secret"))
		 : -EBADMSG;
}

static void made(const struct http_answer *a, void *ctx)
{
	struct minted *m = ctx;
	minted_fn *fn = m->fn;
	struct verdict v;
	int r = -EACCES;

	m->call = NULL;
	m->fn = NULL;
	reply_judge(a, &v);
	if (v.how == CARRY_DELIVERED) {
		/* the body holds a secret: it must not become part of a sentence */
		r = take_answer(m, a);
		snprintf(v.why, sizeof(v.why), "%s", r == 0 ? "made" : "Keystone's answer has no keys in it");
		if (r == 0)
			save(m);
	} else if (v.how == CARRY_RETRY) {
		m->next_ms = 0; /* nothing was made: the outbox's own pace is enough */
		r = -EAGAIN;
	}
	fn(r, v.why, m->ctx);
}

int minted_make(struct minted *m, const struct minted_ask *ask, minted_fn *fn, void *ctx)
{
	_cleanup_json_ json_t *o = NULL;
	_cleanup_free_ char *body = NULL;
	int r;

	if (m->fn)
		return -EBUSY;
	ask_store(m);
	if ((m->store && !m->readable) || loop_now(m->loop) < m->next_ms)
		return -EAGAIN;
	wipe(&m->want_user);
	wipe(&m->want_project);
	m->want_user = strdup(ask->user_id);
	m->want_project = strdup(ask->project_id);
	o = json_pack("{s:s}", "tenant_id", ask->project_id);
	body = o ? json_dumps(o, JSON_COMPACT) : NULL;
	if (!m->want_user || !m->want_project || !body)
		return -ENOMEM;
	r = start(m, ask, "POST", NULL, body, made, &m->call);
	if (r < 0)
		return r;
	m->next_ms = loop_now(m->loop) + MINT_EVERY_MS;
	m->fn = fn;
	m->ctx = ctx;
	return 0;
}

static void removed(const struct http_answer *a, void *ctx)
{
	struct minted *m = ctx;

	(void)a;
	m->removal = NULL;
}

void minted_proved(struct minted *m)
{
	if (!m->access || m->proved)
		return;
	m->proved = true;
	save(m);
}

void minted_refused(struct minted *m, const struct minted_ask *ask)
{
	if (!m->access || !m->proved)
		return;
	if (!m->removal)
		(void)!start(m, ask, "DELETE", m->access, NULL, removed, &m->removal);
	drop_keys(m);
	if (m->store)
		(void)!store_delete(m->store, STORE_NAME);
	m->next_ms = loop_now(m->loop) + MINT_EVERY_MS;
}
