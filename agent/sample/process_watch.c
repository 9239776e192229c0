/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watched processes, by name: what all of that name use, and whether they stay. The main processes
 * of a name (those whose parent has another name) are waited for by pidfd, so that an end is known
 * at once; the table is walked again then, and at growing distances until one is back. Ends and
 * starts in between are counted as far as they were seen: a process that lives for less than a
 * second between two walks leaves no trace.
 */
#include "sample/process_view.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "sample/parse.h"
#include "sample/prober.h"
#include "sample/sampler.h"

#define NAMES_MAX     16
#define MEMBERS_MAX   48
#define MAINS_MAX     4
#define STARTS_MAX    8
#define COMM_MAX      15 /* the kernel keeps no more of a name */
#define LOOP_MS       300000
#define TOGETHER_MS   5000 /* a pool of processes comes within that */
#define WALK_GAP_MS   1000
#define LOOK_LONGEST  32000
#define LOOK_SLACK_MS 200

struct watch;
struct watched;
struct main_process {
	struct watched *owner;
	int pid; /* 0 = free */
	uint64_t start_ticks;
	int64_t start_ms;
	bool seen;
	struct loop_child *child; /* NULL: its end is seen by the next walk */
};
struct member {
	int pid, ppid;
	uint64_t start_ticks;
};
struct watched {
	struct watch *watch;
	char name[64]; /* "" = free */
	char shown[PROCESS_SHOWN_MAX];
	bool walked; /* at least once */
	/* of the last walk */
	unsigned count, threads;
	uint64_t rss_pages, cpu_ticks;
	size_t n_members;
	struct member members[MEMBERS_MAX];
	struct rate cpu;
	/* its life */
	struct main_process mains[MAINS_MAX];
	uint64_t deaths, restarts, missing; /* missing: deaths without a start since */
	int64_t starts_ms[STARTS_MAX];
	size_t n_starts;
	/* of the prober */
	bool asked, io_known;
	int io_error;
	struct prober_answer io;
};
struct watch {
	struct process_context context;
	int64_t now_ms, walked_ms;
	struct loop_timer *again;
	int64_t again_ms;
	size_t no_room; /* names that found none */
	struct watched list[NAMES_MAX];
};

/* ---- the life of one ---- */

static void keep_start(struct watched *w, int64_t start_ms)
{
	if (w->n_starts == STARTS_MAX) {
		memmove(w->starts_ms, w->starts_ms + 1, sizeof(w->starts_ms[0]) * (STARTS_MAX - 1));
		w->n_starts--;
	}
	w->starts_ms[w->n_starts++] = start_ms;
}

static unsigned recent_starts(const struct watched *w, int64_t now_ms)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->n_starts; i++)
		n += now_ms - w->starts_ms[i] <= LOOP_MS;
	return n;
}

static void forget_main(struct main_process *m)
{
	m->child = loop_child_remove(m->child);
	m->pid = 0;
}

static void died(struct main_process *m, int64_t now_ms)
{
	struct watched *w = m->owner;

	w->deaths++;
	w->missing++;
	forget_main(m);
	probe_tell(w->watch->context.sampler, SAMPLE_EVENT_PROCESS_DOWN, w->shown,
		   (double)(now_ms - m->start_ms) / 1000.0);
}

static void on_end(struct loop *loop, pid_t pid, int wstatus, void *ctx)
{
	struct main_process *m = ctx;
	struct watch *all = m->owner->watch;
	int64_t now = loop_now(loop), wait = all->walked_ms + WALK_GAP_MS - now;

	(void)pid, (void)wstatus;
	died(m, now);
	all->again_ms = WALK_GAP_MS;
	probe_hurry(all->context.sampler, &probe_process, wait > 0 ? wait : 0);
}

/* Several of one name that start together are one start: a pool is no crash loop. */
static bool comes_with_others(const struct watched *w, const struct main_process *m)
{
	for (size_t i = 0; i < MAINS_MAX; i++) {
		const struct main_process *other = &w->mains[i];

		if (other != m && other->pid &&
		    llabs((long long)(m->start_ms - other->start_ms)) <= TOGETHER_MS)
			return true;
	}
	return false;
}

static void started(struct watched *w, struct main_process *m, const struct member *found)
{
	const struct watch *all = w->watch;

	*m = (struct main_process){
		.owner = w,
		.pid = found->pid,
		.start_ticks = found->start_ticks,
		.start_ms =
			(int64_t)((double)found->start_ticks * 1000.0 / all->context.ticks_per_s),
		.seen = true,
	};
	if (!comes_with_others(w, m))
		keep_start(w, m->start_ms);
	if (w->missing) {
		w->missing--;
		w->restarts++;
	}
	/* only the running agent waits; a command takes its sample and goes */
	if (all->context.sampler && loop_child_add(all->context.loop, m->pid, on_end, m, &m->child))
		m->child = NULL;
	if (w->walked)
		probe_tell(all->context.sampler, SAMPLE_EVENT_PROCESS_UP, w->shown,
			   recent_starts(w, all->now_ms));
}

/* ---- a walk ---- */

static void watch_begin(void *state, int64_t now_ms)
{
	struct watch *all = state;

	all->now_ms = all->walked_ms = now_ms;
	for (size_t i = 0; i < NAMES_MAX; i++) {
		struct watched *w = &all->list[i];

		if (!w->name[0])
			continue; /* not written to: the table stays without memory */
		w->count = w->threads = 0;
		w->rss_pages = w->cpu_ticks = 0;
		w->n_members = 0;
		for (size_t k = 0; k < MAINS_MAX; k++)
			w->mains[k].seen = false;
	}
}

static void add_member(struct watched *w, const struct process_row *row)
{
	w->count++;
	w->threads += row->threads > 0 ? (unsigned)row->threads : 0;
	w->rss_pages += row->rss_pages;
	w->cpu_ticks += row->cpu_ticks;
	if (w->n_members < MEMBERS_MAX)
		w->members[w->n_members++] = (struct member){row->pid, row->ppid, row->start_ticks};
}

/* An ended process that nobody has collected does not serve anybody. */
static void watch_see(void *state, const struct process_row *row)
{
	struct watch *all = state;

	if (process_has_ended(row))
		return;
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (all->list[i].name[0] && !strncmp(all->list[i].name, row->name, COMM_MAX))
			add_member(&all->list[i], row);
}

static bool watch_follows(const void *state, const struct process_row *row)
{
	const struct watch *all = state;

	for (size_t i = 0; i < NAMES_MAX; i++)
		if (all->list[i].name[0] && !strncmp(all->list[i].name, row->name, COMM_MAX))
			return true;
	return false;
}

static bool is_main(const struct watched *w, const struct member *m)
{
	for (size_t i = 0; i < w->n_members; i++)
		if (w->members[i].pid == m->ppid)
			return false;
	return true;
}

static struct main_process *main_of(struct watched *w, const struct member *found)
{
	struct main_process *free_one = NULL;

	for (size_t i = 0; i < MAINS_MAX; i++) {
		struct main_process *m = &w->mains[i];

		if (m->pid == found->pid && m->start_ticks == found->start_ticks)
			return m;
		if (!m->pid && !free_one)
			free_one = m;
	}
	return free_one;
}

/* Ends that no pidfd told, first: what starts now may be their successors. */
static void settle_deaths(struct watched *w)
{
	for (size_t i = 0; i < w->n_members; i++) {
		struct main_process *m = main_of(w, &w->members[i]);

		if (m && m->pid)
			m->seen = true;
	}
	for (size_t i = 0; i < MAINS_MAX; i++)
		if (w->mains[i].pid && !w->mains[i].seen)
			died(&w->mains[i], w->watch->now_ms);
}

static void settle_starts(struct watched *w)
{
	for (size_t i = 0; i < w->n_members; i++) {
		const struct member *found = &w->members[i];
		struct main_process *m = is_main(w, found) ? main_of(w, found) : NULL;

		if (m && !m->pid)
			started(w, m, found);
	}
	w->walked = true;
}

static void on_io(int status, const struct prober_answer *answer, void *ctx)
{
	struct watched *w = ctx;

	w->asked = false;
	w->io_error = status;
	w->io_known = answer && answer->n[PROCESSES_FOUND];
	if (answer)
		w->io = *answer;
}

static void ask_io(struct watched *w)
{
	char pids[PROBER_PATH_MAX];
	size_t len = 0;

	if (!w->n_members)
		w->io_known = false;
	if (w->asked || !w->n_members || !w->watch->context.prober)
		return;
	for (size_t i = 0; i < w->n_members && len + 12 < sizeof(pids); i++)
		len += (size_t)snprintf(pids + len, sizeof(pids) - len, "%s%d", i ? "," : "",
					w->members[i].pid);
	w->io_error = prober_ask(w->watch->context.prober, PROBER_PROCESSES, pids, on_io, w);
	w->asked = w->io_error == 0;
}

static void look_for_the_missing(struct watch *all)
{
	bool missing = false;

	for (size_t i = 0; i < NAMES_MAX; i++)
		missing |= all->list[i].name[0] && all->list[i].missing;
	if (!missing || !all->again || all->again_ms > LOOK_LONGEST)
		return;
	loop_timer_arm(all->again, all->again_ms);
	all->again_ms *= 2;
}

static void on_again(struct loop *loop, void *ctx)
{
	const struct watch *all = ctx;

	(void)loop;
	probe_hurry(all->context.sampler, &probe_process, 0);
}

static void watch_end(void *state)
{
	struct watch *all = state;

	for (size_t i = 0; i < NAMES_MAX; i++) {
		struct watched *w = &all->list[i];

		if (!w->name[0])
			continue;
		rate_update(&w->cpu, w->cpu_ticks, all->now_ms);
		settle_deaths(w);
		settle_starts(w);
		ask_io(w);
	}
	look_for_the_missing(all);
}

/* ---- what is watched ---- */

static void forget(struct watched *w)
{
	for (size_t i = 0; i < MAINS_MAX; i++)
		forget_main(&w->mains[i]);
	w->name[0] = '\0';
}

static struct watched *find_name(struct watch *all, const char *name)
{
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (!strncmp(all->list[i].name, name, sizeof(all->list[i].name) - 1))
			return &all->list[i];
	return NULL;
}

static bool is_wanted(const struct watched *w, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strncmp(w->name, names[i], sizeof(w->name) - 1))
			return true;
	return false;
}

static struct watched *free_place(struct watch *all)
{
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (!all->list[i].name[0] && !all->list[i].asked)
			return &all->list[i];
	return NULL;
}

static void watch_names(struct watch *all, const char *const *names, size_t n)
{
	for (size_t i = 0; i < NAMES_MAX; i++)
		if (all->list[i].name[0] && !is_wanted(&all->list[i], names, n))
			forget(&all->list[i]);
	all->no_room = 0;
	for (size_t i = 0; i < n; i++) {
		struct watched *w;

		if (!names[i][0] || find_name(all, names[i]))
			continue;
		w = free_place(all);
		if (!w) {
			all->no_room++;
			continue;
		}
		*w = (struct watched){.watch = all};
		snprintf(w->name, sizeof(w->name), "%s", names[i]);
		sample_escape(w->shown, sizeof(w->shown), names[i], strlen(names[i]));
	}
}

static void watch_configured(struct watch *all)
{
	const char *list = all->context.conf->watch_processes, *item, *names[NAMES_MAX];
	char texts[NAMES_MAX][sizeof(all->list[0].name)];
	size_t pos = 0, len, n = 0, more = 0;

	while (list && text_list_next(list, ',', &pos, &item, &len)) {
		if (n == NAMES_MAX) {
			more++;
			continue;
		}
		snprintf(texts[n], sizeof(texts[n]), "%.*s", (int)len, item);
		names[n] = texts[n];
		n++;
	}
	watch_names(all, names, n);
	all->no_room += more;
}

static void watch_apply(void *state, const struct sampler_settings *settings)
{
	if (settings->n_processes)
		watch_names(state, settings->processes, settings->n_processes);
	else
		watch_configured(state);
}

static void watch_open(void *state, const struct process_context *context)
{
	struct watch *all = state;

	all->context = *context;
	all->again_ms = WALK_GAP_MS;
	/* without it only the next regular walk finds what was restarted */
	if (!context->sampler ||
	    loop_timer_new(context->loop, LOOK_SLACK_MS, on_again, all, &all->again))
		all->again = NULL;
	watch_configured(all);
}

static void watch_close(void *state)
{
	struct watch *all = state;

	for (size_t i = 0; i < NAMES_MAX; i++)
		forget(&all->list[i]);
	loop_timer_free(all->again);
}

/* ---- report ---- */

static void report_io(const struct watched *w, int entity, struct sample *out)
{
	const uint64_t *n = w->io.n;

	probe_add_of(out, METRIC_WATCH_FDS, entity, (double)n[PROCESSES_FDS]);
	probe_add_of(out, METRIC_WATCH_IO_READ_COUNT, entity, (double)n[PROCESSES_READS]);
	probe_add_of(out, METRIC_WATCH_IO_WRITE_COUNT, entity, (double)n[PROCESSES_WRITES]);
	probe_add_of(out, METRIC_WATCH_IO_READ_KB, entity,
		     (double)n[PROCESSES_READ_BYTES] / 1024.0);
	probe_add_of(out, METRIC_WATCH_IO_WRITE_KB, entity,
		     (double)n[PROCESSES_WRITE_BYTES] / 1024.0);
}

static void report_life(const struct watched *w, int entity, struct sample *out)
{
	int64_t youngest = INT64_MIN;

	for (size_t i = 0; i < MAINS_MAX; i++)
		if (w->mains[i].pid && w->mains[i].start_ms > youngest)
			youngest = w->mains[i].start_ms;
	if (youngest != INT64_MIN)
		probe_add_of(out, METRIC_WATCH_UPTIME_S, entity,
			     (double)(out->boot_ms - youngest) / 1000.0);
	probe_add_of(out, METRIC_WATCH_RESTARTS, entity, (double)w->restarts);
	probe_add_of(out, METRIC_WATCH_DEATHS, entity, (double)w->deaths);
	probe_add_of(out, METRIC_WATCH_STARTS_5MIN, entity, recent_starts(w, out->boot_ms));
}

static void watch_report(const void *state, struct sample *out)
{
	const struct watch *all = state;

	for (size_t i = 0; i < NAMES_MAX; i++) {
		const struct watched *w = &all->list[i];
		int entity;

		if (!w->name[0] || !w->walked)
			continue;
		entity = sample_entity(out, "process_name", w->shown, NULL);
		probe_add_of(out, METRIC_WATCH_PID_COUNT, entity, w->count);
		report_life(w, entity, out);
		if (!w->count)
			continue;
		probe_add_of(out, METRIC_WATCH_RSS_MB, entity,
			     (double)w->rss_pages * all->context.mib_per_page);
		probe_add_of(out, METRIC_WATCH_THREADS, entity, w->threads);
		if (w->cpu.valid)
			probe_add_of(out, METRIC_WATCH_CPU_PERC, entity,
				     100.0 * w->cpu.per_s / all->context.ticks_per_s);
		if (w->io_known)
			report_io(w, entity, out);
	}
}

static bool watch_busy(const void *state)
{
	const struct watch *all = state;

	for (size_t i = 0; i < NAMES_MAX; i++)
		if (all->list[i].asked)
			return true;
	return false;
}

static void watch_explain(const void *state, struct problems *problems)
{
	const struct watch *all = state;

	if (all->no_room)
		problems_add(problems, PROBLEM_WARN, "processes-many",
			     "name those that matter: the first ones named are watched",
			     "%zu named processes beyond %d are not watched", all->no_room,
			     NAMES_MAX);
	for (size_t i = 0; i < NAMES_MAX; i++) {
		const struct watched *w = &all->list[i];

		if (w->name[0] && w->walked && !w->count)
			problems_add(problems, PROBLEM_WARN, "process-missing",
				     "start it, or correct the list of processes to watch",
				     "no process is named %s", w->shown);
		else if (w->name[0] && w->io_error)
			problems_add(problems, PROBLEM_WARN, "probe-process-io",
				     "run the agent as root, so that its prober may look",
				     "files and I/O of %s are not measured: %s", w->shown,
				     strerror(-w->io_error));
	}
}

const struct process_view process_watch = {
	.name = "watch",
	.size = sizeof(struct watch),
	.open = watch_open,
	.begin = watch_begin,
	.see = watch_see,
	.follows = watch_follows,
	.end = watch_end,
	.report = watch_report,
	.close = watch_close,
	.busy = watch_busy,
	.apply = watch_apply,
	.explain = watch_explain,
};
