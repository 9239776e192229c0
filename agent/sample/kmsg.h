/* SPDX-License-Identifier: Apache-2.0 */
/* Records of /dev/kmsg: parsing is pure and fuzzed; the reader sits on the loop. */
#pragma once

#include "core/loop.h"

#define KMSG_TEXT_MAX 1024
/* The kernel refuses a read that is smaller than the record; its own limit is this or less. */
#define KMSG_READ_MAX 8192
struct kmsg_record {
	unsigned facility, level; /* 0 kernel; 0 emerg .. 7 debug */
	uint64_t seq, usec;	  /* of the kernel, since boot */
	char flag;		  /* '-', 'c' (first part of a line), '+' (its continuation) */
	char text[KMSG_TEXT_MAX]; /* decoded, then escaped for display; cut at the limit */
	size_t text_len;
	char subsystem[32], device[64]; /* of the dictionary, "" when absent */
};
/** kmsg_parse() - one read(2) of /dev/kmsg: "prio,seq,usec,flags[,...];text\n KEY=value\n...".
 * -EINVAL else. */
int kmsg_parse(const char *p, size_t n, struct kmsg_record *ret) _must_check_;

struct kmsg_reader;
struct kmsg_stats {
	uint64_t records;  /* facility 0, those reported before included */
	uint64_t level[8]; /* the same by level */
	uint64_t lost;	   /* overwritten before we read them: by the gap in the sequence */
	uint64_t foreign;  /* other facilities: written by programs, which can claim anything */
	uint64_t bad;	   /* not parsed */
};
/** kmsg_fn - one record; @since_boot: it was there before we started */
typedef void kmsg_fn(const struct kmsg_record *r, bool since_boot, void *ctx);
/**
 * kmsg_reader_new() - reads on @loop from now on; @fn is never called from inside
 * @fd: /dev/kmsg, non-blocking; taken, also on failure
 * @after_seq: records up to it were reported before (0 = none): they are counted, not handed on
 * @fn: called for facility 0 only; may be NULL. It must not free the reader.
 */
int kmsg_reader_new(struct loop *loop, int fd, uint64_t after_seq, kmsg_fn *fn, void *ctx,
		    struct kmsg_reader **ret) _must_check_;
struct kmsg_reader *kmsg_reader_free(struct kmsg_reader *r);
const struct kmsg_stats *kmsg_reader_stats(const struct kmsg_reader *r);
/** kmsg_reader_last_seq() - of the last record of any facility read so far; @after_seq before the
 * first. */
uint64_t kmsg_reader_last_seq(const struct kmsg_reader *r);
/** kmsg_reader_live() - true once all that was there at the start has been read. */
bool kmsg_reader_live(const struct kmsg_reader *r);
/** kmsg_reader_error() - 0, or the -errno that ended reading. */
int kmsg_reader_error(const struct kmsg_reader *r);
