/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pattern against one line: literals, '#', '*', '@' and '%' as klog.h has them. Case as
 * printed; a line without any lower-case letter (some loggers print so) is compared without case.
 * No recursion: only the last '*' or '@' can grow.
 */
#include "predict/klog_private.h"

#include <string.h>

#include "sample/sample.h"

#define NAME_MAX_LEN 96 /* what '@' may take: device names, paths of cgroups */

struct matcher {
	const char *p;
	size_t n;
	bool any_case;
	const char *name, *pid;
	size_t name_n, pid_n;
};

static bool same(const struct matcher *m, char pattern, char c)
{
	if (pattern == '$')
		return c == '#';
	return pattern == c || (m->any_case && klog_lower(pattern) == klog_lower(c));
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static size_t digits(const struct matcher *m, size_t at, bool (*test)(char))
{
	size_t end = at;

	while (end < m->n && test(m->p[end]))
		end++;
	return end - at;
}

/* A name at the end of a pattern: up to a blank or a mark that names do not end with. */
static void last_name(struct matcher *m, size_t at)
{
	size_t end = at;

	while (end < m->n && m->p[end] != ' ' && m->p[end] != ',' && m->p[end] != ')')
		end++;
	while (end > at && (m->p[end - 1] == ':' || m->p[end - 1] == '.'))
		end--;
	m->name = m->p + at;
	m->name_n = end - at;
}

/* One element that is neither '*' nor '@'; false when it does not stand at @*at. */
static bool step(struct matcher *m, char pattern, size_t *at)
{
	size_t len;

	if (pattern == '#' || pattern == '%') {
		len = digits(m, *at, pattern == '#' ? is_hex : is_digit);
		if (pattern == '%') {
			m->pid = m->p + *at;
			m->pid_n = len;
		}
		*at += len;
		return len > 0;
	}
	if (*at >= m->n || !same(m, pattern, m->p[*at]))
		return false;
	++*at;
	return true;
}

static bool match_at(struct matcher *m, const char *pattern, size_t at)
{
	const char *star = NULL; /* after the last '*' or '@' */
	size_t taken = 0, star_at = 0;

	while (*pattern) {
		if (*pattern == '*' || *pattern == '@') {
			if (*pattern == '@' && !pattern[1]) {
				last_name(m, at);
				return m->name_n > 0;
			}
			star = pattern++;
			star_at = at;
			taken = *star == '@'; /* a name is never empty */
			at += taken;
		} else if (at <= m->n && step(m, *pattern, &at)) {
			pattern++;
		} else {
			if (!star || star_at + ++taken > m->n ||
			    (*star == '@' && taken > NAME_MAX_LEN))
				return false;
			at = star_at + taken;
			pattern = star + 1;
		}
		if (star && *star == '@' && pattern == star + 1) {
			m->name = m->p + star_at;
			m->name_n = taken;
		}
	}
	return at <= m->n;
}

static bool boundary(const struct matcher *m, char first, size_t at)
{
	char before = at ? m->p[at - 1] : ' ';

	return !(first >= 'A' && first <= 'Z') ||
	       !((before >= 'a' && before <= 'z') || (before >= 'A' && before <= 'Z'));
}

static bool search(struct matcher *m, const struct klog_rule *rule)
{
	char first = rule->pattern[0];

	if ((rule->flags & KLOG_AT_START) || first == '@')
		return match_at(m, rule->pattern, 0);
	for (size_t at = 0; at < m->n; at++)
		if (same(m, first, m->p[at]) && boundary(m, first, at) &&
		    match_at(m, rule->pattern, at))
			return true;
	return false;
}

static bool no_lower(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] >= 'a' && p[i] <= 'z')
			return false;
	return true;
}

static void name_entity(const struct matcher *m, struct klog_hit *ret)
{
	size_t len;

	if (!m->name_n) {
		snprintf(ret->entity, sizeof(ret->entity), "kernel");
		return;
	}
	len = sample_escape(ret->entity, sizeof(ret->entity) - 14, m->name, m->name_n);
	if (m->pid_n && m->pid_n <= 10)
		snprintf(ret->entity + len, sizeof(ret->entity) - len, "[%.*s]", (int)m->pid_n,
			 m->pid);
}

bool klog_match(const struct klog_rule *rule, const char *p, size_t n, struct klog_hit *ret)
{
	struct matcher m = {.p = p, .n = n, .any_case = no_lower(p, n)};

	if (!search(&m, rule) || (rule->unless && memmem(p, n, rule->unless, strlen(rule->unless))))
		return false;
	ret->class = rule->class;
	ret->level = rule->level;
	name_entity(&m, ret);
	return true;
}
