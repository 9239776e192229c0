/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers, dates and encodings from any bytes: nothing is read beyond them, what decodes encodes
 * back to the same text, an escaped name is printable ASCII, and words of others are cut between
 * letters and never refused by JSON.
 */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_numbers(const char *p, size_t n)
{
	uint64_t u;
	int64_t i;
	double d;
	bool b;
	char out[24];

	if (text_u64(p, n, &u) == 0 && text_double(p, n, &d) == 0 && d < 0)
		abort();
	(void)!text_i64(p, n, &i);
	(void)!text_bool(p, n, &b);
	(void)!text_size(p, n, &u);
	if (text_duration_ms(p, n, &i) == 0) {
		int64_t again;

		text_duration_str(i, out);
		if (text_duration_ms(out, strlen(out), &again) < 0 || again != i)
			abort();
	}
	if (clock_parse_http_date(p, n, &i) == 0 && i < 0)
		abort();
	if (clock_parse_iso(p, n, &i) == 0) {
		clock_iso(i, out);
		if (strlen(out) != 20)
			abort();
	}
}

static void check_encodings(const char *p, size_t n)
{
	_cleanup_buf_ struct buf plain = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20), safe = BUF_INIT(8 << 20);

	if (text_base64_decode(&plain, p, n) == 0) {
		text_base64(&again, buf_str(&plain), plain.len);
		if (again.len != n || (n && memcmp(again.data, p, n) != 0))
			abort();
	}
	buf_reset(&plain);
	buf_reset(&again);
	text_percent_encode(&plain, p, n, "/");
	if (!memchr(p, '\0', n) && plain.len &&
	    (text_percent_decode(&again, plain.data, plain.len) < 0 || again.len != n || memcmp(again.data, p, n) != 0))
		abort();
	text_escape(&safe, p, n);
	for (size_t i = 0; i < safe.len; i++) {
		if (safe.data[i] < 0x20 || safe.data[i] > 0x7e)
			abort();
	}
	if (text_utf8_valid(p, n) > n)
		abort();
}

static void check_words(const char *p, size_t n)
{
	_cleanup_free_ char *text = strndup(p, n);
	_cleanup_json_ json_t *value = json_text(text);
	char cut[64];
	size_t all = strlen(text), kept;
	bool valid = text_utf8_valid(text, all) == all;

	if (!json_is_string(value) || (valid && strcmp(json_string_value(value), text) != 0))
		abort();
	text_print(cut, sizeof(cut), "%s", text);
	kept = strlen(cut);
	if (strncmp(cut, text, kept) != 0 ||
	    kept + 3 < (all < sizeof(cut) ? all : sizeof(cut) - 1) ||
	    (valid && text_utf8_valid(cut, kept) != kept))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_words((const char *)data, size);
	check_numbers((const char *)data, size);
	check_encodings((const char *)data, size);
	return 0;
}
