/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics as Monasca's API takes them: every rule of its validator, counted as it counts, and those
 * that keep its storage whole (it accepts control characters that break the persister behind it).
 * Pure.
 */
#pragma once

#include "sink/metric.h"

/** monasca_body() - an array of @n metrics; no point makes it one that is refused. Return:
 * buf_error(@out). */
int monasca_body(const struct metric_point *points, size_t n, const struct metric_labels *labels,
		 struct buf *out) _must_check_;
/** monasca_meta() - a value_meta object of strings within its limits: longer values are cut, what
 * still does not fit is left out. Appends nothing for a text that is no object. */
void monasca_meta(const char *text, struct buf *out);
/** monasca_json_length() - how long the server takes a string to be: ASCII-escaped, with its
 * quotes. */
size_t monasca_json_length(const char *s);
