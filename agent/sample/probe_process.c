/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process table, by libproc2, walked once for all views (process_view.h). Only what stands in
 * /proc/PID/stat is asked for, so that a process costs one small file. Command lines are not read:
 * they may hold secrets. procps_pids_get() would need no memory for the whole table, but stays at
 * the end once it got there; only a walk over threads makes it begin again, and that one reads
 * freed memory where two handles were used (4.0.2, seen with valgrind).
 */
#include "sample/process_view.h"

#include <errno.h>
#include <libproc2/pids.h>
#include <string.h>

#define KEEP_PROCESSES 1000

const struct process_view *const process_views[] = {
	&process_blocked, /* first: it has the detail of an entity that others name, too */
	&process_states,  &process_largest, &process_growth,
	&process_zombies, &process_fds,     &process_watch,
};
const size_t process_views_n = ARRAY_SIZE(process_views);
_Static_assert(ARRAY_SIZE(process_views) <= PROCESS_VIEWS_MAX, "PROCESS_VIEWS_MAX is too small");

enum item {
	ITEM_PID,
	ITEM_PPID,
	ITEM_STATE,
	ITEM_THREADS,
	ITEM_START,
	ITEM_CPU,
	ITEM_RSS,
	ITEM_NAME,
	ITEMS
};
static const enum pids_item items[ITEMS] = {
	[ITEM_PID] = PIDS_ID_PID,   [ITEM_PPID] = PIDS_ID_PPID,     [ITEM_STATE] = PIDS_STATE,
	[ITEM_THREADS] = PIDS_NLWP, [ITEM_START] = PIDS_TICS_BEGAN, [ITEM_CPU] = PIDS_TICS_ALL,
	[ITEM_RSS] = PIDS_RSS,      [ITEM_NAME] = PIDS_CMD,
};

struct table {
	struct pids_info *info;
	int last_total;
	bool hidden; /* /proc is mounted so that we see our own processes only */
	void *states[PROCESS_VIEWS_MAX];
};

void process_shown(const struct process_row *row, char out[static PROCESS_SHOWN_MAX])
{
	char name[96];

	sample_escape(name, sizeof(name), row->name, strlen(row->name));
	snprintf(out, PROCESS_SHOWN_MAX, "%s[%d]", name, row->pid);
}

/*
 * The library's memory stays as large as the longest table it ever held. After an unusually long
 * one (a fork bomb) its handle is given up and made anew, so that it goes back.
 */
static int renew(struct table *t)
{
	enum pids_item wanted[ITEMS];

	if (t->info && t->last_total <= KEEP_PROCESSES)
		return 0;
	if (t->info)
		procps_pids_unref(&t->info);
	memcpy(wanted, items, sizeof(wanted));
	t->info = NULL;
	return procps_pids_new(&t->info, wanted, ITEMS);
}

static void process_close(void *state)
{
	struct table *t = state;

	for (size_t i = 0; i < process_views_n; i++) {
		if (t->states[i] && process_views[i]->close)
			process_views[i]->close(t->states[i]);
		free(t->states[i]);
	}
	if (t->info)
		procps_pids_unref(&t->info);
	free(t);
}

static int open_views(struct table *t, const struct probe_setup *setup)
{
	const struct process_context context = {
		.loop = setup->loop,
		.env = setup->env,
		.conf = setup->conf,
		.prober = setup->prober,
		.sampler = setup->sampler,
		.mib_per_page = (double)sysconf(_SC_PAGESIZE) / 1048576.0,
		.ticks_per_s = (double)sysconf(_SC_CLK_TCK),
	};

	for (size_t i = 0; i < process_views_n; i++) {
		t->states[i] = calloc(1, process_views[i]->size);
		if (!t->states[i])
			return -ENOMEM;
		if (process_views[i]->open)
			process_views[i]->open(t->states[i], &context);
	}
	return 0;
}

static int process_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	struct table *t;
	int err = probe_own_root(setup->env, "/proc", e);

	if (err)
		return err;
	t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(e, -ENOMEM, "no memory");
	err = renew(t);
	if (err >= 0)
		err = open_views(t, setup);
	if (err < 0) {
		process_close(t);
		return err_sys(e, -err, "libproc2");
	}
	*ret = t;
	return 0;
}

static struct process_row row_of(const struct pids_stack *p)
{
	const char *name = p->head[ITEM_NAME].result.str;

	return (struct process_row){
		.pid = p->head[ITEM_PID].result.s_int,
		.ppid = p->head[ITEM_PPID].result.s_int,
		.state = (char)p->head[ITEM_STATE].result.s_ch,
		.threads = p->head[ITEM_THREADS].result.s_int,
		.start_ticks = p->head[ITEM_START].result.ull_int,
		.cpu_ticks = p->head[ITEM_CPU].result.ull_int,
		.rss_pages = p->head[ITEM_RSS].result.ul_int,
		.name = name ? name : "",
	};
}

static void show_view(const struct process_view *view, void *state, const struct pids_fetch *all,
		      int64_t now_ms)
{
	view->begin(state, now_ms);
	for (int i = 0; i < all->counts->total; i++) {
		struct process_row row = row_of(all->stacks[i]);

		view->see(state, &row);
	}
	for (int i = 0; view->wants_again && view->wants_again(state) && i < all->counts->total;
	     i++) {
		struct process_row row = row_of(all->stacks[i]);

		view->see_again(state, &row);
	}
	if (view->end)
		view->end(state);
}

/* Every namespace of processes has a first one. Numbers of a part of the table would look like a
 * guest in which nothing runs. */
static bool is_hidden(const struct pids_fetch *all)
{
	for (int i = 0; i < all->counts->total; i++)
		if (all->stacks[i]->head[ITEM_PID].result.s_int == 1)
			return false;
	return true;
}

static int process_read(void *state, int64_t now_ms)
{
	struct table *t = state;
	const struct pids_fetch *all;
	int err = renew(t);

	if (err < 0)
		return err;
	all = procps_pids_reap(t->info, PIDS_FETCH_TASKS_ONLY);
	if (!all)
		return -EIO;
	t->last_total = all->counts->total;
	t->hidden = is_hidden(all);
	if (t->hidden)
		return -EPERM;
	for (size_t i = 0; i < process_views_n; i++)
		show_view(process_views[i], t->states[i], all, now_ms);
	return 0;
}

static void process_report(const void *state, struct sample *out)
{
	const struct table *t = state;

	for (size_t i = 0; i < process_views_n; i++)
		process_views[i]->report(t->states[i], out);
}

static bool process_busy(const void *state)
{
	const struct table *t = state;

	for (size_t i = 0; i < process_views_n; i++)
		if (process_views[i]->busy && process_views[i]->busy(t->states[i]))
			return true;
	return false;
}

static void process_apply(void *state, const struct sampler_settings *settings)
{
	struct table *t = state;

	for (size_t i = 0; i < process_views_n; i++)
		if (process_views[i]->apply)
			process_views[i]->apply(t->states[i], settings);
}

static void process_explain(const void *state, struct problems *problems)
{
	const struct table *t = state;

	if (t->hidden)
		problems_add(problems, PROBLEM_WARN, "probe-process-hidden",
			     "mount /proc with gid= of the agent's group, or without hidepid",
			     "processes of others are hidden (mount option hidepid of /proc)");
	for (size_t i = 0; i < process_views_n; i++)
		if (process_views[i]->explain)
			process_views[i]->explain(t->states[i], problems);
}

const struct probe_ops probe_process = {
	.name = "process",
	.source = "/proc/PID/stat",
	.pace = PROBE_PROCESS,
	.open = process_open,
	.read = process_read,
	.report = process_report,
	.close = process_close,
	.busy = process_busy,
	.apply = process_apply,
	.explain = process_explain,
};
