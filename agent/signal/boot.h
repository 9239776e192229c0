/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to tell the boot result. Pure state machine: facts in, verdict out. SUCCESS when the first
 * document's hooks ended with 0 and nothing critical was open for the quiet time; FAILURE when a
 * hook gave up or the boot timeout passed.
 */
#pragma once

#include "core/macro.h"
#include <stdbool.h>

struct boot_facts {
	int64_t now_boot_ms;
	int64_t started_boot_ms; /* of the agent's first start in this boot */
	bool document_seen;
	bool hooks_idle;               /* and the first document was offered to them */
	unsigned hooks_failed;         /* gave up */
	const char *failed_hook;       /* name of one, or NULL */
	int64_t critical_last_boot_ms; /* last time something critical was open; -1 = never */
};
enum boot_verdict { BOOT_WAIT, BOOT_SUCCESS, BOOT_FAILURE };
/** boot_judge() - @next_ms: in how long to ask again at the latest; @why: reason text for the
 * signal. */
enum boot_verdict boot_judge(const struct boot_facts *f, int64_t quiet_ms, int64_t timeout_ms,
			     int64_t *next_ms, char *why, size_t why_n);
