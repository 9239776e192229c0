/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches of metrics that wait for their sinks: numbered, first in first out, in memory for a while
 * and then on disk (segments in the store, `metrics/<number>`), within bounds. Over a bound the
 * oldest go and are counted. Signals come first: while the disk is too full for state, the spool
 * gives its oldest segments away. A batch that its sinks take within flush_ms never touches the
 * disk.
 *
 * What may be lost: what was added in the last flush_ms before a kill, what the bounds push out,
 * what a damaged segment held. Each append is synced before it counts as on disk.
 */
#pragma once

#include "core/loop.h"
#include "core/store.h"
#include "core/types.h"
#include "signal/spool_segment.h"

struct spool_setup {
	struct loop *loop;    /* borrowed */
	struct store *store;  /* borrowed, or NULL: memory only */
	uint64_t max_bytes;   /* on disk; 0 = 64 MiB */
	size_t segment_bytes; /* 0 = 256 KiB */
	size_t memory_bytes;  /* 0 = 1 MiB */
	int64_t flush_ms;     /* 0 = 30 s */
	const char *preamble; /* copied; written at the head of each segment */
	size_t preamble_n;
};

struct spool;
int spool_new(const struct spool_setup *setup, struct spool **ret) _must_check_;
/** spool_free() - with its readers. What is in memory alone is lost: spool_finish() before. The loop
 * must not turn between this and store_free(): the store answers into the spool. */
struct spool *spool_free(struct spool *s);

/** @status 0, or why nothing of earlier lives could be read; batches are taken all the same */
typedef void spool_loaded_fn(int status, void *ctx);
/** spool_load() - what earlier lives left; once. Numbers are given out and batches read from then
 * on; until then spool_add() keeps what comes. @floor: numbers below are used up (what sinks
 * remember). */
int spool_load(struct spool *s, uint64_t floor, spool_loaded_fn *fn, void *ctx) _must_check_;
/** spool_add() - copies. @ret_number may be NULL; 0 there before the load. Return: 0, -EFBIG,
 * -ENOMEM. */
int spool_add(struct spool *s, const void *p, size_t n, uint64_t *ret_number) _must_check_;
/** spool_ack() - batches below @number are needed by nobody any more. */
void spool_ack(struct spool *s, uint64_t number);
/** spool_flush() - memory to disk now, as far as one append goes; nothing while one is under way. */
void spool_flush(struct spool *s);
/** spool_finish() - before an end: all that is in memory is handed to the store. Nobody waits for it. */
void spool_finish(struct spool *s);
/** spool_end() - the number that the next batch gets: a reader there has read all. 0 before the
 * load. */
uint64_t spool_end(const struct spool *s);
/** spool_begin() - number of the oldest batch that is left, spool_end() when there is none. */
uint64_t spool_begin(const struct spool *s);
bool spool_holds_backlog(const struct spool *s); /* some of it is on disk */

#define SPOOL_READ_MAX 64
/** Frames with numbers from the one asked for on, in order; borrowed until the reader's next read.
 * @n 0: there is nothing yet. @preamble belongs to these frames. @status -errno: the disk does not
 * answer now. */
typedef void spool_read_fn(int status, const struct spool_frame *frames, size_t n,
			   const struct spool_frame *preamble, void *ctx);
struct spool_reader;
int spool_reader_new(struct spool *s, struct spool_reader **ret) _must_check_;
struct spool_reader *spool_reader_free(struct spool_reader *r); /* an open read is not answered */
/** spool_read() - up to @max frames; one read at a time (-EBUSY); @fn never from inside. */
int spool_read(struct spool_reader *r, uint64_t number, size_t max, spool_read_fn *fn,
	       void *ctx) _must_check_;

struct spool_counts {
	uint64_t added, dropped; /* batches; dropped: by a bound, about as many where an earlier
				    life wrote them */
	uint64_t damaged;        /* segments set aside */
	uint64_t cut;            /* bytes of torn tails */
	uint64_t disk_bytes, memory_bytes;
	size_t segments, in_memory;
};
void spool_counts(const struct spool *s, struct spool_counts *ret);
/** spool_status() - {"state":"ok"|"memory"|"loading","error":…,"bytes":…,…}; new reference */
json_t *spool_status(const struct spool *s);
