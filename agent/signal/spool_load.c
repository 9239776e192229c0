/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What earlier lives left: names of segments, their sizes, and the end of the last one, whose torn
 * tail is cut. Old segments are not appended to. A disk that does not answer is waited for a while;
 * then it costs the backlog, which a later life finds again, not the start.
 */
#include "signal/spool_private.h"

#include <errno.h>
#include <string.h>

#define NAME_DIGITS 16

static void next_size(struct spool *s);

/* Return: 0 when it is no segment's name. */
static uint64_t number_of(const char *name, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t number = 0;

	if (n != NAME_DIGITS)
		return 0;
	for (size_t i = 0; i < n; i++) {
		const char *d = name[i] ? memchr(digits, name[i], 16) : NULL;

		if (!d)
			return 0;
		number = number << 4 | (uint64_t)(d - digits);
	}
	return number;
}

static void read_names(struct spool *s, const char *p, size_t n)
{
	while (n > 0) {
		const char *end = memchr(p, '\n', n);
		size_t len = end ? (size_t)(end - p) : n;
		uint64_t first = len > strlen(SPOOL_PREFIX) ? number_of(p + strlen(SPOOL_PREFIX),
									len - strlen(SPOOL_PREFIX))
							    : 0;

		if (first && spool_segment_add(s, first, 0) < 0)
			return;
		p += len + (end != NULL);
		n -= len + (end != NULL);
	}
}

static void last_read(int status, const char *p, size_t n, uint64_t size, void *ctx)
{
	struct spool *s = ctx;
	struct spool_segment *seg = &s->segments[s->n_segments - 1];
	char name[SPOOL_NAME_MAX];
	struct spool_scan scan;
	uint64_t first = seg->first;
	int r = 0;

	spool_scan(p ? p : "", n, &scan);
	if (status < 0) {
		spool_loaded(s, seg->first + (1u << 20), status);
		return;
	}
	if (scan.batches == 0) {
		spool_segment_gone(s, s->n_segments - 1, scan.end != 0 && scan.end != -EAGAIN);
		spool_loaded(s, first, 0);
		return;
	}
	seg->last = scan.last;
	if (scan.good < size) {
		spool_segment_name(seg->first, name);
		s->counts.cut += size - scan.good;
		s->counts.disk_bytes -= seg->bytes - scan.good;
		seg->bytes = scan.good;
		r = store_append(s->setup.store, name, scan.good, "", 0, NULL, NULL);
	}
	(void)r; /* if it stays, it is cut again by the next reader */
	spool_loaded(s, scan.last, 0);
}

static void read_last(struct spool *s)
{
	char name[SPOOL_NAME_MAX];
	int r;

	if (s->n_segments == 0) {
		spool_loaded(s, 0, 0);
		return;
	}
	spool_segment_name(s->segments[s->n_segments - 1].first, name);
	r = store_read_patient(s->setup.store, name, 0, STORE_LOG_PIECE_MAX, last_read, s);
	if (r < 0)
		spool_loaded(s, s->segments[s->n_segments - 1].first + (1u << 20), r);
}

static void size_read(int status, const char *p, size_t n, uint64_t size, void *ctx)
{
	struct spool *s = ctx;

	(void)p;
	(void)n;
	if (status == -ESTALE || status == -ENOENT) {
		/* the store moved it aside already */
		s->counts.damaged += status == -ESTALE;
		s->n_segments--;
		memmove(&s->segments[s->load.at], &s->segments[s->load.at + 1],
			(s->n_segments - s->load.at) * sizeof(*s->segments));
	} else if (status < 0) {
		spool_loaded(s, s->segments[s->n_segments - 1].first + (1u << 20), status);
		return;
	} else {
		s->segments[s->load.at++].bytes = size;
		s->counts.disk_bytes += size;
	}
	next_size(s);
}

static void next_size(struct spool *s)
{
	char name[SPOOL_NAME_MAX];
	int r;

	if (s->load.at >= s->n_segments) {
		read_last(s);
		return;
	}
	spool_segment_name(s->segments[s->load.at].first, name);
	r = store_read_patient(s->setup.store, name, 0, 0, size_read, s);
	if (r < 0)
		spool_loaded(s, s->segments[s->n_segments - 1].first + (1u << 20), r);
}

static void listed(int status, const char *p, size_t n, void *ctx)
{
	struct spool *s = ctx;

	if (status < 0) {
		s->problem = status;
		spool_loaded(s, 0, status);
		return;
	}
	read_names(s, p, n);
	next_size(s);
}

int spool_load(struct spool *s, uint64_t floor, spool_loaded_fn *fn, void *ctx)
{
	int r;

	if (s->load.running || s->load.over)
		return -EBUSY;
	s->load = (struct spool_load){.fn = fn, .ctx = ctx, .floor = floor, .running = true};
	if (!s->setup.store) {
		spool_loaded(s, 0, 0);
		return 0;
	}
	r = store_list_patient(s->setup.store, SPOOL_PREFIX, listed, s);
	if (r < 0)
		s->load.running = false;
	return r;
}
