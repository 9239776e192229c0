/* SPDX-License-Identifier: Apache-2.0 */
/* The prober's questions about devices: rows of prober_kinds[]. Inner header. */
#pragma once

#include "sample/prober.h"

/* A block device's name: no path, nothing that leads out of /sys/block. */
bool prober_legal_device(const char *path);
int prober_work_disk_serial(const struct env *env, const char *name, struct prober_answer *ret);
int prober_work_hyperv_balloon(const struct env *env, const char *none, struct prober_answer *ret);
