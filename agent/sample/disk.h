/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of the disks; probe_disk keeps it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct disk_info {
	char name[32];	 /* "vda", escaped */
	char model[48];	 /* escaped; "" = it does not say */
	char serial[64]; /* the same; under OpenStack the beginning of the volume's id */
	bool rotational;
	double size_mb;
};
/** probe_disk_find() - of the disk of that name; @state is the probe's. Return: false when there is
 * none. */
bool probe_disk_find(const void *state, const char *name, struct disk_info *ret);
