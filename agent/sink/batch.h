/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One batch of metrics as it lies in the spool: what a sample held, or single points of our own, in
 * little space (12 bytes a value) and readable by a later version, whose metrics may be others:
 * values name their metric by its place in the preamble of the segment, which lists them. Pure.
 *
 * Little endian: u8 1, u8 flags, u32 boot, i64 real_ms, i64 boot_ms, u16 names, u16 entities, u16
 * values; then own names (text name, text unit, u8 kind), entities (text key, name, detail key,
 * detail) and values (u16 which, u16 entity, f64, and text meta if bit 14 of which is set; bit 15:
 * one of the own names). A text is u8 or (meta) u16 length, bytes, NUL.
 */
#pragma once

#include "sink/metric.h"

#define BATCH_POINTS_MAX (SAMPLE_VALUES_MAX + 64)
#define BATCH_META_MAX   2048
#define BATCH_MAX        (192u << 10)

enum batch_flags {
	BATCH_CLOCK_DOUBTFUL = 1, /* known to be wrong when it was made */
};

struct batch_head {
	unsigned flags;
	uint32_t boot; /* of batch_boot() */
	int64_t real_ms, boot_ms;
};

/** batch_boot() - tells one boot from the next. */
uint32_t batch_boot(const char *boot_id);
/** batch_preamble() - the metrics of this version. */
int batch_preamble(struct buf *out) _must_check_;
/** batch_encode() - @s may be NULL; @own: points beside it, whose time is the head's. At most one
 * dimension pair of each goes along (key and value, and a second one as detail). */
int batch_encode(const struct batch_head *head, const struct sample *s,
		 const struct metric_point *own, size_t n_own, struct buf *out) _must_check_;

/* A preamble, read. */
struct batch_name {
	const char *name, *unit;
	enum metric_kind kind;
};
struct batch_names {
	char *text;
	struct batch_name *list;
	size_t n;
	uint32_t crc;
};
/** batch_names_read() - @names zeroed before the first time; the same text again costs a checksum.
 * -EBADMSG (fuzzed). */
int batch_names_read(struct batch_names *names, const char *p, size_t n) _must_check_;
void batch_names_deinit(struct batch_names *names);
/**
 * batch_decode() - points of a batch, pointing into it and into @names (fuzzed)
 * @max: room in @points; what has none is left out
 * @unknown: incremented by values that name no metric
 *
 * Return: number of points, -EPROTO (newer), -EBADMSG.
 */
ssize_t batch_decode(const char *p, size_t n, const struct batch_names *names,
		     struct batch_head *head, struct metric_point *points, size_t max,
		     size_t *unknown) _must_check_;
