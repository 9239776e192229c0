/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `heat-pulse verify`: judges signed signals as whoever reads a stack's outputs finds them: the
 * data object itself, the metadata of a wait condition handle ({id: {status, reason, data}}), or
 * the {id: data} map of a wait condition, each also as JSON text inside a JSON string. It asks
 * nobody and keeps nothing.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "auth/message.h"
#include "command/command.h"
#include "command/input.h"
#include "command/options.h"
#include "core/json.h"
#include "core/text.h"

#define KEY_FILE_MAX (1u << 20)
#define UNWRAP_MAX   3 /* how often text inside a string is opened */
/* A seq at or above this is wall-clock milliseconds (of 2001 and later), and holes between such say
 * nothing. */
#define SEQ_CLOCK 1000000000000

struct verify_arguments {
	const char *key, *key_file, *id, *stack;
	int64_t last_seq;
	bool json;
};

static const struct option_row rows[] = {
	{'k', "key", OPTION_TEXT, offsetof(struct verify_arguments, key), "KEY",
	 "the pinned public key, \"ed25519:...\""},
	{0, "key-file", OPTION_TEXT, offsetof(struct verify_arguments, key_file), "FILE",
	 "pinned keys, a line each: KEY, or ID KEY for one guest of several"},
	{0, "last-seq", OPTION_INT, offsetof(struct verify_arguments, last_seq), "N",
	 "the last seq seen: at or below it is a replay"},
	{'i', "id", OPTION_TEXT, offsetof(struct verify_arguments, id), "ID",
	 "the id it was filed under; of several, judge this one only"},
	{0, "stack", OPTION_TEXT, offsetof(struct verify_arguments, stack), "STACK",
	 "the stack it must be of"},
	{0, "json", OPTION_FLAG, offsetof(struct verify_arguments, json), NULL,
	 "one JSON object per line"},
};

static const struct option_set options = {
	.command = "heat-pulse verify",
	.synopsis = "--key KEY | --key-file FILE [OPTIONS] [FILE|-]",
	.about = "Judges a signed signal: the data object, a handle's metadata, or the map {id: "
		 "data}, from "
		 "FILE or standard input.\n"
		 "Exit: 0 good, 10 forged, 11 replayed, 12 gap, 13 key unknown, 14 malformed; of "
		 "several the "
		 "worst.",
	.rows = rows,
	.n = ARRAY_SIZE(rows),
	.max_arguments = 1,
};

static const struct {
	enum verify_answer answer;
	const char *word;
} answers[] = {
	/* worst first */
	{VERIFY_FORGED, "forged"},
	{VERIFY_MALFORMED, "malformed"},
	{VERIFY_KEY_UNKNOWN, "key-unknown"},
	{VERIFY_REPLAYED, "replayed"},
	{VERIFY_GAP, "gap"},
	{VERIFY_GOOD, "good"},
};

struct verifier {
	const struct verify_arguments *a;
	unsigned char key[32];
	bool has_key;
	struct buf key_file;
	size_t judged;
	size_t worst; /* row of answers[] */
};

static size_t answer_row(enum verify_answer answer)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		if (answers[i].answer == answer)
			return i;
	return 0;
}

/* ---- keys ---- */

static bool next_line(const char **text, const char **line, size_t *n)
{
	if (!**text)
		return false;
	*line = *text;
	*n = strcspn(*text, "\n");
	*text += *n + ((*text)[*n] == '\n');
	text_trim(line, n);
	return true;
}

/* "KEY" or "ID KEY"; @ret_id gets the length of the id. Comments and empty lines: 1. Return 0, 1,
 * -EINVAL. */
static int parse_key_line(const char *line, size_t n, size_t *ret_id, unsigned char key[static 32])
{
	char word[KEY_TEXT_MAX];
	size_t start = 0;

	if (n == 0 || line[0] == '#')
		return 1;
	for (size_t i = 0; i < n; i++)
		if (line[i] == ' ' || line[i] == '\t')
			start = i + 1;
	*ret_id = strcspn(line, " \t") < start ? strcspn(line, " \t") : 0;
	if (n - start >= sizeof(word))
		return -EINVAL;
	memcpy(word, line + start, n - start);
	word[n - start] = '\0';
	return signing_key_parse(word, key);
}

static int check_key_file(const struct verifier *v, struct err *e)
{
	const char *text = buf_str(&v->key_file), *line;
	unsigned char key[32];
	size_t n, id;
	int number = 0;

	while (next_line(&text, &line, &n)) {
		number++;
		if (parse_key_line(line, n, &id, key) < 0)
			return err_set(e, -EINVAL, "%s:%d: no key of the form ed25519:...",
				       v->a->key_file, number);
	}
	return 0;
}

/* The key pinned for @id: --key, the line with that id, or the line without an id. */
static const unsigned char *find_key(const struct verifier *v, const char *id,
				     unsigned char key[static 32])
{
	const char *text = buf_str(&v->key_file), *line;
	unsigned char candidate[32];
	bool bare = false;
	size_t n, id_n;

	if (v->has_key)
		return v->key;
	while (next_line(&text, &line, &n)) {
		if (parse_key_line(line, n, &id_n, candidate) != 0)
			continue;
		if (id_n > 0 && id && strlen(id) == id_n && memcmp(line, id, id_n) == 0) {
			memcpy(key, candidate, 32);
			return key;
		}
		if (id_n == 0 && !bare) {
			memcpy(key, candidate, 32);
			bare = true;
		}
	}
	return bare ? key : NULL;
}

/* ---- judging ---- */

static void print_answer(const struct verifier *v, const char *id, const json_t *object,
			 const char *word, const struct err *why)
{
	_cleanup_buf_ struct buf shown = BUF_INIT(1024);
	const char *name = id ? id : json_str(object, "id");
	int64_t seq = -1;

	if (v->a->json) {
		_cleanup_json_ json_t *line =
			json_pack("{s:i,s:s,s:i,s:o,s:O?,s:o}", "v", 1, "answer", word, "code",
				  why->code, "id", json_text(name), "seq",
				  json_object_get(object, "seq"), "why", json_text(why->text));

		json_dumpf(line, stdout, JSON_COMPACT | JSON_SORT_KEYS);
		putchar('\n');
		return;
	}
	text_escape(&shown, name ? name : "-", name ? strnlen(name, 256) : 1);
	printf("%s %s", word, buf_str(&shown));
	if (json_int(object, "seq", &seq))
		printf(" seq=%lld", (long long)seq);
	printf(": %s\n", why->text);
}

/* @id: the name it was filed under, or NULL. */
static void judge(struct verifier *v, const char *id, const json_t *object)
{
	unsigned char key[32];
	struct verify_rules rules = {.last_seq = v->a->last_seq, .id = id, .stack = v->a->stack};
	struct err why = ERR_INIT;
	int64_t seq = 0;
	size_t row;

	rules.public_key = find_key(v, id ? id : json_str(object, "id"), key);
	rules.strict_gap = json_int(object, "seq", &seq) && seq < SEQ_CLOCK;
	row = answer_row(message_verify(object, &rules, &why));
	print_answer(v, id, object, answers[row].word, &why);
	if (v->judged++ == 0 || row < v->worst)
		v->worst = row;
}

/* ---- the forms it comes in ---- */

/* Opens JSON text inside strings. Return: new reference, NULL when it is no JSON. */
static json_t *unwrap(const json_t *value)
{
	json_t *at = json_incref((json_t *)(uintptr_t)value);

	for (int i = 0; i < UNWRAP_MAX && json_is_string(at); i++) {
		json_t *inner = NULL;

		if (json_parse(json_string_value(at), json_string_length(at), &json_limits_default,
			       &inner, NULL) < 0)
			break;
		json_decref(at);
		at = inner;
	}
	return at;
}

static bool is_data_object(const json_t *o)
{
	return json_object_get(o, "sig") ||
	       (json_object_get(o, "seq") && json_object_get(o, "kind"));
}

/* One entry of a map: the data itself, or a signal {status, reason, data} around it in either
 * spelling. */
static void judge_entry(struct verifier *v, const char *id, const json_t *entry)
{
	_cleanup_json_ json_t *open = unwrap(entry), *data = NULL;
	const json_t *inner = json_object_get(open, "data");

	if (!inner)
		inner = json_object_get(open, "Data");
	if (json_is_object(open) && !is_data_object(open) && inner)
		data = unwrap(inner);
	judge(v, id, data ? data : open);
}

static void judge_map(struct verifier *v, const json_t *map)
{
	const char *id;
	json_t *entry;

	json_object_foreach((json_t *)(uintptr_t)map, id, entry)
	{
		if (!v->a->id || strcmp(v->a->id, id) == 0)
			judge_entry(v, id, entry);
	}
	if (v->judged == 0)
		judge(v, v->a->id, NULL);
}

static bool is_signal(const json_t *o)
{
	return (json_object_get(o, "status") || json_object_get(o, "Status")) &&
	       (json_object_get(o, "data") || json_object_get(o, "Data"));
}

static int judge_text(struct verifier *v, const struct buf *text)
{
	_cleanup_json_ json_t *top = NULL, *open = NULL;
	struct err e = ERR_INIT;

	if (json_parse(buf_str(text), text->len, &json_limits_default, &top, &e) < 0) {
		fprintf(stderr, "heat-pulse verify: the input is no JSON: %s\n", e.text);
		return VERIFY_MALFORMED;
	}
	open = unwrap(top);
	if (!json_is_object(open) || is_data_object(open))
		judge(v, v->a->id, open);
	else if (is_signal(open))
		judge_entry(v, v->a->id, open);
	else
		judge_map(v, open);
	return (int)answers[v->worst].answer;
}

static int load_keys(const struct env *env, struct verifier *v)
{
	struct err e = ERR_INIT;

	if (v->a->key && signing_key_parse(v->a->key, v->key) < 0)
		return command_usage(options.command,
				     "--key takes ed25519: and 32 bytes in base64");
	v->has_key = v->a->key != NULL;
	if (!v->a->key_file)
		return 0;
	if (input_read(env, v->a->key_file, &v->key_file, &e) == 0 && check_key_file(v, &e) == 0)
		return 0;
	fprintf(stderr, "heat-pulse verify: %s\n", e.text);
	return EXIT_CONFIG;
}

int command_verify(struct env *env, int argc, char **argv)
{
	struct verify_arguments a = {.last_seq = -1};
	struct verifier v = {.a = &a, .key_file = BUF_INIT(KEY_FILE_MAX)};
	_cleanup_buf_ struct buf text = BUF_INIT(json_limits_default.text_bytes);
	struct err e = ERR_INIT;
	int first, r = options_parse(&options, argc, argv, &a, &first);

	if (r != OPTIONS_GO)
		return r;
	r = load_keys(env, &v);
	if (r == 0 && input_read(env, first < argc ? argv[first] : "-", &text, &e) < 0) {
		fprintf(stderr, "heat-pulse verify: %s\n", e.text);
		r = e.code == -EFBIG ? (int)VERIFY_MALFORMED : (int)EXIT_CONFIG;
	}
	if (r == 0)
		r = judge_text(&v, &text);
	buf_deinit(&v.key_file);
	return r;
}
