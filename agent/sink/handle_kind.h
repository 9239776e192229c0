/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two kinds of wait condition handles and what each wants to read. OS::Heat handles take
 * lower-case keys, AWS ones exactly their four; a native POST in the wrong kind is answered 200 and
 * thrown away, so the kind once learned is kept in the store ("handles").
 */
#pragma once

#include "core/store.h"
#include "signal/signal.h"

enum handle_kind {
	HANDLE_UNKNOWN,
	HANDLE_HEAT, /* status, reason, data, id */
	HANDLE_AWS,  /* Status, Reason, Data, UniqueId: all of them */
};
enum handle_kind handle_other(enum handle_kind kind);
/** handle_body() - the JSON body of @s for a kind; @out is appended to. An action has one body for every
 * kind. 0 or -errno. */
int handle_body(enum handle_kind kind, const struct signal *s, struct buf *out) _must_check_;
/** handle_holds() - is this signal's content in a handle's metadata ({id: {...}})? @kind: in which
 * shape. */
bool handle_holds(const json_t *metadata, const struct signal *s, enum handle_kind *kind);

struct handle_kinds;
/** handle_kinds_new() - starts loading what was learned earlier; @store NULL: only memory. */
int handle_kinds_new(struct store *store, struct handle_kinds **ret) _must_check_;
/** handle_kinds_free() - the loop must not turn between this and store_free() */
struct handle_kinds *handle_kinds_free(struct handle_kinds *h);
/** @name: "<stack uuid>/<resource>" or a URL without query */
enum handle_kind handle_kinds_get(const struct handle_kinds *h, const char *name);
void handle_kinds_learn(struct handle_kinds *h, const char *name, enum handle_kind kind);
