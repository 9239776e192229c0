/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the store's client: shared by store.c (writing) and store_ask.c (reading). */
#pragma once

#include "core/backoff.h"
#include "core/store_file.h"
#include "core/store_log.h"

#define STORE_CALL_MS  10000
#define STORE_LIST_MAX (4u << 20)

struct store_waiter {
	struct store_waiter *next;
	uint64_t gen; /* told when this or a newer value is on disk */
	int64_t since;
	store_done_fn *fn;
	void *ctx;
};

struct store_entry { /* a value, or a deletion, that is not on disk yet */
	struct store_entry *next;
	char *name;
	char *value;
	size_t n;
	bool deleted;
	uint64_t gen;
	uint64_t round;               /* the round in which it was refused */
	struct store_waiter *waiters; /* oldest first */
};

enum store_request_kind {
	REQUEST_WRITE,
	REQUEST_BIND,
	REQUEST_GET,
	REQUEST_LIST,
	REQUEST_LOCAL,
	REQUEST_APPEND,
	REQUEST_READ,
	REQUEST_ASIDE
};

/* An open call or deferred answer. It may outlive the store, so it is not part of it. */
struct store_request {
	struct store_request *next;
	struct store *store; /* NULL: nobody wants the answer any more */
	enum store_request_kind kind;
	uint64_t gen;
	store_get_fn *fn;
	store_done_fn *done; /* REQUEST_APPEND */
	store_read_fn *read; /* REQUEST_READ */
	void *ctx;
	char *name;            /* of a reading; a prefix for REQUEST_LIST */
	uint64_t at, max;      /* REQUEST_READ */
	int64_t patient_until; /* boot ms: silence is no answer before */
	bool waits;            /* to be asked again */
	int status;            /* REQUEST_LOCAL: what to say */
	struct buf value;
};

struct store {
	struct loop *loop;
	struct link *link;
	struct loop_timer *retry; /* armed: nothing is sent, or refused entries wait */
	struct loop_timer *tell;  /* tells those that have waited long enough */
	struct loop_timer *local; /* answers that need no store process */
	struct loop_timer *again; /* asks for what met silence */
	struct store_entry *entries;
	struct store_request *requests;
	struct store_request *flight; /* the write under way, of flying */
	struct store_entry *flying;
	size_t n, bytes;
	uint64_t gen, round;
	bool stalled; /* the store does not answer: nothing is sent until retry */
	char *uuid;
	bool bind_due; /* this process has not heard whose state it is: nothing is written until it
			  has */
	struct backoff backoff;
	const char *problem;
	unsigned busy;
	bool freed;
};

struct store_request *store_request_new(struct store *s, enum store_request_kind kind);
void store_request_free(struct store_request *q);
int store_request_send(struct store *s, enum store_msg type, const char *name, int fd,
		       struct store_request *q);
int store_request_call(struct store *s, enum store_msg type, const struct msg_writer *w, int fd,
		       struct store_request *q);
/** store_reading_new() - @patient: silence is waited out. NULL: no memory. */
struct store_request *store_reading_new(struct store *s, enum store_request_kind kind,
					const char *name, bool patient);
/** store_reading_ask() - sends it, or answers from what is known here, but not from inside. Takes
 * @q. */
void store_reading_ask(struct store_request *q);
/** store_ask_again() - those that wait for it. */
void store_ask_again(struct loop *loop, void *ctx);
/** store_log_answered() - hands the answer to an append or a read over. */
void store_log_answered(struct store_request *q, int status, struct link_msg *msg);
/** store_answer_local() - gives one answer that needs no store process. May free the store. */
void store_answer_local(struct loop *loop, void *ctx);
struct store_entry *store_find_entry(const struct store *s, const char *name);
/** store_bind_done() - the answer to the bind that was sent over the link there is. */
void store_bind_done(struct store *s, int status);
/** store_write_done() - the answer to the write under way. May free the store. */
void store_write_done(struct store *s, uint64_t gen, int status);
