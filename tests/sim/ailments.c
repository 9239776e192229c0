/* SPDX-License-Identifier: Apache-2.0 */
/* Each class of failure once: what a guest shows while it happens. Numbers are over a healthy guest's. */
#include "guest.h"

static double between(double from, double to, double part)
{
	return from + (to - from) * part;
}

static void leak_memory(struct guest_view *v, double ill_s, double part)
{
	(void)ill_s;
	v->of[METRIC_MEM_USABLE_PERC] = between(68, 1, part);
	v->of[METRIC_MEM_TOTAL_MB] = 4096;
	guest_set(v, METRIC_PROCESS_GROWTH_MB_H, "process", "java[412]", "", 425);
	guest_set(v, METRIC_PROCESS_GROWTH_MB_H, "process", "pulse: agent[90]", "", 2);
}

static void thrash(struct guest_view *v, double ill_s, double part)
{
	(void)ill_s, (void)part;
	v->of[METRIC_MEM_PRESSURE_FULL] = 55;
	v->of[METRIC_MEM_PRESSURE_SOME] = 80;
	v->of[METRIC_MEM_MAJOR_FAULTS] = 900;
}

static void fill_disk(struct guest_view *v, double ill_s, double part)
{
	(void)ill_s;
	guest_set(v, METRIC_DISK_SPACE_USED_PERC, "mount_point", "/srv", "vdb", between(48, 99, part));
}

static void fill_inodes(struct guest_view *v, double ill_s, double part)
{
	(void)ill_s;
	guest_set(v, METRIC_DISK_INODE_USED_PERC, "mount_point", "/srv", "vdb", between(6, 99, part));
}

static void leak_fds(struct guest_view *v, double ill_s, double part)
{
	(void)ill_s;
	guest_set(v, METRIC_PROCESS_FDS_PERC, "process", "nginx[77]", "", between(9, 99, part));
}

static void leak_tasks(struct guest_view *v, double ill_s, double part)
{
	(void)ill_s;
	v->of[METRIC_TASKS_USED_PERC] = between(1.2, 99, part);
}

static void stall_disk(struct guest_view *v, double ill_s, double part)
{
	(void)part;
	guest_set(v, METRIC_IO_STALLED, "device", "vdb", "", ill_s);
	v->of[METRIC_CPU_WAIT_PERC] = 90;
}

static void turn_readonly(struct guest_view *v, double ill_s, double part)
{
	(void)ill_s, (void)part;
	guest_set(v, METRIC_FS_READONLY, "mount_point", "/srv", "vdb", 1);
}

static void leave_zombies(struct guest_view *v, double ill_s, double part)
{
	guest_set(v, METRIC_PROCESS_ZOMBIES_OF, "process", "cron[50]", "", ill_s / 60 < 200 ? ill_s / 60 : 200);
	(void)part;
}

static void end_nginx(struct guest_view *v, double ill_s, double part)
{
	(void)ill_s, (void)part;
	guest_set(v, METRIC_WATCH_PID_COUNT, "process_name", "nginx", "", 0);
}

static void steal_processors(struct guest_view *v, double ill_s, double part)
{
	(void)ill_s, (void)part;
	v->of[METRIC_CPU_STOLEN_PERC] = 62;
}

static void lose_link(struct guest_view *v, double ill_s, double part)
{
	(void)ill_s, (void)part;
	guest_set(v, METRIC_NET_LINK_LOST, "device", "eth0", "", 1);
}

/* Nothing near a limit, and many things at once as they never were. */
static void behave_oddly(struct guest_view *v, double ill_s, double part)
{
	(void)ill_s, (void)part;
	v->of[METRIC_CPU_PERCENT] = 70;
	v->of[METRIC_CPU_SYSTEM_PERC] = 45;
	v->of[METRIC_LOAD_1] = 4;
	v->of[METRIC_TASKS_TOTAL] = 600;
	v->of[METRIC_TASKS_FORKS] = 200;
	v->of[METRIC_FILES_OPEN] = 9000;
	v->of[METRIC_NET_TCP_INUSE] = 2500;
	v->of[METRIC_NET_SOCKETS_USED] = 3000;
}

/* Ten minutes of copying; what was copied stays. */
static void copy_onto(struct guest_view *v, double ill_s, double top)
{
	guest_set(v, METRIC_DISK_SPACE_USED_PERC, "mount_point", "/srv", "vdb",
		  between(48, top, ill_s < 600 ? ill_s / 600 : 1));
}

static void copy_much(struct guest_view *v, double ill_s, double part)
{
	(void)part;
	copy_onto(v, ill_s, 75);
}

static void copy_very_much(struct guest_view *v, double ill_s, double part)
{
	(void)part;
	copy_onto(v, ill_s, 88);
}

#define LINES(...) (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

const struct ailment ailments[] = {
	{"memory_exhaustion", leak_memory, NULL, 0},
	{"swap_thrash", thrash, NULL, 0},
	{"oom_kill", NULL,
	 LINES("java invoked oom-killer: gfp_mask=0x1100cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0",
	       "Out of memory: Killed process 412 (java) total-vm:3890212kB, anon-rss:3301234kB, file-rss:0kB, "
	       "shmem-rss:0kB, UID:1000 pgtables:6800kB oom_score_adj:0")},
	{"disk_exhaustion", fill_disk, NULL, 0},
	{"inode_exhaustion", fill_inodes, NULL, 0},
	{"fd_exhaustion", leak_fds, NULL, 0},
	{"pid_exhaustion", leak_tasks, NULL, 0},
	{"io_stall", stall_disk, NULL, 0},
	{"disk_failing", NULL, LINES("I/O error, dev vdb, sector 20480 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 0",
				     "Buffer I/O error on dev vdb, logical block 2560, lost async page write")},
	{"filesystem_error", NULL,
	 LINES("EXT4-fs error (device vdb): ext4_lookup:1855: inode #2: comm nginx: deleted inode referenced: 12")},
	{"filesystem_readonly", turn_readonly, NULL, 0},
	{"process_leak", leave_zombies, NULL, 0},
	{"process_down", end_nginx, NULL, 0},
	{"crash_loop", NULL,
	 LINES("worker[901]: segfault at 10 ip 00000000004014ac sp 00007ffd6c error 6 in worker[401000+1000]",
	       "worker[902]: segfault at 10 ip 00000000004014ac sp 00007ffd6c error 6 in worker[401000+1000]",
	       "worker[903]: segfault at 10 ip 00000000004014ac sp 00007ffd6c error 6 in worker[401000+1000]",
	       "worker[904]: segfault at 10 ip 00000000004014ac sp 00007ffd6c error 6 in worker[401000+1000]")},
	{"hung_task", NULL, LINES("INFO: task jbd2/vdb-8:214 blocked for more than 120 seconds.")},
	{"cpu_lockup", NULL, LINES("watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [java:412]")},
	{"cpu_starvation", steal_processors, NULL, 0},
	{"kernel_oops", NULL, LINES("BUG: kernel NULL pointer dereference, address: 0000000000000008")},
	{"kernel_panic", NULL, LINES("Kernel panic - not syncing: Fatal exception")},
	{"hardware_error", NULL,
	 LINES("mce: [Hardware Error]: CPU 0: Machine Check: 0 Bank 4: be00000000800400",
	       "mce: [Hardware Error]: Machine check events logged")},
	{"network_degraded", lose_link, NULL, 0},
	{"clock_unsynchronised", NULL, NULL, 0, .mood = NTP_DEAD},
	{"clock_unsynchronised:offset", NULL, NULL, 0, .mood = NTP_IN_VAIN},
	{"anomaly", behave_oddly, NULL, 0},
	{"copy-to-75", copy_much, NULL, 0, true},
	{"copy-to-88", copy_very_much, NULL, 0, true},
};
const size_t ailments_n = sizeof(ailments) / sizeof(ailments[0]);
