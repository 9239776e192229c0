/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process table, by libproc2: how many in which state, and the largest by resident memory. Only
 * what stands in /proc/PID/stat is asked for, so that a process costs one small file. Command lines
 * are not read: they may hold secrets. procps_pids_get() would need no memory for the whole table,
 * but stays at the end once it got there; only a walk over threads makes it begin again, and that
 * one reads freed memory where two handles were used (4.0.2, seen with valgrind).
 */
#include "sample/probe.h"

#include <errno.h>
#include <libproc2/pids.h>
#include <string.h>

#define LARGEST	       5
#define KEEP_PROCESSES 1000

enum item { ITEM_PID, ITEM_STATE, ITEM_RSS, ITEM_THREADS, ITEM_NAME, ITEMS };
static const enum pids_item items[ITEMS] = {
	[ITEM_PID] = PIDS_ID_PID,   [ITEM_STATE] = PIDS_STATE, [ITEM_RSS] = PIDS_RSS,
	[ITEM_THREADS] = PIDS_NLWP, [ITEM_NAME] = PIDS_CMD,
};

enum state { RUNNING, SLEEPING, BLOCKED, STOPPED, ZOMBIE, STATES };
static const struct {
	const char *letters; /* as /proc/PID/stat has them */
	enum metric metric;
} states[STATES] = {
	[RUNNING] = {"R", METRIC_PROCESS_RUNNING}, [SLEEPING] = {"SIPKW", METRIC_PROCESS_SLEEPING},
	[BLOCKED] = {"D", METRIC_PROCESS_BLOCKED}, [STOPPED] = {"Tt", METRIC_PROCESS_STOPPED},
	[ZOMBIE] = {"ZXx", METRIC_PROCESS_ZOMBIE},
};

struct large {
	char name[112];
	uint64_t rss_pages;
	int threads;
};

struct table {
	struct pids_info *info;
	double mib_per_page;
	uint64_t total, by_state[STATES];
	size_t n_largest;
	struct large largest[LARGEST]; /* descending */
};

/*
 * The library's memory stays as large as the longest table it ever held. After an unusually long
 * one (a fork bomb) its handle is given up and made anew, so that it goes back.
 */
static int renew(struct table *t)
{
	enum pids_item wanted[ITEMS];

	if (t->info && t->total <= KEEP_PROCESSES)
		return 0;
	if (t->info)
		procps_pids_unref(&t->info);
	memcpy(wanted, items, sizeof(wanted));
	t->info = NULL;
	return procps_pids_new(&t->info, wanted, ITEMS);
}

static int process_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	_cleanup_free_ struct table *t = calloc(1, sizeof(*t));
	int err = probe_own_root(setup->env, "/proc", e);

	if (err)
		return err;
	if (!t)
		return err_set(e, -ENOMEM, "no memory");
	err = renew(t);
	if (err < 0)
		return err_sys(e, -err, "libproc2");
	t->mib_per_page = (double)sysconf(_SC_PAGESIZE) / 1048576.0;
	*ret = take_ptr(t);
	return 0;
}

static void set_large(struct large *l, const struct pids_stack *p)
{
	const char *name = p->head[ITEM_NAME].result.str;
	char shown[96];

	sample_escape(shown, sizeof(shown), name ? name : "", name ? strlen(name) : 0);
	snprintf(l->name, sizeof(l->name), "%s[%d]", shown, p->head[ITEM_PID].result.s_int);
	l->rss_pages = p->head[ITEM_RSS].result.ul_int;
	l->threads = p->head[ITEM_THREADS].result.s_int;
}

static void consider_large(struct table *t, const struct pids_stack *p)
{
	uint64_t rss = p->head[ITEM_RSS].result.ul_int;
	size_t at = t->n_largest;

	while (at && t->largest[at - 1].rss_pages < rss)
		at--;
	if (!rss || at == LARGEST)
		return;
	if (t->n_largest < LARGEST)
		t->n_largest++;
	for (size_t i = t->n_largest - 1; i > at; i--)
		t->largest[i] = t->largest[i - 1];
	set_large(&t->largest[at], p);
}

static void count(struct table *t, const struct pids_stack *p)
{
	char letter = (char)p->head[ITEM_STATE].result.s_ch;

	t->total++;
	for (size_t i = 0; letter && i < STATES; i++)
		t->by_state[i] += strchr(states[i].letters, letter) ? 1 : 0;
}

static int process_read(void *state, int64_t now_ms)
{
	struct table *t = state;
	const struct pids_fetch *all;
	int err = renew(t);

	(void)now_ms;
	t->total = 0;
	t->n_largest = 0;
	memset(t->by_state, 0, sizeof(t->by_state));
	if (err < 0)
		return err;
	all = procps_pids_reap(t->info, PIDS_FETCH_TASKS_ONLY);
	if (!all)
		return -EIO;
	for (int i = 0; i < all->counts->total; i++) {
		count(t, all->stacks[i]);
		consider_large(t, all->stacks[i]);
	}
	return 0;
}

static void process_report(const void *state, struct sample *out)
{
	const struct table *t = state;

	sample_add(out, METRIC_PROCESS_TOTAL, -1, (double)t->total);
	for (size_t i = 0; i < STATES; i++)
		sample_add(out, states[i].metric, -1, (double)t->by_state[i]);
	for (size_t i = 0; i < t->n_largest; i++) {
		int entity = sample_entity(out, "process", t->largest[i].name, NULL);

		probe_add_of(out, METRIC_PROCESS_RSS_MB, entity,
			     (double)t->largest[i].rss_pages * t->mib_per_page);
		probe_add_of(out, METRIC_PROCESS_THREADS, entity, t->largest[i].threads);
	}
}

static void process_close(void *state)
{
	struct table *t = state;

	if (t->info)
		procps_pids_unref(&t->info);
	free(t);
}

const struct probe_ops probe_process = {
	.name = "process",
	.source = "/proc/PID/stat",
	.pace = PROBE_PROCESS,
	.open = process_open,
	.read = process_read,
	.report = process_report,
	.close = process_close,
};
