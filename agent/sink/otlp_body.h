/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenTelemetry metrics as the JSON form of OTLP/HTTP: lowerCamelCase keys, 64-bit integers as
 * text, enums as numbers, times in nanoseconds. Pure.
 */
#pragma once

#include "sink/metric.h"

int otlp_body(const struct metric_point *points, size_t n, const struct metric_labels *labels,
	      struct buf *out) _must_check_;
