/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time. Periods and deadlines are CLOCK_BOOTTIME milliseconds (guests are paused and migrated, and
 * that time must count); CLOCK_REALTIME is only for the wire. Both come through struct env, so
 * that tests and simulation can supply their own.
 */
#pragma once

#include <stdbool.h>
#include "core/buf.h"

int64_t clock_boot_ms(void);
int64_t clock_real_ms(void); /* milliseconds since 1970-01-01 UTC */

/** clock_is_before_build() - true when @real_ms is a day or more before this program was built: the
 * clock is wrong. Less may be the difference to the clock of the machine that built or committed
 * it. */
bool clock_is_before_build(int64_t real_ms);

/* "2026-01-02T03:04:05Z" and "20260102T030405Z"; @real_s in seconds; range years 1970 to 9999. */
void clock_iso(int64_t real_s, char out[static 24]);
void clock_iso_basic(int64_t real_s, char out[static 20]);
/** clock_parse_iso() - the first form above, also with fraction (dropped) and +00:00. -EINVAL else.
 */
int clock_parse_iso(const char *p, size_t n, int64_t *ret_s) _must_check_;
/** clock_parse_http_date() - RFC 9110 IMF-fixdate ("Sun, 06 Nov 1994 08:49:37 GMT"). -EINVAL else.
 */
int clock_parse_http_date(const char *p, size_t n, int64_t *ret_s) _must_check_;
