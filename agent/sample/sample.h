/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sample: the values of all metrics at one time. Memory is fixed; taking a sample allocates
 * nothing. A metric that could not be had is absent from the sample; it is never zero for want of a
 * source.
 */
#pragma once

#include "core/env.h"
#include "core/err.h"

enum metric_kind { METRIC_GAUGE, METRIC_RATE, METRIC_COUNTER, METRIC_STATE };
extern const char *const metric_kind_names[];
enum metric {
#define METRIC(id, ...) METRIC_##id,
#include "sample/metrics.def"
#undef METRIC
	METRIC_COUNT
};
struct metric_info {
	const char *name, *unit;
	enum metric_kind kind;
	const char *dimensions, *source, *prediction, *meaning;
};
extern const struct metric_info metric_infos[METRIC_COUNT];

/** metric_in_vm_profile() - is it one of those that an agent beside the hypervisor sends under the
 * same name (mem.*_gb, cpu.*_cores ...)? */
bool metric_in_vm_profile(enum metric metric);

#define SAMPLE_VALUES_MAX   1024
#define SAMPLE_ENTITIES_MAX 256
#define SAMPLE_OWN_ROOM     128 /* of the values: kept for those of the guest as a whole */
struct sample_entity {
	char kind[16];
	char name[112];
	char detail[64];
}; /* "mount_point" "/" device "vda1"; "process" "nginx[412]"; escaped where read */
struct sample_value {
	uint16_t metric;
	int16_t entity;
	bool stale; /* the reading of an earlier sample: its source is read more rarely */
	double value;
}; /* entity -1 = the guest */
struct sample {
	int64_t boot_ms, real_ms;
	size_t n_values, n_entities;
	struct sample_value values[SAMPLE_VALUES_MAX];
	struct sample_entity entities[SAMPLE_ENTITIES_MAX];
	unsigned dropped; /* values that found no room or were not finite */
	unsigned no_room; /* those of them that found none */
	bool extra;	  /* between two regular ones, for stress: a sink may leave it out */
	bool stale;	  /* what is added from now on is */
};
void sample_reset(struct sample *s, int64_t boot_ms, int64_t real_ms);
/** sample_add() - one value. NaN and infinities are dropped and counted: no sink takes them. */
void sample_add(struct sample *s, enum metric metric, int entity, double value);
/** sample_problems() - says what did not fit, and what to do. */
struct problems;
void sample_problems(const struct sample *s, struct problems *problems);
/** sample_entity() - index of that entity, made if new; -1 when full. @name and @detail are
 * printable already (sample_escape()); cut at their fields' size. */
int sample_entity(struct sample *s, const char *kind, const char *name, const char *detail);
/** sample_get() - the value of a guest-wide metric. Return: false when absent. */
bool sample_get(const struct sample *s, enum metric metric, double *ret);
/** sample_get_of() - the same for one entity (-1 = the guest). */
bool sample_get_of(const struct sample *s, enum metric metric, int entity, double *ret);

/**
 * sample_escape() - printable ASCII stays, the rest and '\\' become \xNN; without allocation
 * @out: receives the text and a NUL, @cap bytes; an escape that does not fit whole is left out with
 * all that follows
 *
 * Return: length written.
 */
size_t sample_escape(char *out, size_t cap, const char *p, size_t n);

/** sample_detail_key() - what the detail of an entity of that kind is called as a dimension, or NULL. */
const char *sample_detail_key(const char *kind);
#define SAMPLE_NUMBER_MAX 40
/** sample_number() - at most 3 decimals, no exponent for any number a guest has, no "-0". Return: @out. */
const char *sample_number(double v, char out[static SAMPLE_NUMBER_MAX]);

/* Output: "text", "json", "monasca", "prometheus" - one row each in sample_formats. */
struct sample_labels {
	const char *hostname, *resource_id, *zone;
	const char *hypervisor; /* hypervisor_names[]: goes with the vm profile, never a dimension */
}; /* each may be NULL: left out */
struct buf;
/** write() - appends one sample to @out. Return: buf_error(@out). */
struct sample_format {
	const char *name;
	int (*write)(const struct sample *s, const struct sample_labels *labels, struct buf *out);
};
extern const struct sample_format sample_formats[];
extern const size_t sample_formats_n;
/** sample_format_find() - the row of that name or NULL. */
const struct sample_format *sample_format_find(const char *name);

/** metrics_write_reference() - the metric table as Markdown, from the rows of metrics.def. Return:
 * buf_error(@out). */
int metrics_write_reference(struct buf *out);
