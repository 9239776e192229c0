/* SPDX-License-Identifier: Apache-2.0 */
/* Builds with sanitizers: a violation is written to the kernel's audit log and goes on. */
#include "core/sandbox_rules.h"

uint32_t sandbox_violation(void)
{
	return SCMP_ACT_LOG;
}
