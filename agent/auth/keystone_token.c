/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests for tokens and what Keystone says to them; no network here. What Keystone writes into an
 * error is not repeated: for a malformed request it quotes the values, the password among them.
 */
#include "auth/keystone_private.h"

#include <errno.h>
#include <string.h>
#include "core/json.h"
#include "core/text.h"

#define LIFE_MAX (366 * 86400)

/* ---- the request ---- */

static size_t without_suffix(const char *s, size_t n, const char *suffix)
{
	size_t len = strlen(suffix);

	return n >= len && memcmp(s + n - len, suffix, len) == 0 ? n - len : n;
}

static size_t without_slashes(const char *s, size_t n)
{
	while (n > 0 && s[n - 1] == '/')
		n--;
	return n;
}

int keystone_auth_url(const char *auth_url, struct buf *out)
{
	static const char *const suffixes[] = {"/auth/tokens", "/v3", "/v2.0"};
	struct http_url u;
	bool query;
	size_t n;

	if (!auth_url || http_url_parse(auth_url, &u) < 0)
		return -EINVAL;
	query = strpbrk(auth_url, "?#") != NULL;
	http_url_deinit(&u);
	if (query)
		return -EINVAL;
	n = without_slashes(auth_url, strlen(auth_url));
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		n = without_slashes(auth_url, without_suffix(auth_url, n, suffixes[i]));
	buf_put(out, auth_url, n);
	return buf_puts(out, "/v3/auth/tokens");
}

static json_t *password_identity(const struct credentials *c)
{
	if (!c->password || (!c->user_id && !c->username))
		return NULL;
	if (c->user_id)
		return json_pack("{s:[s], s:{s:{s:s, s:s}}}", "methods", "password", "password",
				 "user", "id", c->user_id, "password", c->password);
	return json_pack("{s:[s], s:{s:{s:s, s:{s:s}, s:s}}}", "methods", "password", "password",
			 "user", "name", c->username, "domain", "id",
			 c->user_domain_id ? c->user_domain_id : "default", "password",
			 c->password);
}

static json_t *application_identity(const struct credentials *c)
{
	if (!c->app_credential_id || !c->app_credential_secret)
		return NULL;
	return json_pack("{s:[s], s:{s:s, s:s}}", "methods", "application_credential",
			 "application_credential", "id", c->app_credential_id, "secret",
			 c->app_credential_secret);
}

int keystone_request(const struct credentials *cred, struct buf *out)
{
	bool application = cred->kind == CREDENTIALS_APPLICATION;
	_cleanup_json_ json_t *root = NULL;
	json_t *identity = NULL;
	char *text;

	if (application || cred->kind == CREDENTIALS_PASSWORD)
		identity = application ? application_identity(cred) : password_identity(cred);
	if (!identity)
		return -EINVAL;
	/* An application credential has its own project, and Keystone refuses another scope beside
	 * it. */
	if (cred->project_id && !application)
		root = json_pack("{s:{s:o, s:{s:{s:s}}}}", "auth", "identity", identity, "scope",
				 "project", "id", cred->project_id);
	else
		root = json_pack("{s:{s:o}}", "auth", "identity", identity);
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	if (!text)
		return -ENOMEM;
	buf_puts(out, text);
	explicit_bzero(text, strlen(text));
	free(text);
	return buf_error(out);
}

/* ---- the answer ---- */

bool keystone_token_good(const char *token)
{
	for (const char *p = token; *p; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return token[0] != '\0';
}

void keystone_token_deinit(struct keystone_token *t)
{
	for (size_t i = 0; i < t->n_endpoints; i++) {
		free(t->endpoints[i].type);
		free(t->endpoints[i].url);
	}
	free(t->endpoints);
	free(t->project_id);
	free(t->user_id);
	explicit_bzero(t, sizeof(*t));
}

static int64_t parse_time(const json_t *token, const char *key, int64_t otherwise)
{
	const char *text = json_str(token, key);
	int64_t s;

	return text && clock_parse_iso(text, strlen(text), &s) == 0 ? s : otherwise;
}

static bool endpoint_is_ours(const json_t *endpoint, const char *region)
{
	const char *interface = json_str(endpoint, "interface");
	const char *name = json_str(endpoint, "region_id");

	if (!name)
		name = json_str(endpoint, "region");
	return text_equal(interface, "public") && (!region || text_equal(name, region));
}

static int add_endpoint(struct keystone_token *t, const char *type, const char *url)
{
	struct keystone_endpoint_row *row = &t->endpoints[t->n_endpoints];
	struct http_url u;

	if (http_url_parse(url, &u) < 0)
		return 0;
	http_url_deinit(&u);
	row->type = strdup(type);
	row->url = strndup(url, without_slashes(url, strlen(url)));
	t->n_endpoints++;
	return row->type && row->url ? 0 : -ENOMEM;
}

static int add_service(struct keystone_token *t, const json_t *service, const char *region)
{
	const json_t *list = json_object_get(service, "endpoints");
	const char *type = json_str(service, "type");
	int r = 0;

	for (size_t i = 0; type && i < json_array_size(list) && r == 0; i++) {
		const json_t *endpoint = json_array_get(list, i);
		const char *url = json_str(endpoint, "url");

		if (url && endpoint_is_ours(endpoint, region) &&
		    t->n_endpoints < KEYSTONE_ENDPOINTS_MAX)
			r = add_endpoint(t, type, url);
	}
	return r;
}

static int take_catalog(struct keystone_token *t, const json_t *catalog, const char *region)
{
	int r = 0;

	t->endpoints = calloc(KEYSTONE_ENDPOINTS_MAX, sizeof(*t->endpoints));
	if (!t->endpoints)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(catalog) && r == 0; i++)
		r = add_service(t, json_array_get(catalog, i), region);
	return r;
}

static int take_id(const json_t *token, const char *what, char **ret)
{
	const json_t *object = json_obj(token, what);
	const char *id = object ? json_str(object, "id") : NULL;

	*ret = id ? strdup(id) : NULL;
	return id && !*ret ? -ENOMEM : 0;
}

static int take_token(struct keystone_token *t, const json_t *token, const char *region,
		      int64_t date_s)
{
	int64_t issued = parse_time(token, "issued_at", date_s),
		expires = parse_time(token, "expires_at", -1);

	if (expires > issued)
		t->life_s = expires - issued < LIFE_MAX ? expires - issued : LIFE_MAX;
	if (take_id(token, "project", &t->project_id) < 0 ||
	    take_id(token, "user", &t->user_id) < 0)
		return -ENOMEM;
	return take_catalog(t, json_object_get(token, "catalog"), region);
}

int keystone_token_parse(const char *p, size_t n, const char *region, int64_t date_s,
			 struct keystone_token *ret, struct err *e)
{
	_cleanup_json_ json_t *root = NULL;
	const json_t *token;
	int r;

	*ret = (struct keystone_token){0};
	r = json_parse(p, n, &json_limits_default, &root, e);
	if (r < 0) {
		err_prefix(e, "Keystone's answer");
		return r;
	}
	token = json_obj(root, "token");
	if (!token)
		return err_set(e, -EPROTO, "Keystone's answer holds no token object");
	r = take_token(ret, token, region, date_s);
	if (r < 0) {
		keystone_token_deinit(ret);
		return err_set(e, r, "no memory for Keystone's answer");
	}
	return 0;
}

/* ---- why there is no token ---- */

static const int failure_errnos[] = {
	[HTTP_OK] = EPROTO,	    [HTTP_RESOLVE] = EHOSTUNREACH, [HTTP_CONNECT] = EHOSTUNREACH,
	[HTTP_TLS] = EPROTO,	    [HTTP_CERT] = EKEYREJECTED,	   [HTTP_TIMEOUT] = ETIMEDOUT,
	[HTTP_TOO_BIG] = EFBIG,	    [HTTP_RESET] = ECONNRESET,	   [HTTP_BAD_URL] = EINVAL,
	[HTTP_BAD_ANSWER] = EPROTO, [HTTP_CANCELLED] = ECANCELED,
};

static const struct {
	long from, to;
	int error;
	const char *before, *after; /* around who */
} statuses[] = {
	{401, 401, EACCES, "Keystone refused the ", ": wrong, disabled or deleted"},
	{403, 403, EACCES, "Keystone forbids the ",
	 " a token: disabled, locked or without a role in its project"},
	{404, 404, ENOENT, "nothing at auth_url speaks Keystone v3 for the ", ""},
	{400, 400, EINVAL, "Keystone does not accept the form of the ", ""},
	{429, 429, EBUSY, "Keystone asks to come later with the ", ""},
	{503, 503, EBUSY, "Keystone is not available for the ", ""},
	{500, 599, EREMOTEIO, "Keystone failed at the ", ""},
	{0, 999, EPROTO, "Keystone gave an unexpected answer to the ", ""},
};

static void describe(const struct credentials *c, struct buf *out)
{
	bool application = c->kind == CREDENTIALS_APPLICATION;
	const char *who = application  ? c->app_credential_id
			  : c->user_id ? c->user_id
				       : c->username;

	buf_puts(out, application ? "application credential " : "password of user ");
	text_escape(out, who ? who : "?", who ? strnlen(who, 80) : 1);
}

int keystone_judge(const struct http_answer *a, const struct credentials *cred, char *why,
		   size_t size)
{
	_cleanup_buf_ struct buf who = BUF_INIT(400);

	if (a->failure != HTTP_OK) {
		snprintf(why, size, "Keystone: %s", a->why);
		return -failure_errnos[a->failure];
	}
	describe(cred, &who);
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		if (a->status < statuses[i].from || a->status > statuses[i].to)
			continue;
		snprintf(why, size, "%s%s%s (HTTP %ld)", statuses[i].before, buf_str(&who),
			 statuses[i].after, a->status);
		return -statuses[i].error;
	}
	snprintf(why, size, "Keystone: %s", a->why);
	return -EPROTO;
}
