/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading in order: from the segment that holds a number, or from memory. A segment that ends
 * before it should is left behind, set aside if it is damaged, and reading goes on after it.
 */
#include "signal/spool_private.h"

#include <errno.h>
#include <string.h>

static void step(struct spool_reader *r);

static void answer(struct loop *loop, void *ctx)
{
	struct spool_reader *r = ctx;
	spool_read_fn *fn = r->fn;

	(void)loop;
	if (r->status == 0 && r->n == 0 && r->asked) { /* look on */
		r->asked = false;
		step(r);
		return;
	}
	r->fn = NULL;
	fn(r->status, r->frames, r->status < 0 ? 0 : r->n, &r->preamble, r->ctx);
}

static void finish(struct spool_reader *r, int status)
{
	r->status = status;
	loop_timer_arm(r->answer, 0);
}

/* The segment that may hold @number: the last one that begins at or before it, else the first after
 * it. Return: index or -1. */
static ssize_t segment_for(const struct spool *s, uint64_t number)
{
	ssize_t at = -1;

	for (size_t i = 0; i < s->n_segments; i++)
		if (s->segments[i].first <= number || at < 0)
			at = (ssize_t)i;
	if (at < 0)
		return -1;
	if (s->segments[at].last && s->segments[at].last < number)
		return (size_t)at + 1 < s->n_segments ? at + 1 : -1;
	return at;
}

/* Frames from the wanted number on out of data. Return: 0, or why the data end. */
static int take_frames(struct spool_reader *r)
{
	struct spool_frame f;
	ssize_t used;
	size_t at = 0;

	r->n = 0;
	while (r->n < r->max &&
	       (used = spool_frame_decode(buf_str(&r->data) + at, r->data.len - at, &f)) != 0) {
		if (used < 0)
			return (int)used;
		if (f.kind == SPOOL_PREAMBLE)
			r->preamble = f;
		else if (f.kind == SPOOL_BATCH && f.number >= r->number)
			r->frames[r->n++] = f;
		at += (size_t)used;
	}
	return 0;
}

/* Nothing more comes out of the segment in data: the number wanted is in the next one. */
static void leave_segment(struct spool_reader *r, int why)
{
	struct spool *s = r->spool;
	uint64_t first = r->segment;
	size_t i = 0;

	r->segment = 0;
	while (i < s->n_segments && s->segments[i].first != first)
		i++;
	if (i == s->n_segments)
		return;
	if (r->number <= first)
		r->number = first + 1;
	if ((why == -EBADMSG || why == -EAGAIN) && !(s->flying && i + 1 == s->n_segments)) {
		spool_segment_gone(s, i, true);
		return;
	}
	/* Whole, but it ends before the number wanted. */
	s->segments[i].last = r->number - 1;
}

static void reader_destroy(struct spool_reader *r)
{
	struct spool_reader **at = &r->spool->readers;

	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	loop_timer_free(r->answer);
	buf_deinit(&r->data);
	free(r);
}

static void segment_read(int status, const char *p, size_t n, uint64_t size, void *ctx)
{
	struct spool_reader *r = ctx;
	int why;

	(void)size;
	r->waiting = false;
	if (r->dead) {
		reader_destroy(r);
		return;
	}
	buf_reset(&r->data);
	if (status == 0)
		status = buf_put(&r->data, p, n);
	if (status == -ENOENT || status == -ESTALE) {
		leave_segment(r, -EBADMSG);
		r->n = 0;
		finish(r, 0);
		return;
	}
	if (status < 0) {
		r->segment = 0;
		finish(r, status);
		return;
	}
	why = take_frames(r);
	if (r->n == 0)
		leave_segment(r, why);
	finish(r, 0);
}

static int ask_segment(struct spool_reader *r, const struct spool_segment *seg)
{
	char name[SPOOL_NAME_MAX];
	int status;

	spool_segment_name(seg->first, name);
	r->segment = seg->first;
	r->asked = true;
	status = store_read(r->spool->setup.store, name, 0, STORE_LOG_PIECE_MAX, segment_read, r);
	r->waiting = status == 0;
	return status;
}

static int from_memory(struct spool_reader *r)
{
	const struct spool *s = r->spool;
	size_t n = 0;

	r->segment = 0;
	buf_reset(&r->data);
	for (const struct spool_item *item = s->head; item && n < r->max; item = item->next) {
		if (item->number < r->number)
			continue;
		buf_put(&r->data, item->p, item->n);
		n++;
	}
	r->preamble = (struct spool_frame){
		.kind = SPOOL_PREAMBLE, .p = s->preamble, .n = s->setup.preamble_n};
	return buf_error(&r->data) ? buf_error(&r->data) : take_frames(r);
}

static void step(struct spool_reader *r)
{
	struct spool *s = r->spool;
	ssize_t i = segment_for(s, r->number);
	bool flying_new = s->flying && s->flying_new;
	int status;

	r->n = 0;
	if (i >= 0 && (size_t)i + 1 == s->n_segments && flying_new)
		i = -1; /* still in memory */
	if (i < 0) {
		finish(r, from_memory(r));
		return;
	}
	/* The segment may have grown since it was read: only a number it holds saves asking again.
	 */
	if (s->segments[i].first == r->segment && take_frames(r) == 0 && r->n > 0) {
		finish(r, 0);
		return;
	}
	status = ask_segment(r, &s->segments[i]);
	if (status < 0)
		finish(r, status);
}

int spool_read(struct spool_reader *r, uint64_t number, size_t max, spool_read_fn *fn, void *ctx)
{
	if (r->fn)
		return -EBUSY;
	r->fn = fn;
	r->ctx = ctx;
	r->number = number;
	r->max = max < SPOOL_READ_MAX ? max : SPOOL_READ_MAX;
	r->status = 0;
	r->asked = false;
	if (r->spool->load.over)
		step(r);
	else
		finish(r, 0);
	return 0;
}

int spool_reader_new(struct spool *s, struct spool_reader **ret)
{
	struct spool_reader *r = calloc(1, sizeof(*r));
	int status;

	if (!r)
		return -ENOMEM;
	r->spool = s;
	r->data = BUF_INIT(STORE_LOG_PIECE_MAX + SPOOL_FRAME_MAX);
	status = loop_timer_new(s->setup.loop, 0, answer, r, &r->answer);
	if (status < 0) {
		free(r);
		return status;
	}
	r->next = s->readers;
	s->readers = r;
	*ret = r;
	return 0;
}

struct spool_reader *spool_reader_free(struct spool_reader *r)
{
	if (!r)
		return NULL;
	loop_timer_disarm(r->answer);
	r->dead = true;
	if (!r->waiting)
		reader_destroy(r);
	return NULL;
}
