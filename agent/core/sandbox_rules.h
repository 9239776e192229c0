/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls of each role: for sandbox.c alone. */
#pragma once

#include <seccomp.h>
#include "core/sandbox.h"

/** sandbox_violation() - what the kernel does to a process that breaks its filter; one file per
 * kind of build. */
uint32_t sandbox_violation(void);
/** sandbox_add_rules() - the row of @role. Return: 0 or -errno of libseccomp. */
int sandbox_add_rules(scmp_filter_ctx filter, enum sandbox_role role) _must_check_;
