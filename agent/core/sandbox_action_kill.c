/* SPDX-License-Identifier: Apache-2.0 */
/* Ordinary builds: a role that asks for what it may not have ends at once (SIGSYS), all threads of
 * it. */
#include "core/sandbox_rules.h"

uint32_t sandbox_violation(void)
{
	return SCMP_ACT_KILL_PROCESS;
}
