/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disks, by libudev: whole block devices with size, model and serial, and the errors that their
 * drivers count. Loop, ram and zram devices are no disks of the guest. Listed at the start, every ten
 * minutes, and when a disk came or went: told by udevd, or by the kernel itself where none runs.
 * libudev allocates while it lists; all is given back.
 *
 * What asks the device (the serial of a virtio disk) is asked of the prober.
 */
#include "sample/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <libudev.h>
#include <string.h>
#include <sys/stat.h>

#include "core/loop.h"
#include "core/text.h"
#include "core/wide.h"
#include "sample/disk.h"
#include "sample/parse_block.h"
#include "sample/parse_value.h"
#include "sample/prober.h"

#define DISKS_MAX     64
#define SCAN_MS	      600000
#define SETTLE_MS     1000 /* a disk and its partitions come together */
#define EVENTS_A_TURN 64

/* Files read with each reading, below the disk's folder. None of them asks the device. */
enum disk_file { DISK_FILE_ERRORS, DISK_FILE_STATE, DISK_FILE_DEGRADED, DISK_FILES };
static int parse_state(const char *p, size_t n, uint64_t *ret);
static const struct {
	const char *path;
	int (*parse)(const char *p, size_t n, uint64_t *ret);
	enum metric metric;
} files[DISK_FILES] = {
	[DISK_FILE_ERRORS] = {"device/ioerr_cnt", parse_hex, METRIC_DISK_IO_ERRORS},
	[DISK_FILE_STATE] = {"device/state", parse_state, METRIC_DISK_ONLINE},
	[DISK_FILE_DEGRADED] = {"md/degraded", parse_number, METRIC_DISK_DEGRADED},
};

struct disk {
	bool used, seen;
	bool asked; /* for its serial; an answer is on its way here */
	bool has_rotational;
	ino_t folder; /* of the kernel's: another one is another disk, whatever its name */
	struct disk_info info;
	char hardware[64];
	int fds[DISK_FILES];
	unsigned found;
	uint64_t values[DISK_FILES];
};
struct disks {
	struct udev *udev;
	struct udev_monitor *monitor;
	struct loop_io *io;
	struct err monitor_why;
	struct prober *prober;
	struct sampler *sampler;
	bool stale;
	unsigned no_room; /* disks of the last scan that found none */
	int64_t scan_due_ms;
	struct disk list[DISKS_MAX];
};

/* SCSI says "running", NVMe "live". */
static int parse_state(const char *p, size_t n, uint64_t *ret)
{
	text_trim(&p, &n);
	if (!n)
		return -EINVAL;
	*ret = (n == 7 && !memcmp(p, "running", 7)) || (n == 4 && !memcmp(p, "live", 4));
	return 0;
}

/* ---- one disk ---- */

static void set_text(char *to, size_t cap, const char *from)
{
	size_t n = from ? strlen(from) : 0;

	if (from)
		text_trim(&from, &n);
	sample_escape(to, cap, from ? from : "", n);
}

static void set_hardware(struct disk *d)
{
	snprintf(d->hardware, sizeof(d->hardware), "%s%s%.*s", d->info.model,
		 d->info.model[0] && d->info.serial[0] ? " " : "",
		 (int)(sizeof(d->hardware) - 2 - strnlen(d->info.model, 40)), d->info.serial);
}

static void on_serial(int status, const struct prober_answer *answer, void *ctx)
{
	struct disk *d = ctx;
	char text[sizeof(answer->n) + 1] = {0};

	d->asked = false;
	if (status)
		return;
	memcpy(text, answer->n, sizeof(answer->n));
	set_text(d->info.serial, sizeof(d->info.serial), text);
	set_hardware(d);
}

static const char *first_of(struct udev_device *device, const char *property,
			    const char *other_property, const char *attribute)
{
	const char *v = udev_device_get_property_value(device, property);

	if (!v && other_property)
		v = udev_device_get_property_value(device, other_property);
	return v ? v : udev_device_get_sysattr_value(device, attribute);
}

static void ask_serial(struct disks *s, struct disk *d, struct udev_device *device)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/serial", udev_device_get_syspath(device));
	if (s->prober && !d->info.serial[0] && !d->asked && access(path, F_OK) == 0)
		d->asked = prober_ask(s->prober, PROBER_DISK_SERIAL,
				      udev_device_get_sysname(device), on_serial, d) == 0;
}

static void open_files(struct disk *d, struct udev_device *device)
{
	char path[512];

	for (size_t i = 0; i < DISK_FILES; i++) {
		snprintf(path, sizeof(path), "%s/%s", udev_device_get_syspath(device),
			 files[i].path);
		d->fds[i] = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	}
}

static void close_disk(struct disk *d)
{
	for (size_t i = 0; i < DISK_FILES; i++)
		if (d->fds[i] >= 0)
			close(take_fd(&d->fds[i]));
	d->used = false;
}

static void read_files(struct disk *d)
{
	char text[64];

	d->found = 0;
	for (size_t i = 0; i < DISK_FILES; i++) {
		ssize_t n = d->fds[i] < 0 ? -1 : pread(d->fds[i], text, sizeof(text), 0);

		if (n > 0 && !files[i].parse(text, (size_t)n, &d->values[i]))
			d->found |= 1u << i;
	}
}

/* ---- the list ---- */

static struct disk *place_for(struct disks *s, const char *name)
{
	struct disk *free_one = NULL;

	for (size_t i = 0; i < DISKS_MAX; i++) {
		struct disk *d = &s->list[i];

		if (d->used && !strcmp(d->info.name, name))
			return d;
		if (!d->used && !d->asked && !free_one)
			free_one = d;
	}
	return free_one;
}

static ino_t folder_of(struct udev_device *device)
{
	struct stat st;

	return stat(udev_device_get_syspath(device), &st) ? 0 : st.st_ino;
}

/* The row of that disk, made if new. One that was swapped between two looks gets a new one: an
 * answer that is on its way may be the old one's. */
static struct disk *row_of(struct disks *s, struct udev_device *device)
{
	const char *sysname = udev_device_get_sysname(device);
	ino_t folder = folder_of(device);
	char name[sizeof(s->list[0].info.name)];
	struct disk *d;

	sample_escape(name, sizeof(name), sysname, strlen(sysname));
	d = place_for(s, name);
	if (d && d->used && d->folder != folder) {
		close_disk(d);
		d = place_for(s, name);
	}
	if (!d || d->used)
		return d;
	*d = (struct disk){.used = true, .folder = folder};
	memcpy(d->info.name, name, sizeof(name));
	open_files(d, device);
	return d;
}

static void update_disk(struct disks *s, struct udev_device *device, uint64_t sectors)
{
	struct disk *d = row_of(s, device);
	const char *text;

	if (!d) {
		s->no_room++;
		return;
	}
	d->seen = true;
	d->info.size_mb = (double)sectors / 2048.0; /* 512-byte units, whatever the disk's own */
	text = udev_device_get_sysattr_value(device, "queue/rotational");
	d->has_rotational = text != NULL;
	d->info.rotational = text && text[0] == '1';
	set_text(d->info.model, sizeof(d->info.model),
		 first_of(device, "ID_MODEL", NULL, "device/model"));
	text = first_of(device, "ID_SERIAL_SHORT", "ID_SERIAL", "device/serial");
	if (text)
		set_text(d->info.serial, sizeof(d->info.serial), text);
	set_hardware(d);
	ask_serial(s, d, device);
}

static bool is_disk(struct udev_device *device)
{
	const char *name = udev_device_get_sysname(device);
	const char *type = udev_device_get_devtype(device);

	return name && type && !strcmp(type, "disk") && !parse_disk_is_virtual(name);
}

static void consider(struct disks *s, struct udev_device *device)
{
	const char *size;
	uint64_t sectors;

	if (!is_disk(device))
		return;
	size = udev_device_get_sysattr_value(device, "size");
	if (size && !text_u64(size, strlen(size), &sectors) && sectors)
		update_disk(s, device, sectors);
}

static int scan(struct disks *s)
{
	struct udev_enumerate *list = udev_enumerate_new(s->udev);
	struct udev_list_entry *entry;
	int err;

	if (!list)
		return -ENOMEM;
	s->no_room = 0;
	for (size_t i = 0; i < DISKS_MAX; i++)
		if (s->list[i].used) /* the others stay without memory */
			s->list[i].seen = false;
	err = udev_enumerate_add_match_subsystem(list, "block");
	if (err >= 0)
		err = udev_enumerate_scan_devices(list);
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(list))
	{
		struct udev_device *device =
			udev_device_new_from_syspath(s->udev, udev_list_entry_get_name(entry));

		if (device)
			consider(s, device);
		udev_device_unref(device);
	}
	udev_enumerate_unref(list);
	for (size_t i = 0; err >= 0 && i < DISKS_MAX; i++)
		if (s->list[i].used && !s->list[i].seen)
			close_disk(&s->list[i]);
	return err < 0 ? err : 0;
}

/* ---- events ---- */

static void tell(struct disks *s, struct udev_device *device)
{
	static const struct {
		const char *action;
		enum sample_event_kind kind;
	} rows[] = {
		{"add", SAMPLE_EVENT_DISK_ADDED},
		{"remove", SAMPLE_EVENT_DISK_REMOVED},
		{"change", SAMPLE_EVENT_DISK_CHANGED},
	};
	const char *action = udev_device_get_action(device);
	char name[sizeof(s->list[0].info.name)];

	sample_escape(name, sizeof(name), udev_device_get_sysname(device),
		      strlen(udev_device_get_sysname(device)));
	for (size_t i = 0; action && i < ARRAY_SIZE(rows); i++)
		if (!strcmp(action, rows[i].action))
			probe_tell(s->sampler, rows[i].kind, name, 0);
}

static void on_event(struct loop *loop, uint32_t events, void *ctx)
{
	struct disks *s = ctx;

	(void)loop, (void)events;
	for (int i = 0; i < EVENTS_A_TURN; i++) {
		struct udev_device *device = udev_monitor_receive_device(s->monitor);

		if (!device)
			return;
		if (is_disk(device)) {
			tell(s, device);
			s->stale = true;
			probe_hurry(s->sampler, &probe_disk, SETTLE_MS);
		}
		udev_device_unref(device);
	}
}

/* udevd hands events on when it is done with them; without it they come from the kernel. */
static int watch(struct disks *s, struct loop *loop)
{
	const char *source = access("/run/udev/control", F_OK) == 0 ? "udev" : "kernel";
	int err;

	s->monitor = udev_monitor_new_from_netlink(s->udev, source);
	if (!s->monitor)
		return -errno;
	err = udev_monitor_filter_add_match_subsystem_devtype(s->monitor, "block", "disk");
	if (err >= 0)
		err = udev_monitor_enable_receiving(s->monitor);
	if (err >= 0)
		err = loop_io_add(loop, udev_monitor_get_fd(s->monitor), EPOLLIN, on_event, s,
				  &s->io);
	return err < 0 ? err : 0;
}

/* ---- the probe ---- */

static int disk_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	_cleanup_wide_ struct disks *s = wide_new(sizeof(*s));
	int err = probe_own_root(setup->env, "/sys", e);

	if (err)
		return err;
	if (!s)
		return err_set(e, -ENOMEM, "no memory");
	if (access("/sys/class/block", R_OK))
		return err_sys(e, errno, "/sys/class/block");
	s->udev = udev_new();
	if (!s->udev)
		return err_set(e, -ENOMEM, "libudev");
	s->prober = setup->prober;
	s->sampler = setup->sampler;
	err = setup->loop ? watch(s, setup->loop) : 0;
	if (err)
		err_sys(&s->monitor_why, -err, "events of disks");
	*ret = take_ptr(s);
	return 0;
}

static int disk_read(void *state, int64_t now_ms)
{
	struct disks *s = state;
	int err = 0;

	if (s->stale || now_ms >= s->scan_due_ms) {
		s->stale = false;
		s->scan_due_ms = now_ms + SCAN_MS;
		err = scan(s);
	}
	for (size_t i = 0; i < DISKS_MAX; i++)
		if (s->list[i].used)
			read_files(&s->list[i]);
	return err;
}

static void report_disk(const struct disk *d, struct sample *out)
{
	int entity = sample_entity(out, "device", d->info.name, NULL);

	probe_add_of(out, METRIC_DISK_SIZE_MB, entity, d->info.size_mb);
	if (d->has_rotational)
		probe_add_of(out, METRIC_DISK_ROTATIONAL, entity, d->info.rotational);
	for (size_t i = 0; i < DISK_FILES; i++)
		if (d->found >> i & 1)
			probe_add_of(out, files[i].metric, entity, (double)d->values[i]);
	if (d->hardware[0])
		probe_add_of(out, METRIC_DISK_INFO,
			     sample_entity(out, "disk", d->info.name, d->hardware), 1);
}

static void disk_report(const void *state, struct sample *out)
{
	const struct disks *s = state;

	for (size_t i = 0; i < DISKS_MAX; i++)
		if (s->list[i].used)
			report_disk(&s->list[i], out);
}

bool probe_disk_find(const void *state, const char *name, struct disk_info *ret)
{
	const struct disks *s = state;

	for (size_t i = 0; i < DISKS_MAX; i++)
		if (s->list[i].used && !strcmp(s->list[i].info.name, name)) {
			*ret = s->list[i].info;
			return true;
		}
	return false;
}

static bool disk_busy(const void *state)
{
	const struct disks *s = state;

	for (size_t i = 0; i < DISKS_MAX; i++)
		if (s->list[i].asked)
			return true;
	return false;
}

static void disk_explain(const void *state, struct problems *problems)
{
	const struct disks *s = state;

	if (s->monitor_why.code)
		problems_add(problems, PROBLEM_WARN, "disk-events",
			     "none needed: disks are listed every ten minutes",
			     "disks that come and go are not seen at once: %s",
			     s->monitor_why.text);
	if (s->no_room)
		problems_add(problems, PROBLEM_WARN, "probe-disk",
			     "none needed; the first disks are known by size, kind and errors",
			     "%u disks are not looked at: there is room for %d", s->no_room,
			     DISKS_MAX);
}

static void disk_close(void *state)
{
	struct disks *s = state;

	for (size_t i = 0; i < DISKS_MAX; i++)
		if (s->list[i].used)
			close_disk(&s->list[i]);
	loop_io_remove(s->io);
	udev_monitor_unref(s->monitor);
	udev_unref(s->udev);
	wide_free(s);
}

const struct probe_ops probe_disk = {
	.name = "disk",
	.source = "udev",
	.pace = PROBE_MINUTE,
	.open = disk_open,
	.read = disk_read,
	.report = disk_report,
	.close = disk_close,
	.busy = disk_busy,
	.explain = disk_explain,
};
