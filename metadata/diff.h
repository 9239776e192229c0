/* SPDX-License-Identifier: Apache-2.0 */
/* What changed between two metadata trees. Pure. */
#pragma once

#include "core/types.h"
#include "core/buf.h"

/** diff_value() - deep comparison, key order irrelevant, 1 and 1.0 differ, null is a value; NULL is
 * absence. */
enum change_kind diff_value(const json_t *old, const json_t *new_value);
/** diff_summary() - up to @max changed paths ("a.b: updated, c: added, 3 more") for a log line;
 * dots within a key are written "\.", keys are escaped, values are never shown. Nothing is appended
 * when nothing changed. */
void diff_summary(const json_t *old, const json_t *new_value, unsigned max, struct buf *out);
