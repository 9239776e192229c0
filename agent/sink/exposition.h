/* SPDX-License-Identifier: Apache-2.0 */
/* Points in the Prometheus text form, as node_exporter's textfile collector reads it. Pure. */
#pragma once

#include "sink/metric.h"

/** exposition() - no times and no labels of the machine: the collector refuses the former and adds
 * the latter. */
int exposition(const struct metric_point *points, size_t n, struct buf *out) _must_check_;
