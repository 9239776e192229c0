/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of kernel logs as consoles, syslog files and dumps of /dev/kmsg have them: the prefix off,
 * and which lines belong to a trace or a table. Says nothing about what a line means.
 */
#include <string.h>
#include <strings.h>

#include "core/text.h"
#include "predict/klog_private.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t number(const char *p, size_t n, int64_t *ret)
{
	size_t i = 0;

	*ret = 0;
	for (; i < n && i < 15 && is_digit(p[i]); i++)
		*ret = *ret * 10 + (p[i] - '0');
	return i;
}

static void advance(const char **p, size_t *n, size_t by)
{
	*p += by;
	*n -= by;
}

/* "prio,seq,usec,flags;" - 1 taken, 0 no such prefix, -1 not of the kernel */
static int strip_record(const char **p, size_t *n, int64_t *usec)
{
	size_t at = 0;
	int64_t fields[3];
	const char *end;

	if (!*n || !is_digit(**p))
		return 0;
	for (int i = 0; i < 3; i++) {
		size_t len = number(*p + at, *n - at, &fields[i]);

		if (!len || at + len >= *n || (*p)[at + len] != ',')
			return 0;
		at += len + 1;
	}
	end = memchr(*p + at, ';', *n - at < 64 ? *n - at : 64);
	if (!end)
		return 0;
	*usec = fields[2];
	advance(p, n, (size_t)(end + 1 - *p));
	return fields[0] >> 3 ? -1 : 1;
}

/* "<N>" */
static int strip_priority(const char **p, size_t *n)
{
	int64_t priority;
	size_t len = *n > 2 && **p == '<' ? number(*p + 1, *n - 1, &priority) : 0;

	if (!len || len > 3 || len + 1 >= *n || (*p)[len + 1] != '>')
		return 0;
	advance(p, n, len + 2);
	return priority >> 3 ? -1 : 1;
}

/* "[   12.345678]", then "[T123]" or "[   C0]" of newer kernels */
static bool strip_time(const char **p, size_t *n, int64_t *usec)
{
	size_t i = 1, len;
	int64_t s, us;

	if (*n < 4 || **p != '[')
		return false;
	while (i < *n && (*p)[i] == ' ')
		i++;
	len = number(*p + i, *n - i, &s);
	if (!len || i + len >= *n || (*p)[i + len] != '.')
		return false;
	i += len + 1;
	len = number(*p + i, *n - i, &us);
	if (len != 6 || i + len >= *n || (*p)[i + len] != ']')
		return false;
	*usec = s < INT64_MAX / 2000000 ? s * 1000000 + us : *usec;
	advance(p, n, i + len + 1);
	return true;
}

static bool strip_caller(const char **p, size_t *n)
{
	size_t i = 1;
	int64_t id;

	if (*n < 4 || **p != '[')
		return false;
	while (i < *n && (*p)[i] == ' ')
		i++;
	if (i >= *n || ((*p)[i] != 'T' && (*p)[i] != 'C'))
		return false;
	i++;
	i += number(*p + i, *n - i, &id);
	if (i >= *n || (*p)[i] != ']')
		return false;
	advance(p, n, i + 1);
	return true;
}

static bool is_clock(const char *p)
{
	return is_digit(p[0]) && is_digit(p[1]) && p[2] == ':' && is_digit(p[3]) &&
	       is_digit(p[4]) && p[5] == ':' && is_digit(p[6]) && is_digit(p[7]);
}

/* Before the clock: "Dec  4 " or "2024-12-04T" and the like. */
static bool is_date(const char *p, size_t n)
{
	if (n && (p[n - 1] == 'T' || p[n - 1] == '_' || p[n - 1] == ' '))
		n--;
	return n >= 3 && is_digit(p[n - 1]) &&
	       (p[n - 2] == ' ' || p[n - 3] == ' ' || p[n - 2] == '-' || p[n - 3] == '-' ||
		p[n - 2] == '/' || p[n - 3] == '/');
}

/* "Dec  4 15:56:11 host kernel: " - the tag tells who wrote; only the kernel's own count */
static int strip_syslog(const char **p, size_t *n)
{
	static const char tag[] = "kernel: ";
	size_t at = 0, to;

	if (!*n || **p == '[')
		return 0;
	while (at + 8 <= *n && at < 64 && !(is_clock(*p + at) && is_date(*p, at)))
		at++;
	if (at + 8 > *n || at >= 64)
		return 0;
	for (to = at + 8; to + sizeof(tag) - 1 <= *n && to < at + 96; to++) {
		if (!strncasecmp(*p + to, tag, sizeof(tag) - 1) && (*p)[to - 1] == ' ') {
			advance(p, n, to + sizeof(tag) - 1);
			return 1;
		}
		if ((*p)[to] == ':' && to > at + 16) /* another's tag (a zone may have a colon) */
			return -1;
	}
	return -1;
}

static bool is_dictionary(const char *p, size_t n)
{
	size_t i = 1;

	if (n < 3 || p[0] != ' ')
		return false;
	while (i < n && ((p[i] >= 'A' && p[i] <= 'Z') || p[i] == '_'))
		i++;
	return i > 1 && i < n && p[i] == '=';
}

bool klog_strip(const char **p, size_t *n, int64_t *usec)
{
	int r;

	while (*n && ((*p)[*n - 1] == '\r' || (*p)[*n - 1] == '\n'))
		--*n;
	if (is_dictionary(*p, *n))
		return false;
	r = strip_record(p, n, usec);
	if (r)
		return r > 0;
	if (strip_priority(p, n) < 0 || strip_syslog(p, n) < 0 || strip_priority(p, n) < 0)
		return false;
	if (strip_time(p, n, usec))
		strip_caller(p, n);
	if (*n && **p == ' ')
		advance(p, n, 1);
	return true;
}

/* What lines of a dump begin with, beside those with an address behind a function's name. */
static const char *const trace_starts[] = {
	"Call Trace",
	"Call trace",
	"Backtrace",
	"RIP: ",
	"RSP: ",
	"RAX: ",
	"RDX: ",
	"RBP: ",
	"R10: ",
	"R13: ",
	"FS: ",
	"CS: ",
	"CR2: ",
	"DR0: ",
	"DR3: ",
	"PKRU: ",
	"Code: ",
	"Modules linked in",
	"CPU: ",
	"Hardware name",
	"Workqueue: ",
	"---[ end",
	"------------",
	"============",
	"<TASK>",
	"</TASK>",
	"<IRQ>",
	"</IRQ>",
	"Mem-Info",
	"Node ",
	"Tasks state",
	"[ pid ]",
	"NMI backtrace",
	"Sending NMI",
	"Showing all locks",
	"rcu:",
	"pc : ",
	"lr : ",
	"sp : ",
	"x0 ",
	"active_anon",
	"DMA",
	"Normal",
	"lowmem_reserve",
	"memory: usage",
	"swap: usage",
	"Memory cgroup stats",
	"anon ",
	"Allocated by task",
	"Freed by task",
	"The buggy address",
	"Memory state around",
	"Read of size",
	"Write of size",
	"page:",
	"raw: ",
	"Stack:",
	"Process ",
	"Kernel Offset",
	"Rebooting in",
	"Dumping ftrace",
	"Tainted: ",
	"backtrace",
	"comm ",
	"task:",
	"hex dump",
	"flags: ",
	"lock_acquire",
	"stack backtrace",
	"other info",
	"locks held by",
	"the existing dependency",
	"but task is already",
	"which lock already",
	"-> #",
};

bool klog_is_trace(const char *p, size_t n)
{
	int64_t pid;

	while (n && (*p == ' ' || *p == '?')) {
		p++;
		n--;
	}
	if (!n || (n < 160 && memmem(p, n, "+0x", 3)))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(trace_starts); i++)
		if (n >= strlen(trace_starts[i]) &&
		    !memcmp(p, trace_starts[i], strlen(trace_starts[i])))
			return true;
	if (*p != '[')
		return false;
	for (p++, n--; n && *p == ' '; p++, n--)
		;
	return n && number(p, n, &pid) > 0; /* a row of the table of tasks */
}
