/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel-log rules: what each class looks like, what must stay silent, forged lines, traces,
 * prefixes. */
#include "fixture.h"

#include "predict/failure.h"
#include "predict/klog.h"

static int setup(void **state)
{
	struct klog *k = NULL;

	assert_int_equal(klog_new(&k), 0);
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	klog_free(*state);
	return 0;
}

static void feed(struct klog *k, int64_t usec, const char *line)
{
	klog_feed(k, line, strlen(line), usec);
}

/* The hit of one line alone, long after all before it. */
static enum klog_class alone(struct klog *k, const char *line, struct klog_hit *hit)
{
	static int64_t now;
	struct klog_hit more;

	now += 3600 * INT64_C(1000000);
	feed(k, now, line);
	klog_flush(k, -1);
	if (!klog_take(k, hit))
		return KLOG_NONE;
	assert_false(klog_take(k, &more));
	return hit->class;
}

static const struct {
	const char *line;
	enum klog_class class;
	enum finding_level level;
	const char *entity;
} said[] = {
	{"Out of memory: Killed process 115 (vmfault) total-vm:200000kB, anon-rss:1kB",
	 KLOG_OOM_KILL, FINDING_CRITICAL, "vmfault[115]"},
	{"Memory cgroup out of memory: Killed process 126 (x) anon-rss:9kB) total-vm:16684kB, "
	 "anon-rss:16088kB",
	 KLOG_OOM_KILL, FINDING_WARNING, "x) anon-rss:9kB[126]"},
	{"java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0", KLOG_OOM_KILL,
	 FINDING_CRITICAL, "java"},
	{"oom_reaper: reaped process 412 (java), now anon-rss:0kB", KLOG_OOM_KILL, FINDING_CRITICAL,
	 "java[412]"},
	{"kworker/u4:2: page allocation failure: order:4, mode:0x40cc0", KLOG_ALLOC_FAIL,
	 FINDING_WARNING, "kworker/u4:2"},
	{"TCP: out of memory -- consider tuning tcp_mem", KLOG_NET_MEM, FINDING_WARNING, "kernel"},
	{"nf_conntrack: nf_conntrack: table full, dropping packet", KLOG_NET_MEM, FINDING_WARNING,
	 "kernel"},
	{"VFS: file-max limit 800 reached", KLOG_FD_LIMIT, FINDING_CRITICAL, "kernel"},
	{"cgroup: fork rejected by pids controller in /system.slice/x.service", KLOG_PID_LIMIT,
	 FINDING_WARNING, "/system.slice/x.service"},
	{"EXT4-fs error (device vda1): ext4_find_entry:1658: inode #2: comm ls: reading directory "
	 "lblock 0",
	 KLOG_FS_ERROR, FINDING_CRITICAL, "vda1"},
	{"XFS (dm-0): Metadata CRC error detected at xfs_agf_read_verify", KLOG_FS_ERROR,
	 FINDING_CRITICAL, "dm-0"},
	{"BTRFS warning (device vdb): csum failed root 5 ino 257 off 0", KLOG_FS_ERROR,
	 FINDING_CRITICAL, "vdb"},
	{"BTRFS error (device vdb): bdev /dev/vdb errs: wr 3, rd 0, flush 0, corrupt 0, gen 0",
	 KLOG_FS_WARN, FINDING_WARNING, "/dev/vdb"},
	{"EXT4-fs warning (device vdd): ext4_end_bio:343: I/O error 10 writing to inode 12",
	 KLOG_FS_WARN, FINDING_WARNING, "vdd"},
	{"EXT4-fs (vda1): Remounting filesystem read-only", KLOG_FS_READONLY, FINDING_CRITICAL,
	 "vda1"},
	{"Aborting journal on device dm-3-8.", KLOG_FS_READONLY, FINDING_CRITICAL, "dm-3"},
	{"I/O error, dev sda, sector 1234 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
	 KLOG_IO_ERROR, FINDING_CRITICAL, "sda"},
	{"blk_update_request: I/O error, dev loop7, sector 0", KLOG_IO_ERROR, FINDING_NOTICE,
	 "loop7"},
	{"blk_update_request: critical medium error, dev sdb, sector 99", KLOG_IO_ERROR,
	 FINDING_CRITICAL, "sdb"},
	{"nvme nvme0: I/O 5 QID 2 timeout, aborting", KLOG_IO_TIMEOUT, FINDING_WARNING, "nvme0"},
	{"ata1.00: exception Emask 0x0 SAct 0x0 SErr 0x0 action 0x6 frozen", KLOG_IO_TIMEOUT,
	 FINDING_WARNING, "ata1.00"},
	{"device-mapper: thin: 253:4: reached low water mark for data device: sending event.",
	 KLOG_THIN_POOL, FINDING_CRITICAL, "253:4"},
	{"md/raid1:md0: Disk failure on vdb, disabling device.", KLOG_RAID, FINDING_CRITICAL,
	 "vdb"},
	{"INFO: task kworker/u4:2:108 blocked for more than 120 seconds.", KLOG_HUNG_TASK,
	 FINDING_CRITICAL, "kworker/u4:2[108]"},
	{"watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [sh:107]", KLOG_LOCKUP,
	 FINDING_CRITICAL, "CPU#0"},
	{"rcu: INFO: rcu_preempt self-detected stall on CPU", KLOG_RCU_STALL, FINDING_CRITICAL,
	 "kernel"},
	{"BUG: kernel NULL pointer dereference, address: 0000000000000010", KLOG_OOPS,
	 FINDING_CRITICAL, "kernel"},
	{"kernel BUG at fs/buffer.c:1259!", KLOG_OOPS, FINDING_CRITICAL, "fs/buffer.c:1259"},
	{"general protection fault, probably for non-canonical address 0xdffffc0000000003: 0000 "
	 "[#1] SMP",
	 KLOG_OOPS, FINDING_CRITICAL, "kernel"},
	{"illegal operation: 0001 ilc:1 [#1] PREEMPT SMP", KLOG_OOPS, FINDING_CRITICAL, "kernel"},
	{"Kernel panic - not syncing: Fatal exception", KLOG_PANIC, FINDING_CRITICAL, "kernel"},
	{"WARNING: CPU: 0 PID: 12 at net/core/dev.c:3456 skb_warn+0x1/0x2", KLOG_WARNING,
	 FINDING_WARNING, "net/core/dev.c:3456"},
	{"------------[ cut here ]------------", KLOG_WARNING, FINDING_WARNING, "kernel"},
	{"WARNING: possible circular locking dependency detected", KLOG_LOCKDEP, FINDING_WARNING,
	 "kernel"},
	{"BUG: KASAN: use-after-free in foo_bar+0x12/0x34 [foo]", KLOG_SANITIZER, FINDING_WARNING,
	 "foo_bar+0x12/0x34"},
	{"BUG: KFENCE: out-of-bounds read in test+0x1/0x2", KLOG_SANITIZER, FINDING_CRITICAL,
	 "test+0x1/0x2"},
	{"kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)", KLOG_MEM_LEAK,
	 FINDING_WARNING, "kernel"},
	{"EDAC MC0: 1 CE memory read error on CPU_SrcID#0", KLOG_HW_ERROR, FINDING_WARNING, "MC0"},
	{"EDAC MC0: 1 UE memory read error on CPU_SrcID#0", KLOG_HW_ERROR, FINDING_CRITICAL, "MC0"},
	{"NETDEV WATCHDOG: eth0 (virtio_net): transmit queue 0 timed out", KLOG_NETDEV,
	 FINDING_WARNING, "eth0"},
	{"unregister_netdevice: waiting for lo to become free. Usage count = 2", KLOG_NETDEV,
	 FINDING_WARNING, "lo"},
	{"vmfault[99]: segfault at dead0000 ip 00000000004014ac sp 00007ffd error 6",
	 KLOG_APP_CRASH, FINDING_WARNING, "vmfault[99]"},
	{"traps: nginx[102] general protection fault ip:401 sp:7ff error:0 in nginx",
	 KLOG_APP_CRASH, FINDING_WARNING, "nginx[102]"},
	{"clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable because",
	 KLOG_CLOCK, FINDING_WARNING, "tsc"},
	/* what a logger made upper case */
	{"BUG: SOFT LOCKUP - CPU#1 STUCK FOR 22S! [A:1]", KLOG_LOCKUP, FINDING_CRITICAL, "CPU#1"},
};

/* Each class of the table is recognised with level and entity. */
static void recognised(void **state)
{
	bool seen[KLOG_CLASSES] = {[KLOG_NONE] = true};
	struct klog_hit hit;

	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		assert_int_equal(alone(*state, said[i].line, &hit), said[i].class);
		assert_int_equal(hit.level, said[i].level);
		assert_string_equal(hit.entity, said[i].entity);
		seen[said[i].class] = true;
	}
	for (size_t i = 0; i < KLOG_CLASSES; i++)
		assert_true(seen[i]);
}

/* Ordinary lines that look like trouble, and lines in which somebody else's words do. */
static void silent(void **state)
{
	static const char *const lines[] = {
		"DEBUG:     #15 pc 000000000045c4a0  /system/lib64/libart.so Kernel panic - not "
		"syncing",
		"ODEBUG: Out of memory. ODEBUG disabled",
		"BUG UNIX (Not tainted): kasan: bad access detected",
		"INFO: lockdep is turned off.",
		"INFO: NMI handler (nmi_cpu_backtrace_handler) took too long to run: 1.8 msecs",
		"INFO: Stall ended before state dump start",
		"Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks "
		"possible",
		"WARNING: The mand mount option has been deprecated and",
		"EXT4-fs: Warning: mounting with data=journal disables delayed allocation",
		"EXT4-fs (vda1): re-mounted. Opts: errors=remount-ro. Quota mode: none.",
		"perf: interrupt took too long (2510 > 2500), lowering "
		"kernel.perf_event_max_sample_rate",
		"Kernel command line: root=/dev/vda1 panic=-1 softlockup_panic=1 oops=panic",
		"softdog: initialized. soft_noboot=0 soft_margin=60 sec soft_panic=0 (nowayout=0)",
		"ext4: Unknown parameter 'Kernel panic - not syncing: BUG: soft lockup'",
		"usb 1-1: Product: BUG in a name",
		"audit: type=1400 audit(1.2:3): comm=\"kernel BUG at x\"",
		"CPU: 0 PID: 126 Comm: kernel BUG at Not tainted 6.1.0",
		"Code: 00 00 BUG: soft lockup",
		"virtio_balloon virtio1: Out of puff! Can't get 1 pages",
		"Linux version 6.1.0-50-amd64 (debian-kernel@lists.debian.org)",
		"systemd[1]: Started Session 1 of user root.",
		"debug: memory leak",
		"",
		"block nbd0: I/O error, dev",
		"I/O error, dev fd0, sector 0 op 0x0:(READ)",
		"BTRFS info (device vda): bdev /dev/vda errs: wr 0, rd 0, flush 0, corrupt 0, gen "
		"0",
	};
	struct klog_hit hit;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		if (alone(*state, lines[i], &hit) != KLOG_NONE)
			fail_msg("'%s' was taken for %s", lines[i], klog_classes[hit.class].name);
	}
}

/* A process that calls itself like a message crashes: that is all that is said. */
static void forged(void **state)
{
	static const char *const names[] = {"I/O error, dev ", "EXT4-fs error (", "Kernel panic - ",
					    "kernel BUG at x", "BUG: soft lock",  "Oops: 1 [#1]",
					    "UBSAN: x in y",   "refcount_t: ",    "PANIC: double"};
	struct klog_hit hit;
	char line[200];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(line, sizeof(line),
			 "%s[5405]: segfault at dead0000 ip 00000000004014ac sp 00007ffd error 6",
			 names[i]);
		assert_int_equal(alone(*state, line, &hit), KLOG_APP_CRASH);
		snprintf(line, sizeof(line), "CPU: 1 PID: 7 Comm: %s Not tainted", names[i]);
		assert_int_equal(alone(*state, line, &hit), KLOG_NONE);
	}
}

/* Every row can be reached: a line made from its pattern is of its class, or of a row before it
 * that is as silent. */
static void rows_reached(void **state)
{
	for (size_t i = 0; i < klog_rules_n; i++) {
		struct klog_hit hit;
		char line[256];
		size_t n = 0;

		for (const char *p = klog_rules[i].pattern; *p; p++) {
			const char *with = *p == '#'   ? "12"
					   : *p == '*' ? "x"
					   : *p == '@' ? "vda1"
					   : *p == '%' ? "77"
					   : *p == '$' ? "#"
						       : NULL;

			if (with)
				n += (size_t)snprintf(line + n, sizeof(line) - n, "%s", with);
			else
				line[n++] = *p;
		}
		line[n] = '\0';
		assert_true(klog_match(&klog_rules[i], line, n, &hit));
		if (klog_rules[i].class != KLOG_NONE && alone(*state, line, &hit) == KLOG_NONE)
			fail_msg("row %zu '%s' is silenced by another", i, klog_rules[i].pattern);
	}
}

static size_t hits(struct klog *k, struct klog_hit *last)
{
	struct klog_hit hit;
	size_t n = 0;

	while (klog_take(k, &hit)) {
		*last = hit;
		n++;
	}
	return n;
}

/* The lines of one trace make one hit; what comes 2 s after its last line is new. */
static void trace_is_one(void **state)
{
	struct klog *k = *state;
	struct klog_hit hit;

	feed(k, 1000000, "BUG: kernel NULL pointer dereference, address: 0000000000000010");
	feed(k, 1000010, "Oops: 0002 [#1] PREEMPT SMP NOPTI");
	feed(k, 1000020, "RIP: 0010:kfault_write+0xe9/0x1f2 [kfault]");
	feed(k, 2900000, " vfs_write+0x1/0x2");
	feed(k, 4800000, "WARNING: CPU: 0 PID: 12 at net/core/dev.c:3456 skb_warn+0x1/0x2");
	assert_int_equal(hits(k, &hit), 1);
	assert_int_equal(hit.class, KLOG_OOPS);
	feed(k, 6900000, "WARNING: CPU: 0 PID: 12 at net/core/dev.c:3456 skb_warn+0x1/0x2");
	assert_int_equal(hits(k, &hit), 1);
	assert_int_equal(hit.class, KLOG_WARNING);
}

/* A device error inside a trace is still told: it is not part of it. */
static void trace_hides_no_device(void **state)
{
	struct klog *k = *state;
	struct klog_hit hit;

	feed(k, 1000000, "INFO: task dd:111 blocked for more than 120 seconds.");
	feed(k, 1000010, "I/O error, dev vda, sector 77 op 0x1:(WRITE)");
	assert_int_equal(hits(k, &hit), 2);
	assert_int_equal(hit.class, KLOG_IO_ERROR);
	feed(k, 1000020, "INFO: task jbd2/vda-8:100 blocked for more than 120 seconds.");
	assert_int_equal(hits(k, &hit), 1);
	assert_string_equal(hit.entity, "jbd2/vda-8[100]");
}

/* What only announces waits for the line that names the victim, and gives up after 2 s. */
static void held(void **state)
{
	struct klog *k = *state;
	struct klog_hit hit;

	feed(k, 5000000, "sh invoked oom-killer: gfp_mask=0x400dc0, order=1");
	assert_true(klog_holding(k));
	assert_int_equal(hits(k, &hit), 0);
	feed(k, 5000100,
	     "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/"
	     ",mems_allowed=0,global_oom,task_memcg=/,task=hog,pid=9,uid=0");
	feed(k, 5000200, "Out of memory: Killed process 9 (hog) total-vm:200000kB, anon-rss:1kB");
	assert_int_equal(hits(k, &hit), 1);
	assert_string_equal(hit.entity, "hog[9]");
	feed(k, 5000300, "oom_reaper: reaped process 9 (hog), now anon-rss:0kB");
	assert_int_equal(hits(k, &hit), 0);
	feed(k, 9000000, "------------[ cut here ]------------");
	feed(k, 9000001, "kernel BUG at fs/buffer.c:1259!");
	assert_int_equal(hits(k, &hit), 1);
	assert_int_equal(hit.class, KLOG_OOPS);
	feed(k, 90000000, "------------[ cut here ]------------");
	klog_flush(k, 91000000);
	assert_int_equal(hits(k, &hit), 0);
	klog_flush(k, 92000000);
	assert_int_equal(hits(k, &hit), 1);
	assert_int_equal(hit.class, KLOG_WARNING);
}

/* The control group of the killed is said, as the kernel has it, not as the process's name would like
 * it; the root is none. */
static void killed_in_a_group(void **state)
{
	struct klog *k = *state;
	struct klog_hit hit;

	feed(k, 5000000, "x,task_memcg=/no invoked oom-killer: gfp_mask=0x400dc0, order=1");
	feed(k, 5000100,
	     "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
	     "oom_memcg=/system.slice,task_memcg=/system.slice/db.service,"
	     "task=x,task_memcg=/n,pid=9,uid=0");
	feed(k, 5000200, "Memory cgroup out of memory: Killed process 9 (x) total-vm:180kB");
	assert_int_equal(hits(k, &hit), 1);
	assert_string_equal(hit.entity, "x[9]");
	assert_string_equal(hit.evidence, "in /system.slice/db.service: Memory cgroup out of "
					  "memory: Killed process 9 (x) total-vm:180kB");
	feed(k, 15000100,
	     "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/"
	     ",mems_allowed=0,global_oom,task_memcg=/,task=hog,pid=8,uid=0");
	feed(k, 15000200, "Out of memory: Killed process 8 (hog) total-vm:200000kB");
	assert_int_equal(hits(k, &hit), 1);
	assert_string_equal(hit.evidence, "Out of memory: Killed process 8 (hog) "
					  "total-vm:200000kB");
}

static const struct {
	const char *in, *out; /* NULL: not of the kernel */
	int64_t usec;
} prefixes[] = {
	{"plain text", "plain text", -1},
	{"<6>[   85.501187] WARNING: foo", "WARNING: foo", 85501187},
	{"[   72.159680] x", "x", 72159680},
	{"[  144.274089][T11803] x", "x", 144274089},
	{"[   63.198470][    C2] x", "x", 63198470},
	{"6,448,13644774,-;text; more", "text; more", 13644774},
	{"3,714,55644964,-,caller=C1;rcu: INFO", "rcu: INFO", 55644964},
	{"12,446,10079940,-;text of a program", NULL, -1},
	{" SUBSYSTEM=scsi", NULL, -1},
	{"<14>[   85.912347] init: computing", NULL, -1},
	{"Jun 14 15:16:01 combo sshd(pam_unix)[19939]: Out of memory: x", NULL, -1},
	{"Jun 14 15:16:01 combo kernel: Out of memory: x", "Out of memory: x", -1},
	{"DEC  4 15:56:11 SYZKALLER KERN.WARN KERNEL: [   62.262385][ T6753] NETLINK: X",
	 "NETLINK: X", 62262385},
	{"2024-12-04T15:56:11.123+01:00 host kernel: [   62.262385] x", "x", 62262385},
	{"Jun 14 15:16:01 combo logger: kernel: Out of memory", NULL, -1},
	{"[ not a time ] x", "[ not a time ] x", -1},
	{"rtc_cmos 00:04: setting system clock", "rtc_cmos 00:04: setting system clock", -1},
	{"\r\n", "", -1},
};

/* Prefixes come off, and who wrote the line decides whether it counts. */
static void stripped(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		const char *p = prefixes[i].in;
		size_t n = strlen(p);
		int64_t usec = -1;
		bool own = klog_strip(&p, &n, &usec);

		if (own != (prefixes[i].out != NULL))
			fail_msg("%s", prefixes[i].in);
		if (!own)
			continue;
		assert_int_equal(n, strlen(prefixes[i].out));
		assert_memory_equal(p, prefixes[i].out, n);
		assert_int_equal(usec, prefixes[i].usec);
	}
}

/* Names: each class has one and stands for a failure. */
static void named(void **state)
{
	(void)state;
	for (int i = 1; i < KLOG_CLASSES; i++) {
		assert_non_null(klog_classes[i].name);
		assert_true(failure_of_klog((enum klog_class)i) < FAILURE_CLASSES);
	}
	assert_int_equal(failure_of_klog(KLOG_NONE), FAILURE_CLASSES);
}

/* Evidence and entity are printable whatever the line holds. */
static void escaped(void **state)
{
	struct klog_hit hit;

	assert_int_equal(alone(*state, "EXT4-fs error (device v\033[2Jda): \xff\x01", &hit),
			 KLOG_FS_ERROR);
	for (const char *p = hit.entity; *p; p++)
		assert_in_range(*p, 0x20, 0x7e);
	for (const char *p = hit.evidence; *p; p++)
		assert_in_range(*p, 0x20, 0x7e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(recognised, setup, teardown),
		cmocka_unit_test_setup_teardown(silent, setup, teardown),
		cmocka_unit_test_setup_teardown(forged, setup, teardown),
		cmocka_unit_test_setup_teardown(rows_reached, setup, teardown),
		cmocka_unit_test_setup_teardown(trace_is_one, setup, teardown),
		cmocka_unit_test_setup_teardown(trace_hides_no_device, setup, teardown),
		cmocka_unit_test_setup_teardown(held, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_in_a_group, setup, teardown),
		cmocka_unit_test(stripped),
		cmocka_unit_test(named),
		cmocka_unit_test_setup_teardown(escaped, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
