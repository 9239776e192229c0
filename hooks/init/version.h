/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of packages, as far as cfn-init must understand them: pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/** version_compare() - runs of digits by value, runs of letters by bytes, "~" before everything,
 * more parts after fewer. <0, 0, >0. */
int version_compare(const char *a, const char *b);
/** version_fits() - is @installed what was asked for: the same, or the same up to the end of a part
 * ("1.2" is met by "1.2-3" and "1:1.2.9", not by "1.20")? */
bool version_fits(const char *installed, const char *wanted);
