/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/lastboot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "sample/scan.h"

#define VERSION "1"
/* Firmware and kernel do not agree on the second. */
#define CLOCK_SLACK_S 5

static const char *const states[] = {"running", "stopped"};

size_t boot_mark_format(const struct boot_mark *m, char out[static BOOT_MARK_TEXT_MAX])
{
	int n = snprintf(out, BOOT_MARK_TEXT_MAX, VERSION " %.39s %s %llu %lld\n", m->boot_id,
			 states[m->stopped], (unsigned long long)m->kmsg_seq,
			 (long long)m->alive_ms);

	return (size_t)n;
}

static bool take_boot_id(const struct span *word, char ret[static 40])
{
	if (word->n != 36)
		return false;
	for (size_t i = 0; i < word->n; i++)
		if (!strchr("0123456789abcdef-", word->p[i]) || !word->p[i])
			return false;
	memcpy(ret, word->p, word->n);
	ret[word->n] = '\0';
	return true;
}

int boot_mark_parse(const char *p, size_t n, struct boot_mark *ret)
{
	struct span in = {p, n}, line, version, boot_id, state, alive;
	struct boot_mark m = {0};
	uint64_t number;

	if (!scan_line(&in, &line) || !scan_word(&line, &version) ||
	    text_u64(version.p, version.n, &number))
		return -EINVAL;
	if (!scan_is(&version, VERSION))
		return number > 1 ? 1 : -EINVAL;
	if (!scan_word(&line, &boot_id) || !take_boot_id(&boot_id, m.boot_id) ||
	    !scan_word(&line, &state) || !scan_u64(&line, &m.kmsg_seq) ||
	    !scan_word(&line, &alive) || text_i64(alive.p, alive.n, &m.alive_ms))
		return -EINVAL;
	m.stopped = scan_is(&state, states[1]);
	if ((!m.stopped && !scan_is(&state, states[0])) || in.n || scan_word(&line, &state))
		return -EINVAL;
	*ret = m;
	return 0;
}

static bool is_of(const struct boot_mark *m, const char *boot_id)
{
	return m && boot_id[0] && !strcmp(m->boot_id, boot_id);
}

uint64_t boot_mark_after_seq(const struct boot_mark *m, const char *boot_id)
{
	return is_of(m, boot_id) ? m->kmsg_seq : 0;
}

const char *const lastboot_sentences[LASTBOOTS] = {
	[LASTBOOT_UNKNOWN] = "how the last boot ended is not known",
	[LASTBOOT_SAME] = "the guest has not been started anew",
	[LASTBOOT_CLEAN] = "the last boot was shut down",
	[LASTBOOT_UNCLEAN] = "the last boot ended without shutdown",
	[LASTBOOT_PANIC] = "the last boot ended in a panic of the kernel",
};

enum lastboot lastboot_judge(const struct boot_mark *m, const char *boot_id,
			     const struct lastboot_pstore *pstore)
{
	if (!m || !boot_id[0])
		return LASTBOOT_UNKNOWN;
	if (is_of(m, boot_id))
		return LASTBOOT_SAME;
	if (pstore && pstore->known && pstore->panics &&
	    pstore->newest_s + CLOCK_SLACK_S >= m->alive_ms / 1000)
		return LASTBOOT_PANIC;
	return m->stopped ? LASTBOOT_CLEAN : LASTBOOT_UNCLEAN;
}
