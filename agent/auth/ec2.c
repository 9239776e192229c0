/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EC2 signatures, versions 2 and 4, over the form that Keystone recomputes: the path as the server encodes it
 * again (raw colons, not the %3A on the wire), the parameters sorted by bytes of the raw key, and for V4 with
 * POST an empty parameter line. Pure: no clock, no network, no file. Derived keys are wiped.
 */
#include "auth/ec2.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"

#define CANONICAL_MAX (64u * 1024)
#define EXTRA_PARAMS  4 /* AWSAccessKeyId, SignatureMethod, SignatureVersion, Timestamp */
#define DIGEST_BYTES  32
#define PATH_RAW      "/!$&'()*+,;=:@"

void ec2_encode_path(struct buf *out, const char *path)
{
	text_percent_encode(out, path, strlen(path), PATH_RAW);
}

static int param_compare(const void *a, const void *b)
{
	const struct ec2_param *left = a, *right = b;

	return strcmp(left->key, right->key);
}

/* Keystone keeps one value per key, so a key given twice could never verify. */
static int sort_params(struct ec2_param *params, size_t n)
{
	qsort(params, n, sizeof(*params), param_compare);
	for (size_t i = 1; i < n; i++)
		if (strcmp(params[i - 1].key, params[i].key) == 0)
			return -EINVAL;
	return 0;
}

static void put_query(struct buf *out, const struct ec2_param *params, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(out, '&');
		text_percent_encode(out, params[i].key, strlen(params[i].key), "");
		buf_putc(out, '=');
		text_percent_encode(out, params[i].value, strlen(params[i].value), "");
	}
}

static int hmac(const void *key, size_t key_len, const void *p, size_t n,
		unsigned char out[static DIGEST_BYTES])
{
	unsigned int len = 0;

	if (key_len > INT32_MAX || !HMAC(EVP_sha256(), key, (int)key_len, p, n, out, &len) ||
	    len != DIGEST_BYTES)
		return -EIO;
	return 0;
}

/* The caller's parameters with room for EXTRA_PARAMS more. */
static struct ec2_param *copy_params(const struct ec2_request *r)
{
	struct ec2_param *params;

	if (r->n_params > 1000)
		return NULL;
	params = calloc(r->n_params + EXTRA_PARAMS, sizeof(*params));
	if (params && r->n_params > 0)
		memcpy(params, r->params, r->n_params * sizeof(*params));
	return params;
}

static int v2_signature(const struct ec2_request *r, const struct buf *query, struct buf *signature)
{
	_cleanup_buf_ struct buf text = BUF_INIT(CANONICAL_MAX);
	unsigned char mac[DIGEST_BYTES];
	int rc;

	buf_printf(&text, "%s\n%s\n", r->verb, r->host);
	ec2_encode_path(&text, r->path);
	buf_printf(&text, "\n%s", buf_str(query));
	rc = buf_error(&text);
	if (rc == 0)
		rc = hmac(r->secret_key, strlen(r->secret_key), text.data, text.len, mac);
	if (rc == 0)
		text_base64(signature, mac, sizeof(mac));
	return rc == 0 ? buf_error(signature) : rc;
}

int ec2_sign_v2(const struct ec2_request *r, struct buf *query)
{
	_cleanup_buf_ struct buf signature = BUF_INIT(128);
	_cleanup_free_ struct ec2_param *params = copy_params(r);
	char stamp[24];
	size_t n = r->n_params;
	int rc;

	if (!params)
		return -ENOMEM;
	params[n++] = (struct ec2_param){"AWSAccessKeyId", r->access_key};
	params[n++] = (struct ec2_param){"SignatureMethod", "HmacSHA256"};
	params[n++] = (struct ec2_param){"SignatureVersion", "2"};
	if (r->time_s >= 0) {
		clock_iso(r->time_s, stamp);
		params[n++] = (struct ec2_param){"Timestamp", stamp};
	}
	rc = sort_params(params, n);
	if (rc < 0)
		return rc;
	buf_reset(query);
	put_query(query, params, n);
	rc = buf_error(query);
	if (rc == 0)
		rc = v2_signature(r, query, &signature);
	if (rc < 0)
		return rc;
	buf_puts(query, "&Signature=");
	text_percent_encode(query, signature.data, signature.len, "");
	return buf_error(query);
}

static int v4_query(const struct ec2_request *r, struct buf *query)
{
	_cleanup_free_ struct ec2_param *params = copy_params(r);
	int rc;

	if (!params)
		return -ENOMEM;
	rc = sort_params(params, r->n_params);
	if (rc < 0)
		return rc;
	buf_reset(query);
	put_query(query, params, r->n_params);
	return buf_error(query);
}

static void put_header_names(struct buf *out, const struct ec2_header *headers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s%s", i > 0 ? ";" : "", headers[i].name);
}

static void put_header_lines(struct buf *out, const struct ec2_header *headers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *value = headers[i].value;
		size_t len = strlen(value);

		text_trim(&value, &len);
		buf_printf(out, "%s:", headers[i].name);
		buf_put(out, value, len);
		buf_putc(out, '\n');
	}
}

/* Digest of the canonical request. For POST the parameter line is empty even when the URL has a query. */
static int v4_canonical_digest(const struct ec2_request *r, const struct ec2_header *headers,
			       size_t n_headers, char digest[static 65])
{
	_cleanup_buf_ struct buf text = BUF_INIT(CANONICAL_MAX), query = BUF_INIT(CANONICAL_MAX);
	char body[65];
	int rc = v4_query(r, &query);

	if (rc < 0)
		return rc;
	text_sha256_hex(r->body_len > 0 ? r->body : "", r->body_len, body);
	buf_printf(&text, "%s\n", r->verb);
	ec2_encode_path(&text, r->path);
	buf_printf(&text, "\n%s\n", strcmp(r->verb, "POST") == 0 ? "" : buf_str(&query));
	put_header_lines(&text, headers, n_headers);
	buf_putc(&text, '\n');
	put_header_names(&text, headers, n_headers);
	buf_printf(&text, "\n%s", body);
	rc = buf_error(&text);
	if (rc == 0)
		text_sha256_hex(text.data, text.len, digest);
	return rc;
}

/* The chain of HMACs from the secret over the parts of the scope: the key that signs. */
static int v4_signing_key(const char *secret, const char *const *scope, size_t n_scope,
			  unsigned char key[static DIGEST_BYTES])
{
	_cleanup_buf_ struct buf start = BUF_INIT(4096);
	unsigned char next[DIGEST_BYTES];
	int rc;

	buf_printf(&start, "AWS4%s", secret);
	rc = buf_error(&start);
	if (rc == 0)
		rc = hmac(start.data, start.len, scope[0], strlen(scope[0]), key);
	for (size_t i = 1; rc == 0 && i < n_scope; i++) {
		rc = hmac(key, DIGEST_BYTES, scope[i], strlen(scope[i]), next);
		memcpy(key, next, DIGEST_BYTES);
	}
	OPENSSL_cleanse(next, sizeof(next));
	if (start.data)
		OPENSSL_cleanse(start.data, start.len);
	return rc;
}

static int v4_signature(const char *secret, const char *const *scope, size_t n_scope, const struct buf *text,
			unsigned char mac[static DIGEST_BYTES])
{
	unsigned char key[DIGEST_BYTES];
	int rc = v4_signing_key(secret, scope, n_scope, key);

	if (rc == 0)
		rc = hmac(key, sizeof(key), text->data, text->len, mac);
	OPENSSL_cleanse(key, sizeof(key));
	return rc;
}

int ec2_v4_authorization(const struct ec2_request *r, const char *region, const char *service,
			 const char *date, const struct ec2_header *headers, size_t n_headers,
			 struct buf *authorization)
{
	_cleanup_buf_ struct buf text = BUF_INIT(4096), scope_text = BUF_INIT(1024);
	char day[9] = "", digest[65];
	const char *scope[] = {day, region, service, "aws4_request"};
	unsigned char mac[DIGEST_BYTES];
	int rc;

	if (strlen(date) < 8)
		return -EINVAL;
	memcpy(day, date, 8);
	rc = v4_canonical_digest(r, headers, n_headers, digest);
	if (rc < 0)
		return rc;
	buf_printf(&scope_text, "%s/%s/%s/%s", scope[0], scope[1], scope[2], scope[3]);
	buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", date, buf_str(&scope_text), digest);
	rc = buf_error(&scope_text) ? buf_error(&scope_text) : buf_error(&text);
	if (rc == 0)
		rc = v4_signature(r->secret_key, scope, ARRAY_SIZE(scope), &text, mac);
	if (rc < 0)
		return rc;
	buf_reset(authorization);
	buf_printf(authorization, "AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=", r->access_key,
		   buf_str(&scope_text));
	put_header_names(authorization, headers, n_headers);
	buf_puts(authorization, ",Signature=");
	text_hex(authorization, mac, sizeof(mac));
	return buf_error(authorization);
}

int ec2_sign_v4(const struct ec2_request *r, const char *region, const char *service, struct buf *query,
		struct buf *authorization, char amz_date[static 20])
{
	struct ec2_header headers[] = {{"host", r->host}, {"x-amz-date", amz_date}};
	int rc;

	if (r->time_s < 0)
		return -EINVAL;
	clock_iso_basic(r->time_s, amz_date);
	rc = v4_query(r, query);
	if (rc < 0)
		return rc;
	return ec2_v4_authorization(r, region, service, amz_date, headers, ARRAY_SIZE(headers),
				    authorization);
}
