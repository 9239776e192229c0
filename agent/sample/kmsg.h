/* SPDX-License-Identifier: Apache-2.0 */
/* Records of /dev/kmsg: parsing is pure and fuzzed; the reader sits on the loop. */
#pragma once

#include "core/loop.h"

#define KMSG_TEXT_MAX 1024
struct kmsg_record {
	unsigned facility, level;  /* 0 kernel; 0 emerg .. 7 debug */
	uint64_t seq, usec;        /* of the kernel, since boot */
	char flag;                 /* '-', 'c', '+' */
	char text[KMSG_TEXT_MAX];  /* unescaped, control characters escaped again for display; cut at the limit */
	size_t text_len;
	char subsystem[32], device[64]; /* of the dictionary, "" when absent */
};
/** kmsg_parse() - one read(2) of /dev/kmsg: "prio,seq,usec,flags[,...];text\n KEY=value\n...". -EINVAL else. */
int kmsg_parse(const char *p, size_t n, struct kmsg_record *ret) _must_check_;

struct kmsg_reader;
struct kmsg_stats { uint64_t records, lost, foreign, bad; };
typedef void kmsg_fn(const struct kmsg_record *r, bool since_boot, void *ctx); /* since_boot: was there before we started */
/** kmsg_reader_new() - @fd taken. @after_seq: records up to it were reported before (0 = none). Only facility 0 is handed on; the rest is counted. */
int kmsg_reader_new(struct loop *loop, int fd, uint64_t after_seq, kmsg_fn *fn, void *ctx, struct kmsg_reader **ret) _must_check_;
struct kmsg_reader *kmsg_reader_free(struct kmsg_reader *r);
const struct kmsg_stats *kmsg_reader_stats(const struct kmsg_reader *r);
uint64_t kmsg_reader_last_seq(const struct kmsg_reader *r);
