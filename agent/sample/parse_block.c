/* SPDX-License-Identifier: Apache-2.0 */
/* See parse_block.h. */
#include "sample/parse_block.h"

#include <errno.h>

#include "core/text.h"
#include "sample/sample.h"
#include "sample/scan.h"

static bool next_line(const char *p, size_t n, size_t *pos, struct span *line)
{
	struct span in = {p + *pos, n - *pos};

	if (!scan_line(&in, line))
		return false;
	*pos = n - in.n;
	return true;
}

static bool span_u32(const struct span *s, uint32_t *ret)
{
	uint64_t v;

	if (text_u64(s->p, s->n, &v) || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* ---- mountinfo ---- */

static bool octal(const char *p, size_t n, char *ret)
{
	if (n < 4 || p[0] != '\\')
		return false;
	for (size_t i = 1; i < 4; i++)
		if (p[i] < '0' || p[i] > '7')
			return false;
	*ret = (char)(unsigned char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
	return true;
}

/* Blanks and the like stand as \040. */
static bool unescape(const struct span *escaped, char *to, size_t cap)
{
	size_t len = 0;

	for (size_t i = 0; i < escaped->n;) {
		char c = escaped->p[i];
		bool coded = octal(escaped->p + i, escaped->n - i, &c);

		if (!c || len + 1 == cap)
			return false;
		to[len++] = c;
		i += coded ? 4 : 1;
	}
	to[len] = '\0';
	return len > 0;
}

static void cut(const struct span *s, char *to, size_t cap)
{
	size_t n = s->n < cap ? s->n : cap - 1;

	memcpy(to, s->p, n);
	to[n] = '\0';
}

static bool has_option(struct span options, const char *name)
{
	while (options.n) {
		const char *comma = memchr(options.p, ',', options.n);
		struct span one = {options.p, comma ? (size_t)(comma - options.p) : options.n};

		if (scan_is(&one, name))
			return true;
		options.p += one.n + (comma ? 1 : 0);
		options.n -= one.n + (comma ? 1 : 0);
	}
	return false;
}

static bool device_number(const struct span *word, struct parse_mount *m)
{
	const char *colon = memchr(word->p, ':', word->n);
	struct span major = {word->p, colon ? (size_t)(colon - word->p) : 0};
	struct span minor = {colon ? colon + 1 : word->p, colon ? word->n - major.n - 1 : 0};

	return colon && span_u32(&major, &m->major) && span_u32(&minor, &m->minor);
}

static void take_source(const struct span *source, struct parse_mount *m)
{
	const char *slash = memrchr(source->p, '/', source->n);
	const char *from = slash ? slash + 1 : source->p;

	m->is_device = source->n > 5 && !memcmp(source->p, "/dev/", 5);
	sample_escape(m->source, sizeof(m->source), from, (size_t)(source->p + source->n - from));
}

/* 36 35 98:0 /root /mount/point options [optional...] - type source super-options */
static bool mount_line(struct span *line, struct parse_mount *m)
{
	struct span word, options;

	*m = (struct parse_mount){0};
	if (!scan_u64(line, &m->id) || !scan_word(line, &word) || !scan_word(line, &word) ||
	    !device_number(&word, m))
		return false;
	if (!scan_word(line, &word))
		return false;
	cut(&word, m->root, sizeof(m->root));
	if (!scan_word(line, &word) || !unescape(&word, m->path, sizeof(m->path)) ||
	    !scan_word(line, &options))
		return false;
	do {
		if (!scan_word(line, &word))
			return false;
	} while (!scan_is(&word, "-"));
	if (!scan_word(line, &word))
		return false;
	cut(&word, m->type, sizeof(m->type));
	if (!scan_word(line, &word))
		return false;
	take_source(&word, m);
	m->readonly = has_option(options, "ro");
	if (!scan_word(line, &options))
		return true;
	m->readonly |= has_option(options, "ro");
	m->emergency = has_option(options, "emergency_ro") || has_option(options, "shutdown");
	m->cgroup_memory = !strcmp(m->type, "cgroup") && has_option(options, "memory");
	m->cgroup_pids = !strcmp(m->type, "cgroup") && has_option(options, "pids");
	m->errors_readonly = has_option(options, "errors=remount-ro");
	return true;
}

bool parse_mount_next(const char *p, size_t n, size_t *pos, struct parse_mount *ret)
{
	struct span line;

	while (next_line(p, n, pos, &line))
		if (mount_line(&line, ret))
			return true;
	return false;
}

int parse_mountinfo(const char *p, size_t n, const char *mount_point, char *ret, size_t ret_cap)
{
	struct parse_mount m;
	int found = -ENOENT;
	size_t pos = 0;

	while (parse_mount_next(p, n, &pos, &m))
		if (!strcmp(m.path, mount_point)) {
			snprintf(ret, ret_cap, "%s", m.source);
			found = 0;
		}
	return found;
}

/* ---- diskstats ---- */

static bool disk_line(struct span *line, struct parse_diskstats *d)
{
	struct span word;
	size_t i;

	*d = (struct parse_diskstats){0};
	if (!scan_word(line, &word) || !span_u32(&word, &d->major) || !scan_word(line, &word) ||
	    !span_u32(&word, &d->minor) || !scan_word(line, &word) || word.n >= sizeof(d->name))
		return false;
	sample_escape(d->name, sizeof(d->name), word.p, word.n);
	for (i = 0; i < DISK_FIELDS_MAX; i++)
		if (!scan_u64(line, &d->n[i]))
			break;
	if (d->n[DISK_IN_FLIGHT] >
	    INT32_MAX) /* a kernel that lost count prints what is below zero so */
		d->n[DISK_IN_FLIGHT] = 0;
	return i >= DISK_FIELDS;
}

bool parse_diskstats_next(const char *p, size_t n, size_t *pos, struct parse_diskstats *ret)
{
	struct span line;

	while (next_line(p, n, pos, &line))
		if (disk_line(&line, ret))
			return true;
	return false;
}

bool parse_disk_is_virtual(const char *name)
{
	static const char *const prefixes[] = {"loop", "ram", "zram"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (text_starts(name, prefixes[i]))
			return true;
	return false;
}
