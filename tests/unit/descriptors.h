/* SPDX-License-Identifier: Apache-2.0 */
/* How many descriptors the test has open, to see that none is left behind. Include it after cmocka.h. */
#pragma once

#include <dirent.h>

static inline unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}
