/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine did to a test, so that a promise in milliseconds can be judged on a busy one:
 * time that this process was ready to run and had to wait for a CPU is not time that the code under test lost.
 */
#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* Milliseconds spent waiting for a CPU since the start of the process; 0 where the kernel does not count. */
static inline int64_t machine_run_delay_ms(void)
{
	char text[128] = "", *end;
	int fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	strtoull(text, &end, 10);
	return (int64_t)(strtoull(end, NULL, 10) / 1000000);
}
