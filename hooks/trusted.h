/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command that metadata name, as a hook beside those of files: only where root-owned configuration has
 * trust-metadata = full, and asked again here, on the side that runs it.
 */
#pragma once

#include "hooks/config.h"

#define TRUSTED_HOOK "metadata.command"

struct trusted_hook {
	char *resource; /* whose metadata start it: the guest's own */
	char *command;  /* NULL: none */
	char *runas;    /* NULL: root */
};
void trusted_hook_deinit(struct trusted_hook *t);
bool trusted_hook_equal(const struct trusted_hook *a, const struct trusted_hook *b);
/** trusted_hook_add() - @t at the end of @set. Nothing without trust or command, or where a file has a hook of
 * that name. 0; -EINVAL: @t cannot be a hook, and why; -ENOMEM. */
int trusted_hook_add(const struct conf *conf, const struct trusted_hook *t, struct hookset *set,
		     struct err *e) _must_check_;
