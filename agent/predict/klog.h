/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel's log says about failures. One const table of rules (klog_rules.c); each record
 * is read once by a keyword automaton, whatever the number of rules, and only what it points at is
 * compared in full. The lines of one trace make one hit.
 */
#pragma once

#include "core/macro.h"
#include "core/types.h"

enum klog_class {
	KLOG_NONE,
	KLOG_OOM_KILL,
	KLOG_ALLOC_FAIL,
	KLOG_NET_MEM,
	KLOG_FD_LIMIT,
	KLOG_PID_LIMIT,
	KLOG_FS_ERROR,
	KLOG_FS_WARN,
	KLOG_FS_READONLY,
	KLOG_IO_ERROR,
	KLOG_IO_TIMEOUT,
	KLOG_THIN_POOL,
	KLOG_RAID,
	KLOG_HUNG_TASK,
	KLOG_LOCKUP,
	KLOG_RCU_STALL,
	KLOG_OOPS,
	KLOG_PANIC,
	KLOG_WARNING,
	KLOG_LOCKDEP,
	KLOG_SANITIZER,
	KLOG_MEM_LEAK,
	KLOG_HW_ERROR,
	KLOG_NETDEV,
	KLOG_APP_CRASH,
	KLOG_CLOCK,
	KLOG_CLASSES
};
enum klog_kind { KLOG_PRECURSOR, KLOG_FAILURE };

struct klog_class_info {
	const char *name;
	enum klog_kind kind;
	bool trace;  /* prints a trace: what follows within it belongs to it */
	bool starts; /* may be part of another's trace: it then makes no hit of its own */
	int quiet_s; /* clears when nothing of it was seen for so long; see also the failure class
		      */
};
extern const struct klog_class_info klog_classes[KLOG_CLASSES];

/*
 * One row. The pattern: '#' a number (decimal or hex), '*' anything, '@' the entity, '%' its pid,
 * '$' the character '#';
 * all else stands for itself. It begins with literal text, or with "@ " (the entity is what stands
 * before). Rows are tried in their order: what must stay silent first.
 */
enum klog_flag {
	KLOG_AT_START = 1, /* the line begins with it */
	KLOG_HOLD = 2,     /* waits for the line that says more */
	KLOG_SILENT = 4,   /* the line says nothing, whatever else is in it */
};
struct klog_rule {
	enum klog_class class;
	enum finding_level level;
	unsigned flags;
	const char *pattern;
	const char *unless; /* text whose presence in the line voids the row; may be NULL */
};
extern const struct klog_rule klog_rules[];
extern const size_t klog_rules_n;

struct klog_hit {
	enum klog_class class;
	enum finding_level level;
	char entity[64];    /* device, process[pid], CPU, function, or "kernel" */
	char evidence[160]; /* the line, escaped for display, cut; behind the control group, if one is told */
	char group[64];     /* of a killed process, escaped; "": none, or the root */
	int64_t usec;
	uint64_t line; /* how many lines had been fed, this one included, when it began */
};

struct klog;
/** klog_new() - the only allocation. Return: 0 or -ENOMEM. */
int klog_new(struct klog **ret) _must_check_;
struct klog *klog_free(struct klog *k);
DEFINE_CLEANUP(struct klog, klog_free)
/**
 * klog_feed() - one line of the kernel, without prefix, as kmsg_record.text has it (facility 0
 * only: the caller drops what programs wrote)
 * @usec: its time since boot; negative when unknown
 *
 * Then take the hits, if there are any: klog_take() until it answers false.
 */
void klog_feed(struct klog *k, const char *text, size_t n, int64_t usec);
/** klog_flush() - gives up waiting for the line that says more; with @usec, only when it came 2 s
 * before that; negative: now. */
void klog_flush(struct klog *k, int64_t usec);
/** klog_holding() - whether klog_flush() should be called 2 s later. */
bool klog_holding(const struct klog *k);
/** klog_take() - the next hit, in the order of the log. Return: false when there is none. */
bool klog_take(struct klog *k, struct klog_hit *ret);

/**
 * klog_strip() - takes the prefix of a console, a syslog file or a /dev/kmsg dump off a line
 * @usec: receives the time, untouched when the line has none
 *
 * Return: false when a program wrote the line (other facility or syslog tag), or it is the
 * dictionary of a record.
 */
bool klog_strip(const char **p, size_t *n, int64_t *usec);
/** klog_is_trace() - a line of registers, of a call trace, or of a table the kernel dumps. */
bool klog_is_trace(const char *p, size_t n);
/** klog_match() - whether the row's pattern is anywhere in the line; @ret receives class, level and
 * entity. */
bool klog_match(const struct klog_rule *rule, const char *p, size_t n, struct klog_hit *ret);
