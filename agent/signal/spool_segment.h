/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a segment of the metric spool is made of: frames, each with a number and a checksum, one
 * after the other. Pure; what a frame holds is its writer's business. Little endian: "HPF1"  u32
 * kind  u32 length  u32 CRC-32C of all else in the frame  u64 number  content The first frame of a
 * segment is a preamble (whatever the frames after it need to be read).
 */
#pragma once

#include "core/buf.h"

#define SPOOL_FRAME_HEAD 24u
#define SPOOL_FRAME_MAX  (256u << 10) /* content */

enum spool_kind { SPOOL_PREAMBLE = 1, SPOOL_BATCH = 2 };

struct spool_frame {
	uint32_t kind;
	uint64_t number;
	const char *p; /* content */
	size_t n;
};

/** spool_frame_encode() - appends. -EFBIG over SPOOL_FRAME_MAX, else buf_error(@out). */
int spool_frame_encode(const struct spool_frame *f, struct buf *out) _must_check_;
/**
 * spool_frame_decode() - the frame at (@p, @n), borrowed from there
 *
 * Return: bytes it takes; 0 when @n is 0; -EAGAIN when it is cut short (a torn tail); -EBADMSG when
 * it is damaged or none of ours.
 */
ssize_t spool_frame_decode(const char *p, size_t n, struct spool_frame *ret) _must_check_;

struct spool_scan {
	struct spool_frame preamble; /* p NULL: none */
	uint64_t first, last;        /* of the batches; 0 = none */
	size_t batches;
	size_t good; /* bytes up to the first frame that is not whole */
	int end;     /* 0 all was good, else why it ends at good */
};
/** spool_scan() - all frames of a segment. Numbers must grow; one that does not is damage. */
void spool_scan(const char *p, size_t n, struct spool_scan *ret);
uint32_t spool_crc32c(uint32_t crc, const void *p, size_t n);
