/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State on disk: named entries, each one file below a folder, each written whole (new, fsync,
 * rename, fsync of the folder). The store role serves them, so that a frozen disk blocks it and not
 * the agent. Each file starts with one header line `heat-pulse-state <version> <server uuid>
 * <sha256>\n`; a newer version, another server's UUID (a clone) or a wrong sum is moved to
 * set-aside/ and reported, never half-read.
 */
#pragma once

#include "core/link.h"
#include "core/types.h"

#define STORE_DIR       "/var/lib/heat-pulse/state"
#define STORE_NAME_MAX  128 /* [A-Za-z0-9._-]+ and one optional folder level "a/b" */
#define STORE_ENTRY_MAX (16u << 20)

#define STORE_PATIENCE_MS 60000 /* a disk that stands still longer is no reason to do nothing */

enum store_msg {
	STORE_PUT = 100,
	STORE_GET,
	STORE_DELETE,
	STORE_LIST,
	STORE_BIND,
	STORE_APPEND, /* this one and those below: core/store_log.h */
	STORE_READ,
	STORE_SET_ASIDE,
	STORE_EXPORT
};

/** store_role_run() - the store role: serve @link_fd (taken) over @dir (as the kernel sees it; it
 * must exist) until it closes. SIGTERM is ignored: what the agent still sends while it ends is to
 * be written. Return: exit code. */
int store_role_run(const struct env *env, int link_fd, const char *dir);

/** store_role_run_exporting() - as above; @export_path: the one file outside @dir that the agent may
 * have replaced (store_export()), as the kernel sees it, or NULL. */
int store_role_run_exporting(const struct env *env, int link_fd, const char *dir,
			     const char *export_path);

/* Client side: asynchronous, over a link owned by the caller. */
typedef void store_done_fn(int status, void *ctx);
typedef void store_get_fn(int status, const char *p, size_t n, void *ctx);
struct store;
int store_new(struct loop *loop, struct store **ret) _must_check_;
struct store *store_free(struct store *s);
/** store_bind() - whose state this is; said again to each new store process. Nothing is written
 * before it. */
int store_bind(struct store *s, const char *server_uuid) _must_check_;
/** store_set_link() - a new store process; NULL while there is none. Unacknowledged puts are sent
 * again. Say NULL before freeing a link that has not closed. */
void store_set_link(struct store *s, struct link *link);
/** store_put() - newest value per name wins; @fn once it is on disk (0) or refused (-ENOSPC,
 * -EROFS…). Copies. While no store answers the value is kept in memory and retried with backoff:
 * store_problem() tells. A put replaced by a newer one of the same name is answered with it; one
 * that no store has taken for 10 s gets -ENOTCONN or -ETIMEDOUT (and stays in memory). */
int store_put(struct store *s, const char *name, const void *p, size_t n, store_done_fn *fn,
	      void *ctx) _must_check_;
int store_delete(struct store *s, const char *name) _must_check_;
/** store_get() - sees unacknowledged puts. -ENOENT absent, -ESTALE set aside. @fn is never called
 * from inside. */
int store_get(struct store *s, const char *name, store_get_fn *fn, void *ctx) _must_check_;
/** store_list() - names below @prefix, newline separated, in C order. */
int store_list(struct store *s, const char *prefix, store_get_fn *fn, void *ctx) _must_check_;
/** store_get_patient() - for what an earlier life left: silence (store_is_silent()) is no answer
 * before it has lasted for STORE_PATIENCE_MS; until then it is asked again. */
int store_get_patient(struct store *s, const char *name, store_get_fn *fn, void *ctx) _must_check_;
int store_list_patient(struct store *s, const char *prefix, store_get_fn *fn,
		       void *ctx) _must_check_;
/** store_is_silent() - this status is no word about an entry: nobody answered, or there was no room
 * to ask. What was to be read may be there all the same. */
bool store_is_silent(int status);
/** store_problem() - NULL, or one sentence ("state disk full; state is kept in memory only"). */
const char *store_problem(const struct store *s);
/** store_is_full() - the last write failed for want of room: what can be spared should go. */
bool store_is_full(const struct store *s);
size_t store_pending(const struct store *s); /* puts not yet on disk */
/** store_finish() - before an end, when no loop runs any more: all that is not on disk yet,
 * requests that wait for the socket too, is handed to the store process, which writes it before it
 * ends. Blocks at most @timeout_ms. Return: 0, or -errno when not all was taken. */
int store_finish(struct store *s, int64_t timeout_ms) _must_check_;
/** Before the loop: as above, blocking at most @timeout_ms. */
int store_get_wait(struct link *link, const char *name, int64_t timeout_ms,
		   struct buf *out) _must_check_;
int store_bind_wait(struct link *link, const char *server_uuid, int64_t timeout_ms) _must_check_;

/* Direct access for commands run by hand while no agent serves (same format, same checks; @dir as
 * the kernel sees it). Reading moves nothing: -ESTALE with the reason in @e. Root writes as the
 * owner of @dir. */
int store_file_read(const struct env *env, const char *dir, const char *name,
		    const char *server_uuid, struct buf *out, struct err *e) _must_check_;
int store_file_write(const struct env *env, const char *dir, const char *name,
		     const char *server_uuid, const void *p, size_t n, struct err *e) _must_check_;
/** store_file_decode() - pure: header check (fuzzed). @server_uuid NULL = any. Return offset of the
 * content or -EPROTO, -ESTALE, -EBADMSG. */
ssize_t store_file_decode(const char *p, size_t n, const char *server_uuid) _must_check_;
