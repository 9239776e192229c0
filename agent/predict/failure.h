/* SPDX-License-Identifier: Apache-2.0 */
/* The classes of failure that findings and signals name: one row each, with the rules of their
 * life. */
#pragma once

#include "core/types.h"
#include "predict/klog.h"

enum failure_class {
	FAILURE_MEMORY_EXHAUSTION,
	FAILURE_SWAP_THRASH,
	FAILURE_OOM_KILL,
	FAILURE_DISK_EXHAUSTION,
	FAILURE_INODE_EXHAUSTION,
	FAILURE_FD_EXHAUSTION,
	FAILURE_PID_EXHAUSTION,
	FAILURE_IO_STALL,
	FAILURE_DISK_FAILING,
	FAILURE_FILESYSTEM_ERROR,
	FAILURE_FILESYSTEM_READONLY,
	FAILURE_PROCESS_LEAK,
	FAILURE_PROCESS_DOWN,
	FAILURE_CRASH_LOOP,
	FAILURE_HUNG_TASK,
	FAILURE_CPU_LOCKUP,
	FAILURE_CPU_STARVATION,
	FAILURE_KERNEL_OOPS,
	FAILURE_KERNEL_PANIC,
	FAILURE_HARDWARE_ERROR,
	FAILURE_NETWORK_DEGRADED,
	FAILURE_CLOCK_UNSYNCHRONISED,
	FAILURE_ANOMALY,
	FAILURE_CLASSES
};

struct failure_info {
	const char *name;
	enum finding_level highest; /* never above it */
	/* Of the last enter_m observations within enter_s, enter_n must be bad. */
	uint8_t enter_n, enter_m;
	int enter_s;
	/* How it ends: after a good observation (a state that can be asked again), or when nothing
	 * of it was seen for quiet_s (an event); in either case not before hold_s after the last
	 * bad one. */
	bool asks_again;
	bool outlives_boot; /* a reboot does not end it */
	int hold_s, quiet_s;
	/* How sure a finding of a level is to end in an outage of the guest, and within what time
	 * when no forecast says so. */
	float risk[3];
	int horizon_s;
	/* What a forecast alone makes critical only from so much used on: a copy onto a disk looks
	 * like its end for a while, and mostly stops. 0: from anywhere. */
	float critical_from;
};
extern const struct failure_info failures[FAILURE_CLASSES];

/** failure_find() - by name; FAILURE_CLASSES when there is none. */
enum failure_class failure_find(const char *name, size_t n);
/** failure_of_klog() - the failure that a class of kernel messages stands for; FAILURE_CLASSES for
 * KLOG_NONE. */
enum failure_class failure_of_klog(enum klog_class class);
