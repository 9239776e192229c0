/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A healthy guest: 4 GiB, two processors, / and /srv, nginx and java. Each habit is one reason for
 * which monitoring cries wolf. Values come with noise. This file stands in for the table of probes
 * (sample/probe.c): the sampler, its paces and all that follows are the agent's own.
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"
#include "guest.h"
#include "sample/clock_keeper.h"
#include "sample/probe.h"
#include "world.h"

#define DAY_S  86400.0
#define HOUR_S 3600.0

static double noise(double width)
{
	return (world_random() + world_random() + world_random() - 1.5) * width;
}

/* ---- habits ---- */

static double hour_of(const struct guest_view *v)
{
	return fmod(v->t_s, DAY_S) / HOUR_S;
}

/* 0 at night, 1 in the afternoon. */
static double daylight(const struct guest_view *v)
{
	return 0.5 - 0.5 * cos((hour_of(v) - 3) / 24 * 2 * M_PI);
}

static void live_quietly(struct guest_view *v)
{
	(void)v;
}

static void live_by_day(struct guest_view *v)
{
	double light = daylight(v), weekday = fmod(v->t_s / DAY_S, 7) < 5 ? 1 : 0.4, load = light * weekday;

	v->of[METRIC_CPU_PERCENT] += 55 * load;
	v->of[METRIC_LOAD_1] += 1.2 * load;
	v->of[METRIC_MEM_USABLE_PERC] -= 35 * load;
	v->of[METRIC_NET_TCP_INUSE] += 400 * load;
	v->of[METRIC_NET_SOCKETS_USED] += 420 * load;
	v->of[METRIC_FILES_OPEN] += 800 * load;
	v->of[METRIC_TASKS_TOTAL] += 60 * load;
	v->of[METRIC_NET_CONNTRACK_PERC] += 20 * load;
}

/* The page cache takes all and gives all: usable stays, free does not. */
static void live_with_caches(struct guest_view *v)
{
	double filled = 1 - exp(-v->t_s / (3 * DAY_S));

	v->of[METRIC_MEM_USED_CACHE] += 2200 * filled;
	v->of[METRIC_MEM_FREE_MB] -= 2200 * filled;
	v->of[METRIC_MEM_USABLE_PERC] -= 38 * filled; /* a cache of an application, which saturates */
}

static void live_with_logs(struct guest_view *v)
{
	double week = fmod(v->t_s, 7 * DAY_S) / (7 * DAY_S), day = fmod(v->t_s, DAY_S) / DAY_S;

	guest_set(v, METRIC_DISK_SPACE_USED_PERC, "mount_point", "/srv", "vdb", 45 + 22 * week + 9 * day);
	guest_set(v, METRIC_DISK_SPACE_USED_PERC, "mount_point", "/", "vda1", 40 + 6 * day);
}

/* A heap that fills and is collected, each 20 minutes, and wholly each day. */
static void live_with_gc(struct guest_view *v)
{
	double small = fmod(v->t_s, 1200) / 1200, large = fmod(v->t_s, DAY_S) / DAY_S;

	v->of[METRIC_MEM_USABLE_PERC] -= 16 * small + 12 * large;
	v->of[METRIC_CPU_PERCENT] += small > 0.97 ? 40 : 0;
	guest_set(v, METRIC_PROCESS_GROWTH_MB_H, "process", "java[412]", "", small < 0.97 ? 2000 : 0);
}

/* At 02:00 the guest reads and writes for an hour, and a copy lies on /srv until it was sent. */
static void live_with_backups(struct guest_view *v)
{
	double at = hour_of(v) - 2, busy = at >= 0 && at < 1 ? 1 : 0;
	double copy = at < 0 || at > 1.5 ? 0 : at < 1 ? at : (1.5 - at) * 2;

	v->of[METRIC_CPU_WAIT_PERC] += 35 * busy;
	v->of[METRIC_IO_PRESSURE_SOME] += 30 * busy;
	v->of[METRIC_IO_PRESSURE_FULL] += 18 * busy;
	v->of[METRIC_LOAD_1] += 2 * busy;
	v->of[METRIC_MEM_USABLE_PERC] -= 8 * busy;
	guest_set(v, METRIC_DISK_SPACE_USED_PERC, "mount_point", "/srv", "vdb", 48 + 18 * copy);
}

/* Jobs at odd times, for minutes, that take what is there and give it back. */
static void live_in_bursts(struct guest_view *v)
{
	double slot = floor(v->t_s / 2700), within = v->t_s - slot * 2700;
	double kind = fabs(sin(slot * 12.9898)), length = 300 + 900 * fabs(sin(slot * 78.233));

	if (kind < 0.55 || within > length)
		return;
	v->of[METRIC_CPU_PERCENT] += 40 * kind;
	v->of[METRIC_LOAD_1] += kind;
	v->of[METRIC_TASKS_FORKS] += 60 * kind;
	v->of[METRIC_TASKS_USED_PERC] += 6 * kind;
	v->of[METRIC_MEM_USABLE_PERC] -= 22 * kind;
}

static void live_fully(struct guest_view *v)
{
	live_by_day(v);
	v->of[METRIC_MEM_USABLE_PERC] += 10;
	live_with_logs(v);
	live_in_bursts(v);
}

const struct habit habits[] = {
	{"quiet", "nothing happens", live_quietly},
	{"day-and-night", "load and memory follow the day, less on week-ends", live_by_day},
	{"saturating-caches", "caches grow for days until they are full", live_with_caches},
	{"log-rotation", "logs fill a mount for a week and are rotated", live_with_logs},
	{"gc-sawtooth", "a heap fills and is collected", live_with_gc},
	{"nightly-backup", "an hour of I/O and a copy on disk each night", live_with_backups},
	{"bursts", "jobs take memory and tasks for minutes", live_in_bursts},
	{"all-at-once", "day and night, logs and jobs together", live_fully},
};
const size_t habits_n = ARRAY_SIZE(habits);

/* ---- the view ---- */

void guest_set(struct guest_view *v, enum metric metric, const char *kind, const char *name, const char *detail,
	       double value)
{
	struct guest_entity *at = v->entities;

	while (at < v->entities + v->n_entities && (at->metric != metric || strcmp(at->name, name) != 0))
		at++;
	if (at == v->entities + GUEST_ENTITIES_MAX)
		return;
	if (at == v->entities + v->n_entities)
		v->n_entities++;
	*at = (struct guest_entity){metric, kind, name, detail, value};
}

static const struct {
	enum metric metric;
	double value, noise;
} usual[] = {
	{METRIC_CPU_PERCENT, 8, 4},	       {METRIC_CPU_SYSTEM_PERC, 2, 1},
	{METRIC_CPU_WAIT_PERC, 0.5, 0.4},      {METRIC_CPU_STOLEN_PERC, 0.3, 0.3},
	{METRIC_LOAD_1, 0.3, 0.15},	       {METRIC_TASKS_TOTAL, 210, 6},
	{METRIC_TASKS_FORKS, 2, 1.5},	       {METRIC_TASKS_USED_PERC, 1.2, 0.05},
	{METRIC_FILES_OPEN, 2100, 60},	       {METRIC_FILES_USED_PERC, 0.7, 0.05},
	{METRIC_MEM_USABLE_PERC, 68, 1},       {METRIC_MEM_FREE_MB, 2500, 30},
	{METRIC_MEM_USED_CACHE, 600, 20},      {METRIC_MEM_SWAP_FREE_PERC, 98, 0.1},
	{METRIC_MEM_MAJOR_FAULTS, 0.4, 0.4},   {METRIC_MEM_PRESSURE_SOME, 0.1, 0.1},
	{METRIC_MEM_PRESSURE_FULL, 0.05, 0.05}, {METRIC_IO_PRESSURE_SOME, 0.5, 0.4},
	{METRIC_IO_PRESSURE_FULL, 0.2, 0.2},   {METRIC_CPU_PRESSURE_SOME, 0.6, 0.5},
	{METRIC_NET_TCP_INUSE, 90, 10},	       {METRIC_NET_SOCKETS_USED, 260, 12},
	{METRIC_NET_TCP_MEM_PERC, 1, 0.1},     {METRIC_NET_CONNTRACK_PERC, 3, 0.4},
	{METRIC_NET_LISTEN_DROPS_SEC, 0, 0},   {METRIC_NET_CONNTRACK_COUNT, 900, 60},
	{METRIC_HW_ECC_UNCORRECTED, 0, 0},     {METRIC_HW_ECC_CORRECTED, 0, 0},
};

static void set_usual(struct guest_view *v)
{
	for (size_t i = 0; i < METRIC_COUNT; i++)
		v->of[i] = NAN;
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		v->of[usual[i].metric] = usual[i].value;
	guest_set(v, METRIC_DISK_SPACE_USED_PERC, "mount_point", "/", "vda1", 41);
	guest_set(v, METRIC_DISK_SPACE_USED_PERC, "mount_point", "/srv", "vdb", 48);
	guest_set(v, METRIC_DISK_INODE_USED_PERC, "mount_point", "/srv", "vdb", 6);
	guest_set(v, METRIC_FS_READONLY, "mount_point", "/srv", "vdb", 0);
	guest_set(v, METRIC_FS_ERRORS, "mount_point", "/srv", "vdb", 0);
	guest_set(v, METRIC_IO_STALLED, "device", "vdb", "", 0);
	guest_set(v, METRIC_WATCH_PID_COUNT, "process_name", "nginx", "", 4);
	guest_set(v, METRIC_WATCH_STARTS_5MIN, "process_name", "nginx", "", 0);
	guest_set(v, METRIC_PROCESS_ZOMBIES_OF, "process", "cron[50]", "", 0);
	guest_set(v, METRIC_PROCESS_FDS_PERC, "process", "nginx[77]", "", 9);
	guest_set(v, METRIC_NET_LINK_LOST, "device", "eth0", "", 0);
}

static void add_noise(struct guest_view *v)
{
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
		double *value = &v->of[usual[i].metric];

		*value += noise(usual[i].noise);
		*value = *value < 0 ? 0 : *value;
	}
}

/* ---- the probe ---- */

struct guest {
	const struct habit *habit;
	const struct ailment *ailment;
	size_t lines_told;
	struct guest_view now;
};

/* The kernel keeps its log: a new reader finds the old lines, too, under their old numbers. */
static void write_line(const struct guest *g, size_t i)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "4,%zu,%lld,-;%s\n", 1000 + i,
			 (long long)world.shared->line_ms[i] * 1000, g->ailment->lines[i]);

	if (write(world.kmsg[1], line, (size_t)n) < 0)
		report_line("\"what\":\"lost\",\"line\":%zu", i);
}

static void tell_kernel(struct guest *g)
{
	for (; g->lines_told < g->ailment->n_lines; g->lines_told++) {
		if (!world.shared->line_ms[g->lines_told])
			world.shared->line_ms[g->lines_told] = world_boot_ms();
		write_line(g, g->lines_told);
	}
}

static void befall(struct guest *g)
{
	int64_t now = world_since_ms();
	double ill_s = (double)(now - world.ill_from_ms) / 1000;
	double whole_s = (double)(world.ill_to_ms - world.ill_from_ms) / 1000;

	if (!g->ailment || now < world.ill_from_ms || now >= world.ill_to_ms)
		return;
	if (g->ailment->befall)
		g->ailment->befall(&g->now, ill_s, ill_s / whole_s);
	tell_kernel(g);
}

/* ---- its clock ---- */

static enum ntp_mood mood_at(const struct guest *g, int64_t since_ms)
{
	bool ill = g->ailment && since_ms >= world.ill_from_ms && since_ms < world.ill_to_ms;

	return ill ? g->ailment->mood : NTP_WELL;
}

/* Second by second, as nobody looks at it in between; asleep it stands still. */
static void keep_clock(struct guest *g)
{
	int64_t awake_ms = world.suspend_at_ms + world.suspend_ms;

	for (; world.shared->ntp_s * 1000 <= world_since_ms(); world.shared->ntp_s++) {
		int64_t at_ms = world.shared->ntp_s * 1000;

		if (!world.suspend_ms || at_ms < world.suspend_at_ms || at_ms >= awake_ms)
			ntp_live(&world.shared->ntp, world_set_ms(at_ms), world.suspend_ms && at_ms == awake_ms,
				 mood_at(g, at_ms));
	}
}

static void show_clock(struct guest *g)
{
	struct timex t = ntp_look(&world.shared->ntp);
	struct clock_kept k = clock_kept_of(&t);

	g->now.of[METRIC_CLOCK_SYNCHRONISED] = k.kept;
	g->now.of[METRIC_CLOCK_OFFSET_MS] = k.offset_ms;
	g->now.of[METRIC_CLOCK_ERROR_MAX_MS] = k.error_max_ms;
}

static int guest_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	struct guest *g = calloc(1, sizeof(*g));

	(void)setup;
	if (!g)
		return err_set(e, -ENOMEM, "no memory");
	g->habit = &habits[0];
	for (size_t i = 0; i < habits_n; i++)
		if (world.habit && !strcmp(habits[i].name, world.habit))
			g->habit = &habits[i];
	for (size_t i = 0; i < ailments_n; i++)
		if (world.ailment && !strcmp(ailments[i].class_name, world.ailment))
			g->ailment = &ailments[i];
	for (; g->ailment && g->lines_told < g->ailment->n_lines && world.shared->line_ms[g->lines_told];
	     g->lines_told++)
		write_line(g, g->lines_told);
	*ret = g;
	return 0;
}

static int guest_read(void *state, int64_t now_ms)
{
	struct guest *g = state;

	g->now = (struct guest_view){.t_s = (double)(now_ms - world.begin_ms) / 1000};
	set_usual(&g->now);
	g->habit->live(&g->now);
	befall(g);
	add_noise(&g->now);
	keep_clock(g);
	show_clock(g);
	return 0;
}

static void guest_report(const void *state, struct sample *out)
{
	const struct guest *g = state;

	for (size_t i = 0; i < METRIC_COUNT; i++)
		if (!isnan(g->now.of[i]))
			sample_add(out, (enum metric)i, -1, g->now.of[i]);
	for (size_t i = 0; i < g->now.n_entities; i++) {
		const struct guest_entity *e = &g->now.entities[i];

		probe_add_of(out, e->metric, sample_entity(out, e->kind, e->name, e->detail), e->value);
	}
}

static void guest_close(void *state)
{
	free(state);
}

static const struct probe_ops probe_guest = {.name = "guest", .source = "the simulated guest", .pace = PROBE_EACH,
					     .open = guest_open, .read = guest_read, .report = guest_report,
					     .close = guest_close};

const struct probe_ops *const probes[] = {&probe_guest};
const size_t probes_n = ARRAY_SIZE(probes);

int probe_open_priv(const struct probe_setup *setup, int privpath)
{
	return setup->open_fd(privpath, setup->open_ctx);
}

int probe_own_root(const struct env *env _unused_, const char *path, struct err *e)
{
	return err_set(e, -ENOTSUP, "%s is not simulated", path);
}

void probe_add_of(struct sample *out, enum metric metric, int entity, double value)
{
	if (entity >= 0)
		sample_add(out, metric, entity, value);
}
