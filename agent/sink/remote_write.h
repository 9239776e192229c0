/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus remote write 1.0: points as a protobuf WriteRequest. Labels are sorted and unique, as
 * the receivers demand and do not always check; samples of one series stand together in order of
 * time. Pure.
 */
#pragma once

#include "sink/metric.h"

#define REMOTE_LABELS_MAX 16

struct remote_label {
	const char *name, *value;
};
/** remote_labels() - the labels of a point beside its name: sorted, unique, none empty. Return: how
 * many. */
size_t remote_labels(const struct metric_point *p, const struct metric_labels *labels,
		     struct remote_label out[static REMOTE_LABELS_MAX]);
/** remote_write_body() - the WriteRequest, not compressed. Return: 0, -ENOMEM, buf_error(@out). */
int remote_write_body(const struct metric_point *points, size_t n,
		      const struct metric_labels *labels, struct buf *out) _must_check_;
