/* SPDX-License-Identifier: Apache-2.0 */
/* The open findings as a list, as one risk, and as text that outlives the agent. */
#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "predict/findings_private.h"

#define HEADER       "heat-pulse-findings 1\n"
#define NOTICES_MOST 0.5
#define FIELDS       9

size_t findings_count(const struct findings *f)
{
	size_t n = 0;

	for (size_t i = 0; i < SLOTS; i++)
		n += f->slots[i].state == SLOT_OPEN;
	return n;
}

static bool before(const struct slot *a, const struct slot *b)
{
	if (a->finding.level != b->finding.level)
		return a->finding.level > b->finding.level;
	if (a->finding.since_real_ms != b->finding.since_real_ms)
		return a->finding.since_real_ms < b->finding.since_real_ms;
	return a < b;
}

/* The one with exactly @i open ones before it; few are open, so no order is kept. */
bool findings_get(const struct findings *f, size_t i, struct finding *ret)
{
	for (size_t at = 0; at < SLOTS; at++) {
		size_t ahead = 0;

		if (f->slots[at].state != SLOT_OPEN)
			continue;
		for (size_t other = 0; other < SLOTS; other++)
			ahead += f->slots[other].state == SLOT_OPEN && other != at &&
				 before(&f->slots[other], &f->slots[at]);
		if (ahead == i) {
			*ret = f->slots[at].finding;
			return true;
		}
	}
	return false;
}

double findings_risk(const struct findings *f, int64_t *ret_horizon_s)
{
	double worst[FAILURE_CLASSES] = {0}, safe = 1, safe_of_notices = 1, most = 0;
	bool told[FAILURE_CLASSES] = {false};

	*ret_horizon_s = -1;
	for (size_t i = 0; i < SLOTS; i++) {
		const struct slot *s = &f->slots[i];
		int64_t horizon =
			s->finding.eta_s >= 0 ? s->finding.eta_s : failures[s->class].horizon_s;

		if (s->state != SLOT_OPEN)
			continue;
		if (s->finding.risk > most ||
		    (s->finding.risk >= most && horizon < *ret_horizon_s)) {
			most = s->finding.risk;
			*ret_horizon_s = horizon;
		}
		if (s->finding.risk > worst[s->class]) {
			worst[s->class] = s->finding.risk;
			told[s->class] = s->finding.level > FINDING_NOTICE;
		}
	}
	for (size_t c = 0; c < FAILURE_CLASSES; c++)
		*(told[c] ? &safe : &safe_of_notices) *= 1 - worst[c];
	if (safe_of_notices < NOTICES_MOST)
		safe_of_notices = NOTICES_MOST;
	return 1 - safe * safe_of_notices;
}

/* class, entity, level, since, last bad, told, told level, eta, evidence: separated by tabs */
int findings_save(const struct findings *f, struct buf *out)
{
	buf_puts(out, HEADER);
	for (size_t i = 0; i < SLOTS; i++) {
		const struct slot *s = &f->slots[i];

		if (s->state != SLOT_OPEN)
			continue;
		buf_printf(out, "%s\t%s\t%s\t%lld\t%lld\t%lld\t%d\t%lld\t%s\n",
			   s->finding.class_name, s->finding.entity,
			   finding_level_names[s->finding.level],
			   (long long)s->finding.since_real_ms, (long long)s->last_bad_ms,
			   (long long)s->told_ms, s->told_level, (long long)s->finding.eta_s,
			   s->finding.evidence);
	}
	return buf_error(out);
}

struct field {
	const char *p;
	size_t n;
};

static bool split(const char *p, size_t n, struct field to[static FIELDS])
{
	for (size_t i = 0; i < FIELDS; i++) {
		const char *tab = i + 1 < FIELDS ? memchr(p, '\t', n) : NULL;

		to[i].p = p;
		to[i].n = tab ? (size_t)(tab - p) : n;
		if (!tab && i + 1 < FIELDS)
			return false;
		if (tab) {
			n -= to[i].n + 1;
			p = tab + 1;
		}
	}
	return true;
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

static int level_of(const struct field *f)
{
	for (int i = 0; i < 3; i++)
		if (strlen(finding_level_names[i]) == f->n &&
		    !memcmp(finding_level_names[i], f->p, f->n))
			return i;
	return -1;
}

static void restore_line(struct findings *f, const char *p, size_t n, bool same_boot,
			 int64_t now_ms)
{
	int64_t since, bad, told, told_level, eta;
	struct field w[FIELDS];
	enum failure_class class;
	char entity[sizeof(((struct finding *)0)->entity)];
	struct slot *s;
	int level;

	if (!split(p, n, w) || !printable(&w[1], sizeof(entity)) ||
	    !printable(&w[8], sizeof(s->finding.evidence)))
		return;
	class = failure_find(w[0].p, w[0].n);
	level = level_of(&w[2]);
	if (class == FAILURE_CLASSES || level < 0 || f->off[class] ||
	    (!same_boot && !failures[class].outlives_boot))
		return;
	if (text_i64(w[3].p, w[3].n, &since) || text_i64(w[4].p, w[4].n, &bad) ||
	    text_i64(w[5].p, w[5].n, &told) || text_i64(w[6].p, w[6].n, &told_level) ||
	    text_i64(w[7].p, w[7].n, &eta))
		return;
	if (told_level < -1 || told_level > FINDING_CRITICAL ||
	    level > (int)failures[class].highest || findings_count(f) >= FINDINGS_MAX)
		return;
	memcpy(entity, w[1].p, w[1].n);
	entity[w[1].n] = '\0';
	s = findings_slot(f, class, entity);
	s->state = SLOT_OPEN;
	s->finding.level = (enum finding_level)level;
	s->finding.risk = (double)failures[class].risk[level];
	s->finding.eta_s = eta < 0 ? -1 : eta;
	s->finding.eta_low_s = s->finding.eta_high_s = s->finding.eta_s;
	s->finding.since_real_ms = since < now_ms ? since : now_ms;
	memcpy(s->finding.evidence, w[8].p, w[8].n);
	s->finding.evidence[w[8].n] = '\0';
	s->last_bad_ms = bad < now_ms ? bad : now_ms;
	s->level_ms = s->last_bad_ms;
	s->told_ms = told < NEVER_MS ? NEVER_MS : told < now_ms ? told : now_ms;
	s->told_level = (int)told_level;
}

int findings_restore(struct findings *f, const char *p, size_t n, bool same_boot, int64_t now_ms)
{
	const size_t header = sizeof(HEADER) - 1;

	if (n < header || memcmp(p, HEADER, header))
		return -EINVAL;
	p += header;
	n -= header;
	while (n) {
		const char *end = memchr(p, '\n', n);
		size_t len = end ? (size_t)(end - p) : n;

		if (end) /* a line without end was cut */
			restore_line(f, p, len, same_boot, now_ms);
		p += len + (end != NULL);
		n -= len + (end != NULL);
	}
	return 0;
}
