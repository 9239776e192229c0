/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the probes: one timer, each probe read when its period is over, all reports put into one
 * sample. A probe that cannot be opened or fails to read costs its own values and a problem, never
 * the sample.
 */
#include "sample/sampler.h"

#include <errno.h>
#include <string.h>

#include "core/privpath.h"
#include "sample/effort.h"
#include "sample/mounts.h"
#include "sample/probe.h"
#include "sample/prober.h"

#define MINUTE_MS	  60000
#define RARE_MS		  600000
#define STRESS_MS	  10000 /* for what is read more rarely in calm */
#define INTERVAL_MIN_MS	  1000
#define INTERVAL_MAX_MS	  3600000
#define FAST_SLACK_MS	  50
#define ONCE_POLL_MS	  10
#define ONCE_WAIT_MS	  (PROBER_DEADLINE_MS + 500)

struct slot {
	void *state; /* NULL: not open */
	int64_t due_ms, read_ms;
	int error; /* of the last read */
	enum probe_stress stress;
	struct err why;
};

struct sampler {
	struct sampler_setup setup;
	const struct env *env;
	struct loop_timer *timer; /* with slack, while calm */
	struct loop_timer *fast;  /* next to none: for the first, and under stress */
	struct loop_timer *urgent;
	struct effort effort;
	struct probe_hints hints;
	int64_t due_ms, regular_ms;
	int64_t handed_ms; /* when the last sample was */
	struct prober *prober;
	struct mounts *mounts;
	struct procroom room;
	struct kmsg_reader *kmsg;
	struct err kmsg_why;
	uint64_t probe_errors;
	struct slot slots[PROBES_MAX];
	struct sample last;
	int64_t give_up_ms; /* sampler_once() */
	bool once_read;
};

/* ---- one sample ---- */

static int64_t period_ms(const struct sampler *s, size_t i)
{
	const int64_t process = s->setup.conf->process_interval_ms;
	const enum probe_stress own = s->slots[i].stress;
	const int64_t periods[PROBE_PACES] = {
		[PROBE_EACH] = 0,
		[PROBE_PROCESS] =
			s->effort.raised && process > STRESS_MS ? STRESS_MS : process,
		[PROBE_MINUTE] = MINUTE_MS,
		[PROBE_RARE] = RARE_MS,
	};

	int64_t period = periods[probes[i]->pace];

	if (own == STRESS_RAISE)
		return 0;
	return own == STRESS_HOLD && period > STRESS_MS ? STRESS_MS : period;
}

static void read_probe(struct sampler *s, size_t i, int64_t now_ms)
{
	struct slot *slot = &s->slots[i];

	slot->error = probes[i]->read(slot->state, now_ms);
	s->probe_errors += slot->error != 0;
	slot->read_ms = now_ms;
	slot->stress = STRESS_CALM;
	if (!slot->error && probes[i]->stress)
		slot->stress = probes[i]->stress(slot->state);
	slot->due_ms = now_ms + period_ms(s, i);
}

/* Half an interval early is on time: periods are kept by ticks, and ticks come with slack. */
static void read_due(struct sampler *s, int64_t now_ms, bool all)
{
	int64_t early = effort_interval(&s->effort, now_ms) / 2;

	for (size_t i = 0; i < probes_n; i++)
		if (s->slots[i].state && (all || now_ms + early >= s->slots[i].due_ms))
			read_probe(s, i, now_ms);
}

static enum probe_stress greatest_stress(const struct sampler *s)
{
	enum probe_stress greatest = STRESS_CALM;

	for (size_t i = 0; i < probes_n; i++)
		if (s->slots[i].state && s->slots[i].stress > greatest)
			greatest = s->slots[i].stress;
	return greatest;
}

static void hand_on(struct sampler *s, int64_t now_ms, bool extra)
{
	sample_reset(&s->last, now_ms, s->env->real_ms());
	s->last.extra = extra;
	for (size_t i = 0; i < probes_n; i++) {
		const struct slot *slot = &s->slots[i];

		s->last.stale = slot->read_ms <= s->handed_ms;
		if (slot->state && (!slot->error || probes[i]->partial))
			probes[i]->report(slot->state, &s->last);
	}
	s->handed_ms = now_ms;
	if (s->setup.sample)
		s->setup.sample(&s->last, s->setup.ctx);
}

/* The grid is kept: a late tick shortens the next wait, a tick missed altogether is left out. */
static int64_t next_on_grid(int64_t due_ms, int64_t interval_ms, int64_t now_ms)
{
	due_ms += interval_ms;
	return due_ms <= now_ms || due_ms > now_ms + interval_ms ? now_ms + interval_ms : due_ms;
}

static void arm_next(struct sampler *s, int64_t now_ms)
{
	int64_t interval = effort_interval(&s->effort, now_ms);
	bool fast = interval < s->effort.base_ms;

	s->due_ms = next_on_grid(s->due_ms, interval, now_ms);
	loop_timer_disarm(fast ? s->timer : s->fast);
	loop_timer_arm(fast ? s->fast : s->timer, s->due_ms - now_ms);
}

/* The process table is looked at as soon as effort goes up: who grows is seen by what changed since
 * the last look, before all is over. */
static void bring_nearer(struct sampler *s, bool up, int64_t now_ms)
{
	for (size_t i = 0; i < probes_n; i++) {
		bool at_once = up && probes[i]->pace == PROBE_PROCESS;
		int64_t due = at_once ? now_ms : now_ms + period_ms(s, i);

		if (s->slots[i].due_ms > due)
			s->slots[i].due_ms = due;
	}
}

/* When effort goes up, the next tick and what is due more rarely come nearer. */
static void note_stress(struct sampler *s, enum probe_stress stress, int64_t now_ms)
{
	int64_t before = effort_interval(&s->effort, now_ms);
	bool was_raised = s->effort.raised;

	effort_note(&s->effort, stress, now_ms);
	if (effort_interval(&s->effort, now_ms) == before)
		return;
	s->due_ms = now_ms;
	arm_next(s, now_ms);
	bring_nearer(s, s->effort.raised && !was_raised, now_ms);
}

static void tick(struct sampler *s, int64_t now_ms, bool extra)
{
	read_due(s, now_ms, false);
	note_stress(s, greatest_stress(s), now_ms);
	hand_on(s, now_ms, extra);
}

static void on_tick(struct loop *loop, void *ctx)
{
	struct sampler *s = ctx;
	int64_t now = loop_now(loop);
	bool extra = now + EFFORT_FAST_MS / 2 < s->regular_ms;

	if (!extra)
		s->regular_ms = next_on_grid(s->regular_ms, s->effort.base_ms, now);
	arm_next(s, now);
	tick(s, now, extra);
}

/* ---- what cannot wait for the next tick ---- */

void probe_want(struct sampler *s, const struct probe_ops *probe)
{
	for (size_t i = 0; s && i < probes_n; i++)
		if (probes[i] == probe)
			s->slots[i].due_ms = 0;
}

/* Beside the grid of ticks, which stays as it is unless effort goes up. */
static void on_urgent(struct loop *loop, void *ctx)
{
	tick(ctx, loop_now(loop), true);
}

/* Two samples within milliseconds would have rates of nothing. */
static bool tick_is_near(const struct sampler *s, int64_t due_ms)
{
	return effort_interval(&s->effort, due_ms) <= EFFORT_FAST_MS &&
	       s->due_ms <= due_ms + EFFORT_FAST_MS / 2 && s->due_ms >= due_ms;
}

void probe_hurry(struct sampler *s, const struct probe_ops *probe, int64_t delay_ms)
{
	int64_t now, due;

	if (!s || !s->urgent)
		return;
	now = loop_now(s->setup.loop);
	due = now + delay_ms;
	for (size_t i = 0; i < probes_n; i++)
		if (probes[i] == probe && s->slots[i].due_ms > due)
			s->slots[i].due_ms = due;
	if (tick_is_near(s, due))
		return;
	if (!loop_timer_armed(s->urgent) || loop_timer_due(s->urgent) > due)
		loop_timer_arm(s->urgent, delay_ms);
}

void probe_alarm(struct sampler *s, const struct probe_ops *probe)
{
	int64_t now, wait;

	if (!s || !s->urgent)
		return;
	now = loop_now(s->setup.loop);
	wait = s->last.boot_ms + EFFORT_FAST_MS - now;
	note_stress(s, STRESS_RAISE, now);
	probe_hurry(s, probe, wait > 0 ? wait : 0);
}

const char *const sample_event_names[SAMPLE_EVENT_KINDS] = {
	[SAMPLE_EVENT_CLOCK_JUMP] = "clock_jump",     [SAMPLE_EVENT_SUSPEND] = "suspend",
	[SAMPLE_EVENT_PAUSE] = "pause",		      [SAMPLE_EVENT_PROCESS_DOWN] = "process_down",
	[SAMPLE_EVENT_PROCESS_UP] = "process_up",     [SAMPLE_EVENT_DISK_ADDED] = "disk_added",
	[SAMPLE_EVENT_DISK_REMOVED] = "disk_removed", [SAMPLE_EVENT_DISK_CHANGED] = "disk_changed",
};

void probe_tell(struct sampler *s, enum sample_event_kind kind, const char *entity, double value)
{
	struct sample_event e = {.kind = kind, .value = value};

	if (!s || !s->setup.event)
		return;
	e.boot_ms = loop_now(s->setup.loop);
	snprintf(e.entity, sizeof(e.entity), "%s", entity);
	s->setup.event(&e, s->setup.ctx);
}

/* ---- start and settings ---- */

/* A timer with slack fires as late as that allows when it is alone, so the first sample is the
 * other's. */
int sampler_start(struct sampler *s)
{
	int err;

	s->timer = loop_timer_free(s->timer);
	s->fast = loop_timer_free(s->fast);
	s->urgent = loop_timer_free(s->urgent);
	err = loop_timer_new(s->setup.loop, s->effort.base_ms / 10, on_tick, s, &s->timer);
	if (!err)
		err = loop_timer_new(s->setup.loop, FAST_SLACK_MS, on_tick, s, &s->fast);
	if (!err)
		err = loop_timer_new(s->setup.loop, 0, on_urgent, s, &s->urgent);
	if (err)
		return err;
	s->due_ms = s->regular_ms = s->env->boot_ms();
	loop_timer_arm(s->fast, 0);
	return 0;
}

int sampler_apply(struct sampler *s, const struct sampler_settings *settings)
{
	int64_t interval = settings->interval_ms ? settings->interval_ms
						 : s->setup.conf->sample_interval_ms;

	for (size_t i = 0; i < probes_n; i++)
		if (s->slots[i].state && probes[i]->apply)
			probes[i]->apply(s->slots[i].state, settings);
	if (settings->interval_ms && interval < INTERVAL_MIN_MS)
		interval = INTERVAL_MIN_MS;
	if (interval > INTERVAL_MAX_MS)
		interval = INTERVAL_MAX_MS;
	if (interval == s->effort.base_ms)
		return 0;
	s->effort.base_ms = interval;
	return s->urgent ? sampler_start(s) : 0;
}

int64_t sampler_interval(const struct sampler *s)
{
	return effort_interval(&s->effort, loop_now(s->setup.loop));
}

/* ---- one sample for a command ---- */

static bool busy(const struct sampler *s)
{
	for (size_t i = 0; i < probes_n; i++)
		if (s->slots[i].state && probes[i]->busy && probes[i]->busy(s->slots[i].state))
			return true;
	return false;
}

static void on_once(struct loop *loop, void *ctx)
{
	struct sampler *s = ctx;
	int64_t now = loop_now(loop);

	if (!s->once_read)
		read_due(s, now, true);
	s->once_read = true;
	if (busy(s) && now < s->give_up_ms)
		loop_timer_arm(s->timer, ONCE_POLL_MS);
	else
		hand_on(s, now, false);
}

int sampler_once(struct sampler *s, int64_t gap_ms)
{
	int64_t now = s->env->boot_ms();
	int err = prober_allow_local(s->prober);

	if (err)
		return err;
	s->timer = loop_timer_free(s->timer);
	err = loop_timer_new(s->setup.loop, 0, on_once, s, &s->timer);
	if (err)
		return err;
	s->urgent = loop_timer_free(s->urgent);
	s->once_read = false;
	s->give_up_ms = now + gap_ms + ONCE_WAIT_MS;
	read_due(s, now, true);
	loop_timer_arm(s->timer, gap_ms);
	return 0;
}

/* ---- life ---- */

static int open_kmsg_fd(const struct sampler *s)
{
	if (s->setup.open_fd)
		return s->setup.open_fd(PRIVPATH_KMSG, s->setup.open_ctx);
	return privpath_open(s->env, PRIVPATH_KMSG, NULL);
}

static void open_kmsg(struct sampler *s)
{
	int fd = open_kmsg_fd(s), err = fd;

	if (fd >= 0)
		err = kmsg_reader_new(s->setup.loop, fd, s->setup.kmsg_after_seq, s->setup.record,
				      s->setup.ctx, &s->kmsg);
	if (err < 0)
		err_sys(&s->kmsg_why, -err, "/dev/kmsg");
}

/* Without it only the names of devices and the list of local mounts are missing. */
static void open_mounts(struct sampler *s)
{
	if (mounts_new(s->env, &s->mounts, NULL))
		s->mounts = NULL;
}

static void open_probes(struct sampler *s)
{
	const struct probe_setup setup = {
		.loop = s->setup.loop,
		.env = s->env,
		.conf = s->setup.conf,
		.prober = s->prober,
		.kmsg = s->kmsg,
		.mounts = s->mounts,
		.probe_errors = &s->probe_errors,
		.hints = &s->hints,
		.open_fd = s->setup.open_fd,
		.open_ctx = s->setup.open_ctx,
		.sampler = s,
		.room = &s->room,
	};

	for (size_t i = 0; i < probes_n; i++) {
		struct slot *slot = &s->slots[i];

		if (probes[i]->open(&setup, &slot->state, &slot->why))
			slot->state = NULL;
		if (probes[i] == &probe_kernel_log && s->kmsg_why.code)
			slot->why = s->kmsg_why;
	}
}

int sampler_new(const struct sampler_setup *setup, struct sampler **ret, struct err *e)
{
	struct sampler *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return err_set(e, -ENOMEM, "no memory for the sampler");
	s->setup = *setup;
	s->env = loop_env(setup->loop);
	s->effort.base_ms = setup->conf->sample_interval_ms;
	s->handed_ms = -1;
	err = prober_new(setup->loop, &s->prober);
	if (err) {
		free(s);
		return err_set(e, err, "no memory for the sampler");
	}
	open_kmsg(s);
	open_mounts(s);
	open_probes(s);
	*ret = s;
	return 0;
}

struct sampler *sampler_free(struct sampler *s)
{
	if (!s)
		return NULL;
	loop_timer_free(s->timer);
	loop_timer_free(s->fast);
	loop_timer_free(s->urgent);
	prober_free(s->prober); /* before the probes that its answers go to */
	for (size_t i = 0; i < probes_n; i++)
		if (s->slots[i].state)
			probes[i]->close(s->slots[i].state);
	procroom_deinit(&s->room);
	mounts_free(s->mounts);
	kmsg_reader_free(s->kmsg);
	free(s);
	return NULL;
}

void sampler_set_prober(struct sampler *s, struct link *prober)
{
	prober_set_link(s->prober, prober);
}

const struct sample *sampler_last(const struct sampler *s)
{
	return &s->last;
}

const struct kmsg_reader *sampler_kmsg(const struct sampler *s)
{
	return s->kmsg;
}

bool sampler_pstore(const struct sampler *s, struct lastboot_pstore *ret)
{
	*ret = (struct lastboot_pstore){0};
	for (size_t i = 0; i < probes_n; i++)
		if (probes[i] == &probe_pstore && s->slots[i].state)
			return probe_pstore_found(s->slots[i].state, ret);
	return true;
}

/* ---- problems ---- */

static void probe_problem(const struct sampler *s, size_t i, struct problems *problems)
{
	const struct slot *slot = &s->slots[i];
	char code[32];

	snprintf(code, sizeof(code), "probe-%s", probes[i]->name);
	if (!slot->state)
		problems_add(problems, probes[i]->seldom ? PROBLEM_OK : PROBLEM_WARN, code,
			     "none needed if this guest does without; its metrics are absent",
			     "no metrics from %s: %s", probes[i]->source, slot->why.text);
	else if (slot->error)
		problems_add(problems, PROBLEM_WARN, code,
			     "its metrics are absent until it can be read again",
			     "reading %s failed: %s", probes[i]->source, strerror(-slot->error));
	if (slot->state && probes[i]->explain)
		probes[i]->explain(slot->state, problems);
}

void sampler_problems(const struct sampler *s, struct problems *problems)
{
	for (size_t i = 0; i < probes_n; i++)
		probe_problem(s, i, problems);
	sample_problems(&s->last, problems);
}
