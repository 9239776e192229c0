/* SPDX-License-Identifier: Apache-2.0 */
/* The list of names and nothing else; predict/failure.c fails to build when its table has another
 * number of rows. */
#include "core/failure_class.h"

#include <string.h>

const char *const failure_class_names[FAILURE_CLASS_NAMES] = {
	"memory_exhaustion",
	"swap_thrash",
	"oom_kill",
	"disk_exhaustion",
	"inode_exhaustion",
	"fd_exhaustion",
	"pid_exhaustion",
	"io_stall",
	"disk_failing",
	"filesystem_error",
	"filesystem_readonly",
	"process_leak",
	"process_down",
	"crash_loop",
	"hung_task",
	"cpu_lockup",
	"cpu_starvation",
	"kernel_oops",
	"kernel_panic",
	"hardware_error",
	"network_degraded",
	"clock_unsynchronised",
	"anomaly",
};

int failure_class_index(const char *p, size_t n)
{
	for (int i = 0; i < FAILURE_CLASS_NAMES; i++)
		if (strlen(failure_class_names[i]) == n && memcmp(failure_class_names[i], p, n) == 0)
			return i;
	return -1;
}

bool failure_class_known(const char *p, size_t n)
{
	return failure_class_index(p, n) >= 0;
}
