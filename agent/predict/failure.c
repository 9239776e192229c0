/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of failure classes. The risks are a rank, not a measured frequency: a thing that has
 * happened to the whole guest 0.95 and more, one that will without help 0.8, one that may 0.3.
 */
#include "predict/failure.h"

#include <string.h>

#include "core/failure_class.h"

_Static_assert(FAILURE_CLASSES == FAILURE_CLASS_NAMES, "core/failure_class.c names other classes");

#define MIN  60
#define HOUR 3600
#define DAY  86400
#define N    FINDING_NOTICE
#define C    FINDING_CRITICAL

/* clang-format off */
/* name, highest, enter n of m within s, asks again, outlives boot, hold, quiet, risk by level, horizon,
 * critical from */
const struct failure_info failures[FAILURE_CLASSES] = {
	[FAILURE_MEMORY_EXHAUSTION] = {"memory_exhaustion", C, 1, 1, 0, true, false, 10 * MIN, DAY,
		{0.3f, 0.8f, 0.95f}, 6 * HOUR},
	[FAILURE_SWAP_THRASH] = {"swap_thrash", C, 3, 4, 2 * MIN, true, false, 5 * MIN, HOUR,
		{0.2f, 0.6f, 0.85f}, 15 * MIN},
	[FAILURE_OOM_KILL] = {"oom_kill", C, 1, 1, 0, false, false, 0, 30 * MIN,
		{0.3f, 0.6f, 0.9f}, 30 * MIN},
	[FAILURE_DISK_EXHAUSTION] = {"disk_exhaustion", C, 1, 1, 0, true, true, 30 * MIN, DAY,
		{0.3f, 0.8f, 0.95f}, 24 * HOUR, 0.9f},
	[FAILURE_INODE_EXHAUSTION] = {"inode_exhaustion", C, 1, 1, 0, true, true, 30 * MIN, DAY,
		{0.3f, 0.8f, 0.95f}, 24 * HOUR, 0.9f},
	[FAILURE_FD_EXHAUSTION] = {"fd_exhaustion", C, 1, 1, 0, true, false, 10 * MIN, HOUR,
		{0.3f, 0.7f, 0.9f}, 6 * HOUR},
	[FAILURE_PID_EXHAUSTION] = {"pid_exhaustion", C, 1, 1, 0, true, false, 10 * MIN, HOUR,
		{0.3f, 0.7f, 0.9f}, HOUR},
	[FAILURE_IO_STALL] = {"io_stall", C, 2, 3, 2 * MIN, true, false, 5 * MIN, HOUR,
		{0.2f, 0.5f, 0.85f}, 15 * MIN},
	[FAILURE_DISK_FAILING] = {"disk_failing", C, 1, 1, 0, false, true, 0, 6 * HOUR,
		{0.3f, 0.6f, 0.85f}, DAY},
	[FAILURE_FILESYSTEM_ERROR] = {"filesystem_error", C, 1, 1, 0, false, true, 0, DAY,
		{0.3f, 0.5f, 0.85f}, 12 * HOUR},
	[FAILURE_FILESYSTEM_READONLY] = {"filesystem_readonly", C, 1, 1, 0, true, false, MIN, DAY,
		{0.3f, 0.8f, 0.97f}, 0},
	[FAILURE_PROCESS_LEAK] = {"process_leak", C, 1, 1, 0, true, false, 30 * MIN, 6 * HOUR,
		{0.2f, 0.5f, 0.7f}, 6 * HOUR},
	[FAILURE_PROCESS_DOWN] = {"process_down", C, 2, 2, 5 * MIN, true, false, MIN, HOUR,
		{0.3f, 0.7f, 0.9f}, 0},
	[FAILURE_CRASH_LOOP] = {"crash_loop", C, 3, 3, 5 * MIN, false, false, 0, 15 * MIN,
		{0.2f, 0.5f, 0.7f}, 15 * MIN},
	[FAILURE_HUNG_TASK] = {"hung_task", C, 1, 1, 0, false, false, 0, 10 * MIN,
		{0.2f, 0.5f, 0.8f}, 15 * MIN},
	[FAILURE_CPU_LOCKUP] = {"cpu_lockup", C, 1, 1, 0, false, false, 0, 10 * MIN,
		{0.3f, 0.6f, 0.9f}, 5 * MIN},
	[FAILURE_CPU_STARVATION] = {"cpu_starvation", C, 5, 6, 5 * MIN, true, false, 5 * MIN, HOUR,
		{0.1f, 0.3f, 0.6f}, 30 * MIN},
	[FAILURE_KERNEL_OOPS] = {"kernel_oops", C, 1, 1, 0, false, false, 0, 6 * HOUR,
		{0.2f, 0.35f, 0.9f}, 6 * HOUR},
	[FAILURE_KERNEL_PANIC] = {"kernel_panic", C, 1, 1, 0, false, true, 0, DAY,
		{0.5f, 0.9f, 1.0f}, 0},
	[FAILURE_HARDWARE_ERROR] = {"hardware_error", C, 1, 1, 0, false, true, 0, DAY,
		{0.2f, 0.4f, 0.9f}, DAY},
	[FAILURE_NETWORK_DEGRADED] = {"network_degraded", C, 1, 1, 0, false, false, 0, 20 * MIN,
		{0.1f, 0.4f, 0.7f}, 30 * MIN},
	[FAILURE_CLOCK_UNSYNCHRONISED] = {"clock_unsynchronised", C, 1, 1, 0, true, false, 5 * MIN, HOUR,
		{0.1f, 0.2f, 0.4f}, DAY},
	[FAILURE_ANOMALY] = {"anomaly", N, 1, 1, 0, false, false, 0, HOUR,
		{0.1f, 0.1f, 0.1f}, HOUR},
};
/* clang-format on */

static const enum failure_class of_klog[KLOG_CLASSES] = {
	[KLOG_NONE] = FAILURE_CLASSES,
	[KLOG_OOM_KILL] = FAILURE_OOM_KILL,
	[KLOG_ALLOC_FAIL] = FAILURE_MEMORY_EXHAUSTION,
	[KLOG_NET_MEM] = FAILURE_NETWORK_DEGRADED,
	[KLOG_FD_LIMIT] = FAILURE_FD_EXHAUSTION,
	[KLOG_PID_LIMIT] = FAILURE_PID_EXHAUSTION,
	[KLOG_FS_ERROR] = FAILURE_FILESYSTEM_ERROR,
	[KLOG_FS_WARN] = FAILURE_FILESYSTEM_ERROR,
	[KLOG_FS_READONLY] = FAILURE_FILESYSTEM_READONLY,
	[KLOG_IO_ERROR] = FAILURE_DISK_FAILING,
	[KLOG_IO_TIMEOUT] = FAILURE_IO_STALL,
	[KLOG_THIN_POOL] = FAILURE_DISK_EXHAUSTION,
	[KLOG_RAID] = FAILURE_DISK_FAILING,
	[KLOG_HUNG_TASK] = FAILURE_HUNG_TASK,
	[KLOG_LOCKUP] = FAILURE_CPU_LOCKUP,
	[KLOG_RCU_STALL] = FAILURE_CPU_LOCKUP,
	[KLOG_OOPS] = FAILURE_KERNEL_OOPS,
	[KLOG_PANIC] = FAILURE_KERNEL_PANIC,
	[KLOG_WARNING] = FAILURE_KERNEL_OOPS,
	[KLOG_LOCKDEP] = FAILURE_KERNEL_OOPS,
	[KLOG_SANITIZER] = FAILURE_KERNEL_OOPS,
	[KLOG_MEM_LEAK] = FAILURE_MEMORY_EXHAUSTION,
	[KLOG_HW_ERROR] = FAILURE_HARDWARE_ERROR,
	[KLOG_NETDEV] = FAILURE_NETWORK_DEGRADED,
	[KLOG_APP_CRASH] = FAILURE_CRASH_LOOP,
	[KLOG_CLOCK] = FAILURE_CLOCK_UNSYNCHRONISED,
};

enum failure_class failure_find(const char *name, size_t n)
{
	for (size_t i = 0; i < FAILURE_CLASSES; i++)
		if (strlen(failures[i].name) == n && !memcmp(failures[i].name, name, n))
			return (enum failure_class)i;
	return FAILURE_CLASSES;
}

enum failure_class failure_of_klog(enum klog_class class)
{
	return of_klog[class];
}
