/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process table, by libproc2, walked once for all views (process_view.h). Only what stands in
 * /proc/PID/stat is asked for, so that a process costs one small file. Command lines are not read:
 * they may hold secrets. procps_pids_get() would need no memory for the whole table, but stays at
 * the end once it got there; only a walk over threads makes it begin again, and that one reads
 * freed memory where two handles were used (4.0.2, seen with valgrind).
 *
 * Each tenth walk looks at all processes, and so does one that comes early, as it comes for a
 * reason, or finds load that no processor worked for: the kernel counts who sleeps uninterruptibly
 * there (see waiters.h). The others list the pids and look at those that
 * are new or not settled (process_table.h), a quarter of the cost: the library reads two files of a
 * process that is asked for by its pid, so that a look at many of them is one at all.
 */
#include "sample/process_view.h"

#include <errno.h>
#include <libproc2/misc.h>
#include <libproc2/pids.h>
#include <string.h>

#include "core/text.h"
#include "core/wide.h"
#include "sample/dirwalk.h"
#include "sample/process_table.h"
#include "sample/waiters.h"

#define LOOK_ALL  10
#define ASK_PART  3   /* of the table, beyond which a look at all is cheaper */
#define ASK_MAX   255 /* the library takes no more */
#define LARGE_MIB 64.0
#define CALM_MAX  0.5 /* tasks that wait: half of one that hung all the time */

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
	struct pids_info *info; /* of a walk */
	int proc_fd;
	unsigned walks; /* since the last look at all */
	int64_t interval_ms, walked_ms;
	double mib_per_page;
	struct waiters waiters;
	const struct probe_hints *hints;
	bool hidden; /* /proc is mounted so that we see our own processes only */
	struct process_table known;
	void *states[PROCESS_VIEWS_MAX]; /* in one piece; NULL: not open */
};

void process_shown(const struct process_row *row, char out[static PROCESS_SHOWN_MAX])
{
	char name[96];

	sample_escape(name, sizeof(name), row->name, strlen(row->name));
	snprintf(out, PROCESS_SHOWN_MAX, "%s[%d]", name, row->pid);
}

/*
 * A handle of the library keeps 200 bytes for each process of the longest table it ever read, and
 * costs 1.7 us to make and to free: so it lives for one walk.
 */
static int begin_library(struct table *t)
{
	enum pids_item wanted[ITEMS];

	memcpy(wanted, items, sizeof(wanted));
	return procps_pids_new(&t->info, wanted, ITEMS);
}

static void end_library(struct table *t)
{
	if (t->info)
		procps_pids_unref(&t->info);
	t->info = NULL;
}

static void process_close(void *state)
{
	struct table *t = state;

	for (size_t i = 0; i < process_views_n; i++)
		if (t->states[i] && process_views[i]->close)
			process_views[i]->close(t->states[i]);
	wide_free(t->states[0]);
	end_library(t);
	if (t->proc_fd >= 0)
		close(t->proc_fd);
	process_table_free(&t->known);
	free(t);
}

static size_t place_of(size_t view)
{
	size_t at = 0;

	for (size_t i = 0; i < view; i++)
		at += (process_views[i]->size + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) *
		      _Alignof(max_align_t);
	return at;
}

static bool place_views(struct table *t)
{
	char *all = wide_new(place_of(process_views_n));

	for (size_t i = 0; all && i < process_views_n; i++)
		t->states[i] = all + place_of(i);
	return all;
}

static int open_views(struct table *t, const struct probe_setup *setup)
{
	const struct process_context context = {
		.loop = setup->loop,
		.env = setup->env,
		.conf = setup->conf,
		.prober = setup->prober,
		.hints = setup->hints,
		.sampler = setup->sampler,
		.mib_per_page = (double)sysconf(_SC_PAGESIZE) / 1048576.0,
		.ticks_per_s = (double)sysconf(_SC_CLK_TCK),
	};

	if (!place_views(t))
		return -ENOMEM;
	for (size_t i = 0; i < process_views_n; i++)
		if (process_views[i]->open)
			process_views[i]->open(t->states[i], &context);
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
	t->interval_ms = setup->conf->process_interval_ms;
	t->hints = setup->hints;
	t->mib_per_page = (double)sysconf(_SC_PAGESIZE) / 1048576.0;
	t->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = t->proc_fd < 0 ? -errno : begin_library(t);
	end_library(t);
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

/* ---- looks ---- */

/* Large ones are where memory goes, and some view may count on each walk. */
static bool is_followed(const struct table *t, const struct process_row *row)
{
	if ((double)row->rss_pages * t->mib_per_page > LARGE_MIB)
		return true;
	for (size_t i = 0; i < process_views_n; i++)
		if (process_views[i]->follows && process_views[i]->follows(t->states[i], row))
			return true;
	return false;
}

static int put_all(struct table *t, const struct pids_fetch *fetched, int64_t now_ms)
{
	for (int i = 0; i < fetched->counts->total; i++) {
		struct process_row row = row_of(fetched->stacks[i]);
		int err = process_table_put(&t->known, &row, is_followed(t, &row), now_ms);

		if (err)
			return err;
	}
	return 0;
}

static int look_at_all(struct table *t, int64_t now_ms)
{
	const struct pids_fetch *all = procps_pids_reap(t->info, PIDS_FETCH_TASKS_ONLY);
	int err;

	if (!all)
		return -EIO;
	t->walks = 0;
	process_table_begin(&t->known);
	err = put_all(t, all, now_ms);
	process_table_end(&t->known);
	return err;
}

/* Whom to look at; ASK_MAX + 1: too many. */
static size_t choose(struct table *t, int64_t now_ms, unsigned ask[static ASK_MAX])
{
	size_t n = 0, most = t->known.n / ASK_PART;
	struct dirwalk d;
	const char *name;
	uint64_t pid;

	if (most > ASK_MAX)
		most = ASK_MAX;
	process_table_begin(&t->known);
	dirwalk_start(&d, t->proc_fd);
	while ((name = dirwalk_next(&d, true))) {
		if (text_u64(name, strlen(name), &pid) || pid > INT32_MAX ||
		    process_table_keep(&t->known, (int)pid, now_ms))
			continue;
		if (n == most)
			return ASK_MAX + 1;
		ask[n++] = (unsigned)pid;
	}
	return n;
}

static int look_at_some(struct table *t, int64_t now_ms)
{
	const struct pids_fetch *some = NULL;
	unsigned ask[ASK_MAX];
	size_t n = choose(t, now_ms, ask);
	int err = 0;

	if (n > ASK_MAX)
		return look_at_all(t, now_ms);
	if (n)
		some = procps_pids_select(t->info, ask, (int)n, PIDS_SELECT_PID);
	if (n)
		err = some ? put_all(t, some, now_ms) : -EIO;
	process_table_end(&t->known);
	return err;
}

static void show_view(const struct table *t, size_t v, int64_t now_ms)
{
	const struct process_view *view = process_views[v];
	void *state = t->states[v];

	view->begin(state, now_ms);
	for (size_t i = 0; i < t->known.n; i++) {
		struct process_row row = process_table_row(&t->known, i);

		view->see(state, &row);
	}
	for (size_t i = 0; view->wants_again && view->wants_again(state) && i < t->known.n; i++) {
		struct process_row row = process_table_row(&t->known, i);

		view->see_again(state, &row);
	}
	if (view->end)
		view->end(state);
}

/* Every namespace of processes has a first one. Numbers of a part of the table would look like a
 * guest in which nothing runs. */
static bool is_hidden(const struct process_table *known)
{
	return !known->n || process_table_row(known, 0).pid != 1;
}

static bool is_calm(struct table *t, int64_t now_ms)
{
	double load, worked = t->hints ? t->hints->worked : 0;

	return procps_loadavg(&load, NULL, NULL) == 0 &&
	       waiters_add(&t->waiters, load, worked, now_ms) < CALM_MAX;
}

static int walk(struct table *t, int64_t now_ms)
{
	bool calm = is_calm(t, now_ms), early = now_ms - t->walked_ms < t->interval_ms / 4 * 3;
	bool all = early || !t->known.n || ++t->walks == LOOK_ALL || !calm;
	int err = begin_library(t);

	if (err >= 0)
		err = all ? look_at_all(t, now_ms) : look_at_some(t, now_ms);
	end_library(t);
	return err;
}

static int process_read(void *state, int64_t now_ms)
{
	struct table *t = state;
	int err = walk(t, now_ms);

	if (err < 0)
		return err;
	t->walked_ms = now_ms;
	t->hidden = is_hidden(&t->known);
	if (t->hidden)
		return -EPERM;
	for (size_t i = 0; i < process_views_n; i++)
		show_view(t, i, now_ms);
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

static enum probe_stress process_stress(const void *state)
{
	const struct table *t = state;
	enum probe_stress greatest = STRESS_CALM;

	for (size_t i = 0; i < process_views_n; i++) {
		enum probe_stress one = process_views[i]->stress
						? process_views[i]->stress(t->states[i])
						: STRESS_CALM;

		greatest = one > greatest ? one : greatest;
	}
	return greatest;
}

static void process_apply(void *state, const struct sampler_settings *settings)
{
	struct table *t = state;

	t->walks = LOOK_ALL - 1; /* others may be followed from now on */
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
	.stress = process_stress,
	.apply = process_apply,
	.explain = process_explain,
};
