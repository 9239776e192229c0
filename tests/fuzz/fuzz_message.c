/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A data object as anybody may have put it on a handle, judged with a key and without. Nothing but what that key
 * signed is good; signed by us it is, and under another id or stack, or with its seq replayed, it is not.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/message.h"
#include "core/json.h"

static struct signing_key ours;

static enum verify_answer judge(const json_t *o, int64_t last_seq, const char *id, bool pinned)
{
	const struct verify_rules rules = {
		.public_key = pinned ? ours.public : NULL, .last_seq = last_seq, .id = id};
	struct err why = ERR_INIT;
	enum verify_answer answer = message_verify(o, &rules, &why);

	switch (answer) {
	case VERIFY_GOOD:
	case VERIFY_FORGED:
	case VERIFY_REPLAYED:
	case VERIFY_GAP:
	case VERIFY_KEY_UNKNOWN:
	case VERIFY_MALFORMED:
		break;
	default:
		abort();
	}
	if (answer != VERIFY_GOOD && !why.text[0])
		abort();
	return answer;
}

static bool by_us(const json_t *o)
{
	char text[KEY_TEXT_MAX];
	const char *key = json_str(o, "key");

	signing_key_text(ours.public, text);
	return key && !strcmp(key, text);
}

static void judge_signed(json_t *o)
{
	const char *id = json_str(o, "id");
	enum verify_answer answer;

	if (message_sign(o, &ours, NULL))
		return; /* what has no canonical form */
	answer = judge(o, -1, id, true);
	if (answer == VERIFY_MALFORMED) /* no seq, or no id: none of our messages */
		return;
	if (answer != VERIFY_GOOD || (strcmp(id, "another") && judge(o, -1, "another", true) == VERIFY_GOOD) ||
	    judge(o, json_integer_value(json_object_get(o, "seq")), id, true) != VERIFY_REPLAYED ||
	    judge(o, -1, id, false) != VERIFY_KEY_UNKNOWN)
		abort();
	if (json_object_set_new(o, "more", json_integer(1)) || judge(o, -1, id, true) != VERIFY_FORGED)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char secret[32] = {1, 2, 3};
	_cleanup_json_ json_t *o = NULL;

	if (!ours.public[0] && signing_key_from_secret(secret, &ours))
		abort();
	if (json_parse((const char *)data, size, &json_limits_default, &o, NULL) < 0)
		return 0;
	if (judge(o, -1, NULL, true) == VERIFY_GOOD && !by_us(o))
		abort();
	(void)judge(o, 1, "6f1c", false);
	if (json_is_object(o) && !json_object_get(o, "more"))
		judge_signed(o);
	return 0;
}
