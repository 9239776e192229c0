/* SPDX-License-Identifier: Apache-2.0 */
/* See process_table.h. One array in the order of pids, so that a process is found by halving. */
#include "sample/process_table.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"

/* Room beside those that are there, at least: a guest keeps about as many processes as it has. */
#define ROOM_MORE 32

/* The first place whose pid is not below @pid. */
static size_t place_of(const struct process_table *t, int pid)
{
	size_t from = 0, to = t->n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (t->list[middle].pid < pid)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static bool is_at(const struct process_table *t, size_t at, int pid)
{
	return at < t->n && t->list[at].pid == pid;
}

void process_table_begin(struct process_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		t->list[i].seen = false;
}

static bool is_settled(const struct process_known *k, int64_t now_ms)
{
	return !k->followed && (k->state == 'S' || k->state == 'I') &&
	       now_ms - k->since_ms >= PROCESS_SETTLED_MS;
}

bool process_table_keep(struct process_table *t, int pid, int64_t now_ms)
{
	size_t at = place_of(t, pid);

	if (!is_at(t, at, pid) || !is_settled(&t->list[at], now_ms))
		return false;
	t->list[at].seen = true;
	return true;
}

static int resize(struct process_table *t, size_t room)
{
	struct process_known *list = realloc(t->list, room * sizeof(*list));

	if (!list)
		return -ENOMEM;
	t->list = list;
	t->room = room;
	return 0;
}

static size_t spare(size_t n)
{
	return n / 8 + ROOM_MORE;
}

static int insert(struct process_table *t, size_t at)
{
	int err = 0;

	if (t->n == t->room)
		err = resize(t, t->n + spare(t->n));
	if (err)
		return err;
	memmove(&t->list[at + 1], &t->list[at], (t->n - at) * sizeof(t->list[0]));
	t->n++;
	return 0;
}

static uint32_t pages_told(const struct process_row *row)
{
	return row->rss_pages < UINT32_MAX ? (uint32_t)row->rss_pages : UINT32_MAX;
}

static bool is_unchanged(const struct process_known *k, const struct process_row *row)
{
	return k->start_ticks == row->start_ticks && k->state == row->state &&
	       k->ppid == row->ppid && k->threads == row->threads &&
	       k->cpu_ticks == row->cpu_ticks && k->rss_pages == pages_told(row);
}

static void remember(struct process_known *k, const struct process_row *row)
{
	k->pid = row->pid;
	k->ppid = row->ppid;
	k->state = row->state;
	k->threads = row->threads;
	k->start_ticks = row->start_ticks;
	k->cpu_ticks = row->cpu_ticks;
	k->rss_pages = pages_told(row);
	snprintf(k->name, sizeof(k->name), "%s", row->name);
}

int process_table_put(struct process_table *t, const struct process_row *row, bool followed,
		      int64_t now_ms)
{
	size_t at = place_of(t, row->pid);
	bool known = is_at(t, at, row->pid);
	struct process_known *k;

	if (!known && insert(t, at))
		return -ENOMEM;
	k = &t->list[at];
	if (!known || !is_unchanged(k, row))
		k->since_ms = now_ms;
	remember(k, row);
	k->seen = true;
	k->followed = followed;
	return 0;
}

void process_table_end(struct process_table *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].seen && n++ != i)
			t->list[n - 1] = t->list[i];
	t->n = n;
	if (t->room > t->n + 2 * spare(t->n))
		(void)!resize(t, t->n + spare(t->n));
}

struct process_row process_table_row(const struct process_table *t, size_t i)
{
	const struct process_known *k = &t->list[i];

	return (struct process_row){
		.pid = k->pid,
		.ppid = k->ppid,
		.state = k->state,
		.threads = k->threads,
		.start_ticks = k->start_ticks,
		.cpu_ticks = k->cpu_ticks,
		.rss_pages = k->rss_pages,
		.name = k->name,
		.since_ms = k->since_ms,
	};
}

void process_table_free(struct process_table *t)
{
	free(t->list);
	*t = (struct process_table){0};
}
