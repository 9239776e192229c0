/* SPDX-License-Identifier: Apache-2.0 */
/* Names, paths and files of stored entries: for the store's own sources alone. */
#pragma once

#include "core/env.h"
#include "core/store.h"

#define STORE_HEADER_MAX 256
#define STORE_PATH_MAX   (ENV_PATH_MAX + STORE_NAME_MAX + 2)
#define STORE_ASIDE      "set-aside"
#define STORE_ASIDE_MAX  64 /* files kept there; the oldest go first */

/** store_name_valid() - see STORE_NAME_MAX; no part starts with a dot and none is set-aside. */
bool store_name_valid(const char *name);
bool store_uuid_valid(const char *uuid);
/** store_path() - -ENAMETOOLONG when it does not fit. */
int store_path(const char *dir, const char *name, char out[static STORE_PATH_MAX]) _must_check_;
/** store_file_head() - judges the header line alone (the sum is not looked at). As
 * store_file_decode(). */
ssize_t store_file_head(const char *p, size_t n, const char *server_uuid) _must_check_;
/** store_set_aside() - moves an entry out of the way. Never fails loudly: a file that stays is
 * judged again next time. */
void store_set_aside(const char *dir, const char *name, int64_t real_ms);
/** store_sync_folder_of() - what was made or removed beside @path survives a power cut from then
 * on. */
int store_sync_folder_of(const char *path) _must_check_;
/** store_make_folder_of() - the folder that @path is in, if it is absent, and on disk; its own must
 * exist. */
int store_make_folder_of(const char *path) _must_check_;
/** store_list_names() - all names that start with @prefix, sorted, a newline after each. */
int store_list_names(const char *dir, const char *prefix, struct buf *out) _must_check_;
