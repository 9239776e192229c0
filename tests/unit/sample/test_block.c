/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts and disks: the parsers, the choice of what is watched, rates and stalls by hand-computed
 * numbers, and a file system that refuses writes while its flags say "rw". */
#include "tree.h"

#include "core/buf.h"

/* ---- mountinfo ---- */

static void fields_of_a_mount(void **state)
{
	static const char text[] =
		"41 28 253:7 / /srv/with\\040space rw,relatime shared:41 master:2 - ext4 "
		"/dev/mapper/data-srv rw,errors=remount-ro,emergency_ro\n"
		"42 28 0:31 /a /x ro - cgroup cgroup rw,memory\n";
	struct parse_mount m;
	size_t pos = 0;

	(void)state;
	assert_true(parse_mount_next(text, strlen(text), &pos, &m));
	assert_int_equal(m.id, 41);
	assert_int_equal(m.major, 253);
	assert_int_equal(m.minor, 7);
	assert_string_equal(m.path, "/srv/with space");
	assert_string_equal(m.type, "ext4");
	assert_string_equal(m.source, "data-srv");
	assert_true(m.is_device && m.emergency && m.errors_readonly && !m.readonly);
	assert_true(parse_mount_next(text, strlen(text), &pos, &m));
	assert_string_equal(m.root, "/a");
	assert_true(m.readonly && m.cgroup_memory && !m.cgroup_pids && !m.is_device);
	assert_false(parse_mount_next(text, strlen(text), &pos, &m));
}

/* Each shorter text gives no mount, and never a read beyond its end (sanitizers look). */
static void a_cut_line_is_no_mount(void **state)
{
	static const char text[] = "41 28 253:7 / /srv rw - ext4 /dev/vda1 rw\n";

	(void)state;
	for (size_t n = 0; n < strlen(text); n++) {
		char *copy = malloc(n + 1);
		struct parse_mount m;
		size_t pos = 0;

		assert_non_null(copy);
		memcpy(copy, text, n);
		assert_false(parse_mount_next(copy, n, &pos, &m));
		free(copy);
	}
}

/* What is watched of the mounts that @t has. */
static const struct parse_mount *local_mounts(struct tree *t, size_t *ret_n)
{
	assert_int_equal(mounts_new(&t->env, &t->mounts, NULL), 0);
	assert_int_equal(mounts_refresh(t->mounts, false), 1);
	return mounts_local(t->mounts, ret_n);
}

/* Local file systems once each: no images, no network, no overlays, no folder of another mount. */
static void local_mounts_of_a_guest(void **state)
{
	static const char *const want[] = {"/", "/boot/efi", "/srv/with space"};
	struct tree *t = tree_new("proc-linux-6.1");
	const struct parse_mount *list;
	struct parse_mount m;
	size_t n;

	(void)state;
	assert_non_null(local_mounts(t, &n));
	assert_int_equal(mounts_refresh(t->mounts, false), 1); /* a recorded one does not change */
	assert_int_equal(mounts_refresh(t->mounts, true), 2);
	list = mounts_local(t->mounts, &n);
	assert_int_equal(n, ARRAY_SIZE(want));
	for (size_t i = 0; i < n; i++)
		assert_string_equal(list[i].path, want[i]);
	assert_true(mounts_find(t->mounts, "/net", &m));
	assert_string_equal(m.type, "nfs4");
	assert_false(mounts_find(t->mounts, "/nowhere", &m));
	tree_free(t);
}

/* A root that is no device is watched all the same, and a file system mounted over it counts. */
static void root_is_always_watched(void **state)
{
	struct tree *t = tree_new(NULL);
	const struct parse_mount *list;
	size_t n;

	(void)state;
	tree_put(t, "/proc/self/mountinfo",
		 "1 1 0:1 / / rw - rootfs rootfs rw\n"
		 "30 1 0:40 / / rw - overlay overlay rw\n"
		 "31 30 254:1 /etc/hosts /etc/hosts rw - ext4 /dev/vda1 rw\n"
		 "32 30 0:41 / /data rw - zfs tank/data rw\n"
		 "33 30 0:42 /@home /home rw - btrfs /dev/vdb rw\n"
		 "34 30 0:43 /@var /var rw - btrfs /dev/vdb rw\n");
	list = local_mounts(t, &n);
	assert_int_equal(n, 3);
	assert_string_equal(list[0].type, "overlay");
	assert_string_equal(list[1].path, "/data");
	assert_string_equal(list[2].path, "/home"); /* the second subvolume is the same system */
	tree_free(t);
}

/* More than there is room for is counted, and said. */
static void too_many_mounts_are_counted(void **state)
{
	struct tree *t = tree_new(NULL);
	char text[8192];
	int n = 0;
	size_t listed;

	(void)state;
	for (int i = 0; i < MOUNTS_MAX + 3; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "%d 1 254:%d / /m%d rw - ext4 /dev/vd%d rw\n", i, i, i, i);
	tree_put(t, "/proc/self/mountinfo", text);
	assert_non_null(local_mounts(t, &listed));
	assert_int_equal(listed, MOUNTS_MAX);
	assert_int_equal(mounts_left_out(t->mounts), 3);
	tree_free(t);
}

/* ---- diskstats ---- */

static void fields_of_a_disk(void **state)
{
	static const char text[] =
		" 8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n"
		"bad\n"
		" 8 1 sda1 1 2 3 4 5 6 7 8 9 10\n"
		" 254 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n";
	struct parse_diskstats d;
	size_t pos = 0;

	(void)state;
	assert_true(parse_diskstats_next(text, strlen(text), &pos, &d));
	assert_string_equal(d.name, "sda");
	assert_int_equal(d.n[DISK_WEIGHTED_MS], 11);
	assert_int_equal(d.n[DISK_FLUSHES], 0);
	assert_true(parse_diskstats_next(text, strlen(text), &pos, &d)); /* ten columns: no disk */
	assert_string_equal(d.name, "vda");
	assert_int_equal(d.major, 254);
	assert_int_equal(d.n[DISK_FLUSH_MS], 17);
	assert_false(parse_diskstats_next(text, strlen(text), &pos, &d));
}

/* Which devices: whole disks, and what is mounted with its mount point. */
static void devices_of_a_guest(void **state)
{
	struct tree *t = tree_new("proc-linux-6.1");

	(void)state;
	assert_int_equal(tree_open(t, &probe_io), 0);
	tree_read(t, 1000);
	assert_int_equal(t->sample.n_entities, 4);
	assert_int_equal(tree_entity(t, "device", "vda"), 0);
	assert_int_equal(tree_entity(t, "mount_point", "/"), 1);
	assert_string_equal(t->sample.entities[1].detail, "vda1");
	assert_int_equal(tree_entity(t, "device", "nvme0n1"), 2);
	assert_int_equal(tree_entity(t, "mount_point", "/srv/with space"), 3);
	assert_string_equal(t->sample.entities[3].detail, "data-srv");
	tree_value_of(t, METRIC_IO_IN_FLIGHT, 0, 2);
	tree_absent_of(t, METRIC_IO_READ_REQ, 0); /* no rate of one reading */
	tree_free(t);
}

#define DISK(reads, rsect, rms, writes, wsect, wms, flight, busy)                                  \
	"254 0 vda " reads " 0 " rsect " " rms " " writes " 0 " wsect " " wms " " flight " " busy  \
	" 0\n"

static void disk_says(struct tree *t, const char *text)
{
	tree_put(t, "/proc/diskstats", text);
}

/* A guest with one disk, which says this when the probe comes. */
static struct tree *open_disk(const char *text)
{
	struct tree *t = tree_new(NULL);

	tree_put(t, "/sys/block/vda/uevent", "");
	disk_says(t, text);
	assert_int_equal(tree_open(t, &probe_io), 0);
	return t;
}

/* 10 s: 200 reads of 8 KiB in 600 ms, 50 writes of 4 KiB in 150 ms, busy for 4 s. */
static void rates_by_hand(void **state)
{
	struct tree *t = open_disk(DISK("1000", "16000", "5000", "100", "800", "900", "0", "7000"));

	(void)state;
	tree_read(t, 10000);
	disk_says(t, DISK("1200", "19200", "5600", "150", "1200", "1050", "3", "11000"));
	tree_read(t, 20000);
	tree_value_of(t, METRIC_IO_READ_REQ, 0, 20);
	tree_value_of(t, METRIC_IO_WRITE_REQ, 0, 5);
	tree_value_of(t, METRIC_IO_READ_KBYTES, 0, 160);
	tree_value_of(t, METRIC_IO_WRITE_KBYTES, 0, 20);
	tree_value_of(t, METRIC_IO_READ_TIME, 0, 0.06);
	tree_value_of(t, METRIC_IO_WRITE_TIME, 0, 0.015);
	tree_value_of(t, METRIC_IO_AWAIT, 0, 3); /* 750 ms / 250 */
	tree_value_of(t, METRIC_IO_UTILISATION, 0, 40);
	tree_value_of(t, METRIC_IO_IN_FLIGHT, 0, 3);
	tree_value_of(t, METRIC_IO_STALLED, 0, 0);
	tree_read(t, 30000);
	tree_absent_of(t, METRIC_IO_AWAIT, 0); /* nothing completed */
	tree_free(t);
}

/* In flight and nothing completes: counted from the last reading that saw a completion, and over
 * when one comes; a flush counts as one. Stress from 5 s on. */
static void stall_is_timed(void **state)
{
	struct tree *t = open_disk(DISK("10", "80", "5", "10", "80", "5", "0", "10"));

	(void)state;
	tree_read(t, 0);
	disk_says(t, DISK("11", "88", "6", "10", "80", "5", "2", "20"));
	tree_read(t, 10000);
	tree_value_of(t, METRIC_IO_STALLED, 0, 0);
	assert_int_equal(t->ops->stress(t->probe), STRESS_CALM);
	tree_read(t, 14000);
	tree_value_of(t, METRIC_IO_STALLED, 0, 4);
	assert_int_equal(t->ops->stress(t->probe), STRESS_CALM);
	tree_read(t, 45000);
	tree_value_of(t, METRIC_IO_STALLED, 0, 35);
	assert_int_equal(t->ops->stress(t->probe), STRESS_RAISE);
	disk_says(t, "254 0 vda 11 0 88 6 10 0 80 5 2 20 0 0 0 0 0 1 4\n");
	tree_read(t, 46000);
	tree_value_of(t, METRIC_IO_STALLED, 0, 0);
	disk_says(t, DISK("11", "88", "6", "10", "80", "5", "0", "20"));
	tree_read(t, 90000);
	tree_value_of(t, METRIC_IO_STALLED, 0, 0); /* idle is no stall */
	tree_free(t);
}

/* One that goes and comes again under the same name starts anew. */
static void a_new_disk_of_that_name_has_no_rate(void **state)
{
	struct tree *t = open_disk(DISK("10", "80", "5", "10", "80", "5", "0", "10"));

	(void)state;
	tree_read(t, 0);
	disk_says(t, "8 0 sda 0 0 0 0 0 0 0 0 0 0 0\n");
	tree_read(t, 1000);
	assert_int_equal(t->sample.n_values, 0);
	disk_says(t, DISK("500", "80", "5", "10", "80", "5", "0", "10"));
	tree_read(t, 2000);
	tree_absent_of(t, METRIC_IO_READ_REQ, 0);
	tree_free(t);
}

/* Where a kernel lost count of what is in flight, it prints -1 as it sees it: nothing is, as newer
 * kernels say themselves. A disk that does nothing is not stalled by that. */
static void in_flight_below_zero(void **state)
{
	struct tree *t = open_disk(DISK("10", "80", "5", "10", "80", "5", "4294967295", "10"));

	(void)state;
	tree_read(t, 0);
	tree_read(t, 90000);
	tree_value_of(t, METRIC_IO_IN_FLIGHT, 0, 0);
	tree_value_of(t, METRIC_IO_STALLED, 0, 0);
	assert_int_equal(t->ops->stress(t->probe), STRESS_CALM);
	tree_free(t);
}

/* A hundred devices that nobody wants to see, as snaps and partitions make them, take no disk its
 * place. */
static void crowd_of_devices(void **state)
{
	_cleanup_buf_ struct buf text = BUF_INIT(16384);
	struct tree *t;

	(void)state;
	for (int i = 0; i < 60; i++)
		buf_printf(&text, "7 %d loop%d 50 0 400 9 0 0 0 0 0 9 9\n", i, i);
	for (int i = 0; i < 60; i++)
		buf_printf(&text, "8 %d sda%d 50 0 400 9 0 0 0 0 0 9 9\n", i, i);
	buf_printf(&text, DISK("1000", "16000", "5000", "100", "800", "900", "0", "7000"));
	t = open_disk(buf_str(&text));
	tree_read(t, 0);
	assert_int_equal(tree_entity(t, "device", "vda"), 0);
	tree_read(t, 10000);
	tree_value_of(t, METRIC_IO_READ_REQ, 0, 0); /* it keeps its place */
	assert_int_equal(t->sample.n_entities, 1);
	tree_free(t);
}

/* More disks than there is room for are said. */
static void too_many_disks_are_counted(void **state)
{
	struct tree *t = tree_new(NULL);
	_cleanup_buf_ struct buf text = BUF_INIT(16384);
	struct problems p = {0};

	(void)state;
	for (int i = 0; i < 50; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/sys/block/vd%d/uevent", i);
		tree_put(t, path, "");
		buf_printf(&text, "254 %d vd%d 50 0 400 9 0 0 0 0 0 9 9\n", i, i);
	}
	disk_says(t, buf_str(&text));
	assert_int_equal(tree_open(t, &probe_io), 0);
	tree_read(t, 0);
	tree_read(t, 1000);
	t->ops->explain(t->probe, &p);
	assert_int_equal(p.n, 1);
	assert_non_null(
		strstr(p.list[0].text, "2 block devices are not measured: there is room for 48"));
	problems_deinit(&p);
	tree_free(t);
}

/* A file without one good line is an error, not a guest without disks. */
static void rubbish_is_an_error(void **state)
{
	struct tree *t = tree_new("proc-broken");

	(void)state;
	assert_int_equal(tree_open(t, &probe_io), 0);
	assert_int_equal(t->ops->read(t->probe, 0), -EINVAL);
	tree_free(t);
}

/* ---- silent read-only ---- */

struct waiting {
	struct tree *t;
	struct loop_timer *timer;
};

static void look(struct loop *loop, void *ctx)
{
	struct waiting *w = ctx;

	if (w->t->ops->busy(w->t->probe))
		loop_timer_arm(w->timer, 5);
	else
		loop_quit(loop, 0);
}

/* A reading, the workers' answers, and the report of both. */
static void read_and_wait(struct tree *t, int64_t now_ms)
{
	struct waiting w = {.t = t};

	assert_int_equal(t->ops->read(t->probe, now_ms), 0);
	assert_int_equal(loop_timer_new(t->setup.loop, 0, look, &w, &w.timer), 0);
	loop_timer_arm(w.timer, 0);
	assert_int_equal(loop_run(t->setup.loop), 0);
	loop_timer_free(w.timer);
	sample_reset(&t->sample, now_ms, now_ms);
	t->ops->report(t->probe, &t->sample);
}

static struct tree *open_ext4(const char *options)
{
	struct tree *t = tree_new(NULL);
	char text[256], path[300];

	snprintf(text, sizeof(text), "28 1 254:1 / / rw,relatime - ext4 /dev/root %s\n", options);
	tree_put(t, "/proc/self/mountinfo", text);
	tree_put(t, "/sys/fs/ext4/vda1/errors_count", "3\n");
	tree_put(t, "/sys/dev/block/none", "");
	snprintf(path, sizeof(path), "%s/sys/dev/block/254:1", t->dir);
	assert_int_equal(symlink("../../devices/pci0/virtio2/block/vda/vda1", path), 0);
	assert_int_equal(loop_new(&t->env, &t->setup.loop), 0);
	assert_int_equal(prober_new(t->setup.loop, &t->setup.prober), 0);
	assert_int_equal(prober_allow_local(t->setup.prober), 0);
	assert_int_equal(tree_open(t, &probe_filesystem), 0);
	return t;
}

/* Return: the root's entity. */
static int first_look(struct tree *t)
{
	read_and_wait(t, 1000);
	return tree_entity(t, "mount_point", "/");
}

static void close_ext4(struct tree *t)
{
	struct loop *loop = t->setup.loop;

	prober_free(t->setup.prober);
	tree_free(t);
	loop_free(loop);
}

static bool has_problem(struct tree *t, const char *code)
{
	struct problems p = {0};
	bool found = false;

	t->ops->explain(t->probe, &p);
	for (size_t i = 0; i < p.n; i++)
		found |= !strcmp(p.list[i].code, code);
	problems_deinit(&p);
	return found;
}

/* `heat-pulse check` opens the probes and reads none of them: what has not been looked at yet is no
 * problem, and so it is just after other mounts were named. */
static void not_looked_at_yet(void **state)
{
	const struct sampler_settings other = {.mounts = (const char *const[]){"/"}, .n_mounts = 1};
	struct tree *t = open_ext4("rw");

	(void)state;
	assert_false(has_problem(t, "probe-filesystem"));
	read_and_wait(t, 0);
	assert_false(has_problem(t, "probe-filesystem"));
	t->ops->apply(t->probe, &other);
	assert_false(has_problem(t, "probe-filesystem"));
	close_ext4(t);
}

/* Mounted to turn read-only at an error, and an error came: it is, though statvfs and the flags say
 * "rw". Old errors in the superblock alone are no such thing. */
static void ext4_that_met_an_error(void **state)
{
	struct tree *t = open_ext4("rw,errors=remount-ro");
	int root = first_look(t);

	(void)state;
	assert_string_equal(t->sample.entities[root].detail, "vda1"); /* not "root" */
	tree_value_of(t, METRIC_FS_ERRORS, root, 3);
	tree_value_of(t, METRIC_FS_READONLY, root, 0);
	assert_false(has_problem(t, "mount-readonly"));
	tree_put(t, "/sys/fs/ext4/vda1/errors_count", "4\n");
	read_and_wait(t, 11000);
	tree_value_of(t, METRIC_FS_ERRORS, root, 4);
	tree_value_of(t, METRIC_FS_READONLY, root, 1);
	assert_true(has_problem(t, "mount-readonly"));
	close_ext4(t);
}

/* Newer kernels say it among the options, but change them without a word: the counter that moved
 * makes us look. */
static void ext4_that_says_emergency(void **state)
{
	struct tree *t = open_ext4("rw");
	int root = first_look(t);

	(void)state;
	tree_put(t, "/proc/self/mountinfo",
		 "28 1 254:1 / / rw,relatime - ext4 /dev/root rw,emergency_ro\n");
	read_and_wait(t, 11000);
	tree_value_of(t, METRIC_FS_READONLY, root, 0); /* nothing said that it changed */
	tree_put(t, "/sys/fs/ext4/vda1/errors_count", "4\n");
	read_and_wait(t, 21000);
	tree_value_of(t, METRIC_FS_READONLY, root, 1);
	close_ext4(t);
}

/* One that goes on at errors counts them and stays writable. */
static void ext4_that_goes_on(void **state)
{
	struct tree *t = open_ext4("rw,errors=continue");
	int root = first_look(t);

	(void)state;
	tree_put(t, "/sys/fs/ext4/vda1/errors_count", "40\n");
	read_and_wait(t, 11000);
	tree_value_of(t, METRIC_FS_ERRORS, root, 40);
	tree_value_of(t, METRIC_FS_READONLY, root, 0);
	tree_put(t, "/sys/fs/ext4/vda1/errors_count", "4x\n");
	read_and_wait(t, 21000);
	tree_absent_of(t, METRIC_FS_ERRORS, root);
	close_ext4(t);
}

/* Settings name other mounts while it runs: exactly those, and the local ones again when they name
 * none. */
static void settings_name_the_mounts(void **state)
{
	static const char *const paths[] = {"/srv/", "/nowhere"};
	const struct sampler_settings named = {.mounts = paths, .n_mounts = 2}, none = {0};
	struct tree *t = open_ext4("rw");
	int root = first_look(t);

	(void)state;
	tree_put(t, "/srv/none", "");
	assert_int_equal(t->sample.n_entities, 1);
	assert_int_equal(root, 0);
	t->ops->apply(t->probe, &named);
	read_and_wait(t, 2000);
	assert_int_equal(t->sample.n_entities, 1);
	assert_int_equal(tree_entity(t, "mount_point", "/srv"), 0);
	assert_true(has_problem(t, "probe-filesystem")); /* /nowhere */
	t->ops->apply(t->probe, &none);
	read_and_wait(t, 3000);
	assert_int_equal(t->sample.n_entities, 1);
	assert_int_equal(tree_entity(t, "mount_point", "/"), 0);
	close_ext4(t);
}

/* On a guest whose list is full of mounts, those that settings name find room at once: that is what
 * the status advises. More than there is room for are said. */
static void named_mounts_find_room(void **state)
{
	static const char *const one[] = {"/named"};
	const struct sampler_settings named = {.mounts = one, .n_mounts = 1};
	struct sampler_settings many = {.n_mounts = MOUNTS_MAX + 2};
	const char *paths[MOUNTS_MAX + 2];
	char text[8192], texts[MOUNTS_MAX + 2][8];
	struct tree *t = open_ext4("rw");
	int n = 0;

	(void)state;
	for (int i = 0; i < MOUNTS_MAX + 2; i++) {
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "%d 1 254:%d / /m%d rw - ext4 /dev/vd%d rw\n", i, i, i, i);
		snprintf(texts[i], sizeof(texts[i]), "/n%d", i);
		paths[i] = texts[i];
	}
	tree_put(t, "/proc/self/mountinfo", text);
	tree_put(t, "/named/none", "");
	read_and_wait(t, 1000);
	assert_true(has_problem(t, "mounts-many"));
	t->ops->apply(t->probe, &named);
	read_and_wait(t, 2000);
	assert_int_equal(tree_entity(t, "mount_point", "/named"), 0);
	assert_int_equal(t->sample.n_entities, 1);
	many.mounts = paths;
	t->ops->apply(t->probe, &many);
	assert_true(has_problem(t, "mounts-many"));
	close_ext4(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_of_a_mount),
		cmocka_unit_test(a_cut_line_is_no_mount),
		cmocka_unit_test(local_mounts_of_a_guest),
		cmocka_unit_test(root_is_always_watched),
		cmocka_unit_test(too_many_mounts_are_counted),
		cmocka_unit_test(fields_of_a_disk),
		cmocka_unit_test(devices_of_a_guest),
		cmocka_unit_test(rates_by_hand),
		cmocka_unit_test(stall_is_timed),
		cmocka_unit_test(a_new_disk_of_that_name_has_no_rate),
		cmocka_unit_test(in_flight_below_zero),
		cmocka_unit_test(crowd_of_devices),
		cmocka_unit_test(too_many_disks_are_counted),
		cmocka_unit_test(rubbish_is_an_error),
		cmocka_unit_test(not_looked_at_yet),
		cmocka_unit_test(ext4_that_met_an_error),
		cmocka_unit_test(ext4_that_says_emergency),
		cmocka_unit_test(ext4_that_goes_on),
		cmocka_unit_test(settings_name_the_mounts),
		cmocka_unit_test(named_mounts_find_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
