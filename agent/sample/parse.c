/* SPDX-License-Identifier: Apache-2.0 */
/* See parse.h. Everything is a walk over lines and blanks; each function looks at each byte about
 * once. */
#include "sample/parse.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "core/text.h"
#include "sample/sample.h"
#include "sample/scan.h"

/* Plain "12.34" as the kernel prints its averages: no sign, no exponent. */
static bool fixed_point(const struct span *s, double *ret)
{
	const char *dot = memchr(s->p, '.', s->n);
	uint64_t whole, part;
	double scale = 1;
	size_t digits;

	if (!dot || text_u64(s->p, (size_t)(dot - s->p), &whole))
		return false;
	digits = s->n - (size_t)(dot - s->p) - 1;
	if (digits > 9 || text_u64(dot + 1, digits, &part))
		return false;
	for (size_t i = 0; i < digits; i++)
		scale *= 10;
	*ret = (double)whole + (double)part / scale;
	return true;
}

/* ---- keyed lines ---- */

/* Keys are asked for in the order of the file as a rule, so the search goes on from the last hit.
 */
static size_t find_key(const struct parse_keys *keys, const struct span *key, size_t from)
{
	for (size_t k = 0; k < keys->n; k++) {
		size_t i = from + k < keys->n ? from + k : from + k - keys->n;
		const char *wanted = keys->keys[i];

		if (wanted[0] == key->p[0] && (key->n < 2 || wanted[1] == key->p[1]) &&
		    scan_is(key, wanted))
			return i;
	}
	return keys->n;
}

/* Most lines of a long file begin as no key does, and are passed over by that alone. */
struct beginnings {
	bool any[UCHAR_MAX + 1];
};

static void note_beginnings(const struct parse_keys *keys, struct beginnings *ret)
{
	*ret = (struct beginnings){0};
	for (size_t i = 0; i < keys->n; i++)
		ret->any[(unsigned char)keys->keys[i][0]] = true;
}

static bool scan_key(struct span *line, const struct beginnings *wanted, struct span *key)
{
	scan_blanks(line);
	if (!line->n || !wanted->any[(unsigned char)*line->p] || !scan_word(line, key))
		return false;
	if (key->p[key->n - 1] == ':')
		key->n--;
	return key->n > 0;
}

uint64_t parse_keyed(const char *p, size_t n, const struct parse_keys *keys, uint64_t *values)
{
	struct span in = {p, n}, line, key;
	struct beginnings wanted;
	uint64_t found = 0, value;
	size_t from = 0;

	note_beginnings(keys, &wanted);
	while (scan_line(&in, &line)) {
		size_t i = scan_key(&line, &wanted, &key) ? find_key(keys, &key, from) : keys->n;

		if (i == keys->n || found >> i & 1 || !scan_u64(&line, &value))
			continue;
		values[i] = value;
		found |= UINT64_C(1) << i;
		from = i + 1 < keys->n ? i + 1 : 0;
	}
	return found;
}

/* ---- pressure ---- */

static bool pressure_field(struct span *line, const char *name, struct span *value)
{
	size_t n = strlen(name);

	if (!scan_word(line, value) || value->n <= n || memcmp(value->p, name, n))
		return false;
	value->p += n;
	value->n -= n;
	return true;
}

static bool pressure_line(struct span *line, struct parse_pressure_line *ret)
{
	struct span a, b, c, total;

	if (!pressure_field(line, "avg10=", &a) || !pressure_field(line, "avg60=", &b) ||
	    !pressure_field(line, "avg300=", &c) || !pressure_field(line, "total=", &total))
		return false;
	return fixed_point(&a, &ret->avg10) && fixed_point(&b, &ret->avg60) &&
	       fixed_point(&c, &ret->avg300) && text_u64(total.p, total.n, &ret->total_us) == 0;
}

int parse_pressure(const char *p, size_t n, struct parse_pressure *ret)
{
	struct span in = {p, n}, line, word;

	*ret = (struct parse_pressure){0};
	while (scan_line(&in, &line)) {
		if (!scan_word(&line, &word))
			continue;
		if (scan_is(&word, "some"))
			ret->some.present = pressure_line(&line, &ret->some);
		else if (scan_is(&word, "full"))
			ret->full.present = pressure_line(&line, &ret->full);
	}
	return ret->some.present || ret->full.present ? 0 : -EINVAL;
}

/* ---- stat ---- */

/* Kernels before 2.6.11 have fewer columns; we support none of them, so a short line is a broken
 * one. */
static bool cpu_line(struct span *line, uint64_t times[static CPU_TIMES])
{
	for (size_t i = 0; i < CPU_TIMES; i++)
		if (!scan_u64(line, &times[i]))
			return false;
	return true;
}

int parse_stat(const char *p, size_t n, struct parse_stat *ret)
{
	struct span in = {p, n}, line, word;
	bool cpu = false;

	*ret = (struct parse_stat){0};
	while (scan_line(&in, &line)) {
		if (!scan_word(&line, &word))
			continue;
		if (!cpu && scan_is(&word, "cpu"))
			cpu = cpu_line(&line, ret->times);
		else if (scan_is(&word, "procs_blocked"))
			ret->has_blocked = scan_u64(&line, &ret->blocked);
		else if (scan_is(&word, "processes"))
			ret->has_forks = scan_u64(&line, &ret->forks);
	}
	return cpu ? 0 : -EINVAL;
}

/* ---- loadavg, cpu list ---- */

int parse_loadavg(const char *p, size_t n, struct parse_loadavg *ret)
{
	struct span in = {p, n}, line, word;
	const char *slash;

	if (!scan_line(&in, &line))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(ret->avg); i++)
		if (!scan_word(&line, &word) || !fixed_point(&word, &ret->avg[i]))
			return -EINVAL;
	if (!scan_word(&line, &word))
		return -EINVAL;
	slash = memchr(word.p, '/', word.n);
	if (!slash || text_u64(word.p, (size_t)(slash - word.p), &ret->runnable) ||
	    text_u64(slash + 1, word.n - (size_t)(slash - word.p) - 1, &ret->total))
		return -EINVAL;
	return 0;
}

static int cpu_range(const struct span *item, uint64_t *ret)
{
	const char *dash = item->n ? memchr(item->p, '-', item->n) : NULL;
	uint64_t first, last;

	if (!dash) {
		*ret = 1;
		return text_u64(item->p, item->n, &first);
	}
	if (text_u64(item->p, (size_t)(dash - item->p), &first) ||
	    text_u64(dash + 1, item->n - (size_t)(dash - item->p) - 1, &last) || last < first ||
	    last > 65535)
		return -EINVAL;
	*ret = last - first + 1;
	return 0;
}

int parse_cpu_list(const char *p, size_t n, unsigned *ret)
{
	uint64_t sum = 0, range;

	if (n && p[n - 1] == '\n')
		n--;
	for (;;) {
		const char *comma = n ? memchr(p, ',', n) : NULL;
		struct span item = {p, comma ? (size_t)(comma - p) : n};

		if (cpu_range(&item, &range) || sum + range > 65536)
			return -EINVAL;
		sum += range;
		if (!comma)
			break;
		n -= item.n + 1;
		p = comma + 1;
	}
	*ret = (unsigned)sum;
	return 0;
}

/* ---- rates ---- */

void rate_update(struct rate *r, uint64_t value, int64_t now_ms)
{
	int64_t passed = now_ms - r->last_ms;

	r->valid = r->primed && value >= r->last && passed > 0;
	if (r->valid)
		r->per_s = (double)(value - r->last) * 1000.0 / (double)passed;
	if (r->primed && passed <= 0)
		return; /* keep the older point: a rate over no time says nothing */
	r->primed = true;
	r->last = value;
	r->last_ms = now_ms;
}

void rate_absent(struct rate *r)
{
	*r = (struct rate){0};
}
