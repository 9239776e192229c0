/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/diskstats: rates of each disk and of each device that is mounted, with monasca-agent's names
 * and units; how long a request took, how busy the device was, and for how long requests have been
 * in flight without any of them completing. Partitions that are not mounted, loop, ram and zram
 * devices and devices that never did anything are left out.
 */
#include "sample/probe.h"

#include <errno.h>
#include <string.h>

#include "core/wide.h"
#include "sample/mounts.h"
#include "sample/parse.h"
#include "sample/parse_block.h"

#define DEVICES_MAX   48
#define DISKSTATS_MAX (128 * 1024)
#define SECTOR	      512.0
#define STALL_MS      5000 /* without completion: worth a closer look */

enum io_rate {
	IO_READ_REQ,
	IO_WRITE_REQ,
	IO_READ_BYTES,
	IO_WRITE_BYTES,
	IO_READ_TIME,
	IO_WRITE_TIME,
	IO_BUSY,
	IO_RATES
};
static const struct {
	enum parse_disk field;
	enum metric metric;
	double factor;
} rates[IO_RATES] = {
	[IO_READ_REQ] = {DISK_READS, METRIC_IO_READ_REQ, 1},
	[IO_WRITE_REQ] = {DISK_WRITES, METRIC_IO_WRITE_REQ, 1},
	[IO_READ_BYTES] = {DISK_READ_SECTORS, METRIC_IO_READ_KBYTES, SECTOR / 1024.0},
	[IO_WRITE_BYTES] = {DISK_WRITE_SECTORS, METRIC_IO_WRITE_KBYTES, SECTOR / 1024.0},
	[IO_READ_TIME] = {DISK_READ_MS, METRIC_IO_READ_TIME, 0.001},
	[IO_WRITE_TIME] = {DISK_WRITE_MS, METRIC_IO_WRITE_TIME, 0.001},
	[IO_BUSY] = {DISK_BUSY_MS, METRIC_IO_UTILISATION, 0.1}, /* ms a second to percent */
};

struct device {
	struct parse_diskstats now;
	char mount[112]; /* escaped; "" = not mounted */
	char shown[64];	 /* the name that the mount table has for it, as probe_filesystem says */
	bool used, seen, wanted;
	struct rate rates[IO_RATES];
	uint64_t completed, data, waited_ms; /* at the reading before; data: reads and writes */
	bool primed;
	double await_ms; /* below 0: nothing completed since */
	int64_t stalled_since_ms, stalled_ms;
};

struct io {
	const struct env *env;
	struct procfile file;
	struct mounts *mounts;
	unsigned generation, no_room; /* no_room: devices of the last reading that found none */
	struct device devices[DEVICES_MAX];
};

static int io_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	_cleanup_wide_ struct io *s = wide_new(sizeof(*s));
	int err;

	if (!s)
		return err_set(e, -ENOMEM, "no memory");
	s->env = setup->env;
	s->mounts = setup->mounts;
	err = procfile_open(&s->file, setup, "/proc/diskstats", DISKSTATS_MAX, false, e);
	if (err)
		return err;
	*ret = take_ptr(s);
	return 0;
}

/* ---- which devices ---- */

/* Partitions have no folder there. Names with a slash have '!' instead. */
static bool is_whole(const struct io *s, const char *name)
{
	char path[64], full[ENV_PATH_MAX];

	snprintf(path, sizeof(path), "/sys/block/%s", name);
	for (char *p = path + strlen("/sys/block/"); *p; p++)
		*p = *p == '/' ? '!' : *p;
	return access(env_path(s->env, path, full), F_OK) == 0;
}

static void find_mount(const struct io *s, struct device *d)
{
	size_t n = 0;
	const struct parse_mount *list = s->mounts ? mounts_local(s->mounts, &n) : NULL;

	d->mount[0] = '\0';
	for (size_t i = 0; i < n; i++)
		if (list[i].major == d->now.major && list[i].minor == d->now.minor) {
			sample_escape(d->mount, sizeof(d->mount), list[i].path,
				      strlen(list[i].path));
			snprintf(d->shown, sizeof(d->shown), "%s",
				 strcmp(list[i].source, "root") ? list[i].source : d->now.name);
		}
	d->wanted =
		d->mount[0] || (!parse_disk_is_virtual(d->now.name) && is_whole(s, d->now.name));
}

/* One that nobody wants to see is remembered where there is room, so that it need not be looked at
 * again; snaps make loop devices by the dozen. */
static struct device *find_device(struct io *s, const struct parse_diskstats *row)
{
	struct device *free_one = NULL, *unwanted = NULL, fresh;

	for (size_t i = 0; i < DEVICES_MAX; i++) {
		struct device *d = &s->devices[i];

		if (!d->used)
			free_one = free_one ? free_one : d;
		else if (d->now.major == row->major && d->now.minor == row->minor &&
			 !strcmp(d->now.name, row->name))
			return d;
		else if (!d->wanted)
			unwanted = d;
	}
	fresh = (struct device){.now = *row, .used = true, .await_ms = -1};
	find_mount(s, &fresh);
	if (!free_one && fresh.wanted)
		free_one = unwanted;
	s->no_room += fresh.wanted && !free_one;
	if (!free_one || (!fresh.wanted && parse_disk_is_virtual(row->name)))
		return NULL;
	*free_one = fresh;
	return free_one;
}

/* ---- numbers ---- */

/* Mean time of what completed in between: queueing and service, as iostat's await. */
static void update_await(struct device *d, uint64_t data, uint64_t waited_ms)
{
	d->await_ms = -1;
	if (d->primed && data > d->data && waited_ms >= d->waited_ms)
		d->await_ms = (double)(waited_ms - d->waited_ms) / (double)(data - d->data);
}

static void update_stall(struct device *d, uint64_t completed, int64_t now_ms)
{
	bool stands = d->primed && d->now.n[DISK_IN_FLIGHT] && completed == d->completed;

	if (!stands)
		d->stalled_since_ms = now_ms;
	d->stalled_ms = now_ms - d->stalled_since_ms;
}

static void update_device(struct io *s, struct device *d, const struct parse_diskstats *row,
			  int64_t now_ms)
{
	uint64_t completed = row->n[DISK_READS] + row->n[DISK_WRITES] + row->n[DISK_DISCARDS] +
			     row->n[DISK_FLUSHES];
	uint64_t waited = row->n[DISK_READ_MS] + row->n[DISK_WRITE_MS];
	uint64_t data = row->n[DISK_READS] + row->n[DISK_WRITES];

	d->now = *row;
	for (size_t i = 0; i < IO_RATES; i++)
		rate_update(&d->rates[i], row->n[rates[i].field], now_ms);
	if (s->mounts && d->mount[0] && d->rates[IO_WRITE_BYTES].valid)
		mounts_note_writes(s->mounts, row->major, row->minor,
				   d->rates[IO_WRITE_BYTES].per_s * SECTOR);
	update_stall(d, completed, now_ms);
	update_await(d, data, waited);
	d->completed = completed;
	d->data = data;
	d->waited_ms = waited;
	d->primed = true;
}

static int io_read(void *state, int64_t now_ms)
{
	struct io *s = state;
	unsigned generation = s->mounts ? mounts_refresh(s->mounts, false) : 0;
	struct parse_diskstats row;
	int err = procfile_read(&s->file);
	size_t pos = 0, rows = 0;

	if (err)
		return err;
	for (size_t i = 0; i < DEVICES_MAX; i++) {
		if (!s->devices[i].used)
			continue; /* not written to: most of the table stays without memory */
		s->devices[i].seen = false;
		if (generation != s->generation)
			find_mount(s, &s->devices[i]);
	}
	s->generation = generation;
	s->no_room = 0;
	while (parse_diskstats_next(s->file.text, s->file.len, &pos, &row)) {
		struct device *d;

		rows++;
		if (!row.n[DISK_READS] && !row.n[DISK_WRITES] && !row.n[DISK_IN_FLIGHT])
			continue;
		d = find_device(s, &row);
		if (!d)
			continue;
		d->seen = true;
		update_device(s, d, &row, now_ms);
	}
	for (size_t i = 0; i < DEVICES_MAX; i++)
		if (s->devices[i].used && !s->devices[i].seen)
			s->devices[i].used = false;
	return rows || !s->file.len ? 0 : -EINVAL;
}

static void report_device(const struct device *d, struct sample *out)
{
	int entity = d->mount[0] ? sample_entity(out, "mount_point", d->mount, d->shown)
				 : sample_entity(out, "device", d->now.name, NULL);

	for (size_t i = 0; i < IO_RATES; i++) {
		double v = d->rates[i].per_s * rates[i].factor;

		if (d->rates[i].valid) /* the kernel counts busy time in ticks: up to 100.x % */
			probe_add_of(out, rates[i].metric, entity, i == IO_BUSY && v > 100 ? 100 : v);
	}
	if (d->await_ms >= 0)
		probe_add_of(out, METRIC_IO_AWAIT, entity, d->await_ms);
	probe_add_of(out, METRIC_IO_IN_FLIGHT, entity, (double)d->now.n[DISK_IN_FLIGHT]);
	if (d->primed)
		probe_add_of(out, METRIC_IO_STALLED, entity, (double)d->stalled_ms / 1000.0);
}

static void io_report(const void *state, struct sample *out)
{
	const struct io *s = state;

	for (size_t i = 0; i < DEVICES_MAX; i++)
		if (s->devices[i].used && s->devices[i].wanted)
			report_device(&s->devices[i], out);
}

static enum probe_stress io_stress(const void *state)
{
	const struct io *s = state;

	for (size_t i = 0; i < DEVICES_MAX; i++)
		if (s->devices[i].used && s->devices[i].wanted &&
		    s->devices[i].stalled_ms >= STALL_MS)
			return STRESS_RAISE;
	return STRESS_CALM;
}

static void io_explain(const void *state, struct problems *problems)
{
	const struct io *s = state;

	if (s->no_room)
		problems_add(problems, PROBLEM_WARN, "probe-io",
			     "none needed; the first devices are measured",
			     "%u block devices are not measured: there is room for %d", s->no_room,
			     DEVICES_MAX);
}

static void io_close(void *state)
{
	struct io *s = state;

	procfile_close(&s->file);
	wide_free(s);
}

const struct probe_ops probe_io = {
	.name = "io",
	.source = "/proc/diskstats",
	.pace = PROBE_EACH,
	.open = io_open,
	.read = io_read,
	.report = io_report,
	.close = io_close,
	.stress = io_stress,
	.explain = io_explain,
};
