/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that a command does by itself when no agent runs, with the same rooms: it opens privileged
 * files as its user may, and keeps nothing on disk.
 */
#pragma once

#include "auth/credentials.h"
#include "core/identity.h"
#include "signal/signal.h"

struct direct {
	const struct env *env;
	struct conf conf;
	struct problems problems;
	struct credentials_set creds;
	struct identity identity;
	struct privpath_names names;
	char *credential_file; /* as cfn-hup.conf names it */
};
/** direct_init() - configuration, credentials and identity as the agent would find them. */
int direct_init(struct direct *d, const struct env *env, struct err *e) _must_check_;
void direct_deinit(struct direct *d);
/** direct_open() - opens a row of the privileged paths by itself; @ctx is the struct direct. */
int direct_open(int privpath, void *ctx);

/** direct_signal() - send one signal (the control request's members) and wait for the answer.
 * @ret_answer as the agent would answer. */
int direct_signal(const struct env *env, const json_t *request, json_t **ret_answer,
		  struct err *e) _must_check_;
/** direct_send() - the same for a signal that is built already; one try. -EREMOTEIO with the reason in @e. */
int direct_send(const struct env *env, const struct signal *signal, struct err *e) _must_check_;
