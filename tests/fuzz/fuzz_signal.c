/* SPDX-License-Identifier: Apache-2.0 */
/* Spool files, the stored key and seq, what was signalled: whatever is on disk is refused or becomes a signal that can be
 * written back unchanged. */
#include <stdint.h>
#include <string.h>

#include "signal/action.h"
#include "signal/seqkey.h"
#include "signal/signal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was signalled: read, written, read again it is the same. */
static void check_action(const char *p, size_t n)
{
	static struct action a, again;
	struct buf out = BUF_INIT(1u << 20);

	if (action_load(p, n, &a) == 0 &&
	    (action_save(&a, &out) < 0 || action_load(out.data, out.len, &again) < 0 || again.n_told != a.n_told ||
	     again.n_at != a.n_at))
		abort();
	buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct signing_key key = {0};
	struct signal s, again;
	int64_t seq;

	if (signal_load((const char *)data, size, &s, NULL) == 0) {
		char *text = signal_save(&s);

		if (!text || !signal_key_valid(s.key) || !s.target || !s.status)
			abort();
		if (strlen(text) <= SIGNAL_SAVED_MAX) {
			if (signal_load(text, strlen(text), &again, NULL) < 0 ||
			    strcmp(s.target, again.target) != 0)
				abort();
			signal_deinit(&again);
		}
		free(text);
		signal_deinit(&s);
	}
	check_action((const char *)data, size);
	if (seqkey_parse_key((const char *)data, size, &key) == 0)
		signing_key_wipe(&key);
	if (seqkey_parse_seq((const char *)data, size, &seq) == 0 && (seq < 0 || seq > SIGNAL_SEQ_MAX))
		abort();
	return 0;
}
