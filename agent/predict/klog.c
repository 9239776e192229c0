/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From lines to hits. A trace is one hit: what its lines match within 2 s of each other (60 lines
 * where the log has no times) belongs to it. A line that only announces ("cut here", "invoked
 * oom-killer") waits for the line that says what and whom, which then takes its place.
 */
#include "predict/klog.h"

#include <errno.h>
#include <string.h>

#include "predict/klog_private.h"
#include "sample/sample.h"

#define TRACE_US    (2 * 1000 * 1000)
#define TRACE_LINES 60
#define HOLD_LINES  400 /* an OOM report lists every task before it says which was killed */
#define QUEUE       8

struct klog {
	struct keywords *keywords;
	uint64_t line;
	int64_t now_us;
	/* the trace that is being printed */
	enum klog_class trace;
	char trace_entity[64];
	uint64_t trace_line;
	int64_t trace_us;
	bool holding;
	struct klog_hit held;
	struct klog_hit queue[QUEUE];
	size_t queued;
};

struct candidate {
	const char *p;
	size_t n;
	struct klog_hit *hit;
};

int klog_new(struct klog **ret)
{
	struct klog *k = calloc(1, sizeof(*k));
	int r = k ? keywords_new(klog_rules, klog_rules_n, &k->keywords) : -ENOMEM;

	if (r) {
		free(k);
		return r;
	}
	*ret = k;
	return 0;
}

struct klog *klog_free(struct klog *k)
{
	if (k)
		keywords_free(k->keywords);
	free(k);
	return NULL;
}

static bool fits(size_t row, void *ctx)
{
	struct candidate *c = ctx;

	return klog_match(&klog_rules[row], c->p, c->n, c->hit);
}

/* Out goes the oldest when nobody takes them. */
static void push(struct klog *k, const struct klog_hit *hit)
{
	struct klog_hit *to;

	if (k->queued == QUEUE)
		memmove(k->queue, k->queue + 1, --k->queued * sizeof(*k->queue));
	to = &k->queue[k->queued++];
	*to = *hit;
	if (hit->group[0])
		snprintf(to->evidence, sizeof(to->evidence), "in %s: %.*s", hit->group,
			 (int)(sizeof(to->evidence) - strlen("in : ") - 1 - strlen(hit->group)),
			 hit->evidence);
}

/* "oom-kill:constraint=C,...,task_memcg=/GROUP,task=NAME,...": the name, which the process chose, comes
 * last. */
static void find_group(struct klog_hit *hit, const char *text, size_t n)
{
	static const char head[] = "oom-kill:", key[] = ",task_memcg=/";
	const char *at = NULL, *end;

	hit->group[0] = '\0';
	if (n > sizeof(head) && !memcmp(text, head, sizeof(head) - 1))
		at = memmem(text, n, key, sizeof(key) - 1);
	if (!at)
		return;
	at += sizeof(key) - 2; /* with its slash */
	end = memchr(at, ',', n - (size_t)(at - text));
	if (end && end - at > 1)
		sample_escape(hit->group, sizeof(hit->group), at, (size_t)(end - at));
}

bool klog_take(struct klog *k, struct klog_hit *ret)
{
	if (!k->queued)
		return false;
	*ret = k->queue[0];
	memmove(k->queue, k->queue + 1, --k->queued * sizeof(*k->queue));
	return true;
}

static bool is_recent(const struct klog *k, uint64_t line, int64_t us, uint64_t lines)
{
	if (k->now_us != us || us > 0)
		return k->now_us - us <= TRACE_US && k->line - line <= 10 * lines;
	return k->line - line <= lines;
}

bool klog_holding(const struct klog *k)
{
	return k->holding;
}

static void release(struct klog *k)
{
	if (k->holding)
		push(k, &k->held);
	k->holding = false;
}

void klog_flush(struct klog *k, int64_t usec)
{
	if (usec < 0 || usec - k->held.usec >= TRACE_US)
		release(k);
}

static bool in_trace(const struct klog *k)
{
	return k->trace && is_recent(k, k->trace_line, k->trace_us, TRACE_LINES);
}

static void trace_goes_on(struct klog *k)
{
	k->trace_line = k->line;
	k->trace_us = k->now_us;
}

static bool belongs(const struct klog *k, const struct klog_hit *hit)
{
	if (!in_trace(k))
		return false;
	if (hit->class == k->trace)
		return klog_classes[hit->class].starts || !strcmp(hit->entity, "kernel") ||
		       !strcmp(hit->entity, k->trace_entity);
	return klog_classes[hit->class].starts;
}

static void begin_trace(struct klog *k, const struct klog_hit *hit)
{
	if (!klog_classes[hit->class].trace)
		return;
	k->trace = hit->class;
	memcpy(k->trace_entity, hit->entity, sizeof(k->trace_entity));
	trace_goes_on(k);
}

/* Whether @hit says what the held line announced. */
static bool completes(const struct klog_hit *held, const struct klog_hit *hit)
{
	return held->class == hit->class ||
	       (held->class == KLOG_WARNING && klog_classes[hit->class].starts);
}

static void judge(struct klog *k, struct klog_hit *hit, bool hold)
{
	if (k->holding && completes(&k->held, hit)) {
		hit->line = k->held.line;
		hit->usec = k->held.usec;
		if (!hit->group[0])
			memcpy(hit->group, k->held.group, sizeof(hit->group));
		k->holding = false;
	} else if (belongs(k, hit)) {
		trace_goes_on(k);
		return;
	} else {
		release(k);
	}
	begin_trace(k, hit);
	if (hold) {
		k->held = *hit;
		k->holding = true;
	} else {
		push(k, hit);
	}
}

void klog_feed(struct klog *k, const char *text, size_t n, int64_t usec)
{
	struct klog_hit hit;
	struct candidate c = {text, n, &hit};
	size_t row;

	k->line++;
	if (usec >= 0)
		k->now_us = usec;
	if (k->holding && !is_recent(k, k->held.line, k->held.usec, HOLD_LINES))
		release(k);
	row = keywords_scan(k->keywords, text, n, fits, &c);
	if (row == SIZE_MAX || (klog_rules[row].flags & KLOG_SILENT)) {
		if (k->trace && in_trace(k) && klog_is_trace(text, n))
			trace_goes_on(k);
		return;
	}
	hit.line = k->line;
	hit.usec = k->now_us;
	sample_escape(hit.evidence, sizeof(hit.evidence), text, n);
	find_group(&hit, text, n);
	judge(k, &hit, klog_rules[row].flags & KLOG_HOLD);
}
