/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disks, by libudev: whole block devices with their size. Loop, ram and zram devices are no
 * disks of the guest. libudev allocates while it lists; it is asked at the start and then every ten
 * minutes, and all is given back.
 */
#include "sample/probe.h"

#include <errno.h>
#include <libudev.h>
#include <string.h>

#include "core/text.h"

#define DISKS_MAX 64

struct disk {
	char name[64];
	double size_mb;
};
struct disks {
	struct udev *udev;
	size_t n;
	struct disk list[DISKS_MAX];
};

static int disk_open(const struct probe_setup *setup, void **ret, struct err *e)
{
	_cleanup_free_ struct disks *d = calloc(1, sizeof(*d));
	int err = probe_own_root(setup->env, "/sys", e);

	if (err)
		return err;
	if (!d)
		return err_set(e, -ENOMEM, "no memory");
	if (access("/sys/class/block", R_OK))
		return err_sys(e, errno, "/sys/class/block");
	d->udev = udev_new();
	if (!d->udev)
		return err_set(e, -ENOMEM, "libudev");
	*ret = take_ptr(d);
	return 0;
}

static bool is_virtual(const char *name)
{
	static const char *const prefixes[] = {"loop", "ram", "zram"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

static void add_disk(struct disks *d, struct udev_device *device)
{
	const char *name = udev_device_get_sysname(device), *type = udev_device_get_devtype(device);
	const char *size = udev_device_get_sysattr_value(device, "size");
	uint64_t sectors;

	if (!name || !type || strcmp(type, "disk") || is_virtual(name) || d->n == DISKS_MAX)
		return;
	if (!size || text_u64(size, strlen(size), &sectors) || !sectors)
		return;
	sample_escape(d->list[d->n].name, sizeof(d->list[d->n].name), name, strlen(name));
	d->list[d->n].size_mb =
		(double)sectors / 2048.0; /* 512-byte units, whatever the disk's own are */
	d->n++;
}

static int disk_read(void *state, int64_t now_ms)
{
	struct disks *d = state;
	struct udev_enumerate *list = udev_enumerate_new(d->udev);
	struct udev_list_entry *entry;
	int err;

	(void)now_ms;
	d->n = 0;
	if (!list)
		return -ENOMEM;
	err = udev_enumerate_add_match_subsystem(list, "block");
	if (err >= 0)
		err = udev_enumerate_scan_devices(list);
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(list))
	{
		struct udev_device *device =
			udev_device_new_from_syspath(d->udev, udev_list_entry_get_name(entry));

		if (device)
			add_disk(d, device);
		udev_device_unref(device);
	}
	udev_enumerate_unref(list);
	return err < 0 ? err : 0;
}

static void disk_report(const void *state, struct sample *out)
{
	const struct disks *d = state;

	for (size_t i = 0; i < d->n; i++)
		probe_add_of(out, METRIC_DISK_SIZE_MB,
			     sample_entity(out, "device", d->list[i].name, NULL),
			     d->list[i].size_mb);
}

static void disk_close(void *state)
{
	struct disks *d = state;

	udev_unref(d->udev);
	free(d);
}

const struct probe_ops probe_disk = {
	.name = "disk",
	.source = "udev",
	.pace = PROBE_RARE,
	.open = disk_open,
	.read = disk_read,
	.report = disk_report,
	.close = disk_close,
};
