/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EC2 keys that a guest with only Keystone credentials makes for itself, once, so that it can use
 * the synchronous PUT. Kept in the store ("ec2-keys", 0600); forgotten, and deleted at Keystone,
 * when refused.
 */
#pragma once

#include "core/http.h"
#include "core/store.h"

struct minted;
/** @status 0: minted_keys() has them; -EAGAIN: not now; -EACCES…: refused */
typedef void minted_fn(int status, const char *why, void *ctx);
struct minted_ask {
	const char *auth_url, *token, *user_id, *project_id;
	bool insecure;
	int64_t timeout_ms;
};
int minted_new(struct loop *loop, struct http *http, struct store *store,
	       struct minted **ret) _must_check_; /* starts loading */
struct minted *minted_free(struct minted *m);
/** minted_keys() - Return: true and borrowed keys, if there are any of this user in this project.
 */
bool minted_keys(const struct minted *m, const char *user_id, const char *project_id,
		 const char **access, const char **secret);
/** minted_make() - ask Keystone for keys; at most once an hour, and not before the store has said
 * that there are none. @fn once, never from inside. Return: 0; -EAGAIN when it is not the time. */
int minted_make(struct minted *m, const struct minted_ask *ask, minted_fn *fn,
		void *ctx) _must_check_;
/** minted_proved() - Heat took a signature made with them. */
void minted_proved(struct minted *m);
/** minted_refused() - Heat refuses them while the same user's token works. Keys that worked once
 * were deleted by somebody: forget them here, in the store and (best effort) at Keystone. Keys that
 * never worked are kept: Heat takes no keys at all here, and new ones would not help. */
void minted_refused(struct minted *m, const struct minted_ask *ask);
/** minted_base_url() - "{auth_url}/v3" whatever ending the URL has. */
int minted_base_url(const char *auth_url, struct buf *out);
