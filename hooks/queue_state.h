/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of one hook between starts: the last accepted value, and what is to be run and has
 * not ended well yet. Pure: the form on disk and the ids of runs. The store keeps it, the queue
 * changes it.
 */
#pragma once

#include "core/err.h"
#include "core/types.h"
#include "hooks/run_record.h"

#define PENDING_MAX 64 /* of one hook: one value, and events of services or findings */

enum pending_phase {
	PENDING_UNRESOLVED, /* from disk, or the runner went away: it must be asked first */
	PENDING_READY,
	PENDING_ASKED, /* a question or a run is on its way */
};

/* One run that is owed. */
struct pending {
	struct pending *next;
	uint64_t seq; /* order over all hooks; never used twice */
	unsigned trigger;
	char *service;        /* of a service event; NULL = a value */
	json_t *value; /* the value when it is accepted, NULL = absent; or the finding */
	unsigned attempt;     /* from 1 */
	bool again;           /* this attempt was cut off once already */
	int64_t next_real_ms; /* not before */
	/* not on disk: */
	enum pending_phase phase;
	uint64_t gen;     /* must be on disk (or refused by it) before it runs */
	int64_t due_ms;   /* boot time: may run from then on */
	int64_t ask_ms;   /* boot time: the runner may be asked again from then on */
	bool held;        /* the kill switch refused it */
	bool failed_here; /* in this process: one pass does not try twice */
};

/* A run whose record at the runner is not needed any more. On disk too, so that a crash leaves no
 * record behind. */
#define FORGETS_MAX 16
struct forget {
	char id[RUN_ID_LEN + 1];
	uint64_t gen; /* not on disk: from this state on */
};

struct hook_state {
	char *hook, *path;
	bool known;
	json_t *accepted; /* NULL = absent */
	uint64_t seq;     /* highest so far */
	char gave_up[65]; /* digest of the value that was given up on, or "" */
	struct pending *list;
	struct forget forgets[FORGETS_MAX];
	size_t n_forgets;
};
void hook_state_deinit(struct hook_state *s);
/** hook_state_name() - the store entry for a hook: its name and path are its identity. */
int hook_state_name(const char *hook, const char *path, char out[static 64]) _must_check_;
/** hook_state_encode() - new string or NULL. */
char *hook_state_encode(const struct hook_state *s);
/** hook_state_decode() - strict; -EBADMSG with the reason. Every pending run is PENDING_UNRESOLVED.
 */
int hook_state_decode(const char *p, size_t n, struct hook_state *ret, struct err *e) _must_check_;
/** hook_state_digest() - of a value, key order irrelevant; "-" for NULL. -ENOMEM. */
int hook_state_digest(const json_t *value, char out[static 65]) _must_check_;
/** hook_state_run_id() - one id for hook, path, what is owed and which try it is. */
int hook_state_run_id(const struct hook_state *s, const struct pending *p,
		      char out[static RUN_ID_LEN + 1]) _must_check_;

struct pending *pending_new(unsigned trigger, json_t *value,
			    const char *service); /* borrows @value */
/** pending_is_event() - of a service or a finding: no value is accepted by it. */
bool pending_is_event(const struct pending *p);
struct pending *pending_free(struct pending *p);
void hook_state_add(struct hook_state *s, struct pending *p);  /* takes @p; at the end */
void hook_state_drop(struct hook_state *s, struct pending *p); /* frees @p */
/** hook_state_value() - the owed value run, or NULL. */
struct pending *hook_state_value(const struct hook_state *s);
/** hook_state_accept() - @value (borrowed, NULL = absent) is the accepted one from now on. */
void hook_state_accept(struct hook_state *s, json_t *value);
