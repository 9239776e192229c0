/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One destination of metrics: one row in metric_sinks[], one file each. A sink turns points into a
 * request and an answer into a verdict; what is sent when, in which pieces and how often is
 * metric_set's business.
 */
#pragma once

#include "auth/keystone.h"
#include "core/http.h"
#include "core/types.h"
#include "sample/sample.h"

#define METRIC_DIMS_MAX 3

struct metric_dim {
	const char *key, *value;
};

/* One value on its way out; what it points to is borrowed. */
struct metric_point {
	const char *name, *unit;
	enum metric_kind kind;
	double value; /* finite */
	int64_t real_ms;
	struct metric_dim dims[METRIC_DIMS_MAX];
	size_t n_dims;
	const char *meta; /* text of a flat JSON object, or NULL */
	uint64_t key;     /* of the series: name and dimensions */
};

/* What each point of this guest carries; NULL members are left out. */
struct metric_labels {
	const char *hostname, *resource_id, *zone, *project_id;
	const char *hypervisor; /* goes beside names that the hypervisor's agent posts too, never as
				   a label */
};

enum metric_how {
	METRIC_TAKEN,
	METRIC_RETRY,     /* later, as it is */
	METRIC_REFUSED,   /* for good; smaller pieces may be taken, the piece of one is dropped */
	METRIC_FORBIDDEN, /* smaller pieces may be taken; if none is, the sink waits for better
			     rights */
	METRIC_TOO_LARGE, /* smaller pieces are taken */
	METRIC_DENIED,    /* rights, address or configuration are wrong: again after a long while */
};
extern const char *const metric_how_names[];

#define METRIC_SKEW_UNKNOWN INT64_MIN
struct metric_verdict {
	enum metric_how how;
	int64_t retry_after_s; /* -1: not said */
	int64_t skew_ms;       /* receiver's clock less ours, or METRIC_SKEW_UNKNOWN */
	char why[200];         /* for a person; no secret, no query of a URL */
};
typedef void metric_done_fn(const struct metric_verdict *v, void *ctx);

struct metric_sink;
struct metric_sink_setup {
	struct loop *loop;
	struct http *http;
	struct store *store;
	struct keystone *keystone;          /* or NULL */
	const struct sink_setting *setting; /* borrowed for the life of the sink */
	const struct metric_labels *labels; /* borrowed for the life of the sink */
	int64_t timeout_ms;
};

struct metric_sink_ops {
	const char *name;
	size_t points_max;  /* in one request */
	int64_t age_max_ms; /* older points are not taken any more */
	bool newest_only;   /* no history: only the newest batch is of use */
	int (*open)(const struct metric_sink_setup *setup, struct metric_sink **ret, struct err *e);
	/** one at a time (-EBUSY); @points are borrowed until @done, which is called exactly once,
	 * never from inside */
	int (*send)(struct metric_sink *k, const struct metric_point *points, size_t n,
		    metric_done_fn *done, void *ctx);
	/** the cheapest request that shows the receiver's clock; NULL: it has none that matters */
	int (*probe)(struct metric_sink *k, metric_done_fn *done, void *ctx);
	/** accepts NULL; what is under way is not answered any more */
	struct metric_sink *(*close)(struct metric_sink *k);
};
/* NULL-terminated */
extern const struct metric_sink_ops *const metric_sinks[];
const struct metric_sink_ops *metric_sink_find(const char *type);

extern const struct metric_sink_ops metric_sink_monasca, metric_sink_prometheus,
	metric_sink_textfile, metric_sink_gnocchi, metric_sink_otlp;

/* ---- words that several sinks share (metric_text.c) ---- */

/** metric_json_text() - a quoted JSON string; control characters are left out, bytes that are no
 * UTF-8 become
 * '?'; cut after @max_chars code points (0: whole). */
void metric_json_text(struct buf *out, const char *s, size_t max_chars);
/** metric_clean() - as above without quotes; each character of @forbidden becomes '_'. */
void metric_clean(struct buf *out, const char *s, const char *forbidden, size_t max_chars);
/** metric_series_key() - hash of name and dimensions. */
uint64_t metric_series_key(const struct metric_point *p);
/** metric_sort() - @order gets the points series by series, each in order of time. */
void metric_sort(const struct metric_point *points, size_t n, const struct metric_point **order);
/** metric_is_host_named() - a name that the operator's agent beside the hypervisor posts too. */
bool metric_is_host_named(const char *name);

/** Under which name and unit Prometheus's users know it: node_exporter's where the value is the
 * same, else the name with '_'. */
void metric_prometheus_name(const struct metric_point *p, struct buf *name, double *value);
/** metric_prometheus_dim() - the name of a label. */
const char *metric_prometheus_dim(const char *key);
