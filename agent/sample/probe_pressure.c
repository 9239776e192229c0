/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pressure stall information of the whole guest. A kernel built without it has no /proc/pressure;
 * one started with psi=0 has the files and refuses to read them (EOPNOTSUPP). Each file stands
 * alone: one that fails leaves the others.
 *
 * In each file a trigger is armed, so that a stall wakes the agent and nothing is polled for it.
 * Which windows may be armed depends on who opened the file: with CAP_SYS_RESOURCE any from 500 ms
 * on, without it multiples of 2 s (Linux 6.5), or none before. A trigger that fired is not listened
 * to until its pressure has gone: meanwhile samples come each second anyway, and a guest that is
 * always short of processors would be woken every two seconds for nothing.
 */
#include "sample/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/vfs.h>

#include "core/loop.h"
#include "core/privpath.h"
#include "sample/parse.h"

#define QUIET_MS 30000 /* between two alarms of one trigger, at least */

#define KEEP_MS	 4000  /* two windows */

static const struct source {
	const char *what, *path;
	enum privpath privpath;
	enum metric some, full;
	bool by_full;		    /* stall and bounds are of the "full" line */
	bool raises;		    /* effort; else a stall is worth one sample */
	unsigned stall_perc;	    /* of a window, for the trigger */
	double raise_perc, calm_perc; /* of avg10, for the effort */
} sources[] = {
	{"memory", "/proc/pressure/memory", PRIVPATH_PSI_MEMORY, METRIC_MEM_PRESSURE_SOME,
	 METRIC_MEM_PRESSURE_FULL, false, true, 10, 5, 1},
	{"io", "/proc/pressure/io", PRIVPATH_PSI_IO, METRIC_IO_PRESSURE_SOME,
	 METRIC_IO_PRESSURE_FULL, true, true, 40, 20, 5},
	/* a processor that two want is how busy guests live, for days */
	{"cpu", "/proc/pressure/cpu", PRIVPATH_PSI_CPU, METRIC_CPU_PRESSURE_SOME,
	 METRIC_CPU_PRESSURE_FULL, false, false, 90, 80, 50},
};

struct pressure;
struct part {
	struct pressure *pressure;
	const struct source *source;
	struct procfile file;
	struct parse_pressure last;
	struct loop_io *io; /* NULL: not armed, for this reason: */
	int arm_error;
	unsigned stall_us; /* the trigger's */
	uint64_t before_us, newer_us; /* the line's total, of readings KEEP_MS apart or more */
	int64_t newer_ms;
	bool muted;
	int64_t fired_ms;
	uint64_t alarms;
};
struct pressure {
	struct sampler *sampler;
	struct part parts[ARRAY_SIZE(sources)];
};

/* ---- triggers ---- */

static const struct parse_pressure_line *line_of(const struct part *p,
						 const struct parse_pressure *from)
{
	return p->source->by_full ? &from->full : &from->some;
}

/* Linux 6.18 was seen to fire triggers that were armed without CAP_SYS_RESOURCE once for nothing: it
 * counts their first window from another total. The file has the true one. */
static bool is_real(struct part *p)
{
	struct parse_pressure now;

	if (procfile_read(&p->file) || parse_pressure(p->file.text, p->file.len, &now))
		return true;
	return line_of(p, &now)->total_us - p->before_us >= p->stall_us;
}

/* From before the window that an event is about, though samples may be close. */
static void keep_total(struct part *p, int64_t now_ms)
{
	bool first = !p->newer_ms;

	if (!first && now_ms - p->newer_ms < KEEP_MS)
		return;
	p->before_us = first ? line_of(p, &p->last)->total_us : p->newer_us;
	p->newer_us = line_of(p, &p->last)->total_us;
	p->newer_ms = now_ms;
}

static void on_stall(struct loop *loop, uint32_t events, void *ctx)
{
	struct part *p = ctx;

	if (events & (EPOLLERR | EPOLLHUP)) {
		p->io = loop_io_remove(p->io);
		p->arm_error = -EIO;
		return;
	}
	if (!is_real(p) || loop_io_mod(p->io, 0))
		return;
	p->muted = true;
	p->fired_ms = loop_now(loop);
	p->alarms++;
	if (p->source->raises)
		probe_alarm(p->pressure->sampler, &probe_pressure);
	else
		probe_hurry(p->pressure->sampler, &probe_pressure, 0);
}

/* A trigger remembers one event; what it remembers from the time when nobody listened is old. */
static void listen_again(struct part *p)
{
	struct pollfd old = {.fd = p->file.fd, .events = POLLPRI};

	(void)!poll(&old, 1, 0);
	p->muted = loop_io_mod(p->io, EPOLLPRI) != 0;
}

static int write_trigger(struct part *p, unsigned window_us)
{
	char text[64];
	int n;

	p->stall_us = window_us / 100 * p->source->stall_perc;
	n = snprintf(text, sizeof(text), "%s %u %u", p->source->by_full ? "full" : "some",
		     p->stall_us, window_us);
	/* with its NUL, as kernels before 5.2 cut the last byte off */
	return write(p->file.fd, text, (size_t)n + 1) < 0 ? -errno : 0;
}

/* A file of a recorded tree must not be written to. */
static bool is_procfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

static void arm(struct part *p, struct loop *loop)
{
	static const unsigned windows_us[] = {1000000, 2000000};

	if (!loop || !is_procfs(p->file.fd)) {
		p->arm_error = -EOPNOTSUPP;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(windows_us); i++) {
		p->arm_error = write_trigger(p, windows_us[i]);
		if (p->arm_error != -EINVAL)
			break;
	}
	if (!p->arm_error)
		p->arm_error = loop_io_add(loop, p->file.fd, EPOLLPRI, on_stall, p, &p->io);
}

/* ---- life ---- */

static void pressure_close(void *state)
{
	struct pressure *s = state;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		loop_io_remove(s->parts[i].io);
		procfile_close(&s->parts[i].file);
	}
	free(s);
}

/* The same descriptor is read and listened to. */
static bool open_for_stalls(struct part *p, const struct probe_setup *setup)
{
	int fd = probe_open_priv(setup, (int)p->source->privpath);

	if (fd < 0) {
		p->arm_error = fd;
		return false;
	}
	close(p->file.fd);
	p->file.fd = fd;
	return true;
}

static int open_part(struct part *p, const struct probe_setup *setup, struct err *e)
{
	int err = procfile_open(&p->file, setup, p->source->path, 512, true, e);

	if (!err && open_for_stalls(p, setup))
		arm(p, setup->loop);
	return err;
}

static int pressure_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	struct pressure *s = calloc(1, sizeof(*s));
	size_t opened = 0;

	if (!s)
		return err_set(e, -ENOMEM, "no memory");
	s->sampler = setup->sampler;
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		s->parts[i].pressure = s;
		s->parts[i].source = &sources[i];
		opened += open_part(&s->parts[i], setup, e) == 0;
	}
	if (!opened) {
		pressure_close(s);
		return e ? e->code : -ENOENT;
	}
	*ret = s;
	return 0;
}

/* ---- readings ---- */

static enum probe_stress part_stress(const struct part *p)
{
	const struct parse_pressure_line *line = line_of(p, &p->last);

	if (!line->present || line->avg10 < p->source->calm_perc)
		return STRESS_CALM;
	return line->avg10 < p->source->raise_perc ? STRESS_HOLD : STRESS_RAISE;
}

static int read_part(struct part *p, int64_t now_ms)
{
	int err;

	p->last = (struct parse_pressure){0};
	if (p->file.fd < 0)
		return 0;
	err = procfile_read(&p->file);
	if (!err)
		err = parse_pressure(p->file.text, p->file.len, &p->last);
	if (!err)
		keep_total(p, now_ms);
	if (p->muted && part_stress(p) == STRESS_CALM && now_ms - p->fired_ms >= QUIET_MS)
		listen_again(p);
	return err;
}

static int pressure_read(void *state, int64_t now_ms)
{
	struct pressure *s = state;
	size_t good = 0;
	int first = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		struct part *p = &s->parts[i];
		int err = read_part(p, now_ms);

		good += p->last.some.present || p->last.full.present;
		if (!first)
			first = err;
	}
	return good ? 0 : first;
}

static enum probe_stress pressure_stress(const void *state)
{
	const struct pressure *s = state;
	enum probe_stress greatest = STRESS_CALM;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		if (sources[i].raises && part_stress(&s->parts[i]) > greatest)
			greatest = part_stress(&s->parts[i]);
	return greatest;
}

static void pressure_report(const void *state, struct sample *out)
{
	const struct pressure *s = state;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		const struct part *p = &s->parts[i];

		if (p->last.some.present)
			sample_add(out, p->source->some, -1, p->last.some.avg10);
		if (p->last.full.present)
			sample_add(out, p->source->full, -1, p->last.full.avg10);
		if (p->io)
			probe_add_of(out, METRIC_AGENT_STALL_WAKEUPS,
				     sample_entity(out, "resource", p->source->what, NULL),
				     (double)p->alarms);
	}
}

static void pressure_explain(const void *state, struct problems *problems)
{
	const struct pressure *s = state;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		const struct part *p = &s->parts[i];

		if (p->file.fd >= 0 && !p->io)
			problems_add(problems, PROBLEM_WARN, "psi-trigger",
				     "none needed if samples are close enough; else run it as root "
				     "with CAP_SYS_RESOURCE on Linux 5.2 or newer",
				     "a stall for %s is seen with the next sample only: no trigger "
				     "in %s: %s",
				     p->source->what, p->source->path, strerror(-p->arm_error));
	}
}

const struct probe_ops probe_pressure = {
	.name = "pressure",
	.source = "/proc/pressure",
	.pace = PROBE_EACH,
	.partial = true,
	.open = pressure_open,
	.read = pressure_read,
	.report = pressure_report,
	.close = pressure_close,
	.stress = pressure_stress,
	.explain = pressure_explain,
};
