/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs in the state folder: files that grow at the end, for what is too much to be written whole
 * each time. The store role does the work; the agent says where a piece goes. A piece at offset @at
 * cuts away whatever the file holds from there on, so the same request sent twice, or after a
 * half-written one, ends the same. Each file starts with one line `heat-pulse-log <version> <server
 * uuid>\n` that offsets do not count. What the pieces are, and whether they are whole, is the
 * caller's business.
 */
#pragma once

#include "core/store.h"

#define STORE_LOG_PIECE_MAX (1u << 20)
#define STORE_LOG_MAX       (16u << 20)

/** store_append() - (@p, @n) at offset @at of the log @name, made if @at is 0; @fn once it is
 * synced to disk (0) or refused (-ENOSPC…; -ESTALE: there is no such offset). An empty piece only
 * cuts. Copies. @fn is never called from inside and may be NULL. Return: 0, -ENOTCONN while no
 * store process serves, -errno. */
int store_append(struct store *s, const char *name, uint64_t at, const void *p, size_t n,
		 store_done_fn *fn, void *ctx) _must_check_;
/** @size: of the whole log; (@p, @n): what was read, less than asked for at its end */
typedef void store_read_fn(int status, const char *p, size_t n, uint64_t size, void *ctx);
/** store_read() - up to @max bytes from @at; 0 asks for the size alone. -ENOENT absent; -ESTALE
 * another server's, a newer version's or no log, moved aside. */
int store_read(struct store *s, const char *name, uint64_t at, size_t max, store_read_fn *fn,
	       void *ctx) _must_check_;
/** store_read_patient() - what store_get_patient() is to store_get(). */
int store_read_patient(struct store *s, const char *name, uint64_t at, size_t max,
		       store_read_fn *fn, void *ctx) _must_check_;
/** store_aside() - move an entry to set-aside/; nobody waits for it. */
int store_aside(struct store *s, const char *name) _must_check_;

/** store_export() - replaces the file that the store was given at its start (0644, by a rename).
 * -ENOENT answered when it was given none. As store_append() else. */
int store_export(struct store *s, const void *p, size_t n, store_done_fn *fn,
		 void *ctx) _must_check_;

/* The role's side, as the kernel sees @dir. */
/** store_log_head() - length of the first line; -ESTALE another server's (@uuid NULL = any),
 * -EPROTO newer, -EBADMSG no log. Pure (fuzzed). */
ssize_t store_log_head(const char *p, size_t n, const char *uuid) _must_check_;
int store_log_append(const char *dir, const char *name, const char *uuid, uint64_t at,
		     const void *p, size_t n) _must_check_;
/** store_log_read() - appends to @out. */
int store_log_read(const char *dir, const char *name, const char *uuid, uint64_t at, size_t max,
		   struct buf *out, uint64_t *ret_size) _must_check_;
