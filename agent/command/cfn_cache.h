/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata that are on this machine already. It only reads: the old tools overwrote last_metadata
 * and so swallowed cfn-hup's next event. */
#pragma once

#include <jansson.h>
#include "core/env.h"

/** cfn_cache_read() - newest first: what the agent fetched, what an older tool left, what Heat gave
 * at boot
 * @resource: NULL: this guest's own. @command: its name, for what is said on stderr of a broken
 * file.
 *
 * New reference or NULL. */
json_t *cfn_cache_read(const struct env *env, const char *command, const char *resource);
