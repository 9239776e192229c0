/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the action is signalled: the workflow or scaling policy that heals or relieves this guest.
 * What it does cannot be taken back, so each finding asks for it once: again only after it ended
 * and came back, or in another boot; with a pause between two and at most so many a day, whatever
 * the findings do. Pure but for the memory of what was told, which its owner keeps on disk.
 */
#pragma once

#include "core/buf.h"
#include "core/types.h"

#define ACTION_TOLD_MAX 128 /* as many as findings can be open */
#define ACTION_DAY_MAX  100

struct action_told {
	char class_name[32];
	char entity[64];
};
struct action {
	char boot_id[40]; /* whose findings told[] are; of another boot they count for nothing */
	struct action_told told[ACTION_TOLD_MAX]; /* the rows of a signal are marked together */
	size_t n_told;
	int64_t at_ms[ACTION_DAY_MAX]; /* wall clock of the last signals, oldest first; all boots */
	size_t n_at;
};

struct action_facts {
	const char *boot_id;
	int64_t uptime_ms, real_ms;
	bool clock_wrong; /* real_ms is known not to be the time, as before the first word of a time
			     server */
	double threshold;        /* 0..1 */
	int64_t least_uptime_ms; /* a guest that has just started is not healed */
	int64_t pause_ms;        /* between two actions */
	int64_t most_a_day;      /* 1..ACTION_DAY_MAX */
	const struct finding *open;
	size_t n_open;
	bool in_progress; /* the stack works on this server: Heat would refuse, or heal a guest in
			     the making */
};
enum action_verdict {
	ACTION_NONE, /* nothing to tell */
	ACTION_WAIT, /* something, but not yet: ask again after @ret->wait_ms, or when facts change
		      */
	ACTION_TELL,
};
struct action_choice {
	const struct finding *finding; /* of facts->open: the one that weighs most */
	double risk;                   /* of all that was not told */
	int64_t wait_ms;               /* -1: until facts change */
	const char *why;               /* static: what is waited for */
};
/**
 * action_judge() - what is to be done now
 *
 * The risk that counts is that of the open findings for which no action was signalled in this boot,
 * by the formula of the host's risk: what was acted on is no reason to act again. Findings that
 * ended are forgotten in @a. @ret is set whatever the verdict.
 */
enum action_verdict action_judge(struct action *a, const struct action_facts *f,
				 struct action_choice *ret);
/** action_note() - it was signalled: all that is open now is told with it. */
void action_note(struct action *a, const struct action_facts *f);
/** action_undo() - it was withdrawn before it was told: its finding may ask again, and its time
 * does not count. */
void action_undo(struct action *a, const char *class_name, const char *entity);
/** action_merge() - what an earlier life told, read after this one began: its times count here, and
 * of the same boot its findings. */
void action_merge(struct action *a, const struct action *earlier);
bool action_knows(const struct action *a, const char *class_name, const char *entity);

/** action_save() - one JSON object with "v":1. 0 or -errno. */
int action_save(const struct action *a, struct buf *out) _must_check_;
/** action_load() - Return: 0; -EBADMSG, -EPROTONOSUPPORT for a newer form; @ret is empty then. */
int action_load(const char *p, size_t n, struct action *ret) _must_check_;
