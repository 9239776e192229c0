/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one server keeps for life: its signing key, its last seq, and whether its boot result was
 * told. Made at the first start, kept in the store (files of mode 0600 in a folder of mode 0700). A
 * clone gets its own because the store sets aside what was written under another server's UUID.
 */
#pragma once

#include "core/store.h"
#include "auth/message.h"

struct seqkey;
/** @status 0; -ETIMEDOUT or another -errno when the store could not be read: then the key is one
 * for this life only. */
typedef void seqkey_ready_fn(int status, void *ctx);
/** seqkey_new() - starts loading. @ready is called once, never from inside, at the latest after 10
 * s: signals do not wait for a frozen disk. A key that arrives later is taken over silently.
 * @server_uuid is copied. */
int seqkey_new(struct loop *loop, struct store *store, const char *server_uuid,
	       seqkey_ready_fn *ready, void *ctx, struct seqkey **ret) _must_check_;
/** seqkey_free() - wipes the key; the loop must not turn between this and store_free() */
struct seqkey *seqkey_free(struct seqkey *k);
/** seqkey_key() - borrowed; NULL before ready */
const struct signing_key *seqkey_key(const struct seqkey *k);
/** seqkey_next() - the seq for a signal built now; asks the store to keep it, ahead of the signal
 * itself (requests keep their order). */
int64_t seqkey_next(struct seqkey *k);
int64_t seqkey_last(const struct seqkey *k);
/** seqkey_boot_told() - was this server's boot result handed to the outbox in an earlier life? Ask
 * after ready, and ask outbox_holds() too: the agent may have been killed between the two. */
bool seqkey_boot_told(const struct seqkey *k);
/** seqkey_boot_known() - the store has said so, or that it does not know: ask again while it has
 * not */
bool seqkey_boot_known(const struct seqkey *k);
/** seqkey_set_boot_told() - call right after outbox_add(): on the store's queue the marker then
 * follows the spooled signal and precedes its removal. */
int seqkey_set_boot_told(struct seqkey *k, bool success) _must_check_;
/**
 * seqkey_give() - @text (base64 of the 32 secret bytes) signs instead of the key made here, which is
 * kept beside it
 *
 * Return: 0; -EBADMSG: it is no such key, and nothing changes.
 */
int seqkey_give(struct seqkey *k, const char *text) _must_check_;
/** seqkey_problem() - NULL, or one sentence: the key could not be read and is not kept */
const char *seqkey_problem(const struct seqkey *k);

/** seqkey_parse() - pure: the stored forms of key and seq (fuzzed with signal_load). 0 or -EBADMSG.
 */
int seqkey_parse_key(const char *p, size_t n, struct signing_key *ret) _must_check_;
int seqkey_parse_seq(const char *p, size_t n, int64_t *ret) _must_check_;
