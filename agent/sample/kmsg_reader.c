/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads /dev/kmsg on the loop: first all that the ring still holds, then live. One read is one
 * record. EPIPE says that the ring overtook us; how many records that cost shows in the next
 * sequence number. At most BATCH records are read at one wake-up, so that a flood in the kernel log
 * cannot keep the loop from its other work.
 */
#include "sample/kmsg.h"

#include <errno.h>

#define BATCH 256

struct kmsg_reader {
	struct loop_io *io;
	int fd;
	int error;
	bool live;    /* the ring was read to its end once */
	bool any_seq; /* last_seq is that of a record, not the caller's word */
	uint64_t after_seq, last_seq;
	struct kmsg_stats stats;
	kmsg_fn *fn;
	void *ctx;
	struct kmsg_record record;
	char line[KMSG_READ_MAX];
};

/* Records that were overwritten before our first read are nobody's loss, unless an earlier life
 * told where it was. */
static void count_gap(struct kmsg_reader *r, uint64_t seq)
{
	bool known = r->any_seq || r->after_seq;

	if (known && seq > r->last_seq + 1)
		r->stats.lost += seq - r->last_seq - 1;
	if (!r->any_seq || seq > r->last_seq)
		r->last_seq = seq;
	r->any_seq = true;
}

static void take(struct kmsg_reader *r, size_t n)
{
	struct kmsg_record *rec = &r->record;

	if (kmsg_parse(r->line, n, rec)) {
		r->stats.bad++;
		return;
	}
	if (!r->after_seq || rec->seq > r->after_seq)
		count_gap(r, rec->seq);
	if (rec->facility) {
		r->stats.foreign++;
		return;
	}
	r->stats.records++;
	r->stats.level[rec->level]++;
	if (r->fn && (!r->after_seq || rec->seq > r->after_seq))
		r->fn(rec, !r->live, r->ctx);
}

static void stop(struct kmsg_reader *r, int error)
{
	r->error = error;
	r->live = true;
	r->io = loop_io_remove(r->io);
}

/* Return: false when there is nothing more to read now. */
static bool read_one(struct kmsg_reader *r)
{
	ssize_t n = read(r->fd, r->line, sizeof(r->line));

	if (n > 0) {
		take(r, (size_t)n);
		return true;
	}
	if (n < 0 && (errno == EPIPE || errno == EINTR))
		return true;
	if (n < 0 &&
	    errno == EINVAL) { /* a record longer than the buffer: the kernel has stepped over it */
		r->stats.bad++;
		return true;
	}
	if (n < 0 && errno == EAGAIN)
		r->live = true;
	else
		stop(r, n ? -errno : -EPIPE);
	return false;
}

static void on_readable(struct loop *loop, uint32_t events, void *ctx)
{
	struct kmsg_reader *r = ctx;

	(void)loop, (void)events; /* EPOLLERR only says that records were lost */
	for (int i = 0; i < BATCH; i++)
		if (!read_one(r))
			return;
}

int kmsg_reader_new(struct loop *loop, int fd, uint64_t after_seq, kmsg_fn *fn, void *ctx,
		    struct kmsg_reader **ret)
{
	_cleanup_close_ int taken = fd;
	_cleanup_free_ struct kmsg_reader *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->after_seq = r->last_seq = after_seq;
	r->fn = fn;
	r->ctx = ctx;
	err = loop_io_add(loop, fd, EPOLLIN, on_readable, r, &r->io);
	if (err)
		return err;
	r->fd = take_fd(&taken);
	*ret = take_ptr(r);
	return 0;
}

struct kmsg_reader *kmsg_reader_free(struct kmsg_reader *r)
{
	if (!r)
		return NULL;
	loop_io_remove(r->io);
	close(r->fd);
	free(r);
	return NULL;
}

const struct kmsg_stats *kmsg_reader_stats(const struct kmsg_reader *r)
{
	return &r->stats;
}

uint64_t kmsg_reader_last_seq(const struct kmsg_reader *r)
{
	return r->last_seq;
}

bool kmsg_reader_live(const struct kmsg_reader *r)
{
	return r->live;
}

int kmsg_reader_error(const struct kmsg_reader *r)
{
	return r->error;
}
