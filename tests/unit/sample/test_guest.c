/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups, the hypervisor and its balloon, what an agent beside the hypervisor would say, and
 * hardware counters: recorded and made trees, numbers worked out by hand. */
#include "tree.h"

#include "sample/disk.h"
#include "sample/hypervisor.h"
#include "sample/parse_value.h"
#include "sample/prober_device.h"

/* ---- small files ---- */

static void limits_and_numbers(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t value;
	} limits[] = {
		{"268435456\n", 0, 268435456},
		{"0\n", 0, 0},
		{"max\n", 1, 0},
		{"9223372036854771712\n", 1, 0}, /* version 1, no limit */
		{"18446744073709551615\n", 1, 0},
		{"\n", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"maximum\n", -EINVAL, 0},
		{"-1\n", -EINVAL, 0},
	};
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		v = 0;
		assert_int_equal(parse_limit(limits[i].text, strlen(limits[i].text), &v),
				 limits[i].result);
		assert_int_equal(v, limits[i].value);
	}
	assert_int_equal(parse_hex("8000000\n", 8, &v), 0);
	assert_int_equal(v, 134217728);
	assert_int_equal(parse_hex("0x1F\n", 5, &v), 0);
	assert_int_equal(v, 31);
	assert_int_equal(parse_hex("0x", 2, &v), -EINVAL);
	assert_int_equal(parse_hex("11223344556677889", 17, &v), -EINVAL);
	assert_int_equal(parse_number("12 34", 5, &v), -EINVAL);
}

static void balloon_of_hyperv_is_whole_or_none(void **state)
{
	struct parse_hyperv_balloon b;
	char *text;
	size_t n;

	(void)state;
	text = fixture_read("hyperv-linux-6.1", "/sys/kernel/debug/hv-balloon", &n);
	assert_int_equal(parse_hyperv_balloon(text, n, &b), 0);
	assert_int_equal(b.page_size, 4096);
	assert_int_equal(b.pages_ballooned, 65536);
	assert_int_equal(b.pages_added, 131072);
	assert_int_equal(b.max_pages, 1048576);
	for (size_t cut = 0; cut < 180; cut++)
		assert_int_equal(parse_hyperv_balloon(text, cut, &b), -EINVAL);
	free(text);
}

/* ---- control groups ---- */

static void groups_of_version_2(void **state)
{
	struct tree *t = tree_new("proc-linux-6.1");
	int nginx, system;

	(void)state;
	assert_int_equal(tree_open(t, &probe_cgroup), 0);
	tree_read(t, 1000);
	nginx = tree_entity(t, "cgroup", "system.slice/nginx.service");
	system = tree_entity(t, "cgroup", "system.slice");
	tree_value_of(t, METRIC_CGROUP_MEMORY, nginx, 192);
	tree_value_of(t, METRIC_CGROUP_MEMORY_LIMIT, nginx, 256);
	tree_value_of(t, METRIC_CGROUP_MEMORY_PERC, nginx, 75);
	tree_value_of(t, METRIC_CGROUP_OOM_KILL, nginx, 2);
	tree_value_of(t, METRIC_CGROUP_HIGH_EVENTS, nginx, 41);
	tree_value_of(t, METRIC_CGROUP_PRESSURE, nginx, 1.25);
	tree_absent_of(t, METRIC_CGROUP_PRESSURE, system);
	tree_value_of(t, METRIC_CGROUP_PIDS, nginx, 33);
	tree_value_of(t, METRIC_CGROUP_PIDS_LIMIT, nginx, 4915);
	tree_value_of(t, METRIC_CGROUP_MEMORY, system, 512);
	tree_absent_of(t, METRIC_CGROUP_MEMORY_LIMIT, system);
	tree_absent_of(t, METRIC_CGROUP_PIDS_PERC, system);
	/* no limit of memory and few processes; a quarter of its processes; no limits at the root */
	assert_int_equal(tree_entity(t, "cgroup", "system.slice/ssh.service"), -2);
	assert_true(tree_entity(t, "cgroup", "system.slice/fork.service") >= 0);
	assert_int_equal(tree_entity(t, "cgroup", "/"), -2);
	assert_int_equal(t->sample.n_entities, 5);
	tree_free(t);
}

/* Version 1 has its processes in another tree, and no count of kills before Linux 4.13. */
static void groups_of_version_1(void **state)
{
	struct tree *t = tree_new("proc-linux-3.10");
	int db;

	(void)state;
	assert_int_equal(tree_open(t, &probe_cgroup), 0);
	tree_read(t, 1000);
	db = tree_entity(t, "cgroup", "system.slice/db.service");
	tree_value_of(t, METRIC_CGROUP_MEMORY, db, 300);
	tree_value_of(t, METRIC_CGROUP_MEMORY_LIMIT, db, 512);
	tree_value_of(t, METRIC_CGROUP_MEMORY_PERC, db, 58.59375);
	tree_value_of(t, METRIC_CGROUP_PIDS, db, 44);
	tree_absent_of(t, METRIC_CGROUP_PIDS_LIMIT, db);
	tree_absent_of(t, METRIC_CGROUP_OOM_KILL, db);
	tree_absent_of(t, METRIC_CGROUP_HIGH_EVENTS, db);
	tree_absent_of(t, METRIC_CGROUP_PRESSURE, db);
	assert_int_equal(tree_entity(t, "cgroup", "system.slice/cron.service"), -2);
	assert_int_equal(t->sample.n_entities, 2);
	tree_free(t);
}

/* What can be taken back: version 1 sums it up for the groups below, too, under other names. */
static void caches_of_version_1(void **state)
{
	struct tree *t = tree_new(NULL);

	(void)state;
	tree_put(t, "/proc/self/mountinfo",
		 "30 1 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
	tree_put(t, "/sys/fs/cgroup/memory/db/memory.limit_in_bytes", "536870912\n");
	tree_put(t, "/sys/fs/cgroup/memory/db/memory.usage_in_bytes", "503316480\n");
	tree_put(t, "/sys/fs/cgroup/memory/db/memory.stat",
		 "cache 209715200\ninactive_file 0\nactive_file 0\n"
		 "total_inactive_file 157286400\ntotal_active_file 77594624\n");
	assert_int_equal(tree_open(t, &probe_cgroup), 0);
	tree_read(t, 1000);
	tree_read(t, 61000);
	tree_value_of(t, METRIC_CGROUP_MEMORY_PERC, tree_entity(t, "cgroup", "db"), 50);
	tree_free(t);
}

/* A container: limits at its own root. Groups that come are found within five minutes. */
static void a_container_and_a_new_group(void **state)
{
	struct tree *t = tree_new(NULL);
	int root;

	(void)state;
	tree_put(t, "/proc/self/mountinfo", "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
	tree_put(t, "/sys/fs/cgroup/memory.current", "52428800\n");
	tree_put(t, "/sys/fs/cgroup/memory.max", "104857600\n");
	tree_put(t, "/sys/fs/cgroup/memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n");
	assert_int_equal(tree_open(t, &probe_cgroup), 0);
	tree_read(t, 1000);
	root = tree_entity(t, "cgroup", "/");
	tree_value_of(t, METRIC_CGROUP_MEMORY_PERC, root, 50);
	/* Far from the limit nobody asks what could be taken back; near it that does not count. */
	tree_put(t, "/sys/fs/cgroup/memory.stat",
		 "anon 41943040\nfile 41943040\nshmem 10485760\ninactive_file 20971520\n"
		 "active_file 10485760\nslab_reclaimable 5242880\nslab 6291456\n");
	tree_read(t, 31000);
	tree_value_of(t, METRIC_CGROUP_MEMORY_PERC, tree_entity(t, "cgroup", "/"), 50);
	tree_put(t, "/sys/fs/cgroup/memory.current", "103809024\n"); /* 99 MiB of 100 */
	tree_read(t, 61000);
	tree_value_of(t, METRIC_CGROUP_MEMORY, tree_entity(t, "cgroup", "/"), 99);
	tree_value_of(t, METRIC_CGROUP_MEMORY_PERC, tree_entity(t, "cgroup", "/"), 64);
	tree_put(t, "/sys/fs/cgroup/memory.current", "52428800\n");
	tree_read(t, 91000);
	tree_value_of(t, METRIC_CGROUP_OOM_KILL, root, 1);
	tree_absent_of(t, METRIC_CGROUP_PIDS, root);
	tree_put(t, "/sys/fs/cgroup/new.slice/pids.current", "7\n");
	tree_read(t, 61000);
	assert_int_equal(t->sample.n_entities, 1);
	tree_read(t, 301000);
	tree_value_of(t, METRIC_CGROUP_PIDS, tree_entity(t, "cgroup", "new.slice"), 7);
	tree_free(t);
}

static void no_groups_is_absent(void **state)
{
	struct tree *t = tree_new(NULL);

	(void)state;
	tree_put(t, "/proc/self/mountinfo", "30 1 0:26 / / rw - ext4 /dev/vda rw\n");
	assert_int_equal(tree_open(t, &probe_cgroup), -ENOENT);
	tree_free(t);
}

/* ---- hypervisor ---- */

static void hypervisors_by_what_they_say(void **state)
{
	static const struct {
		struct hypervisor_facts facts;
		enum hypervisor want;
	} rows[] = {
		{{.vendor = "Microsoft Corporation", .product = "Virtual Machine",
		  .cpuid_known = true, .cpuid = "Microsoft Hv", .vmbus = true},
		 HYPERVISOR_HYPERV},
		/* Nova's os_type=windows: KVM that pretends */
		{{.vendor = "OpenStack Foundation", .product = "OpenStack Nova",
		  .cpuid_known = true, .cpuid = "Microsoft Hv", .cpuid_kvm = true},
		 HYPERVISOR_KVM},
		{{.vendor = "OpenStack Foundation", .product = "OpenStack Nova",
		  .cpuid_known = true, .cpuid = "Microsoft Hv"},
		 HYPERVISOR_KVM},
		{{.vendor = "QEMU", .cpuid_known = true, .cpuid = "TCGTCGTCGTCG"}, HYPERVISOR_QEMU},
		{{.vendor = "QEMU", .product = "KVM Virtual Machine"}, HYPERVISOR_KVM}, /* arm64 */
		{{.cpuid_known = true, .cpuid = "KVMKVMKVM", .cpuid_kvm = true}, HYPERVISOR_KVM},
		{{.cpuid_known = true, .cpuid = "Microsoft Hv", .vmbus = true}, HYPERVISOR_HYPERV},
		{{.vendor = "VMware, Inc.", .product = "VMware7,1"}, HYPERVISOR_VMWARE},
		{{.type = "xen", .vendor = "Xen"}, HYPERVISOR_XEN},
		{{.cpuid_known = true, .cpuid = "bhyve bhyve "}, HYPERVISOR_OTHER},
		/* a machine of Microsoft's that is no virtual one */
		{{.vendor = "Microsoft Corporation", .product = "Surface Pro", .cpuid_known = true},
		 HYPERVISOR_NONE},
		{{.cpuid_known = true}, HYPERVISOR_NONE},
		{{.vendor = "ACME"}, HYPERVISOR_UNKNOWN},
	};
	struct env env;
	char root[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(hypervisor_judge(&rows[i].facts), rows[i].want);
	for (size_t i = 0; i < HYPERVISORS; i++)
		assert_true(hypervisor_names[i] && hypervisor_names[i][0]);
	assert_int_equal(env_init(&env, fixture_root("hyperv-linux-6.1", root)), 0);
	assert_int_equal(hypervisor_detect(&env), HYPERVISOR_HYPERV);
}

/* Under Hyper-V before Linux 6.16 the balloon comes from debugfs, through the prober; installed is
 * what is online, ballooned or not. */
static void guest_of_hyperv(void **state)
{
	struct tree *t = tree_new("hyperv-linux-6.1");
	struct prober_answer a = {{0}};

	(void)state;
	assert_int_equal(tree_open(t, &probe_vm), 0);
	tree_read(t, 1000);
	tree_value_of(t, METRIC_MEM_INSTALLED_MB, -1, 1024); /* 8 of 9 blocks of 128 MiB */
	tree_value_of(t, METRIC_CPU_TOTAL_CORES, -1, 4);
	tree_absent_of(t, METRIC_MEM_BALLOON_MB, -1);
	tree_absent_of(t, METRIC_CPU_USED_CORES, -1); /* no rates in the sample yet */
	sample_reset(&t->sample, 1000, 1000);
	sample_add(&t->sample, METRIC_CPU_USER_PERC, -1, 30);
	sample_add(&t->sample, METRIC_CPU_SYSTEM_PERC, -1, 20);
	t->ops->report(t->probe, &t->sample);
	tree_value_of(t, METRIC_CPU_USED_CORES, -1, 2);
	tree_value_of(t, METRIC_CPU_UTILISATION_NORM_PERC, -1, 50);
	assert_int_equal(prober_work_hyperv_balloon(&t->env, "-", &a), 0);
	assert_int_equal(a.n[HYPERV_BALLOON_BYTES], 268435456);
	assert_int_equal(a.n[HYPERV_COMMITTED_BYTES], INT64_C(1228800000));
	tree_free(t);
}

/* The same numbers an agent on the host would send: free is MemFree, used counts caches. */
static void memory_as_the_host_counts_it(void **state)
{
	struct tree *t = tree_new("hyperv-linux-6.1");

	(void)state;
	assert_int_equal(tree_open(t, &probe_memory), 0);
	tree_read(t, 1000);
	tree_value_of(t, METRIC_MEM_TOTAL_GB, -1, 1);
	tree_value_of(t, METRIC_MEM_FREE_GB, -1, 0.25);
	tree_value_of(t, METRIC_MEM_USED_GB, -1, 0.75);
	tree_value_of(t, METRIC_MEM_FREE_PERC, -1, 25);
	tree_value_of(t, METRIC_MEM_SWAP_USED_GB, -1, 0.5);
	tree_absent_of(t, METRIC_MEM_BALLOON_MB, -1); /* no such line */
	for (enum metric m = 0; m < METRIC_COUNT; m++)
		assert_int_equal(metric_in_vm_profile(m),
				 strstr(metric_infos[m].name, "_gb") ||
					 !strcmp(metric_infos[m].name, "mem.free_perc") ||
					 !strcmp(metric_infos[m].name, "cpu.total_cores") ||
					 !strcmp(metric_infos[m].name, "cpu.used_cores") ||
					 !strcmp(metric_infos[m].name, "cpu.utilization_norm_perc"));
	tree_free(t);
}

/* The kernel's own number; before it, what went in less what came out; and none where the counters
 * never moved. */
static void balloon_by_kernel(void **state)
{
	double page_mib = (double)sysconf(_SC_PAGESIZE) / 1048576.0;
	struct tree *t = tree_new(NULL);

	(void)state;
	tree_put(t, "/proc/meminfo", "MemTotal: 1048576 kB\nBalloon: 524288 kB\n");
	assert_int_equal(tree_open(t, &probe_memory), 0);
	tree_read(t, 1000);
	tree_value_of(t, METRIC_MEM_BALLOON_MB, -1, 512);
	t->ops->close(t->probe);
	tree_put(t, "/proc/vmstat", "oom_kill 0\nballoon_inflate 2048\nballoon_deflate 1024\n");
	assert_int_equal(tree_open(t, &probe_vmstat), 0);
	tree_read(t, 1000);
	tree_value_of(t, METRIC_MEM_BALLOON_MB, -1, 1024 * page_mib);
	tree_put(t, "/proc/vmstat", "oom_kill 0\nballoon_inflate 0\nballoon_deflate 0\n");
	tree_read(t, 2000);
	tree_absent_of(t, METRIC_MEM_BALLOON_MB, -1);
	tree_free(t);
}

static void put_available(const struct tree *t, unsigned kib)
{
	char text[128];

	snprintf(text, sizeof(text), "MemTotal: 1000000 kB\nMemAvailable: %u kB\n", kib);
	tree_put(t, "/proc/meminfo", text);
}

/* Effort follows where memory goes, not how little there is: a guest that lives with 6 % is calm, one
 * that loses 10 MiB a second from a quarter is not. */
static void stress_of_memory(void **state)
{
	struct tree *t = tree_new(NULL);
	int64_t now = 0;

	(void)state;
	put_available(t, 60000);
	assert_int_equal(tree_open(t, &probe_memory), 0);
	for (; now <= 60000; now += 10000)
		tree_read(t, now);
	assert_int_equal(t->ops->stress(t->probe), STRESS_CALM);
	put_available(t, 29000);
	tree_read(t, now + 3600000);
	assert_int_equal(t->ops->stress(t->probe), STRESS_RAISE);
	t->ops->close(t->probe);

	put_available(t, 900000);
	assert_int_equal(tree_open(t, &probe_memory), 0);
	tree_read(t, 0);
	for (unsigned left = 800000, s = 10; left >= 300000; left -= 100000, s += 10) {
		put_available(t, left);
		tree_read(t, s * 1000);
	}
	/* falls by 10,000 KiB a second: what is left is gone in half a minute */
	assert_int_equal(t->ops->stress(t->probe), STRESS_RAISE);
	for (unsigned s = 70; s <= 400; s += 10)
		tree_read(t, s * 1000);
	assert_int_equal(t->ops->stress(t->probe), STRESS_CALM);
	tree_free(t);
}

/* Debian 12's own kernel, as recorded in a guest of 512 MiB with one limited service. */
static void recorded_on_debian_12(void **state)
{
	static const struct {
		const struct probe_ops *probe;
		enum metric metric;
		double value;
		const char *group;
	} want[] = {
		{&probe_memory, METRIC_MEM_TOTAL_MB, 469, NULL},
		{&probe_memory, METRIC_MEM_USABLE_MB, 443, NULL},
		{&probe_memory, METRIC_MEM_USED_CACHE, 10, NULL},
		{&probe_memory, METRIC_MEM_SLAB_UNRECLAIMABLE_MB, 6, NULL},
		{&probe_memory, METRIC_MEM_SWAP_FREE_PERC, 100, NULL},
		{&probe_vmstat, METRIC_KERNEL_OOM_KILL, 0, NULL},
		{&probe_load, METRIC_TASKS_TOTAL, 54, NULL},
		{&probe_load, METRIC_CPU_TOTAL_LOGICAL_CORES, 2, NULL},
		{&probe_cpu, METRIC_CPU_SYSTEM_TIME, 2.47, NULL},
		{&probe_pressure, METRIC_CPU_PRESSURE_SOME, 1.33, NULL},
		{&probe_pressure, METRIC_MEM_PRESSURE_FULL, 0, NULL},
		{&probe_limits, METRIC_TASKS_MAX, 3682, NULL},
		{&probe_limits, METRIC_FILES_MAX, 46652, NULL},
		{&probe_sockets, METRIC_NET_TCP_INUSE, 0, NULL},
		{&probe_vm, METRIC_MEM_INSTALLED_MB, 512, NULL},
		{&probe_cgroup, METRIC_CGROUP_MEMORY_LIMIT, 64, "system.slice/db.service"},
		{&probe_cgroup, METRIC_CGROUP_MEMORY, 0.2421875, "system.slice/db.service"},
		{&probe_cgroup, METRIC_CGROUP_PIDS_PERC, 2, "system.slice/db.service"},
		{&probe_cgroup, METRIC_CGROUP_HIGH_EVENTS, 0, "system.slice"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		struct tree *t = tree_new("debian-12-linux-6.1");
		int entity = -1;

		assert_int_equal(tree_open(t, want[i].probe), 0);
		tree_read(t, 1000);
		if (want[i].group)
			entity = tree_entity(t, "cgroup", want[i].group);
		tree_value_of(t, want[i].metric, entity, want[i].value);
		tree_free(t);
	}
}

/* Of kernels since 5.9 refaults are two counters; a 3.10 has neither. */
static void memory_read_again_and_moved(void **state)
{
	struct tree *t = tree_new(NULL), *old = tree_new("proc-linux-3.10");

	(void)state;
	tree_put(t, "/proc/vmstat",
		 "workingset_refault_anon 7\nworkingset_refault_file 100\npswpin 0\ncompact_stall 2\n");
	assert_int_equal(tree_open(t, &probe_vmstat), 0);
	tree_read(t, 1000);
	tree_absent_of(t, METRIC_MEM_REFAULTS, -1);
	tree_put(t, "/proc/vmstat",
		 "workingset_refault_anon 17\nworkingset_refault_file 120\npswpin 0\ncompact_stall 12\n");
	tree_read(t, 11000);
	tree_value_of(t, METRIC_MEM_REFAULTS, -1, 3);
	tree_value_of(t, METRIC_MEM_COMPACT_STALLS, -1, 1);
	assert_int_equal(tree_open(old, &probe_vmstat), 0);
	tree_read(old, 1000);
	tree_read(old, 11000);
	tree_absent_of(old, METRIC_MEM_REFAULTS, -1);
	tree_free(t);
	tree_free(old);
}

/* ---- hardware ---- */

static void errors_of_all_controllers(void **state)
{
	struct tree *t = tree_new("hyperv-linux-6.1"), *none = tree_new("proc-linux-6.18");

	(void)state;
	assert_int_equal(tree_open(t, &probe_edac), 0);
	tree_read(t, 1000);
	tree_value_of(t, METRIC_HW_ECC_CORRECTED, -1, 7);
	tree_value_of(t, METRIC_HW_ECC_UNCORRECTED, -1, 1);
	assert_true(tree_open(none, &probe_edac) < 0);
	none->probe = NULL;
	tree_free(t);
	tree_free(none);
}

static void heat_of_all_cores(void **state)
{
	struct tree *t = tree_new("hyperv-linux-6.1"), *none = tree_new("proc-linux-6.18");

	(void)state;
	assert_int_equal(tree_open(t, &probe_thermal), 0);
	tree_read(t, 1000);
	tree_value_of(t, METRIC_HW_THROTTLES, -1, 8);
	assert_int_equal(tree_open(none, &probe_thermal), -ENODEV);
	none->probe = NULL;
	tree_free(t);
	tree_free(none);
}

/* ---- questions about devices ---- */

/* Only a name that stands in /sys/block: whoever has taken over the agent must not read a file with
 * it. */
static void device_names_only(void **state)
{
	static const char *const refused[] = {"", "/", "../vda", "a/b", ".", "..", ".hidden",
					      "a-name-of-more-than-thirty-one-bytes"};
	struct tree *t = tree_new(NULL);
	struct prober_answer a = {{0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_false(prober_legal_device(refused[i]));
	assert_true(prober_legal_device("vda"));
	assert_true(prober_legal_device("cciss!c0d0"));
	tree_put(t, "/sys/block/vda/serial", "3f5a2c0e-1b2c-4d3e-8 \n");
	assert_int_equal(prober_work_disk_serial(&t->env, "vda", &a), 0);
	assert_string_equal((const char *)a.n, "3f5a2c0e-1b2c-4d3e-8");
	tree_put(t, "/sys/block/vdb/serial", "\n");
	assert_int_equal(prober_work_disk_serial(&t->env, "vdb", &a), -ENODATA);
	assert_int_equal(prober_work_disk_serial(&t->env, "vdc", &a), -ENOENT);
	tree_free(t);
}

/* A library that knows only the real /sys does not answer for another root. */
static void disks_of_another_root_are_absent(void **state)
{
	struct tree *t = tree_new("proc-linux-6.1");
	struct disk_info info;

	(void)state;
	assert_int_equal(tree_open(t, &probe_disk), -ENOTSUP);
	t->probe = NULL;
	tree_free(t);
	t = tree_new(NULL);
	assert_int_equal(env_init(&t->env, ""), 0);
	if (!tree_open(t, &probe_disk)) {
		tree_read(t, 1000);
		assert_false(probe_disk_find(t->probe, "no such disk", &info));
		for (size_t i = 0; i < t->sample.n_entities; i++) {
			const struct sample_entity *e = &t->sample.entities[i];

			assert_true(probe_disk_find(t->probe, e->name, &info));
			assert_true(info.size_mb > 0);
		}
	} else {
		t->probe = NULL;
	}
	tree_free(t);
}

/* 192 more files are open than there were at the last hint, or at least since: slowly or at once.
 */
static void many_files_are_a_hint(void **state)
{
	static const struct {
		int open;
		bool hint;
	} steps[] = {{1000, false}, {1191, false}, {900, false}, {1000, false}, {1092, true},
		     {1283, false}, {1284, true},  {800, false}, {2000, true},  {2000, false}};
	struct probe_hints hints = {0};
	struct tree *t = tree_new(NULL);
	char text[64];

	(void)state;
	t->setup.hints = &hints;
	tree_put(t, "/proc/sys/fs/file-nr", "1000\t0\t100000\n");
	assert_int_equal(tree_open(t, &probe_limits), 0);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		snprintf(text, sizeof(text), "%d\t0\t100000\n", steps[i].open);
		tree_put(t, "/proc/sys/fs/file-nr", text);
		hints.files = false;
		tree_read(t, 60000 * (int64_t)(i + 1));
		assert_int_equal(hints.files, steps[i].hint);
	}
	tree_free(t);
}

/* A kernel that does not say what memory is available is not foreseen to run out of it: said before
 * the first reading, as `heat-pulse check` takes none, and only there. */
static void memory_that_is_not_foreseen(void **state)
{
	static const char *const roots[] = {"proc-linux-3.10", "proc-linux-6.18"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		struct tree *t = tree_new(roots[i]);
		struct problems p = {0};

		assert_int_equal(tree_open(t, &probe_memory), 0);
		assert_non_null(t->ops->explain);
		t->ops->explain(t->probe, &p);
		assert_int_equal(p.n, i == 0);
		if (p.n)
			assert_non_null(strstr(p.list[0].text, "not foreseen"));
		problems_deinit(&p);
		tree_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_that_is_not_foreseen),
		cmocka_unit_test(limits_and_numbers),
		cmocka_unit_test(many_files_are_a_hint),
		cmocka_unit_test(balloon_of_hyperv_is_whole_or_none),
		cmocka_unit_test(groups_of_version_2),
		cmocka_unit_test(groups_of_version_1),
		cmocka_unit_test(caches_of_version_1),
		cmocka_unit_test(a_container_and_a_new_group),
		cmocka_unit_test(no_groups_is_absent),
		cmocka_unit_test(hypervisors_by_what_they_say),
		cmocka_unit_test(guest_of_hyperv),
		cmocka_unit_test(memory_as_the_host_counts_it),
		cmocka_unit_test(balloon_by_kernel),
		cmocka_unit_test(stress_of_memory),
		cmocka_unit_test(recorded_on_debian_12),
		cmocka_unit_test(memory_read_again_and_moved),
		cmocka_unit_test(errors_of_all_controllers),
		cmocka_unit_test(heat_of_all_cores),
		cmocka_unit_test(device_names_only),
		cmocka_unit_test(disks_of_another_root_are_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
