/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer means. Heat says "403 AccessDenied" for a bad key, an expired signature, a
 * suspended or deleted stack and a Keystone that wants a service token alike; what can be told
 * apart is told apart here, by the first row that fits. Knows nothing of retries: that is
 * watch_policy.c.
 */
#include "metadata/classify.h"

#include <errno.h>
#include <string.h>

#include "metadata/document.h"
#include "core/text.h"

struct answer_row {
	long from, to;    /* status */
	const char *text; /* must be in code or message; NULL = any */
	enum fetch_class class;
};

static const struct answer_row cfn_rows[] = {
	{200, 599, "You are not authorized to use this action", FETCH_REFUSED_FOREIGN},
	{200, 499, "not allowed", FETCH_REFUSED_POLICY},
	{200, 499, "disallowed by policy", FETCH_REFUSED_POLICY},
	{200, 499, "could not be found", FETCH_GONE},
	{200, 499, "not authorized", FETCH_REFUSED},
	{200, 499, "AccessDenied", FETCH_REFUSED},
	{200, 499, "InvalidParameterValue", FETCH_GONE},
	{200, 599, "hrottling", FETCH_BUSY},
	{400, 599, "Metadata format invalid", FETCH_BAD_DOCUMENT},
	{200, 200, NULL, FETCH_SERVER_ERROR},
	{401, 401, NULL, FETCH_REFUSED},
	{403, 403, NULL, FETCH_REFUSED},
};

static const struct answer_row heat_rows[] = {
	{400, 499, "disallowed by policy", FETCH_REFUSED_POLICY},
	{400, 499, "not allowed", FETCH_REFUSED_POLICY},
	{400, 499, "uspend", FETCH_REFUSED},
	{401, 401, NULL, FETCH_REFUSED},
	{403, 403, NULL, FETCH_REFUSED_FOREIGN}, /* for the own resource: FETCH_REFUSED */
	{404, 404, "could not be found", FETCH_GONE},
	{404, 404, "not found", FETCH_GONE},
	{404, 404, "EntityNotFound", FETCH_GONE},
};

/* A signed URL has no user: 401 is Swift's word for a wrong or expired signature, 403 that of Ceph's
 * gateway. */
static const struct answer_row tempurl_rows[] = {
	{401, 401, NULL, FETCH_EXPIRED_URL},
	{403, 403, NULL, FETCH_EXPIRED_URL},
	{404, 404, NULL, FETCH_GONE},
	{410, 410, NULL, FETCH_GONE},
	{498, 498, NULL, FETCH_BUSY}, /* Swift's own rate limit */
};

static const struct answer_row zaqar_rows[] = {
	{401, 401, NULL, FETCH_REFUSED},
	{403, 403, NULL, FETCH_REFUSED},
	{404, 404, NULL, FETCH_GONE},
};

/* Of every API, where no row of its own fits. */
static const struct answer_row common_rows[] = {
	{408, 409, NULL, FETCH_BUSY},
	{429, 429, NULL, FETCH_BUSY},
	{503, 503, NULL, FETCH_BUSY},
	{500, 599, NULL, FETCH_SERVER_ERROR},
};

struct answer_table {
	const struct answer_row *rows;
	size_t n;
};
static const struct answer_table common = {common_rows, ARRAY_SIZE(common_rows)};
static const struct answer_table apis[] = {
	[CLASSIFY_CFN] = {cfn_rows, ARRAY_SIZE(cfn_rows)},
	[CLASSIFY_HEAT] = {heat_rows, ARRAY_SIZE(heat_rows)},
	[CLASSIFY_TEMPURL] = {tempurl_rows, ARRAY_SIZE(tempurl_rows)},
	[CLASSIFY_ZAQAR] = {zaqar_rows, ARRAY_SIZE(zaqar_rows)},
};

static const enum fetch_class failure_classes[] = {
	[HTTP_OK] = FETCH_OK,
	[HTTP_RESOLVE] = FETCH_UNREACHABLE,
	[HTTP_CONNECT] = FETCH_UNREACHABLE,
	[HTTP_TLS] = FETCH_CERTIFICATE,
	[HTTP_CERT] = FETCH_CERTIFICATE,
	[HTTP_TIMEOUT] = FETCH_UNREACHABLE,
	[HTTP_TOO_BIG] = FETCH_TOO_BIG,
	[HTTP_RESET] = FETCH_UNREACHABLE,
	[HTTP_BAD_URL] = FETCH_NOT_HEAT,
	[HTTP_BAD_ANSWER] = FETCH_NOT_HEAT,
	[HTTP_CANCELLED] = FETCH_UNREACHABLE,
};

enum fetch_class classify_failure(enum http_failure failure)
{
	if ((size_t)failure >= ARRAY_SIZE(failure_classes))
		return FETCH_UNREACHABLE;
	return failure_classes[failure];
}

enum fetch_class classify_token(int status)
{
	static const struct {
		int error;
		enum fetch_class class;
	} rows[] = {
		{EACCES, FETCH_REFUSED},  {EKEYREJECTED, FETCH_CERTIFICATE},
		{EBUSY, FETCH_BUSY},      {EREMOTEIO, FETCH_SERVER_ERROR},
		{EPROTO, FETCH_NOT_HEAT}, {ENOENT, FETCH_NOT_HEAT},
		{EINVAL, FETCH_NOT_HEAT}, {EBADMSG, FETCH_NOT_HEAT},
		{EFBIG, FETCH_NOT_HEAT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].error == -status)
			return rows[i].class;
	}
	return FETCH_UNREACHABLE;
}

static bool row_fits(const struct answer_row *row, long status, const char *code,
		     const char *message)
{
	if (status < row->from || status > row->to)
		return false;
	return !row->text || (code && strstr(code, row->text)) ||
	       (message && strstr(message, row->text));
}

static const struct answer_row *first_fit(const struct answer_table *table, long status,
					  const char *code, const char *message)
{
	for (size_t i = 0; i < table->n; i++)
		if (row_fits(&table->rows[i], status, code, message))
			return &table->rows[i];
	return NULL;
}

enum fetch_class classify_status(enum classify_api api, long status, const char *code,
				 const char *message, bool own)
{
	const struct answer_row *row = first_fit(&apis[api], status, code, message);
	enum fetch_class class;

	if (!row)
		row = first_fit(&common, status, code, message);
	class = row ? row->class : FETCH_NOT_HEAT;
	return api == CLASSIFY_HEAT && own && class == FETCH_REFUSED_FOREIGN ? FETCH_REFUSED : class;
}

static void from_body(const struct http_answer *a, enum classify_api api, bool own,
		      struct fetch_result *ret)
{
	struct buf code = BUF_INIT(1024), message = BUF_INIT(1024);

	document_cfn_error(buf_str(&a->body), a->body.len, &code, &message);
	ret->class = classify_status(api, a->status, buf_str(&code), buf_str(&message), own);
	if (code.len || message.len)
		snprintf(ret->why, sizeof(ret->why), "%ld %s%s%s", a->status, buf_str(&code),
			 code.len && message.len ? ": " : "", buf_str(&message));
	else
		snprintf(ret->why, sizeof(ret->why), "status %ld without explanation", a->status);
	buf_deinit(&code);
	buf_deinit(&message);
}

void classify_result(const struct http_answer *a, enum classify_api api, bool own,
		     struct fetch_result *ret)
{
	*ret = (struct fetch_result){.retry_after_s = a->retry_after_s};
	if (a->failure != HTTP_OK) {
		ret->class = classify_failure(a->failure);
		text_print(ret->why, sizeof(ret->why), "%s", a->why);
		return;
	}
	if (a->date_s >= 0) {
		/* the header has whole seconds: half of one is added */
		ret->date_skew_ms = a->date_s * 1000 + 500 - a->got_real_ms;
		ret->has_skew = true;
	}
	if (a->status != 200)
		from_body(a, api, own, ret);
}

void classify_clock(struct fetch_result *r)
{
	int64_t minutes = r->date_skew_ms / 60000;
	char why[sizeof(r->why)];

	if (r->class != FETCH_REFUSED || !r->has_skew || r->date_skew_ms < CLASSIFY_SKEW_MS)
		return;
	r->class = FETCH_CLOCK_SKEW;
	text_print(why, sizeof(why), "%s", r->why);
	snprintf(r->why, sizeof(r->why), "%lld minutes behind the server; %.240s",
		 (long long)minutes, why);
}

void classify_document(int code, const char *text, struct fetch_result *ret)
{
	ret->class = code == -EFBIG ? FETCH_TOO_BIG : FETCH_BAD_DOCUMENT;
	text_print(ret->why, sizeof(ret->why), "%s", text);
}
