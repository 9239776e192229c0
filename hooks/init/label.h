/* SPDX-License-Identifier: Apache-2.0 */
/* SELinux labels as the policy wants them, where restorecon is installed. */
#pragma once

#include "core/env.h"

/** label_restore() - @path as the kernel sees it; @deep: everything below it too. Best effort:
 * where SELinux is off restorecon has nothing to do. */
void label_restore(const struct env *env, const char *path, bool deep);
