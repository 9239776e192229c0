/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The open findings: one per failure class and entity. What is handed in are observations; what
 * comes out is news worth telling, at most once an hour for each finding and within a daily budget.
 * Times are milliseconds of the wall clock, given by the caller; nothing here looks at a clock.
 */
#pragma once

#include "core/buf.h"
#include "core/types.h"
#include "predict/failure.h"
#include "predict/forecast.h"

#define FINDINGS_MAX                                                                               \
	128 /* remembered at a time; beyond, what is not open and then the least severe makes room \
	     */
#define FINDINGS_BUDGET 24 /* news a day; as many again for critical ones */

enum findings_event {
	FINDINGS_OPENED,
	FINDINGS_RAISED,   /* its level went up */
	FINDINGS_REPEATED, /* an hour on, still so */
	FINDINGS_CLOSED,
	FINDINGS_SUMMARY, /* the budget is used up: once a day; see evidence */
};
struct findings_news {
	enum findings_event event;
	enum failure_class class; /* FAILURE_CLASSES for a summary */
	struct finding finding;
};

struct findings;
/** findings_new() - the only allocation. @budget_a_day: 0 = FINDINGS_BUDGET. Return: 0 or -ENOMEM.
 */
int findings_new(unsigned budget_a_day, struct findings **ret) _must_check_;
struct findings *findings_free(struct findings *f);
DEFINE_CLEANUP(struct findings, findings_free)
/** findings_switch() - observations of a class that is off are ignored; open ones close. */
void findings_switch(struct findings *f, enum failure_class class, bool on);

/** findings_limits() - forecasts: critical within @critical_eta_s, nothing yet beyond @horizon_s. */
#define FINDINGS_CRITICAL_ETA_S 900
void findings_limits(struct findings *f, double critical_eta_s, double horizon_s);

/* One bad look at an entity. */
struct observation {
	enum failure_class class;
	const char *entity; /* printable; cut at its field's size */
	enum finding_level level;
	const char *evidence; /* one line a person understands; cut, made printable */
	double eta_s, eta_low_s, eta_high_s; /* eta_s negative = unknown */
	bool certain; /* a fact: enters at once, whatever the row says of N of M */
	bool sampled; /* the entity stands in samples as long as it exists: see findings_missing()
		       */
	int quiet_s;  /* ends when so long nothing was seen of it; 0, or more than the class has: as
			 the class */
};
void findings_bad(struct findings *f, int64_t now_ms, const struct observation *o);
/** findings_good() - the entity was looked at and is well: for classes that ask again. */
void findings_good(struct findings *f, int64_t now_ms, enum failure_class class,
		   const char *entity);
/** findings_is_open() */
bool findings_is_open(const struct findings *f, enum failure_class class, const char *entity);
/**
 * findings_missing() - once for each sample
 * @stands: whether an entity stands in it
 *
 * What was told of one that has not for five minutes is taken for well: a control group that ended,
 * a mount that is gone.
 */
void findings_missing(struct findings *f, int64_t now_ms,
		      bool (*stands)(const char *entity, const void *ctx), const void *ctx);
/** findings_klog() - a hit of the kernel-log rules. */
void findings_klog(struct findings *f, int64_t now_ms, const struct klog_hit *hit);
/** findings_klog_quiet_s() - after how long without another record of that class its finding ends.
 */
int findings_klog_quiet_s(enum klog_class class);
/**
 * findings_forecast() - a forecast of @entity: bad while it is open, good else
 * @culprit: who grows, "" when not known; @what: "memory", "space on /srv"; @sampled: as of an
 * observation
 */
void findings_forecast(struct findings *f, int64_t now_ms, enum failure_class class,
		       const char *entity, const char *what, const char *culprit, bool sampled,
		       const struct forecast_view *v);
/** findings_tick() - ends what is quiet, makes repeats; each minute or so. */
void findings_tick(struct findings *f, int64_t now_ms);
/** findings_clock_set() - the clock was set by that much: what is remembered happened then, in its
 * time. */
void findings_clock_set(struct findings *f, int64_t by_ms);
/** findings_take() - the next news; call until it answers false. */
bool findings_take(struct findings *f, struct findings_news *ret);

/** findings_count(), findings_get() - the open ones, most severe first, then oldest. */
size_t findings_count(const struct findings *f);
bool findings_get(const struct findings *f, size_t i, struct finding *ret);
/**
 * findings_risk() - how likely an outage of the guest is, by all that is open
 * @ret_horizon_s: within what time, by the finding that weighs most; -1 when nothing is open
 *
 * One minus the product of (1 - risk) over the open findings, the worst of each class counting;
 * notices alone never make more than 0.5. Return: 0..1.
 */
double findings_risk(const struct findings *f, int64_t *ret_horizon_s);

/** findings_are_worth() - there is something to save. */
bool findings_are_worth(const struct findings *f, int64_t real_ms);
/** findings_save() - as text with a version: the open findings and those that ended within the
 * hour, a line each, what is used of the budget, and the clocks. Return: buf_error(@out). */
int findings_save(const struct findings *f, int64_t real_ms, int64_t boot_ms,
		  struct buf *out) _must_check_;
/**
 * findings_restore() - into an empty set; what was told before is not told again
 * @same_boot: else what a reboot ends is left out
 *
 * When wall-clock time was set since, all times move with it, if that can be known; none is later
 * than @real_ms. Lines that are not understood are skipped. Return: 0; -EINVAL when it is no such
 * text or of a newer version.
 */
int findings_restore(struct findings *f, const char *p, size_t n, bool same_boot, int64_t real_ms,
		     int64_t boot_ms) _must_check_;
