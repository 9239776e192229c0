/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message signatures by OpenSSL's Ed25519, and the judgement that `verify` gives. Pure: keys, rules and
 * objects are handed in. An object is signed as its RFC 8785 form without "sig", so a signature survives any
 * JSON library on the way. Nothing in an object is believed before its signature is: id, stack and seq are
 * judged afterwards.
 */
#include "auth/message.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"

#define KEY_PREFIX     "ed25519:"
#define SIGNATURE_SIZE 64
#define MESSAGE_MAX    (256u * 1024)
#define FORMAT_VERSION 1

DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)
DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free)

static int public_from_pkey(const EVP_PKEY *pkey, struct signing_key *key)
{
	size_t n = sizeof(key->public);

	return EVP_PKEY_get_raw_public_key(pkey, key->public, &n) == 1 && n == sizeof(key->public) ? 0 : -EIO;
}

int signing_key_from_secret(const unsigned char secret[static 32], struct signing_key *key)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *pkey =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, 32);

	if (!pkey)
		return -ENOMEM;
	memcpy(key->secret, secret, sizeof(key->secret));
	return public_from_pkey(pkey, key);
}

int signing_key_generate(struct signing_key *key)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	size_t n = sizeof(key->secret);

	if (!pkey || EVP_PKEY_get_raw_private_key(pkey, key->secret, &n) != 1 || n != sizeof(key->secret))
		return -EIO;
	return public_from_pkey(pkey, key);
}

void signing_key_wipe(struct signing_key *key)
{
	OPENSSL_cleanse(key, sizeof(*key));
}

void signing_key_text(const unsigned char public[static 32], char out[static KEY_TEXT_MAX])
{
	_cleanup_buf_ struct buf text = BUF_INIT(KEY_TEXT_MAX - 1);

	buf_puts(&text, KEY_PREFIX);
	text_base64(&text, public, 32);
	snprintf(out, KEY_TEXT_MAX, "%s", buf_error(&text) ? "" : buf_str(&text));
}

int signing_key_parse(const char *text, unsigned char public[static 32])
{
	_cleanup_buf_ struct buf raw = BUF_INIT(KEY_TEXT_MAX);

	if (!text_starts(text, KEY_PREFIX))
		return -EINVAL;
	text += strlen(KEY_PREFIX);
	if (text_base64_decode(&raw, text, strlen(text)) < 0 || raw.len != 32)
		return -EINVAL;
	memcpy(public, raw.data, 32);
	return 0;
}

/* The bytes that are signed: everything but "sig". */
static int signed_form(const json_t *object, struct buf *out)
{
	_cleanup_json_ json_t *rest = NULL;
	const char *name;
	json_t *value;

	rest = json_object();
	if (!rest)
		return -ENOMEM;
	json_object_foreach((json_t *)(uintptr_t)object, name, value)
	{
		if (strcmp(name, "sig") != 0 && json_object_set(rest, name, value) != 0)
			return -ENOMEM;
	}
	return json_canonical(rest, out);
}

static int sign_bytes(const struct signing_key *key, const struct buf *text,
		      unsigned char sig[static SIGNATURE_SIZE])
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *pkey =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->secret, 32);
	_cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = SIGNATURE_SIZE;

	if (!pkey || !ctx)
		return -ENOMEM;
	if (EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) != 1 ||
	    EVP_DigestSign(ctx, sig, &n, (const unsigned char *)text->data, text->len) != 1 ||
	    n != SIGNATURE_SIZE)
		return -EIO;
	return 0;
}

static int set_text(json_t *object, const char *name, const char *text)
{
	json_t *value = json_string(text);

	return value && json_object_set_new(object, name, value) == 0 ? 0 : -ENOMEM;
}

int message_sign(json_t *object, const struct signing_key *key, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_INIT(MESSAGE_MAX), encoded = BUF_INIT(128);
	unsigned char sig[SIGNATURE_SIZE];
	char key_text[KEY_TEXT_MAX];
	int rc;

	if (!json_is_object(object))
		return err_set(e, -EINVAL, "only a JSON object can be signed");
	signing_key_text(key->public, key_text);
	rc = set_text(object, "key", key_text);
	if (rc == 0)
		rc = signed_form(object, &text);
	if (rc == 0)
		rc = sign_bytes(key, &text, sig);
	if (rc < 0)
		return err_set(e, rc, "the message cannot be signed: %s", strerror(-rc));
	text_base64(&encoded, sig, sizeof(sig));
	rc = buf_error(&encoded);
	if (rc == 0)
		rc = set_text(object, "sig", encoded.data);
	return rc < 0 ? err_set(e, rc, "the message cannot be signed: %s", strerror(-rc)) : 0;
}

/* What a message must hold to be judged at all. */
struct claims {
	int64_t version, seq;
	const char *kind, *id, *stack, *key;
	unsigned char public[32];
	struct buf sig;
};

static enum verify_answer answer(struct err *why, enum verify_answer code, const char *text)
{
	err_set(why, (int)code, "%s", text);
	return code;
}

static const char *read_claims(const json_t *object, struct claims *c)
{
	const char *sig = json_str(object, "sig");

	c->kind = json_str(object, "kind");
	c->id = json_str(object, "id");
	c->stack = json_str(object, "stack");
	c->key = json_str(object, "key");
	if (!json_int(object, "v", &c->version))
		return "no format version \"v\"";
	if (c->version != FORMAT_VERSION)
		return "a format version this program does not know";
	if (!json_int(object, "seq", &c->seq) || c->seq < 0)
		return "no sequence number \"seq\"";
	if (!c->kind || !c->id)
		return "no \"kind\" or \"id\"";
	if (!c->key || signing_key_parse(c->key, c->public) < 0)
		return "no usable \"key\"";
	if (!sig || text_base64_decode(&c->sig, sig, strlen(sig)) < 0 || c->sig.len != SIGNATURE_SIZE)
		return "no usable signature \"sig\"";
	return NULL;
}

static bool signature_holds(const unsigned char public[static 32], const struct buf *text,
			    const struct buf *sig)
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *pkey =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public, 32);
	_cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	return pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
	       EVP_DigestVerify(ctx, (const unsigned char *)sig->data, sig->len,
				(const unsigned char *)text->data, text->len) == 1;
}

/* Who said it, and where: every "no" here is a forgery. */
static const char *find_forgery(const struct claims *c, const struct buf *text,
				const struct verify_rules *rules)
{
	if (memcmp(c->public, rules->public_key, sizeof(c->public)) != 0)
		return "signed by another key than the pinned one";
	if (!signature_holds(rules->public_key, text, &c->sig))
		return "the signature does not fit the message";
	if (rules->id && strcmp(rules->id, c->id) != 0)
		return "the message is of another id than the one it was filed under";
	if (rules->stack && !text_equal(rules->stack, c->stack))
		return "the message is of another stack";
	return NULL;
}

static enum verify_answer judge_seq(int64_t seq, const struct verify_rules *rules, struct err *why)
{
	if (rules->last_seq < 0)
		return answer(why, VERIFY_GOOD, "good");
	if (seq <= rules->last_seq)
		return answer(why, VERIFY_REPLAYED, "an old message: its seq is not above the last one seen");
	if (rules->strict_gap && seq - 1 > rules->last_seq)
		return answer(why, VERIFY_GAP, "good, but messages before it are missing");
	return answer(why, VERIFY_GOOD, "good");
}

enum verify_answer message_verify(const json_t *object, const struct verify_rules *rules, struct err *why)
{
	struct claims claims = {.sig = BUF_INIT(SIGNATURE_SIZE + 8)};
	_cleanup_buf_ struct buf text = BUF_INIT(MESSAGE_MAX);
	enum verify_answer code;
	const char *wrong;

	if (!json_is_object(object))
		return answer(why, VERIFY_MALFORMED, "not a JSON object");
	wrong = read_claims(object, &claims);
	if (!wrong && signed_form(object, &text) < 0)
		wrong = "it holds what no signature can cover";
	if (wrong) {
		code = answer(why, VERIFY_MALFORMED, wrong);
	} else if (!rules->public_key) {
		code = answer(why, VERIFY_KEY_UNKNOWN, "no key was pinned, so nobody knows who signed it");
	} else {
		wrong = find_forgery(&claims, &text, rules);
		code = wrong ? answer(why, VERIFY_FORGED, wrong) : judge_seq(claims.seq, rules, why);
	}
	buf_deinit(&claims.sig);
	return code;
}
