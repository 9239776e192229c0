/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies for Gnocchi. Pure. */
#pragma once

#include "sink/metric.h"

/** gnocchi_body() - measures of one resource by metric; an empty object without points */
int gnocchi_body(const struct metric_point *points, size_t n, const char *resource_id,
		 struct buf *out) _must_check_;
int gnocchi_resource(const struct metric_labels *labels, struct buf *out) _must_check_;
