/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clocks: does something keep wall-clock time right (adjtimex, which only looks), was it
 * stepped, was the guest suspended or paused. A step wakes the agent: the kernel cancels a timer
 * that waits for wall-clock time. A guest that is stopped by its hypervisor and goes on elsewhere
 * shows as a pause where its clocks went on, and else as a step once something corrects it.
 */
#include "sample/probe.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>

#include "sample/clock_keeper.h"
#include "sample/clock_watch.h"

struct clock {
	const struct env *env;
	const struct loop *loop;
	struct sampler *sampler;
	struct clock_watch watch;
	int step_fd;
	struct loop_io *step;
	int adjtimex_error;
	struct timex timex;
};

static int64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void tell(const struct clock *c, enum sample_event_kind kind, int64_t ms)
{
	if (ms)
		probe_tell(c->sampler, kind, "", (double)ms);
}

static void look(struct clock *c)
{
	const struct clock_reading now = {
		.boot_ms = c->env->boot_ms(),
		.monotonic_ms = monotonic_ms(),
		.real_ms = c->env->real_ms(),
		.late_ms = loop_get_stats(c->loop)->late_sum_ms,
	};
	struct clock_facts f = clock_watch_see(&c->watch, &now);

	tell(c, SAMPLE_EVENT_CLOCK_JUMP, f.jump_ms);
	tell(c, SAMPLE_EVENT_SUSPEND, f.suspend_ms);
	tell(c, SAMPLE_EVENT_PAUSE, f.pause_ms);
}

/* ---- steps ---- */

/* In the year 2255; each step of wall-clock time makes it readable (ECANCELED), and it stays armed.
 */
static int wait_for_step(const struct clock *c)
{
	const struct itimerspec never = {.it_value.tv_sec = 9000000000};

	return timerfd_settime(c->step_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
			       NULL) < 0
		       ? -errno
		       : 0;
}

static void on_step(struct loop *loop, uint32_t events, void *ctx)
{
	struct clock *c = ctx;
	uint64_t expired;

	(void)loop, (void)events;
	if (read(c->step_fd, &expired, sizeof(expired)) < 0 && errno == EAGAIN)
		return;
	look(c);
	probe_hurry(c->sampler, &probe_clock, 0);
}

/* Without it steps are seen at the next reading. */
static void watch_steps(struct clock *c, struct loop *loop)
{
	c->step_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (c->step_fd < 0 || wait_for_step(c) < 0)
		return;
	if (loop_io_add(loop, c->step_fd, EPOLLIN, on_step, c, &c->step))
		c->step = NULL;
}

/* ---- the probe ---- */

static void look_at_keeper(struct clock *c)
{
	c->timex = (struct timex){.modes = 0};
	c->adjtimex_error = adjtimex(&c->timex) < 0 ? errno : 0;
}

static int clock_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	struct clock *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(e, -ENOMEM, "no memory");
	c->env = setup->env;
	c->loop = setup->loop;
	c->sampler = setup->sampler;
	watch_steps(c, setup->loop);
	look_at_keeper(c);
	*ret = c;
	return 0;
}

static int clock_read(void *state, int64_t now_ms)
{
	struct clock *c = state;

	(void)now_ms;
	look(c);
	look_at_keeper(c);
	return 0;
}

static void report_timex(const struct clock *c, struct sample *out)
{
	struct clock_kept k = clock_kept_of(&c->timex);

	sample_add(out, METRIC_CLOCK_SYNCHRONISED, -1, k.kept);
	sample_add(out, METRIC_CLOCK_OFFSET_MS, -1, k.offset_ms);
	sample_add(out, METRIC_CLOCK_ERROR_MAX_MS, -1, k.error_max_ms);
}

static void clock_report(const void *state, struct sample *out)
{
	const struct clock *c = state;
	int64_t suspended = c->watch.last.boot_ms - c->watch.last.monotonic_ms;

	if (!c->adjtimex_error)
		report_timex(c, out);
	sample_add(out, METRIC_CLOCK_JUMPS, -1, (double)c->watch.jumps);
	if (c->watch.jumps)
		sample_add(out, METRIC_CLOCK_JUMP_LAST_MS, -1, (double)c->watch.jump_last_ms);
	/* the two were not read in the same moment */
	sample_add(out, METRIC_CLOCK_SUSPENDED_S, -1,
		   suspended < CLOCK_SUSPEND_MS ? 0 : (double)suspended / 1000.0);
	sample_add(out, METRIC_CLOCK_PAUSES, -1, (double)c->watch.pauses);
}

static void clock_explain(const void *state, struct problems *problems)
{
	const struct clock *c = state;

	if (c->adjtimex_error)
		problems_add(problems, PROBLEM_WARN, "probe-clock",
			     "none needed if this guest does without",
			     "whether the clock is kept right is not known: adjtimex: %s",
			     strerror(c->adjtimex_error));
	else if (!clock_kept_of(&c->timex).kept)
		problems_add(problems, PROBLEM_WARN, "clock-unsynchronised",
			     "run chrony, systemd-timesyncd or another that keeps time",
			     "nothing keeps this guest's clock right");
}

static void clock_close(void *state)
{
	struct clock *c = state;

	loop_io_remove(c->step);
	if (c->step_fd >= 0)
		close(c->step_fd);
	free(c);
}

const struct probe_ops probe_clock = {
	.name = "clock",
	.source = "adjtimex",
	.pace = PROBE_EACH,
	.open = clock_open,
	.read = clock_read,
	.report = clock_report,
	.close = clock_close,
	.explain = clock_explain,
};
