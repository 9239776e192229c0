/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the spool: shared by spool.c (what is kept), spool_load.c and spool_read.c. */
#pragma once

#include "core/store_log.h"
#include "signal/spool.h"

#define SPOOL_PREFIX   "metrics/"
#define SPOOL_NAME_MAX 40

struct spool_item { /* one batch that is in memory alone */
	struct spool_item *next;
	uint64_t number; /* 0 before the load */
	int64_t since;   /* boot ms */
	size_t n;
	char p[];
};

struct spool_segment {
	uint64_t first, last; /* last 0: not known, below the next one's first */
	uint64_t bytes;
};

struct spool_reader {
	struct spool *spool;
	struct spool_reader *next;
	struct loop_timer *answer;
	struct buf data;  /* a segment, or frames copied from memory */
	uint64_t segment; /* first number of the segment in data; 0 = none */
	struct spool_frame preamble, frames[SPOOL_READ_MAX];
	size_t n, max;
	uint64_t number;
	int status;
	bool asked;   /* it came from disk: look on if nothing was found */
	bool waiting; /* the store is to answer */
	bool dead;    /* freed when it did */
	spool_read_fn *fn;
	void *ctx;
};

struct spool_load {
	spool_loaded_fn *fn;
	void *ctx;
	uint64_t floor;
	size_t at; /* segment whose size is asked for */
	bool running, over;
};

struct spool {
	struct spool_setup setup;
	char *preamble;
	struct spool_item *head, **tail;
	struct spool_segment *segments; /* in order */
	size_t n_segments, room;
	struct loop_timer *timer;
	struct spool_load load;
	struct spool_reader *readers;
	uint64_t next;  /* the number to give out */
	uint64_t acked; /* numbers below are needed by nobody */
	bool open;      /* the last segment may be appended to */
	/* the append under way */
	uint64_t flying; /* last number of it; 0 = none */
	uint64_t flying_bytes;
	bool flying_new;
	int problem;      /* of the last append; 0 = good */
	int64_t retry_at; /* boot ms */
	struct spool_counts counts;
	uint64_t added_bytes; /* of all counts.added batches */
};

void spool_segment_name(uint64_t first, char out[static SPOOL_NAME_MAX]);
/** spool_segment_gone() - forgets segment @i; the file is deleted, or (@aside) moved away and
 * counted. */
void spool_segment_gone(struct spool *s, size_t i, bool aside);
int spool_segment_add(struct spool *s, uint64_t first, uint64_t bytes) _must_check_;
/** spool_keep_bounds() - the oldest go until all fits. */
void spool_keep_bounds(struct spool *s);
void spool_wake(struct spool *s);
void spool_loaded(struct spool *s, uint64_t last, int status);
