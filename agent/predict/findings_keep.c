/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives the agent: the open findings, what ended within the hour (coming back, it is not
 * told again), and how much of the day's budget is used. Times are the wall clock's; both clocks as
 * they were at writing go with them, so that a wall clock that was set meanwhile is seen for what
 * it is.
 */
#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "predict/findings_private.h"
#include "sample/clock_watch.h"

#define HEADER      "heat-pulse-findings "
#define TOLD_MOST   1000000
#define CLOCK_MOST  (INT64_MAX / 8) /* differences of any two of them can be counted */
#define LATEST_MS   (INT64_MAX / 2)
#define HEADER_SIZE (sizeof(HEADER "1\n") - 1)

enum word {
	STATE,
	CLASS,
	ENTITY,
	LEVEL,
	SINCE,
	BAD,
	TOLD,
	TOLD_LEVEL,
	ETA,
	QUIET,
	SAMPLED,
	EVIDENCE,
	WORDS
};
static const char *const states[] = {[SLOT_CLOSED] = "closed", [SLOT_OPEN] = "open"};

/* A line's words, separated by tabs, by version. */
static const struct form {
	enum word order[WORDS];
	size_t n;
} forms[] = {
	{{CLASS, ENTITY, LEVEL, SINCE, BAD, TOLD, TOLD_LEVEL, ETA, EVIDENCE}, 9},
	{{STATE, CLASS, ENTITY, LEVEL, SINCE, BAD, TOLD, TOLD_LEVEL, ETA, QUIET, SAMPLED, EVIDENCE},
	 WORDS},
};

static bool is_worth(const struct slot *s, int64_t real_ms)
{
	return s->state == SLOT_OPEN ||
	       (s->state == SLOT_CLOSED && findings_told_lately(s, real_ms));
}

bool findings_are_worth(const struct findings *f, int64_t real_ms)
{
	bool any = findings_is_day(f, real_ms);

	for (size_t i = 0; i < SLOTS && !any; i++)
		any = is_worth(&f->slots[i], real_ms);
	return any;
}

int findings_save(const struct findings *f, int64_t real_ms, int64_t boot_ms, struct buf *out)
{
	buf_puts(out, HEADER "2\n");
	buf_printf(out, "clock\t%lld\t%lld\n", (long long)real_ms, (long long)boot_ms);
	if (findings_is_day(f, real_ms))
		buf_printf(out, "day\t%lld\t%u\t%u\n", (long long)f->day_ms, f->told_today,
			   f->untold_today);
	for (size_t i = 0; i < SLOTS; i++) {
		const struct slot *s = &f->slots[i];

		if (!is_worth(s, real_ms))
			continue;
		buf_printf(out, "%s\t%s\t%s\t%s\t%lld\t%lld\t%lld\t%d\t%lld\t%d\t%d\t%s\n",
			   states[s->state], s->finding.class_name, s->finding.entity,
			   finding_level_names[s->finding.level],
			   (long long)s->finding.since_real_ms, (long long)s->last_bad_ms,
			   (long long)s->told_ms, s->told_level, (long long)s->finding.eta_s,
			   s->quiet_s, s->sampled, s->finding.evidence);
	}
	return buf_error(out);
}

/* ---- reading ---- */

struct field {
	const char *p;
	size_t n;
};
struct reading {
	struct findings *f;
	const struct form *form;
	bool same_boot;
	int64_t real_ms, boot_ms;
	int64_t by_ms; /* what all times move by */
};

static bool split(const char *p, size_t n, size_t n_to, struct field *to)
{
	for (size_t i = 0; i < n_to; i++) {
		const char *tab = i + 1 < n_to ? memchr(p, '\t', n) : NULL;

		to[i].p = p;
		to[i].n = tab ? (size_t)(tab - p) : n;
		if (!tab && i + 1 < n_to)
			return false;
		if (tab) {
			n -= to[i].n + 1;
			p = tab + 1;
		}
	}
	return true;
}

static bool is(const struct field *f, const char *word)
{
	return strlen(word) == f->n && !memcmp(word, f->p, f->n);
}

static bool number(const struct field *f, int64_t least, int64_t most, int64_t *ret)
{
	return !text_i64(f->p, f->n, ret) && *ret >= least && *ret <= most;
}

static bool printable(const struct field *f, size_t cap)
{
	if (f->n >= cap)
		return false;
	for (size_t i = 0; i < f->n; i++)
		if (f->p[i] < 0x20 || f->p[i] > 0x7e)
			return false;
	return true;
}

static int find_word(const struct field *f, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (words[i] && is(f, words[i]))
			return i;
	return -1;
}

/* A time as it is by today's clock; none is of the future. */
static bool moved(const struct reading *r, const struct field *f, int64_t *ret)
{
	if (text_i64(f->p, f->n, ret))
		return false;
	if (*ret > NEVER_MS && *ret < LATEST_MS)
		*ret += r->by_ms;
	*ret = *ret < NEVER_MS ? NEVER_MS : *ret < r->real_ms ? *ret : r->real_ms;
	return true;
}

/*
 * In the same boot what passed since is known, whatever the wall clock says now. In another one it
 * is what the wall clock says, and if that says less than nothing, nothing: a guest without a clock
 * of its own begins in the past.
 */
static void take_clock(struct reading *r, const struct field w[static 3])
{
	int64_t real_ms, boot_ms, set_ms;

	if (!number(&w[1], -CLOCK_MOST, CLOCK_MOST, &real_ms) ||
	    !number(&w[2], 0, CLOCK_MOST, &boot_ms))
		return;
	set_ms = (r->real_ms - real_ms) - (r->boot_ms - boot_ms);
	if (r->same_boot && r->boot_ms >= boot_ms)
		r->by_ms = set_ms > -CLOCK_JUMP_MS && set_ms < CLOCK_JUMP_MS ? 0 : set_ms;
	else if (real_ms > r->real_ms)
		r->by_ms = r->real_ms - real_ms;
}

static void take_day(struct reading *r, const struct field w[static 4])
{
	int64_t day_ms, told, untold;

	if (!moved(r, &w[1], &day_ms) || !number(&w[2], 0, TOLD_MOST, &told) ||
	    !number(&w[3], 0, TOLD_MOST, &untold))
		return;
	r->f->day_ms = day_ms;
	r->f->told_today = (unsigned)told;
	r->f->untold_today = (unsigned)untold;
}

/* What a line says, before it is one's own. */
struct kept {
	int state, level;
	enum failure_class class;
	int64_t since_ms, bad_ms, told_ms, told_level, eta_s, quiet_s, sampled;
};

static bool read_numbers(const struct reading *r, const struct field w[static WORDS],
			 struct kept *k)
{
	return moved(r, &w[SINCE], &k->since_ms) && moved(r, &w[BAD], &k->bad_ms) &&
	       moved(r, &w[TOLD], &k->told_ms) &&
	       number(&w[TOLD_LEVEL], -1, FINDING_CRITICAL, &k->told_level) &&
	       number(&w[ETA], INT64_MIN, INT64_MAX, &k->eta_s) &&
	       number(&w[QUIET], 0, INT64_MAX, &k->quiet_s) &&
	       number(&w[SAMPLED], 0, 1, &k->sampled);
}

static bool read_line(const struct reading *r, const struct field w[static WORDS], struct kept *k)
{
	const struct finding *room = NULL;

	k->state = find_word(&w[STATE], states, ARRAY_SIZE(states));
	k->class = failure_find(w[CLASS].p, w[CLASS].n);
	k->level = find_word(&w[LEVEL], finding_level_names, FINDING_LEVELS);
	return k->state >= 0 && k->class < FAILURE_CLASSES && k->level >= 0 &&
	       k->level <= (int)failures[k->class].highest &&
	       printable(&w[ENTITY], sizeof(room->entity)) &&
	       printable(&w[EVIDENCE], sizeof(room->evidence)) && read_numbers(r, w, k);
}

static void copy(char *to, const struct field *from)
{
	memcpy(to, from->p, from->n);
	to[from->n] = '\0';
}

static void restore_slot(const struct reading *r, const struct kept *k,
			 const struct field w[static WORDS])
{
	char entity[sizeof(((struct finding *)0)->entity)];
	int most = failures[k->class].quiet_s;
	struct slot *s;

	copy(entity, &w[ENTITY]);
	s = findings_slot(r->f, k->class, entity);
	s->state = (enum slot_state)k->state;
	s->finding.level = (enum finding_level)k->level;
	s->finding.risk = (double)failures[k->class].risk[k->level];
	s->finding.eta_s = k->eta_s < 0 ? -1 : k->eta_s;
	s->finding.eta_low_s = s->finding.eta_high_s = s->finding.eta_s;
	s->finding.since_real_ms = k->since_ms;
	copy(s->finding.evidence, &w[EVIDENCE]);
	s->last_bad_ms = s->level_ms = k->bad_ms;
	s->told_ms = k->told_ms;
	s->told_level = (int)k->told_level;
	s->quiet_s = k->quiet_s > 0 && k->quiet_s < most ? (int)k->quiet_s : most;
	s->sampled = k->sampled;
}

static void take_slot(struct reading *r, const struct field given[static WORDS])
{
	struct field w[WORDS] = {[STATE] = {"open", 4}, [QUIET] = {"0", 1}, [SAMPLED] = {"0", 1}};
	struct kept k;

	for (size_t i = 0; i < r->form->n; i++)
		w[r->form->order[i]] = given[i];
	if (!read_line(r, w, &k) || r->f->off[k.class] ||
	    (!r->same_boot && !failures[k.class].outlives_boot) ||
	    findings_count(r->f) >= FINDINGS_MAX)
		return;
	restore_slot(r, &k, w);
}

static void restore_line(struct reading *r, const char *p, size_t n)
{
	struct field w[WORDS];

	if (split(p, n, r->form->n, w))
		take_slot(r, w);
	else if (split(p, n, 4, w) && is(&w[0], "day"))
		take_day(r, w);
	else if (split(p, n, 3, w) && is(&w[0], "clock"))
		take_clock(r, w);
}

static const struct form *form_of(const char *p, size_t n)
{
	size_t head = sizeof(HEADER) - 1;

	if (n < HEADER_SIZE || memcmp(p, HEADER, head) != 0 || p[head + 1] != '\n')
		return NULL;
	return p[head] == '1' || p[head] == '2' ? &forms[p[head] - '1'] : NULL;
}

int findings_restore(struct findings *f, const char *p, size_t n, bool same_boot, int64_t real_ms,
		     int64_t boot_ms)
{
	struct reading r = {.f = f,
			    .form = form_of(p, n),
			    .same_boot = same_boot,
			    .real_ms = real_ms,
			    .boot_ms = boot_ms};

	if (!r.form)
		return -EINVAL;
	p += HEADER_SIZE;
	n -= HEADER_SIZE;
	while (n) {
		const char *end = memchr(p, '\n', n);
		size_t len = end ? (size_t)(end - p) : n;

		if (end) /* a line without end was cut */
			restore_line(&r, p, len);
		p += len + (end != NULL);
		n -= len + (end != NULL);
	}
	return 0;
}
