/* SPDX-License-Identifier: Apache-2.0 */
/* Pure parsers of two files below /proc/PID. */
#pragma once

#include <stdbool.h>
#include "core/macro.h"

#define NOFILE_UNLIMITED UINT64_MAX
/** parse_nofile() - the soft limit of "Max open files" in /proc/PID/limits. -EINVAL without one. */
int parse_nofile(const char *p, size_t n, uint64_t *ret) _must_check_;

/** parse_switches() - context switches of both kinds in /proc/PID/status. -EINVAL without both. */
int parse_switches(const char *p, size_t n, uint64_t *ret) _must_check_;
