/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that come, go and are swapped, as a libudev of this file's own tells of them: no machine
 * swaps its disks for a test. */
#include "tree.h"

#include <libudev.h>
#include <string.h>

#include "sample/disk.h"

#define SCANS_MS 600000

/* One device: what the kernel and udevd say of it. */
static struct udev_device {
	const char *name, *serial; /* name NULL: there is none */
	char syspath[256];
} devices[80];
static struct udev_list_entry {
	struct udev_device *device;
} entries[80];
static int nothing;

struct udev *udev_new(void)
{
	return (struct udev *)&nothing;
}

struct udev *udev_unref(struct udev *u)
{
	(void)u;
	return NULL;
}

struct udev_enumerate *udev_enumerate_new(struct udev *u)
{
	return (struct udev_enumerate *)u;
}

struct udev_enumerate *udev_enumerate_unref(struct udev_enumerate *e)
{
	(void)e;
	return NULL;
}

int udev_enumerate_add_match_subsystem(struct udev_enumerate *e, const char *subsystem)
{
	(void)e, (void)subsystem;
	return 0;
}

int udev_enumerate_scan_devices(struct udev_enumerate *e)
{
	(void)e;
	return 0;
}

static struct udev_list_entry *entry_from(size_t i)
{
	while (i < ARRAY_SIZE(devices) && !devices[i].name)
		i++;
	if (i == ARRAY_SIZE(devices))
		return NULL;
	entries[i].device = &devices[i];
	return &entries[i];
}

struct udev_list_entry *udev_enumerate_get_list_entry(struct udev_enumerate *e)
{
	(void)e;
	return entry_from(0);
}

struct udev_list_entry *udev_list_entry_get_next(struct udev_list_entry *e)
{
	return entry_from((size_t)(e - entries) + 1);
}

const char *udev_list_entry_get_name(struct udev_list_entry *e)
{
	return e->device->syspath;
}

struct udev_device *udev_device_new_from_syspath(struct udev *u, const char *path)
{
	(void)u;
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i].name && !strcmp(devices[i].syspath, path))
			return &devices[i];
	return NULL;
}

struct udev_device *udev_device_unref(struct udev_device *d)
{
	(void)d;
	return NULL;
}

const char *udev_device_get_sysname(struct udev_device *d)
{
	return d->name;
}

const char *udev_device_get_syspath(struct udev_device *d)
{
	return d->syspath;
}

const char *udev_device_get_devtype(struct udev_device *d)
{
	(void)d;
	return "disk";
}

const char *udev_device_get_action(struct udev_device *d)
{
	(void)d;
	return NULL;
}

const char *udev_device_get_property_value(struct udev_device *d, const char *key)
{
	return strcmp(key, "ID_SERIAL_SHORT") == 0 ? d->serial : NULL;
}

const char *udev_device_get_sysattr_value(struct udev_device *d, const char *name)
{
	(void)d;
	return strcmp(name, "size") == 0 ? "204800" : NULL;
}

struct udev_monitor *udev_monitor_new_from_netlink(struct udev *u, const char *name)
{
	(void)u, (void)name;
	return NULL;
}

struct udev_monitor *udev_monitor_unref(struct udev_monitor *m)
{
	(void)m;
	return NULL;
}

int udev_monitor_filter_add_match_subsystem_devtype(struct udev_monitor *m, const char *subsystem,
						    const char *devtype)
{
	(void)m, (void)subsystem, (void)devtype;
	return 0;
}

int udev_monitor_enable_receiving(struct udev_monitor *m)
{
	(void)m;
	return 0;
}

int udev_monitor_get_fd(struct udev_monitor *m)
{
	(void)m;
	return -1;
}

struct udev_device *udev_monitor_receive_device(struct udev_monitor *m)
{
	(void)m;
	return NULL;
}

/* The kernel makes the folder anew; the old one lives until then, so that theirs are two inodes. */
static void plug(const struct tree *t, size_t i, const char *name, const char *serial,
		 const char *errors)
{
	struct udev_device *d = &devices[i];
	char path[512];

	*d = (struct udev_device){.name = name, .serial = serial};
	snprintf(d->syspath, sizeof(d->syspath), "%.200s/%.8s", t->dir, name);
	tree_put(t, "/new/device/ioerr_cnt", errors);
	snprintf(path, sizeof(path), "%s/old", t->dir);
	fs_remove_tree(path);
	if (!access(d->syspath, F_OK))
		assert_int_equal(rename(d->syspath, path), 0);
	snprintf(path, sizeof(path), "%s/new", t->dir);
	assert_int_equal(rename(path, d->syspath), 0);
}

static struct tree *begin(void)
{
	struct tree *t = tree_new(NULL);

	memset(devices, 0, sizeof(devices));
	if (access("/sys/class/block", R_OK)) {
		tree_free(t);
		skip();
	}
	assert_int_equal(env_init(&t->env, ""), 0);
	assert_int_equal(tree_open(t, &probe_disk), 0);
	return t;
}

static void errors_are(const struct tree *t, const char *name, double want)
{
	tree_value_of(t, METRIC_DISK_IO_ERRORS, tree_entity(t, "device", name), want);
}

/* Another disk takes the name before anyone looked: what was known of the old one is not said of
 * it, not even while nobody knows the new one's serial. Its neighbour stays as it is. */
static void swapped_disk_is_another(void **state)
{
	struct tree *t = begin();
	struct disk_info info;

	(void)state;
	plug(t, 0, "vdb", "OLD", "0x7\n");
	plug(t, 1, "vdc", "STAYS", "0x1\n");
	tree_read(t, 1000);
	assert_true(probe_disk_find(t->probe, "vdb", &info));
	assert_string_equal(info.serial, "OLD");
	errors_are(t, "vdb", 7);
	plug(t, 0, "vdb", NULL, "0x2\n");
	devices[1].serial = NULL; /* nothing is said any more, of the same disk */
	tree_read(t, 1000 + SCANS_MS);
	assert_true(probe_disk_find(t->probe, "vdb", &info));
	assert_string_equal(info.serial, "");
	errors_are(t, "vdb", 2);
	assert_true(probe_disk_find(t->probe, "vdc", &info));
	assert_string_equal(info.serial, "STAYS");
	plug(t, 0, "vdb", "NEW", "0x0\n");
	tree_read(t, 1000 + 2 * SCANS_MS);
	assert_true(probe_disk_find(t->probe, "vdb", &info));
	assert_string_equal(info.serial, "NEW");
	tree_free(t);
}

/* One that is gone is said no more; when it comes back, it is new. */
static void gone_and_back(void **state)
{
	struct tree *t = begin();
	struct disk_info info;

	(void)state;
	plug(t, 0, "vdb", "A", "0x0\n");
	tree_read(t, 1000);
	devices[0].name = NULL;
	tree_read(t, 1000 + SCANS_MS);
	assert_false(probe_disk_find(t->probe, "vdb", &info));
	plug(t, 0, "vdb", NULL, "0x0\n");
	tree_read(t, 1000 + 2 * SCANS_MS);
	assert_true(probe_disk_find(t->probe, "vdb", &info));
	assert_string_equal(info.serial, "");
	tree_free(t);
}

/* More disks than there is room for: the first ones are reported, and the rest is said. */
static void too_many_disks_are_said(void **state)
{
	static char names[70][8];
	struct tree *t = begin();
	struct problems p = {0};
	struct disk_info info;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(names[i], sizeof(names[i]), "vd%zu", i);
		plug(t, i, names[i], NULL, "0x0\n");
	}
	tree_read(t, 1000);
	assert_true(probe_disk_find(t->probe, "vd63", &info));
	assert_false(probe_disk_find(t->probe, "vd64", &info));
	probe_disk.explain(t->probe, &p);
	assert_int_equal(p.n, 1);
	assert_non_null(strstr(p.list[0].text, "6 disks are not looked at: there is room for 64"));
	problems_deinit(&p);
	tree_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(swapped_disk_is_another),
		cmocka_unit_test(gone_and_back),
		cmocka_unit_test(too_many_disks_are_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
