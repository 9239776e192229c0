/* SPDX-License-Identifier: Apache-2.0 */
/* Message signatures: RFC 8032's own vectors, and what `verify` answers to each way of lying. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "auth/message.h"
#include "core/json.h"

#define SERVER "8c1d0a9e-0000-4000-8000-000000000001"
#define STACK  "web/7b1c"

/* RFC 8032 section 7.1, TEST 1. */
static const unsigned char secret_1[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
					   0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
					   0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
static const unsigned char public_1[32] = {0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe,
					   0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6,
					   0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};

static json_t *example(int64_t seq)
{
	json_t *o = json_pack("{s:i s:s s:s s:s s:I s:f s:[{s:s}]}", "v", 1, "kind", "health", "id", SERVER,
			      "stack", STACK, "seq", (json_int_t)seq, "risk", 0.93, "findings", "class",
			      "oom_kill");
	struct signing_key key;

	assert_non_null(o);
	assert_int_equal(signing_key_from_secret(secret_1, &key), 0);
	assert_int_equal(message_sign(o, &key, NULL), 0);
	return o;
}

static struct verify_rules rules(void)
{
	return (struct verify_rules){.public_key = public_1, .last_seq = -1, .id = SERVER, .stack = STACK};
}

/* A secret gives the public key that the standard says, and its text form goes both ways. */
static void key_forms(void **state)
{
	struct signing_key key, other;
	char text[KEY_TEXT_MAX];
	unsigned char public[32];

	(void)state;
	assert_int_equal(signing_key_from_secret(secret_1, &key), 0);
	assert_memory_equal(key.public, public_1, 32);
	signing_key_text(key.public, text);
	assert_string_equal(text, "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
	assert_int_equal(signing_key_parse(text, public), 0);
	assert_memory_equal(public, public_1, 32);
	assert_int_equal(signing_key_generate(&other), 0);
	assert_memory_not_equal(other.secret, secret_1, 32);
	signing_key_wipe(&other);
	assert_true(other.secret[0] == 0 && other.secret[31] == 0);
}

/* Only "ed25519:" and 32 bytes are a key. */
static void broken_keys_are_refused(void **state)
{
	static const char *const bad[] = {"",
					  "ed25519:",
					  "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
					  "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHUQ==",
					  "rsa:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
					  "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo"};
	unsigned char public[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(signing_key_parse(bad[i], public), -EINVAL);
}

/* A signed message is good, also after another JSON library has reordered and respaced it. */
static void a_signed_message_is_good(void **state)
{
	_cleanup_json_ json_t *o = example(42), *again = NULL;
	_cleanup_free_ char *text = NULL;
	struct verify_rules r = rules();

	(void)state;
	assert_int_equal(message_verify(o, &r, NULL), VERIFY_GOOD);
	text = json_dumps(o, JSON_INDENT(3) | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
	again = json_loads(text, 0, NULL);
	assert_int_equal(message_verify(again, &r, NULL), VERIFY_GOOD);
}

/* Every member is covered: changing, adding or taking away one is a forgery. */
static void every_change_is_a_forgery(void **state)
{
	static const char *const members[] = {"kind", "id", "stack", "risk", "findings", "seq"};
	struct verify_rules r = rules();

	(void)state;
	r.id = NULL;
	r.stack = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		_cleanup_json_ json_t *o = example(42);

		json_object_set_new(o, members[i],
				    strcmp(members[i], "seq") == 0 ? json_integer(43) : json_string("x"));
		assert_int_equal(message_verify(o, &r, NULL), VERIFY_FORGED);
	}
	_cleanup_json_ json_t *more = example(42);
	json_object_set_new(more, "extra", json_null());
	assert_int_equal(message_verify(more, &r, NULL), VERIFY_FORGED);
	_cleanup_json_ json_t *less = example(42);
	json_object_del(less, "risk");
	assert_int_equal(message_verify(less, &r, NULL), VERIFY_FORGED);
}

/* A message signed by somebody else's key is forged, however well it is signed. */
static void another_key_is_a_forgery(void **state)
{
	_cleanup_json_ json_t *o = example(42);
	struct signing_key other;
	struct verify_rules r = rules();

	(void)state;
	assert_int_equal(signing_key_generate(&other), 0);
	assert_int_equal(message_sign(o, &other, NULL), 0);
	assert_int_equal(message_verify(o, &r, NULL), VERIFY_FORGED);
	r.public_key = other.public;
	assert_int_equal(message_verify(o, &r, NULL), VERIFY_GOOD);
}

/* A good message filed under another id, or in another stack, is refused. */
static void another_place_is_a_forgery(void **state)
{
	_cleanup_json_ json_t *o = example(42);
	struct verify_rules r = rules();

	(void)state;
	r.id = "someone-else";
	assert_int_equal(message_verify(o, &r, NULL), VERIFY_FORGED);
	r = rules();
	r.stack = "web/other";
	assert_int_equal(message_verify(o, &r, NULL), VERIFY_FORGED);
}

/* seq at or below the last one is a replay; a hole is told only where seq counts one by one. */
static void replay_and_gap(void **state)
{
	_cleanup_json_ json_t *o = example(42);
	struct verify_rules r = rules();

	(void)state;
	r.last_seq = 42;
	assert_int_equal(message_verify(o, &r, NULL), VERIFY_REPLAYED);
	r.last_seq = 43;
	assert_int_equal(message_verify(o, &r, NULL), VERIFY_REPLAYED);
	r.last_seq = 41;
	r.strict_gap = true;
	assert_int_equal(message_verify(o, &r, NULL), VERIFY_GOOD);
	r.last_seq = 40;
	assert_int_equal(message_verify(o, &r, NULL), VERIFY_GAP);
	r.strict_gap = false;
	assert_int_equal(message_verify(o, &r, NULL), VERIFY_GOOD);
}

/* Forgery is told before replay: a forger learns nothing about seq, and an old forgery is not "just old". */
static void a_forged_replay_is_forged(void **state)
{
	_cleanup_json_ json_t *o = example(42);
	struct verify_rules r = rules();

	(void)state;
	json_object_set_new(o, "risk", json_real(0.1));
	r.last_seq = 100;
	assert_int_equal(message_verify(o, &r, NULL), VERIFY_FORGED);
}

/* Without a pinned key nothing is ever good. */
static void no_key_is_never_good(void **state)
{
	_cleanup_json_ json_t *o = example(42);
	struct verify_rules r = rules();

	(void)state;
	r.public_key = NULL;
	assert_int_equal(message_verify(o, &r, NULL), VERIFY_KEY_UNKNOWN);
	json_object_set_new(o, "risk", json_real(0.1));
	assert_int_equal(message_verify(o, &r, NULL), VERIFY_KEY_UNKNOWN);
}

/* What cannot be judged is malformed, with the reason. */
static void malformed(void **state)
{
	static const struct {
		const char *member;
		const char *value;
	} bad[] = {
		{"v", "2"},	     {"v", "\"1\""},   {"seq", "-1"},	{"seq", "\"42\""},
		{"seq", "1.5"},	     {"kind", "null"}, {"id", "5"},	{"key", "\"ed25519:AA==\""},
		{"sig", "\"AA==\""}, {"sig", "\"!\""}, {"sig", "null"},
	};
	_cleanup_json_ json_t *array = json_array();
	struct verify_rules r = rules();

	(void)state;
	assert_int_equal(message_verify(NULL, &r, NULL), VERIFY_MALFORMED);
	assert_int_equal(message_verify(array, &r, NULL), VERIFY_MALFORMED);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_json_ json_t *o = example(42);
		struct err why = ERR_INIT;

		json_object_set_new(o, bad[i].member, json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
		assert_int_equal(message_verify(o, &r, &why), VERIFY_MALFORMED);
		assert_true(why.text[0] != '\0');
	}
}

/* Only an object can be signed, and signing twice replaces the signature. */
static void signing_again_replaces(void **state)
{
	_cleanup_json_ json_t *o = example(42), *array = json_array();
	struct signing_key key;
	struct verify_rules r = rules();

	(void)state;
	assert_int_equal(signing_key_from_secret(secret_1, &key), 0);
	assert_int_equal(message_sign(array, &key, NULL), -EINVAL);
	json_object_set_new(o, "seq", json_integer(43));
	assert_int_equal(message_sign(o, &key, NULL), 0);
	assert_int_equal(message_verify(o, &r, NULL), VERIFY_GOOD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_forms),
		cmocka_unit_test(broken_keys_are_refused),
		cmocka_unit_test(a_signed_message_is_good),
		cmocka_unit_test(every_change_is_a_forgery),
		cmocka_unit_test(another_key_is_a_forgery),
		cmocka_unit_test(another_place_is_a_forgery),
		cmocka_unit_test(replay_and_gap),
		cmocka_unit_test(a_forged_replay_is_forged),
		cmocka_unit_test(no_key_is_never_good),
		cmocka_unit_test(malformed),
		cmocka_unit_test(signing_again_replaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
