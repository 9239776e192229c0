/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process table, by libproc2: how many in which state, and the largest by resident memory. Only what stands in
 * /proc/PID/stat is asked for, so that a process costs one small file. The table is walked one process at a time, so
 * that memory does not grow with it. Command lines are not read: they may hold secrets.
 */
#include "sample/probe.h"

#include <errno.h>
#include <libproc2/pids.h>
#include <string.h>

#define LARGEST 5

enum item { ITEM_PID, ITEM_STATE, ITEM_RSS, ITEM_THREADS, ITEM_NAME, ITEMS };
static const enum pids_item items[ITEMS] = {
	[ITEM_PID] = PIDS_ID_PID,
	[ITEM_STATE] = PIDS_STATE,
	[ITEM_RSS] = PIDS_RSS,
	[ITEM_THREADS] = PIDS_NLWP,
	[ITEM_NAME] = PIDS_CMD,
};

enum state { RUNNING, SLEEPING, BLOCKED, STOPPED, ZOMBIE, STATES };
static const struct {
	const char *letters; /* as /proc/PID/stat has them */
	enum metric metric;
} states[STATES] = {
	[RUNNING] = {"R", METRIC_PROCESS_RUNNING},
	[SLEEPING] = {"SI", METRIC_PROCESS_SLEEPING},
	[BLOCKED] = {"D", METRIC_PROCESS_BLOCKED},
	[STOPPED] = {"Tt", METRIC_PROCESS_STOPPED},
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

static int process_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	_cleanup_free_ struct table *t = calloc(1, sizeof(*t));
	enum pids_item wanted[ITEMS];
	int err = probe_own_root(setup->env, "/proc", e);

	if (err)
		return err;
	if (!t)
		return err_set(e, -ENOMEM, "no memory");
	memcpy(wanted, items, sizeof(wanted));
	err = procps_pids_new(&t->info, wanted, ITEMS);
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

/*
 * libproc2 stays at the end once its walk got there, and only a walk of the other kind makes it begin again. The
 * alternatives were measured with 80 processes: reap, which is a quarter cheaper, keeps memory for the largest
 * number of processes ever seen; a new handle each time costs a third more.
 */
static void rewind_table(struct table *t)
{
	procps_pids_get(t->info, PIDS_FETCH_THREADS_TOO);
}

static int process_read(void *state, int64_t now_ms)
{
	struct table *t = state;
	const struct pids_stack *p;

	(void)now_ms;
	t->total = 0;
	t->n_largest = 0;
	memset(t->by_state, 0, sizeof(t->by_state));
	while ((p = procps_pids_get(t->info, PIDS_FETCH_TASKS_ONLY))) {
		count(t, p);
		consider_large(t, p);
	}
	rewind_table(t);
	return t->total ? 0 : -EIO;
}

static void process_report(const void *state, struct sample *out)
{
	const struct table *t = state;

	sample_add(out, METRIC_PROCESS_TOTAL, -1, (double)t->total);
	for (size_t i = 0; i < STATES; i++)
		sample_add(out, states[i].metric, -1, (double)t->by_state[i]);
	for (size_t i = 0; i < t->n_largest; i++) {
		int entity = sample_entity(out, "process", t->largest[i].name, NULL);

		probe_add_of(out, METRIC_PROCESS_RSS_MB, entity, (double)t->largest[i].rss_pages * t->mib_per_page);
		probe_add_of(out, METRIC_PROCESS_THREADS, entity, t->largest[i].threads);
	}
}

static void process_close(void *state)
{
	struct table *t = state;

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
