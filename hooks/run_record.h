/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run on disk. ID.json says what is known of it (written whole, fsynced, renamed), ID.lock is
 * locked by the run's shepherd for as long as it lives. The two together tell a new runner whether
 * a run is running, has ended or was cut off. ID.lock also has reserved space for the bare result,
 * so that a disk that fills up during the run loses the output but not the fact that the run has
 * ended.
 */
#pragma once

#include "core/env.h"
#include "core/err.h"
#include "core/types.h"
#include "hooks/protocol.h"

#define RUN_ID_LEN     64          /* lower-case hex */
#define RUN_RECORD_MAX (32u << 20) /* the longest tail, every byte escaped */

struct run_record {
	char id[RUN_ID_LEN + 1];
	char *hook;
	pid_t shepherd;
	uint64_t
		shepherd_start; /* field 22 of /proc/PID/stat: pids are used again, pairs are not */
	pid_t leader;           /* the hook; 0 = not started yet */
	uint64_t leader_start;
	bool ended;
	struct run_result result; /* when ended */
};
void run_record_deinit(struct run_record *r);

bool run_id_valid(const char *id);
/** run_record_encode() - JSON text, new string or NULL. */
char *run_record_encode(const struct run_record *r);
/** run_record_decode() - -EBADMSG for anything that is not such a record. */
int run_record_decode(const char *p, size_t n, struct run_record *ret, struct err *e) _must_check_;

struct run_store {
	char dir[ENV_PATH_MAX];    /* records: root only */
	char values[ENV_PATH_MAX]; /* one folder per run with the value files */
};
/** run_store_init() - the two folders below @env, made when missing (0700 and 0711). */
int run_store_init(struct run_store *s, const struct env *env, struct err *e) _must_check_;
/** run_store_save() - @durable: with fsync; a record that only helps to clean up needs none. */
int run_store_save(const struct run_store *s, const struct run_record *r, bool durable,
		   struct err *e) _must_check_;
/** run_store_lock() - the run's lock, with space reserved. Return: descriptor, -EWOULDBLOCK while a
 * shepherd lives. */
int run_store_lock(const struct run_store *s, const char *id) _must_check_;
/** run_store_save_bare() - the result without output into the reserved space of the lock file @fd.
 */
int run_store_save_bare(int fd, const struct run_result *result) _must_check_;
/** run_store_mark_started() - where the record could not be written: that the run has begun, in the
 * reserved space. */
int run_store_mark_started(int fd) _must_check_;
/** run_store_state() - what is true of the run now; @ret gets the record when there is one (zeroed
 * otherwise). */
enum run_state run_store_state(const struct run_store *s, const char *id, struct run_record *ret);
void run_store_forget(const struct run_store *s, const char *id);
/** run_store_drop_values() - remove the run's value files. */
void run_store_drop_values(const struct run_store *s, const char *id);
/** run_store_sweep() - forget ended and cut-off runs older than @age_s. */
void run_store_sweep(const struct run_store *s, int64_t age_s, int64_t now_real_ms);

/** run_record_kill() - after a cut-off: what is left of the hook is killed, if it can be told for
 * sure. */
void run_record_kill(const struct run_record *r, const struct env *env);

/** process_start() - field 22 of /proc/@pid/stat, 0 when there is no such process. */
uint64_t process_start(pid_t pid);
