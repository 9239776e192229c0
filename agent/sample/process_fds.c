/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes nearest to their limit of open descriptors. Since Linux 6.2 the size of
 * /proc/PID/fd is their number and may be asked by anybody; that costs 5 us a process, so the
 * CANDIDATES with most of them are looked at with each walk, with each LOOK_ALLth all that ran since
 * the last such, and all with each LOOK_IDLEth or when the guest as a whole opened many: who did not
 * run has opened nothing. Before 6.2 the prober counts for us, as rarely. Few of the many processes
 * of a guest use more than some dozen.
 */
#include "sample/process_view.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "sample/parse_process.h"
#include "sample/prober.h"
#include "sample/trend.h"

#define CANDIDATES 16
#define SHOWN      5
#define LOOK_ALL   5
#define LOOK_IDLE  (5 * LOOK_ALL)
#define MUCH_USED  25.0 /* percent */

struct candidate {
	int pid; /* 0 = free */
	uint64_t start_ticks, count, limit;
	bool seen, known; /* known: the limit was read */
	bool fresh;       /* this is the first look at it: its trend is not known */
	char name[PROCESS_SHOWN_MAX];
	struct trend trend;
};
struct fds {
	const struct env *env;
	struct prober *prober;
	struct probe_hints *hints;
	int64_t now_ms;
	bool direct; /* the kernel tells the number */
	bool all;    /* this walk looks at all */
	bool hinted; /* because many files were opened */
	bool asked;
	int error; /* of the prober */
	unsigned walks;
	int64_t looked_ms; /* at all, before this walk */
	struct prober_answer answer; /* pid << 32 | count */
	struct candidate list[CANDIDATES];
};

static const char *path_of(const struct fds *f, int pid, const char *file,
			   char out[static ENV_PATH_MAX])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return env_path(f->env, path, out);
}

static uint64_t count_of(const struct fds *f, int pid)
{
	char full[ENV_PATH_MAX];
	struct stat st;

	if (stat(path_of(f, pid, "fd", full), &st) || st.st_size < 0)
		return 0;
	return (uint64_t)st.st_size;
}

static void fds_open(void *state, const struct process_context *context)
{
	struct fds *f = state;

	f->env = context->env;
	f->prober = context->prober;
	f->hints = context->hints;
	f->direct = count_of(f, getpid()) > 0; /* we have some for sure */
}

static void on_largest(int status, const struct prober_answer *answer, void *ctx)
{
	struct fds *f = ctx;

	f->asked = false;
	f->error = status;
	if (answer)
		f->answer = *answer;
}

static void fds_begin(void *state, int64_t now_ms)
{
	struct fds *f = state;

	f->now_ms = now_ms;
	f->hinted = f->hints && f->hints->files;
	f->all = f->hinted || f->walks % LOOK_ALL == 0;
	if (f->hints)
		f->hints->files = false;
	for (size_t i = 0; i < CANDIDATES; i++)
		f->list[i].seen = false;
	if (!f->direct && !f->asked && f->all && f->prober) {
		int err = prober_ask(f->prober, PROBER_FD_LARGEST, "-", on_largest, f);

		f->asked = err == 0;
		f->error = err;
	}
}

static uint64_t told_by_prober(const struct fds *f, int pid)
{
	for (size_t i = 0; i < PROBER_NUMBERS; i++)
		if (f->answer.n[i] >> 32 == (uint64_t)pid)
			return (uint32_t)f->answer.n[i];
	return 0;
}

static struct candidate *find(struct fds *f, const struct process_row *row)
{
	for (size_t i = 0; i < CANDIDATES; i++)
		if (f->list[i].pid == row->pid && f->list[i].start_ticks == row->start_ticks)
			return &f->list[i];
	return NULL;
}

static struct candidate *replace_least(struct fds *f, const struct process_row *row, uint64_t count)
{
	struct candidate *least = &f->list[0];

	for (size_t i = 1; i < CANDIDATES; i++) {
		struct candidate *c = &f->list[i];

		if ((c->pid ? c->count : 0) < (least->pid ? least->count : 0))
			least = c;
	}
	if (least->pid && least->count >= count)
		return NULL;
	*least =
		(struct candidate){.pid = row->pid, .start_ticks = row->start_ticks, .fresh = true};
	process_shown(row, least->name);
	return least;
}

/* One that is not among those with most. */
static bool is_its_turn(const struct fds *f, const struct process_row *row)
{
	bool idle = row->since_ms && row->since_ms < f->looked_ms;

	return f->all && (!idle || f->hinted || f->walks % LOOK_IDLE == 0);
}

static void fds_see(void *state, const struct process_row *row)
{
	struct fds *f = state;
	struct candidate *c = find(f, row);
	uint64_t count;

	/* threads of the kernel have none, nor have the ended */
	if (!row->rss_pages || (!c && f->direct && !is_its_turn(f, row)))
		return;
	count = f->direct ? count_of(f, row->pid) : told_by_prober(f, row->pid);
	if (!count)
		return;
	if (c)
		c->fresh = false;
	else
		c = replace_least(f, row, count);
	if (!c)
		return;
	c->count = count;
	c->seen = true;
}

static void read_limit(const struct fds *f, struct candidate *c)
{
	char full[ENV_PATH_MAX], text[4096];
	_cleanup_close_ int fd =
		open(path_of(f, c->pid, "limits", full), O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	c->known = n > 0 && parse_nofile(text, (size_t)n, &c->limit) == 0;
}

static double part_of(const struct candidate *c)
{
	if (!c->known || !c->limit || c->limit == NOFILE_UNLIMITED)
		return 0;
	return 100.0 * (double)c->count / (double)c->limit;
}

static void fds_end(void *state)
{
	struct fds *f = state;

	for (size_t i = 0; i < CANDIDATES; i++) {
		struct candidate *c = &f->list[i];

		if (!c->seen)
			c->pid = 0;
		if (c->pid && (!c->known || f->walks % LOOK_ALL == 0))
			read_limit(f, c);
		if (c->pid)
			trend_add(&c->trend, part_of(c) / 100, f->now_ms);
	}
	if (f->walks++ % LOOK_ALL == 0)
		f->looked_ms = f->now_ms;
}

static void report_one(const struct candidate *c, struct sample *out)
{
	int entity = sample_entity(out, "process", c->name, NULL);

	probe_add_of(out, METRIC_PROCESS_FDS, entity, (double)c->count);
	if (c->known && c->limit != NOFILE_UNLIMITED && c->limit)
		probe_add_of(out, METRIC_PROCESS_FDS_PERC, entity, part_of(c));
}

static void fds_report(const void *state, struct sample *out)
{
	const struct fds *f = state;
	bool told[CANDIDATES] = {false};

	for (size_t n = 0; n < SHOWN; n++) {
		size_t best = CANDIDATES;

		for (size_t i = 0; i < CANDIDATES; i++)
			if (f->list[i].pid && !told[i] &&
			    (best == CANDIDATES || part_of(&f->list[i]) > part_of(&f->list[best])))
				best = i;
		if (best == CANDIDATES)
			return;
		told[best] = true;
		report_one(&f->list[best], out);
	}
}

/* Whoever came among those with most since the last look may have opened all that it has in
 * between, and opens the rest before the next one in calm. */
static enum probe_stress stress_of(const struct candidate *c)
{
	return c->fresh && part_of(c) >= MUCH_USED ? STRESS_HOLD : trend_stress(&c->trend);
}

static enum probe_stress fds_stress(const void *state)
{
	const struct fds *f = state;
	enum probe_stress greatest = STRESS_CALM;

	for (size_t i = 0; i < CANDIDATES; i++)
		if (f->list[i].pid && stress_of(&f->list[i]) > greatest)
			greatest = stress_of(&f->list[i]);
	return greatest;
}

static bool fds_busy(const void *state)
{
	return ((const struct fds *)state)->asked;
}

static void fds_explain(const void *state, struct problems *problems)
{
	const struct fds *f = state;

	if (!f->direct && f->error)
		problems_add(problems, PROBLEM_WARN, "probe-fds",
			     "run the agent as root, so that its prober may count them",
			     "descriptors of processes are not counted: %s", strerror(-f->error));
}

const struct process_view process_fds = {
	.name = "fds",
	.size = sizeof(struct fds),
	.open = fds_open,
	.begin = fds_begin,
	.see = fds_see,
	.end = fds_end,
	.report = fds_report,
	.busy = fds_busy,
	.stress = fds_stress,
	.explain = fds_explain,
};
