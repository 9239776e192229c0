/* SPDX-License-Identifier: Apache-2.0 */
/* What the hooks room reads back as JSON: its table, its states, its run records; and values on
 * their way to hooks. */
#include <stdint.h>
#include <string.h>

#include "core/json.h"
#include "hooks/config.h"
#include "hooks/queue_state.h"
#include "hooks/value_text.h"

static void fuzz_table(const char *p, size_t n)
{
	struct hookset set;

	if (hookset_from_json(p, n, &set, NULL) < 0 && set.n != 0)
		__builtin_trap();
	hookset_deinit(&set);
}

/* What is accepted must be written and read back as the same runs. */
static void fuzz_state(const char *p, size_t n)
{
	struct hook_state s, copy;
	char first[RUN_ID_LEN + 1], again[RUN_ID_LEN + 1];
	char *text;

	if (hook_state_decode(p, n, &s, NULL) < 0)
		return;
	text = hook_state_encode(&s);
	if (!text || hook_state_decode(text, strlen(text), &copy, NULL) < 0)
		__builtin_trap();
	if (s.list && (hook_state_run_id(&s, s.list, first) < 0 ||
		       hook_state_run_id(&copy, copy.list, again) < 0 || strcmp(first, again) != 0))
		__builtin_trap();
	free(text);
	hook_state_deinit(&copy);
	hook_state_deinit(&s);
}

static void fuzz_record(const char *p, size_t n)
{
	struct run_record r, copy;
	char *text;

	if (run_record_decode(p, n, &r, NULL) < 0)
		return;
	text = run_record_encode(&r);
	if (!text || run_record_decode(text, strlen(text), &copy, NULL) < 0 ||
	    copy.ended != r.ended)
		__builtin_trap();
	free(text);
	run_record_deinit(&copy);
	run_record_deinit(&r);
}

/* Python's form is JSON, and the same value. */
static void fuzz_value(const char *p, size_t n)
{
	struct buf out = BUF_INIT(16u << 20);
	json_t *v = NULL, *back;

	if (json_parse(p, n, &json_limits_default, &v, NULL) < 0)
		return;
	if (value_text(v, &out) == 0 && !json_is_string(v)) {
		back = json_loadb(buf_str(&out), out.len, JSON_DECODE_ANY, NULL);
		if (!back || !json_equal(back, v))
			__builtin_trap();
		json_decref(back);
	}
	json_decref(v);
	buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;

	fuzz_table(p, size);
	fuzz_state(p, size);
	fuzz_record(p, size);
	fuzz_value(p, size);
	return 0;
}
