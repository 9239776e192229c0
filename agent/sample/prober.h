/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions that need rights or may hang, and where they are answered. A question is a kind and a
 * path; an answer is a fixed number of numbers. The work is done by a worker process of its own for
 * each question, as a statvfs(2) on a dead mount sleeps where no signal reaches it: the worker is
 * left there and everybody else goes on.
 *
 * prober.c: the client, which hands questions to the prober role, or to a pool in this process
 * where there is none. prober_pool.c: workers with a deadline. prober_role.c: the role, a pool
 * behind a link. prober_work.c: the table of kinds, what a worker does.
 */
#pragma once

#include "core/link.h"

#define PROBER_DEADLINE_MS 2000
#define PROBER_PATH_MAX	   256
#define PROBER_NUMBERS	   8

enum prober_kind {
	PROBER_STATVFS,	 /* path: of a mount */
	PROBER_FD_COUNT, /* path: a pid in decimal */
	PROBER_PROC_IO,	 /* path: a pid in decimal */
	PROBER_FILE,	 /* path: of any file; attributes only, never content */
	PROBER_PROCESSES,  /* path: pids in decimal, comma between; sums */
	PROBER_WCHAN,	   /* path: a pid in decimal */
	PROBER_FD_LARGEST, /* path: "-" */
	PROBER_PSTORE,	   /* path: "-" */
	PROBER_DISK_SERIAL, /* path: a block device's name */
	PROBER_HYPERV_BALLOON, /* path: "-" */
	PROBER_KINDS
};
struct prober_answer {
	uint64_t n[PROBER_NUMBERS]; /* by kind: */
};
enum prober_statvfs {
	STATVFS_UNIT,
	STATVFS_BLOCKS,
	STATVFS_FREE,
	STATVFS_AVAILABLE,
	STATVFS_FILES,
	STATVFS_FILES_FREE,
	STATVFS_READONLY
};
enum prober_fd_count { FD_COUNT_OPEN };
enum prober_proc_io {
	PROC_IO_READ_CHARS,
	PROC_IO_WRITE_CHARS,
	PROC_IO_READS,
	PROC_IO_WRITES,
	PROC_IO_READ_BYTES,
	PROC_IO_WRITE_BYTES,
	PROC_IO_CANCELLED_BYTES
};
enum prober_file {
	FILE_MODE,
	FILE_UID,
	FILE_GID,
	FILE_SIZE,
	FILE_MTIME_S,
	FILE_LINKS,
	FILE_BLOCKS
};

enum prober_processes {
	PROCESSES_FOUND, /* of the pids asked for */
	PROCESSES_FDS,
	PROCESSES_READS,
	PROCESSES_WRITES,
	PROCESSES_READ_BYTES,
	PROCESSES_WRITE_BYTES
};
/* PROBER_WCHAN: all numbers together are the bytes of a symbol's name and NUL */
/* PROBER_FD_LARGEST: each pid << 32 | open descriptors, 0 = none; in no order */
enum prober_pstore { PSTORE_RECORDS, PSTORE_PANICS, PSTORE_OOPSES, PSTORE_NEWEST_S };

/* PROBER_DISK_SERIAL: all numbers together are bytes of text and NUL */
enum prober_hyperv_balloon {
	HYPERV_BALLOON_BYTES,
	HYPERV_ADDED_BYTES,
	HYPERV_ONLINED_BYTES,
	HYPERV_COMMITTED_BYTES,
	HYPERV_MAX_BYTES
};

/* ---- prober_work.c ---- */
struct prober_kind_info {
	const char *name;
	/* decides before anything is done with it; NULL: nothing of this kind is legal */
	bool (*legal)(const char *path);
	int (*work)(const struct env *env, const char *path,
		    struct prober_answer *ret); /* in the worker; 0 or -errno */
};
extern const struct prober_kind_info prober_kinds[PROBER_KINDS];

/**
 * prober_done_fn - @status 0 with @answer; else @answer is NULL: -ETIMEDOUT did not answer within
 * the deadline, -EBUSY an earlier worker is still stuck there (not asked again), -ENOLINK nobody to
 * ask, -ECONNRESET the prober went away, or the -errno of the work.
 */
typedef void prober_done_fn(int status, const struct prober_answer *answer, void *ctx);

/* ---- prober_pool.c ---- */
#define PROBER_WORKERS_MAX 32
struct prober_pool;
/** prober_pool_new() - @kinds: PROBER_KINDS rows, borrowed; prober_kinds outside tests. */
int prober_pool_new(struct loop *loop, const struct prober_kind_info *kinds, int64_t deadline_ms,
		    struct prober_pool **ret) _must_check_;
/** prober_pool_ask() - @done exactly once, never from inside, unless -errno is returned: -EINVAL
 * question not legal, -EBUSY one is at that path already, -EAGAIN all workers taken. */
int prober_pool_ask(struct prober_pool *p, uint32_t kind, const char *path, prober_done_fn *done,
		    void *ctx) _must_check_;
unsigned prober_pool_stuck(const struct prober_pool *p);
/** prober_pool_free() - open questions are dropped without answer; workers are killed. */
struct prober_pool *prober_pool_free(struct prober_pool *p);

/* ---- prober.c ---- */
struct prober;
int prober_new(struct loop *loop, struct prober **ret) _must_check_;
struct prober *prober_free(struct prober *p); /* open questions are dropped without answer */
/** prober_set_link() - NULL or another link: the old one calls back no more (it is freed, or has
 * closed), and questions open on it end with -ECONNRESET. */
void prober_set_link(struct prober *p, struct link *link);
/** prober_allow_local() - without a link, ask workers of this process: for commands; the agent role
 * may not fork. */
int prober_allow_local(struct prober *p) _must_check_;
/** prober_ask() - @done exactly once, never from inside, unless -errno is returned. */
int prober_ask(struct prober *p, enum prober_kind kind, const char *path, prober_done_fn *done,
	       void *ctx) _must_check_;

/* ---- prober_role.c ---- */
#define PROBER_MSG_ASK 1 /* u32 kind, str path; answered with PROBER_NUMBERS times u64 */
/** prober_serve() - as prober_role_run(), with a table of kinds and a deadline that a test can
 * choose. */
int prober_serve(const struct env *env, int link_fd, const struct prober_kind_info *kinds,
		 int64_t deadline_ms);
