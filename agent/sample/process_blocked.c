/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes in uninterruptible sleep, since when without a break, and where in the kernel. Two
 * looks a minute apart at a busy disk's reader find it asleep both times; only a process that was
 * not switched in between has slept all the time. Where it sleeps needs rights and is asked of the
 * prober.
 */
#include "sample/process_view.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sample/parse_process.h"
#include "sample/prober.h"

#define PLACES 8

struct place {
	int pid; /* 0 = free, unless asked */
	uint64_t start_ticks, switches;
	int64_t since_ms;
	bool seen, is_new;
	bool asked; /* the answer is on its way, to asked_pid's name */
	int asked_pid;
	char name[PROCESS_SHOWN_MAX];
	char wchan[64];
};
struct blocked {
	struct process_context context;
	int64_t now_ms;
	struct place places[PLACES];
};

static void blocked_open(void *state, const struct process_context *context)
{
	struct blocked *b = state;

	b->context = *context;
}

static void blocked_begin(void *state, int64_t now_ms)
{
	struct blocked *b = state;

	b->now_ms = now_ms;
	for (size_t i = 0; i < PLACES; i++)
		b->places[i].seen = b->places[i].is_new = false;
}

static struct place *place_of(struct blocked *b, const struct process_row *row)
{
	struct place *free_one = NULL;

	for (size_t i = 0; i < PLACES; i++) {
		struct place *p = &b->places[i];

		if (p->pid == row->pid && p->start_ticks == row->start_ticks)
			return p;
		if (!p->pid && !p->asked && !free_one)
			free_one = p;
	}
	if (!free_one)
		return NULL;
	*free_one = (struct place){.pid = row->pid,
				   .start_ticks = row->start_ticks,
				   .since_ms = b->now_ms,
				   .is_new = true};
	process_shown(row, free_one->name);
	return free_one;
}

static void blocked_see(void *state, const struct process_row *row)
{
	struct place *p = row->state == 'D' ? place_of(state, row) : NULL;

	if (p)
		p->seen = true;
}

/* Does not touch the process's memory, so it cannot wait for what the process waits for. */
static int read_switches(const struct blocked *b, int pid, uint64_t *ret)
{
	char path[64], full[ENV_PATH_MAX], text[4096];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(env_path(b->context.env, path, full), O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text));
	return n < 0 ? -errno : parse_switches(text, (size_t)n, ret);
}

static void on_wchan(int status, const struct prober_answer *answer, void *ctx)
{
	struct place *p = ctx;

	p->asked = false;
	if (status || p->pid != p->asked_pid)
		return;
	_Static_assert(sizeof(p->wchan) == sizeof(answer->n), "a symbol is cut");
	memcpy(p->wchan, answer->n, sizeof(p->wchan));
	p->wchan[sizeof(p->wchan) - 1] = '\0';
	/* the prober is not believed more than others */
	if (strspn(p->wchan, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") !=
	    strlen(p->wchan))
		p->wchan[0] = '\0';
}

static void ask_wchan(const struct blocked *b, struct place *p)
{
	char pid[16];

	if (p->asked || !b->context.prober)
		return;
	snprintf(pid, sizeof(pid), "%d", p->pid);
	p->asked_pid = p->pid;
	p->asked = prober_ask(b->context.prober, PROBER_WCHAN, pid, on_wchan, p) == 0;
}

static void look_again(struct blocked *b, struct place *p)
{
	uint64_t switches = 0;
	int err = read_switches(b, p->pid, &switches);

	if (!err && !p->is_new && switches == p->switches)
		return;
	p->switches = switches;
	p->since_ms = b->now_ms;
	p->wchan[0] = '\0';
	ask_wchan(b, p);
}

static void blocked_end(void *state)
{
	struct blocked *b = state;

	for (size_t i = 0; i < PLACES; i++) {
		struct place *p = &b->places[i];

		if (!p->seen)
			p->pid = 0;
		if (p->pid)
			look_again(b, p);
	}
}

static void blocked_report(const void *state, struct sample *out)
{
	const struct blocked *b = state;

	for (size_t i = 0; i < PLACES; i++) {
		const struct place *p = &b->places[i];

		if (p->pid)
			probe_add_of(out, METRIC_PROCESS_BLOCKED_S,
				     sample_entity(out, "process", p->name, p->wchan),
				     (double)(b->now_ms - p->since_ms) / 1000.0);
	}
}

static bool blocked_busy(const void *state)
{
	const struct blocked *b = state;

	for (size_t i = 0; i < PLACES; i++)
		if (b->places[i].asked)
			return true;
	return false;
}

const struct process_view process_blocked = {
	.name = "blocked",
	.size = sizeof(struct blocked),
	.open = blocked_open,
	.begin = blocked_begin,
	.see = blocked_see,
	.end = blocked_end,
	.report = blocked_report,
	.busy = blocked_busy,
};
