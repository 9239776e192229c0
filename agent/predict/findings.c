/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table of slots: pending (seen, not often enough), open, or closed and remembered so that what
 * comes back within the hour is not told twice. Decides nothing about what is bad: see failure.c
 * for the rules and forecast_rules.c, klog_rules.c for those who observe.
 */
#include "predict/findings_private.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/wide.h"
#include "sample/sample.h"

#define DAY_MS     (24 * FINDINGS_HOUR_MS)
#define FULL       0.97
#define MISSING_MS (5 * 60 * 1000)

int findings_new(unsigned budget_a_day, struct findings **ret)
{
	struct findings *f = wide_new(sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->budget = budget_a_day ? budget_a_day : FINDINGS_BUDGET;
	f->day_ms = NEVER_MS;
	findings_limits(f, FINDINGS_CRITICAL_ETA_S, INFINITY);
	*ret = f;
	return 0;
}

struct findings *findings_free(struct findings *f)
{
	return wide_free(f);
}

/* SLOTS: nowhere. */
static size_t place_of(const struct findings *f, enum failure_class class, const char *entity)
{
	size_t i = 0;

	while (i < SLOTS && (f->slots[i].state == SLOT_FREE || f->slots[i].class != class ||
			     strncmp(f->slots[i].finding.entity, entity,
				     sizeof(f->slots[i].finding.entity) - 1) != 0))
		i++;
	return i;
}

static struct slot *find(struct findings *f, enum failure_class class, const char *entity)
{
	size_t i = place_of(f, class, entity);

	return i < SLOTS ? &f->slots[i] : NULL;
}

/* What can be given up for a new slot: nothing, then the oldest that is not open, then the least.
 */
static struct slot *room(struct findings *f)
{
	struct slot *best = &f->slots[0];

	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &f->slots[i];
		int better = (int)slot_weight(best) - (int)slot_weight(s);

		if (better > 0 || (!better && s->last_bad_ms < best->last_bad_ms))
			best = s;
	}
	return best;
}

struct slot *findings_slot(struct findings *f, enum failure_class class, const char *entity)
{
	struct slot *s = find(f, class, entity);

	if (s)
		return s;
	s = room(f);
	*s = (struct slot){.state = SLOT_PENDING,
			   .class = class,
			   .told_ms = NEVER_MS,
			   .told_level = -1,
			   .quiet_s = failures[class].quiet_s};
	snprintf(s->finding.class_name, sizeof(s->finding.class_name), "%s", failures[class].name);
	snprintf(s->finding.entity, sizeof(s->finding.entity), "%s", entity);
	return s;
}

/* ---- news ---- */

static struct findings_news *push(struct findings *f)
{
	if (f->queued == QUEUE)
		memmove(f->queue, f->queue + 1, --f->queued * sizeof(f->queue[0]));
	return &f->queue[f->queued++];
}

bool findings_take(struct findings *f, struct findings_news *ret)
{
	if (!f->queued)
		return false;
	*ret = f->queue[0];
	memmove(f->queue, f->queue + 1, --f->queued * sizeof(f->queue[0]));
	return true;
}

bool findings_is_day(const struct findings *f, int64_t now_ms)
{
	return now_ms - f->day_ms < DAY_MS;
}

/* Whether one more may be told today; says so once when not. A day begins with the first that is
 * told: a clock that is set can move it, but makes no new one. */
static bool affordable(struct findings *f, int64_t now_ms, enum finding_level level)
{
	struct findings_news *n;

	if (!findings_is_day(f, now_ms)) {
		f->day_ms = now_ms;
		f->told_today = f->untold_today = 0;
	}
	if (f->told_today < (level == FINDING_CRITICAL ? 2 * f->budget : f->budget)) {
		f->told_today++;
		return true;
	}
	if (f->untold_today++)
		return false;
	n = push(f);
	*n = (struct findings_news){.event = FINDINGS_SUMMARY, .class = FAILURE_CLASSES};
	n->finding.level = FINDING_WARNING;
	n->finding.eta_s = -1;
	n->finding.since_real_ms = now_ms;
	snprintf(n->finding.evidence, sizeof(n->finding.evidence),
		 "%u findings told within a day, %zu open: more until it is over are in the status "
		 "only",
		 f->told_today, findings_count(f));
	return false;
}

static void tell(struct findings *f, struct slot *s, int64_t now_ms, enum findings_event event)
{
	if (event != FINDINGS_CLOSED && !affordable(f, now_ms, s->finding.level))
		return;
	s->told_ms = now_ms;
	s->told_level = (int)s->finding.level;
	*push(f) = (struct findings_news){.event = event, .class = s->class, .finding = s->finding};
}

bool findings_told_lately(const struct slot *s, int64_t now_ms)
{
	return s->told_level >= 0 && s->told_ms > now_ms - FINDINGS_HOUR_MS;
}

/* Opened or raised: told at once, unless it was told within the hour at this level or above. */
static void tell_change(struct findings *f, struct slot *s, int64_t now_ms,
			enum findings_event event)
{
	bool lately = findings_told_lately(s, now_ms) && s->told_level >= (int)s->finding.level;

	if (!lately)
		tell(f, s, now_ms, event);
}

/* ---- observations ---- */

static bool enough(struct slot *s, int64_t now_ms)
{
	const struct failure_info *info = &failures[s->class];
	unsigned of_last = (1u << info->enter_m) - 1;
	int64_t first;

	memmove(s->bad_ms + 1, s->bad_ms, sizeof(s->bad_ms) - sizeof(s->bad_ms[0]));
	s->bad_ms[0] = now_ms;
	s->history = s->history << 1 | 1;
	if (__builtin_popcount(s->history & of_last) < info->enter_n)
		return false;
	first = s->bad_ms[info->enter_n - 1];
	return !info->enter_s || now_ms - first <= info->enter_s * INT64_C(1000);
}

static double risk_of(const struct slot *s)
{
	return (double)failures[s->class].risk[s->finding.level];
}

static void set_evidence(struct finding *to, const char *text)
{
	size_t n = 0;

	for (; text[n] && n + 1 < sizeof(to->evidence); n++)
		to->evidence[n] = text[n] >= 0x20 && text[n] < 0x7f ? text[n] : '?';
	to->evidence[n] = '\0';
}

/* The level goes down only after the hold time without an observation at the higher one. */
static enum finding_level next_level(struct slot *s, int64_t now_ms, enum finding_level level)
{
	int64_t hold = failures[s->class].hold_s * INT64_C(1000);

	if (s->state != SLOT_OPEN || level >= s->finding.level) {
		s->level_ms = now_ms;
		return level;
	}
	return failures[s->class].asks_again && now_ms - s->level_ms >= hold ? level
									     : s->finding.level;
}

static void describe(struct slot *s, int64_t now_ms, const struct observation *o)
{
	enum finding_level level =
		o->level > failures[o->class].highest ? failures[o->class].highest : o->level;

	s->finding.level = next_level(s, now_ms, level);
	set_evidence(&s->finding, o->evidence);
	s->finding.eta_s = o->eta_s >= 0 ? (int64_t)fmin(o->eta_s, 1e12) : -1;
	s->finding.eta_low_s = o->eta_s >= 0 ? (int64_t)fmin(o->eta_low_s, 1e12) : -1;
	s->finding.eta_high_s = o->eta_s >= 0 ? (int64_t)fmin(o->eta_high_s, 1e12) : -1;
	s->finding.risk = risk_of(s);
}

/* Of several that keep it open, what lasts longest counts. */
static void note_quiet(struct slot *s, const struct observation *o, bool was_open)
{
	int most = failures[s->class].quiet_s;
	int own = o->quiet_s > 0 && o->quiet_s < most ? o->quiet_s : most;

	s->quiet_s = was_open && s->quiet_s > own ? s->quiet_s : own;
}

void findings_bad(struct findings *f, int64_t now_ms, const struct observation *o)
{
	enum finding_level before;
	struct slot *s;
	bool was_open;

	if (f->off[o->class])
		return;
	s = findings_slot(f, o->class, o->entity);
	s->sampled |= o->sampled;
	s->missing_ms = 0;
	was_open = s->state == SLOT_OPEN;
	before = s->finding.level;
	s->last_bad_ms = now_ms;
	note_quiet(s, o, was_open);
	if (!was_open && !enough(s, now_ms) && !o->certain)
		return;
	describe(s, now_ms, o);
	if (!was_open) {
		s->state = SLOT_OPEN;
		s->finding.since_real_ms = now_ms;
		tell_change(f, s, now_ms, FINDINGS_OPENED);
	} else if (s->finding.level > before) {
		tell_change(f, s, now_ms, FINDINGS_RAISED);
	}
}

static void close_slot(struct findings *f, struct slot *s, int64_t now_ms)
{
	s->state = SLOT_CLOSED;
	s->history = 0;
	if (s->told_level >= 0)
		tell(f, s, now_ms, FINDINGS_CLOSED);
}

void findings_good(struct findings *f, int64_t now_ms, enum failure_class class, const char *entity)
{
	struct slot *s = find(f, class, entity);

	if (!s)
		return;
	s->history <<= 1;
	if (s->state == SLOT_OPEN && failures[class].asks_again &&
	    now_ms - s->last_bad_ms >= failures[class].hold_s * INT64_C(1000))
		close_slot(f, s, now_ms);
}

bool findings_is_open(const struct findings *f, enum failure_class class, const char *entity)
{
	size_t i = place_of(f, class, entity);

	return i < SLOTS && f->slots[i].state == SLOT_OPEN;
}

void findings_missing(struct findings *f, int64_t now_ms,
		      bool (*stands)(const char *entity, const void *ctx), const void *ctx)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &f->slots[i];

		if (s->state != SLOT_OPEN || !s->sampled)
			continue;
		if (stands(s->finding.entity, ctx))
			s->missing_ms = 0;
		else if (!s->missing_ms)
			s->missing_ms = now_ms;
		else if (now_ms - s->missing_ms >= MISSING_MS)
			findings_good(f, now_ms, s->class, s->finding.entity);
	}
}

void findings_clock_set(struct findings *f, int64_t by_ms)
{
	f->day_ms += by_ms;
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &f->slots[i];

		s->finding.since_real_ms += by_ms;
		s->last_bad_ms += by_ms;
		s->level_ms += by_ms;
		s->told_ms += by_ms;
		s->missing_ms += s->missing_ms ? by_ms : 0;
		for (size_t k = 0; k < BADS; k++)
			s->bad_ms[k] += by_ms;
	}
}

void findings_tick(struct findings *f, int64_t now_ms)
{
	if (f->day_ms > now_ms)
		f->day_ms = now_ms;
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &f->slots[i];

		if (s->last_bad_ms > now_ms)
			s->last_bad_ms = now_ms; /* the clock was set back */
		if (s->told_ms > now_ms)
			s->told_ms = now_ms;
		if (s->state != SLOT_OPEN)
			continue;
		if (now_ms - s->last_bad_ms >= s->quiet_s * INT64_C(1000))
			close_slot(f, s, now_ms);
		else if (s->last_bad_ms > s->told_ms && s->told_ms <= now_ms - FINDINGS_HOUR_MS &&
			 s->finding.level > FINDING_NOTICE)
			tell(f, s, now_ms, FINDINGS_REPEATED);
	}
}

void findings_switch(struct findings *f, enum failure_class class, bool on)
{
	f->off[class] = !on;
	for (size_t i = 0; i < SLOTS && !on; i++)
		if (f->slots[i].state != SLOT_FREE && f->slots[i].class == class)
			f->slots[i].state = SLOT_FREE;
}

void findings_limits(struct findings *f, double critical_eta_s, double horizon_s)
{
	f->critical_eta_s = critical_eta_s;
	f->horizon_s = horizon_s;
}

/* ---- who observes ---- */

int findings_klog_quiet_s(enum klog_class class)
{
	enum failure_class failure = failure_of_klog(class);
	int own = klog_classes[class].quiet_s;

	return failure < FAILURE_CLASSES && failures[failure].quiet_s < own
		       ? failures[failure].quiet_s
		       : own;
}

void findings_klog(struct findings *f, int64_t now_ms, const struct klog_hit *hit)
{
	struct observation o = {.class = failure_of_klog(hit->class),
				.entity = hit->entity,
				.level = hit->level,
				.evidence = hit->evidence,
				.eta_s = -1,
				.certain = true,
				.quiet_s = findings_klog_quiet_s(hit->class)};
	char name[sizeof(hit->entity)];

	if (o.class == FAILURE_CLASSES)
		return;
	if (o.class == FAILURE_CRASH_LOOP) { /* each life has another pid */
		snprintf(name, sizeof(name), "%s", hit->entity);
		name[strcspn(name, "[")] = '\0';
		o.entity = name;
		o.certain = false;
	}
	if (o.class == FAILURE_PID_EXHAUSTION && o.entity[0] == '/' && o.entity[1])
		o.entity++; /* the forecast of that group's tasks names it so */
	findings_bad(f, now_ms, &o);
}

static void span(char *out, size_t cap, double s)
{
	if (s < 120)
		snprintf(out, cap, "%.0f s", s);
	else if (s < 7200)
		snprintf(out, cap, "%.0f min", s / 60);
	else
		snprintf(out, cap, "%.0f h", s / 3600);
}

void findings_forecast(struct findings *f, int64_t now_ms, enum failure_class class,
		       const char *entity, const char *what, const char *culprit, bool sampled,
		       const struct forecast_view *v)
{
	char evidence[160], eta[24] = "";
	struct observation o = {.class = class,
				.entity = entity,
				.level = v->level,
				.evidence = evidence,
				.eta_s = v->eta_s,
				.eta_low_s = v->eta_low_s,
				.eta_high_s = v->eta_high_s,
				.sampled = sampled};

	if (!v->open || (v->used < FULL && v->eta_s > f->horizon_s)) {
		findings_good(f, now_ms, class, entity);
		return;
	}
	if (v->level >= FINDING_WARNING &&
	    (v->used >= FULL || (v->eta_s >= 0 && v->eta_s < f->critical_eta_s &&
				 v->used >= (double)failures[class].critical_from)))
		o.level = FINDING_CRITICAL;
	if (v->eta_s >= 0)
		span(eta, sizeof(eta), v->eta_s);
	snprintf(evidence, sizeof(evidence), "%s %.0f%% used, %s%s%s%s%s", what, 100 * v->used,
		 forecast_reasons[v->reason], eta[0] ? ", full in about " : "", eta,
		 culprit[0] ? ", grown by " : "", culprit);
	findings_bad(f, now_ms, &o);
}
