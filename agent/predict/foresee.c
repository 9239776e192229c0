/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the values of a sample: each is looked up by its metric in the two tables of
 * foresee_rules.c, fed to its series or compared with its levels. Nothing here allocates after
 * foresee_new(); entities beyond the room are forgotten, oldest first.
 */
#include "predict/foresee.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "predict/foresee_private.h"
#include "predict/host.h"

#define HOST_STEP_MS 60000
#define HIGHER	     0.002 /* of the limit: still growing */
#define ANEW	     0.02  /* growing again after it was disproved */
#define DOUBT_MS     (10 * 60 * 1000)
#define DISPROOF_MS  (60 * 60 * 1000)
#define GONE_MS      (15 * 60 * 1000) /* the slowest reading is one a minute */
#define HEAD         20               /* of a name that is too long */
#define LOOKS        4                /* at least, within the time that something must last */

int foresee_new(struct foresee **ret)
{
	struct foresee *f = calloc(1, sizeof(*f));

	if (!f || findings_new(0, &f->findings) || klog_new(&f->klog) ||
	    host_new(host_metrics_n, &f->host)) {
		foresee_free(f);
		return -ENOMEM;
	}
	for (size_t i = 0; i < series_rules_n; i++)
		f->series_of[series_rules[i].metric] = (uint8_t)(i + 1);
	for (size_t i = 0; i < watch_rules_n; i++)
		f->watch_of[watch_rules[i].metric] = (uint8_t)(i + 1);
	foresee_tune(f, NULL, 0, NULL);
	*ret = f;
	return 0;
}

struct foresee *foresee_free(struct foresee *f)
{
	if (!f)
		return NULL;
	findings_free(f->findings);
	klog_free(f->klog);
	host_free(f->host);
	free(f);
	return NULL;
}

struct findings *foresee_findings(struct foresee *f)
{
	return f->findings;
}

/* What does not fit goes from the middle: mounts of volumes differ at their end only. */
static void shorten(char out[static ENTITY_MAX], const char *name)
{
	const char *end = name + strlen(name), *tail = end - (ENTITY_MAX - HEAD - 3);
	size_t head = HEAD;

	if (end - name < ENTITY_MAX) {
		memcpy(out, name, (size_t)(end - name) + 1);
		return;
	}
	for (size_t back = 1; back < 4; back++) { /* no half of an escape */
		if (name[HEAD - back] == '\\')
			head = HEAD - back;
		if (tail[-(ptrdiff_t)back] == '\\') {
			tail += 4 - back;
			break;
		}
	}
	snprintf(out, ENTITY_MAX, "%.*s..%s", (int)head, name, tail);
}

/* Whom a value is about: the row's word, or the sample's entity. */
static const char *entity_of(const char *fixed, const struct sample *s,
			     const struct sample_value *v, char out[static ENTITY_MAX])
{
	shorten(out, fixed ? fixed : v->entity >= 0 ? s->entities[v->entity].name : "guest");
	return out;
}

static bool stands_in(const char *entity, const void *ctx)
{
	const struct sample *s = ctx;
	char name[ENTITY_MAX];

	for (size_t i = 0; i < s->n_entities; i++) {
		shorten(name, s->entities[i].name);
		if (!strcmp(name, entity))
			return true;
	}
	return false;
}

static struct series *series_for(struct foresee *f, const struct series_rule *rule,
				 const char *entity)
{
	struct series *oldest = &f->series[0];

	for (size_t i = 0; i < FORESEE_SERIES_MAX; i++) {
		struct series *at = &f->series[i];

		if (at->rule == rule && !strncmp(at->entity, entity, sizeof(at->entity) - 1))
			return at;
		if (!at->rule || (oldest->rule && at->fed_ms < oldest->fed_ms))
			oldest = at;
	}
	*oldest = (struct series){.rule = rule};
	snprintf(oldest->entity, sizeof(oldest->entity), "%s", entity);
	forecast_init(&oldest->forecast);
	return oldest;
}

/* Rules that speak of minutes to hours: what has not risen for as long as they gave it is not what
 * they took it for. A resource that grows by day may well stand still at night. */
static bool is_hasty(const struct forecast_view *v)
{
	return v->reason == FORECAST_FAST || v->reason == FORECAST_BURST ||
	       v->reason == FORECAST_STEADY;
}

/* A forecast keeps its alarm for hours, so that it does not break off in a leak's pauses. For a
 * person a copy that ended an hour ago is over, and its date is none ten minutes after. */
static void view_of(const struct series *series, int64_t now_ms, struct forecast_view *ret)
{
	double still_ms;

	forecast_view(&series->forecast, ret);
	if (!ret->open || !is_hasty(ret))
		return;
	still_ms = (double)(now_ms - series->high_ms);
	if (series->disproved)
		ret->open = false;
	else if (still_ms > fmax(DOUBT_MS, 500 * ret->eta_s))
		ret->eta_s = ret->eta_low_s = ret->eta_high_s = -1;
}

static void note_high(struct series *series, int64_t now_ms)
{
	struct forecast_view v;

	forecast_view(&series->forecast, &v);
	if (!v.open || v.used > series->high + (series->disproved ? ANEW : HIGHER) ||
	    now_ms < series->high_ms) {
		series->high = v.used;
		series->high_ms = now_ms;
		series->disproved = false;
	}
	series->disproved |= (double)(now_ms - series->high_ms) > fmax(DISPROOF_MS, 1000 * v.eta_s);
}

/* Who is named stays so until the forecast closes or another stands out: what paused is not
 * cleared of it. */
static void name_culprit(struct foresee *f, struct series *series, const struct sample *s,
			 const struct forecast_view *view)
{
	char name[BLAME_NAME] = "";

	if (series->rule->class != FAILURE_MEMORY_EXHAUSTION || !series->rule->entity)
		return;
	if (view->open)
		blame_name(&f->blame, s, view, name);
	if (name[0] || !view->open)
		memcpy(series->culprit, name, sizeof(name));
}

/* In the unit of the limit, so that a disk that is made larger or a balloon restates the past
 * instead of looking like a fall or a leak. Without a limit it is percent for good. */
static void feed_forecast(struct series *series, const struct sample *s,
			  const struct sample_value *v, double percent)
{
	struct forecast *f = &series->forecast;
	double limit;

	if (!sample_get_of(s, series->rule->limit, v->entity, &limit) || !(limit > 0))
		limit = f->samples ? f->limit : 100;
	else if (!f->samples)
		series->has_limit = true;
	if (!series->has_limit)
		limit = 100;
	forecast_feed(f, (double)s->real_ms / 1000, percent / 100 * limit, limit);
}

static void feed_series(struct foresee *f, const struct series_rule *rule, const struct sample *s,
			const struct sample_value *v)
{
	char name[ENTITY_MAX];
	struct series *series = series_for(f, rule, entity_of(rule->entity, s, v, name));
	struct forecast_view view;

	series->fed_ms = s->real_ms;
	feed_forecast(series, s, v, rule->inverted ? 100 - v->value : v->value);
	note_high(series, s->real_ms);
	view_of(series, s->real_ms, &view);
	name_culprit(f, series, s, &view);
	findings_forecast(f->findings, s->real_ms, rule->class, series->entity, rule->what,
			  series->culprit, !rule->entity, &view);
}

static struct counter *counter_for(struct foresee *f, const struct watch_rule *rule,
				   const char *entity)
{
	struct counter *oldest = &f->counters[0];

	for (size_t i = 0; i < COUNTERS_MAX; i++) {
		struct counter *at = &f->counters[i];

		if (at->rule == rule && !strncmp(at->entity, entity, sizeof(at->entity) - 1))
			return at;
		if (!at->rule || (oldest->rule && at->fed_ms < oldest->fed_ms))
			oldest = at;
	}
	*oldest = (struct counter){.rule = rule, .value = NAN};
	snprintf(oldest->entity, sizeof(oldest->entity), "%s", entity);
	return oldest;
}

/* The number that a row's levels are compared with; NAN while there is nothing to compare.
 * @ret_since_ms: when a counter was looked at before. */
static double measured(struct foresee *f, const struct watch_rule *rule, const char *entity,
		       const struct sample *s, double value, int64_t *ret_since_ms)
{
	struct counter *counter;
	double last;

	*ret_since_ms = s->real_ms;
	if (rule->kind == WATCH_ABOVE || rule->kind == WATCH_BELOW || rule->kind == WATCH_LOST)
		return value;
	if (rule->kind == WATCH_BEYOND)
		return fabs(value);
	counter = counter_for(f, rule, entity);
	*ret_since_ms = counter->fed_ms;
	counter->fed_ms = s->real_ms;
	last = counter->value;
	if (rule->kind == WATCH_GROWS) {
		counter->value = value;
		return value >= last ? value - last
				     : NAN; /* NAN also at first and when it starts anew */
	}
	/* What was so when first seen is meant to be so, unless an earlier life of the agent saw it
	 * become so: kept as it is until it was otherwise. */
	if (isnan(last) && findings_is_open(f->findings, rule->class, entity))
		last = counter->value = 0;
	if (isnan(last) || value < last)
		counter->value = value;
	return isnan(last) ? NAN : value > counter->value ? 1 : 0;
}

/* Return: the level, or -1 when the number is good. */
static int level_of(const struct foresee *f, const struct watch_rule *rule, double number)
{
	for (int level = 2; level >= 0; level--) {
		double limit = f->levels[rule - watch_rules][level];

		if (!isnan(limit) &&
		    (rule->kind == WATCH_BELOW ? number <= limit : number >= limit))
			return level;
	}
	return -1;
}

/* Time in which nobody looked, as the guest slept, counts for a part only. */
static void count_bad(struct counter *c, const struct watch_rule *rule, int64_t now_ms)
{
	int64_t most = rule->lasts_s * INT64_C(1000) / LOOKS, since = now_ms - c->fed_ms;

	if (!c->bad || since < 0)
		since = 0;
	c->bad_ms = (c->bad ? c->bad_ms : 0) + (since < most ? since : most);
	c->bad = true;
}

/* Whether a look that is bad by its level is one by its row's time, too. A finding that is open
 * stays so: an earlier life of the agent has waited. */
static bool has_lasted(struct foresee *f, const struct watch_rule *rule, const char *entity,
		       int64_t now_ms, bool bad)
{
	struct counter *c;

	if (!rule->lasts_s)
		return bad;
	c = counter_for(f, rule, entity);
	if (bad) {
		count_bad(c, rule, now_ms);
	} else {
		c->bad = false;
		c->value = 0;
	}
	c->fed_ms = now_ms;
	if (!bad || findings_is_open(f->findings, rule->class, entity))
		return bad;
	return c->bad_ms >= rule->lasts_s * INT64_C(1000) &&
	       !(rule->kind == WATCH_LOST && isnan(c->value));
}

static bool is_counted(const struct foresee *f, const struct sample_value *v)
{
	return watch_rules[f->watch_of[v->metric] - 1].kind == WATCH_GROWS;
}

static void watch_value(struct foresee *f, const struct watch_rule *rule, const struct sample *s,
			const struct sample_value *v)
{
	char name[ENTITY_MAX], number_text[SAMPLE_NUMBER_MAX];
	const char *entity = entity_of(rule->entity, s, v, name);
	int64_t since_ms;
	double number = measured(f, rule, entity, s, v->value, &since_ms);
	char evidence[160];
	struct observation o = {.class = rule->class,
				.entity = entity,
				.evidence = evidence,
				.eta_s = -1,
				.sampled = !rule->entity};
	bool lasted;
	int level;

	if (isnan(number))
		return;
	level = level_of(f, rule, number);
	lasted = has_lasted(f, rule, entity, s->real_ms, level >= 0);
	if (level < 0)
		findings_good(f->findings, s->real_ms, rule->class, entity);
	if (level < 0 || !lasted)
		return;
	snprintf(evidence, sizeof(evidence), "%s%s%s", rule->before,
		 sample_number(number, number_text), rule->after);
	o.level = (enum finding_level)level;
	if (rule->class == FAILURE_OOM_KILL)
		foresee_kill_counted(f, &o, since_ms, s->real_ms);
	else
		findings_bad(f->findings, s->real_ms, &o);
}

/* Advisory: what several guest-wide metrics say together, once a minute. */
static void feed_host(struct foresee *f, const struct sample *s)
{
	double values[HOST_METRICS_MAX], score = 0;
	char evidence[160];
	struct observation o = {
		.class = FAILURE_ANOMALY, .entity = "guest", .evidence = evidence, .eta_s = -1};

	if (f->host_ms && s->real_ms - f->host_ms < HOST_STEP_MS && s->real_ms >= f->host_ms)
		return;
	f->host_ms = s->real_ms;
	for (size_t i = 0; i < host_metrics_n; i++)
		if (!sample_get(s, host_metrics[i], &values[i]))
			values[i] = NAN;
	if (!host_feed(f->host, (double)s->real_ms / 1000, values, &score))
		return;
	snprintf(evidence, sizeof(evidence),
		 "several metrics at once are unlike their past (score %.1f)", score);
	findings_bad(f->findings, s->real_ms, &o);
}

void foresee_sample(struct foresee *f, const struct sample *s)
{
	foresee_clock(f, s->real_ms, s->boot_ms);
	blame_sample(&f->blame, s);
	for (size_t i = 0; i < s->n_values; i++) {
		const struct sample_value *v = &s->values[i];

		if (v->metric >= METRIC_COUNT || isnan(v->value))
			continue;
		/* The same reading again would look like a resource that stands still and jumps. */
		if (f->series_of[v->metric] && !v->stale)
			feed_series(f, &series_rules[f->series_of[v->metric] - 1], s, v);
		/* So would a counter; a state is looked at again, as it may have to last. */
		if (f->watch_of[v->metric] && !(v->stale && is_counted(f, v)))
			watch_value(f, &watch_rules[f->watch_of[v->metric] - 1], s, v);
	}
	f->sample_ms = s->real_ms;
	findings_missing(f->findings, s->real_ms, stands_in, s);
	foresee_kill_tick(f, s->real_ms);
	feed_host(f, s);
}

/* An agent that begins on a guest of old reads all that the kernel still holds. */
static bool is_over(const struct foresee *f, int64_t real_ms, const struct klog_hit *hit)
{
	return f->now_ms - real_ms >= findings_klog_quiet_s(hit->class) * INT64_C(1000);
}

static void take_hits(struct foresee *f, int64_t real_ms)
{
	struct klog_hit hit;

	while (klog_take(f->klog, &hit)) {
		if (is_over(f, real_ms, &hit))
			continue;
		if (hit.class == KLOG_OOM_KILL)
			foresee_kill_told(f, real_ms);
		findings_klog(f->findings, real_ms, &hit);
	}
}

void foresee_record(struct foresee *f, const struct kmsg_record *r, int64_t real_ms)
{
	klog_feed(f->klog, r->text, r->text_len, (int64_t)r->usec);
	take_hits(f, real_ms);
}

bool foresee_is_holding(const struct foresee *f)
{
	return klog_holding(f->klog);
}

void foresee_note(struct foresee *f, int64_t real_ms, const struct observation *o)
{
	findings_bad(f->findings, real_ms, o);
}

void foresee_tick(struct foresee *f, int64_t real_ms, int64_t boot_usec)
{
	if (klog_holding(f->klog))
		klog_flush(f->klog, boot_usec);
	take_hits(f, real_ms);
	findings_tick(f->findings, real_ms);
}

bool foresee_forecast(const struct foresee *f, size_t i, struct foresee_line *ret)
{
	const struct series *series;

	if (i >= FORESEE_SERIES_MAX)
		return false;
	series = &f->series[i];
	*ret = (struct foresee_line){0};
	if (!series->rule)
		return true;
	snprintf(ret->what, sizeof(ret->what), "%s", series->rule->what);
	snprintf(ret->entity, sizeof(ret->entity), "%s", series->entity);
	view_of(series, series->fed_ms, &ret->view);
	ret->view.open &= f->sample_ms - series->fed_ms < GONE_MS;
	return true;
}
