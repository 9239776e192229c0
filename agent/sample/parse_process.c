/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/parse_process.h"

#include <errno.h>

#include "sample/parse.h"
#include "sample/scan.h"

int parse_nofile(const char *p, size_t n, uint64_t *ret)
{
	static const char *const words[] = {"Max", "open", "files"};
	struct span in = {p, n}, line, word;

	while (scan_line(&in, &line)) {
		size_t i = 0;

		while (i < ARRAY_SIZE(words) && scan_word(&line, &word) && scan_is(&word, words[i]))
			i++;
		if (i < ARRAY_SIZE(words))
			continue;
		if (!scan_word(&line, &word))
			return -EINVAL;
		if (scan_is(&word, "unlimited")) {
			*ret = NOFILE_UNLIMITED;
			return 0;
		}
		return text_u64(word.p, word.n, ret) ? -EINVAL : 0;
	}
	return -EINVAL;
}

int parse_switches(const char *p, size_t n, uint64_t *ret)
{
	static const char *const names[] = {"voluntary_ctxt_switches",
					    "nonvoluntary_ctxt_switches"};
	const struct parse_keys keys = {names, ARRAY_SIZE(names)};
	uint64_t values[ARRAY_SIZE(names)];

	if (parse_keyed(p, n, &keys, values) != 3)
		return -EINVAL;
	*ret = values[0] + values[1];
	return 0;
}
