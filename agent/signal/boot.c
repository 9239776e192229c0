/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to tell the boot result. Pure: no clock, no file. A hook that gave up is told at once, because nobody
 * gains from a stack that waits for its time-out; success waits until nothing critical was open for the whole
 * quiet time, counted from the agent's start, because a guest that has only been watched for a second was not
 * seen to be healthy.
 */
#include "signal/boot.h"
#include "core/text.h"

#include <string.h>

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* What still was missing when the time was up. */
static void say_what_is_missing(const struct boot_facts *f, int64_t timeout_ms, char *why, size_t n)
{
	long long s = (long long)(timeout_ms / 1000);

	if (!f->document_seen)
		snprintf(why, n, "no metadata after %lld s", s);
	else if (!f->hooks_idle)
		snprintf(why, n, "hooks of the first metadata have not ended after %lld s", s);
	else
		snprintf(why, n, "something critical was open until after %lld s", s);
}

static void say_hook_failed(const struct boot_facts *f, char *why, size_t n)
{
	if (f->hooks_failed > 1)
		snprintf(why, n, "%u hooks failed, among them %s", f->hooks_failed,
			 f->failed_hook ? f->failed_hook : "one without a name");
	else
		snprintf(why, n, "hook failed: %s", f->failed_hook ? f->failed_hook : "(no name)");
}

enum boot_verdict boot_judge(const struct boot_facts *f, int64_t quiet_ms, int64_t timeout_ms,
			     int64_t *next_ms, char *why, size_t why_n)
{
	int64_t quiet_left = later(f->started_boot_ms, f->critical_last_boot_ms) + quiet_ms - f->now_boot_ms;
	int64_t time_left = f->started_boot_ms + timeout_ms - f->now_boot_ms;

	*next_ms = 0;
	if (f->hooks_failed > 0) {
		say_hook_failed(f, why, why_n);
		return BOOT_FAILURE;
	}
	if (f->document_seen && f->hooks_idle && quiet_left <= 0) {
		snprintf(why, why_n, "metadata applied, hooks ended with 0, nothing critical for %lld s",
			 (long long)(quiet_ms / 1000));
		return BOOT_SUCCESS;
	}
	if (time_left <= 0) {
		say_what_is_missing(f, timeout_ms, why, why_n);
		return BOOT_FAILURE;
	}
	*next_ms = quiet_left > 0 && quiet_left < time_left ? quiet_left : time_left;
	text_print(why, why_n, "%s",
		   !f->document_seen ? "no metadata yet"
		   : !f->hooks_idle  ? "hooks are running"
				     : "watching for the quiet time");
	return BOOT_WAIT;
}
