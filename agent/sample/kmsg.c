/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record of /dev/kmsg, as Documentation/ABI/testing/dev-kmsg has it:
 *
 *   <prio>,<seq>,<usec>,<flags>[,<more>];<text>\n[ KEY=value\n]...
 *
 * The kernel prints control characters, bytes over 126 and the backslash as \xNN, in text and
 * dictionary alike. They are decoded and escaped again by our own rule, so that whatever comes out
 * is printable ASCII whoever wrote it. Says nothing about what a record means.
 */
#include "sample/kmsg.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "sample/sample.h"

/* Takes the text up to @end and steps behind it; false when @end does not come. */
static bool cut(const char **p, size_t *n, char end, const char **ret_p, size_t *ret_n)
{
	const char *at = *n ? memchr(*p, end, *n) : NULL;

	if (!at)
		return false;
	*ret_p = *p;
	*ret_n = (size_t)(at - *p);
	*n -= *ret_n + 1;
	*p = at + 1;
	return true;
}

static bool cut_u64(const char **p, size_t *n, uint64_t *ret)
{
	const char *item;
	size_t len;

	return cut(p, n, ',', &item, &len) && text_u64(item, len, ret) == 0;
}

/* One character of the kernel's escaping; a backslash that starts no escape stands for itself. */
static char next_char(const char *p, size_t n, size_t *i)
{
	int hi, lo;

	if (p[*i] != '\\' || n - *i < 4 || p[*i + 1] != 'x')
		return p[(*i)++];
	hi = text_hex_digit(p[*i + 2]);
	lo = text_hex_digit(p[*i + 3]);
	if (hi < 0 || lo < 0)
		return p[(*i)++];
	*i += 4;
	return (char)(unsigned char)(hi << 4 | lo);
}

static size_t copy_text(char *out, size_t cap, const char *p, size_t n)
{
	size_t len = 0, i = 0;

	out[0] = '\0';
	while (i < n) {
		char c = next_char(p, n, &i);
		size_t added = sample_escape(out + len, cap - len, &c, 1);

		if (!added)
			break;
		len += added;
	}
	return len;
}

static void dictionary_line(const char *p, size_t n, struct kmsg_record *r)
{
	static const char subsystem[] = " SUBSYSTEM=", device[] = " DEVICE=";

	if (n >= sizeof(subsystem) - 1 && !memcmp(p, subsystem, sizeof(subsystem) - 1))
		copy_text(r->subsystem, sizeof(r->subsystem), p + sizeof(subsystem) - 1,
			  n - (sizeof(subsystem) - 1));
	else if (n >= sizeof(device) - 1 && !memcmp(p, device, sizeof(device) - 1))
		copy_text(r->device, sizeof(r->device), p + sizeof(device) - 1,
			  n - (sizeof(device) - 1));
}

static int header(const char **p, size_t *n, struct kmsg_record *r)
{
	const char *rest;
	size_t rest_n;
	uint64_t prio;

	if (!cut_u64(p, n, &prio) || prio > 0x7fffffff || !cut_u64(p, n, &r->seq) ||
	    !cut_u64(p, n, &r->usec))
		return -EINVAL;
	if (!cut(p, n, ';', &rest, &rest_n) || !rest_n || (rest_n > 1 && rest[1] != ','))
		return -EINVAL;
	if (rest[0] != '-' && rest[0] != 'c' && rest[0] != '+')
		return -EINVAL;
	r->facility = (unsigned)(prio >> 3);
	r->level = (unsigned)(prio & 7);
	r->flag = rest[0];
	return 0;
}

int kmsg_parse(const char *p, size_t n, struct kmsg_record *ret)
{
	const char *line;
	size_t line_n;

	ret->subsystem[0] = ret->device[0] = ret->text[0] = '\0';
	ret->text_len = 0;
	if (header(&p, &n, ret))
		return -EINVAL;
	if (!cut(&p, &n, '\n', &line, &line_n))
		return -EINVAL;
	ret->text_len = copy_text(ret->text, sizeof(ret->text), line, line_n);
	while (cut(&p, &n, '\n', &line, &line_n))
		dictionary_line(line, line_n, ret);
	return 0;
}
