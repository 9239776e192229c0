/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message signatures: Ed25519 over the RFC 8785 form of the object without its "sig" member. Keys
 * are written "ed25519:" + base64 of the 32 bytes.
 */
#pragma once

#include <jansson.h>
#include "core/err.h"

struct signing_key {
	unsigned char secret[32], public[32];
};
int signing_key_generate(struct signing_key *key) _must_check_;
int signing_key_from_secret(const unsigned char secret[static 32],
			    struct signing_key *key) _must_check_;
void signing_key_wipe(struct signing_key *key);
#define KEY_TEXT_MAX 64
void signing_key_text(const unsigned char public[static 32], char out[static KEY_TEXT_MAX]);
int signing_key_parse(const char *text, unsigned char public[static 32]) _must_check_;
/** message_sign() - sets "key" and "sig" in @object. */
int message_sign(json_t *object, const struct signing_key *key, struct err *e) _must_check_;

/* what `verify` answers; the values are its exit codes (0 good) */
enum verify_answer {
	VERIFY_GOOD = 0,
	VERIFY_FORGED = 10,
	VERIFY_REPLAYED = 11,
	VERIFY_GAP = 12,
	VERIFY_KEY_UNKNOWN = 13,
	VERIFY_MALFORMED = 14
};
struct verify_rules {
	const unsigned char *public_key; /* pinned key; NULL: answer KEY_UNKNOWN */
	int64_t last_seq; /* -1 = none given: replay and gap are not judged. seq <= last_seq:
			     replayed */
	bool strict_gap;  /* seq > last_seq + 1 is a gap (counts only where seq counts messages one
			     by one) */
	const char *id;   /* the handle id it was filed under; NULL = none known */
	const char *stack;
};
/** message_verify() - judges one data object; @why gets the clause. */
enum verify_answer message_verify(const json_t *object, const struct verify_rules *rules,
				  struct err *why);
