/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept, and where: batches in memory, segments on disk, one append under way at a time.
 * Numbers on disk are always below those in memory.
 */
#include "signal/spool_private.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/json.h"

#define MIB         (1024u * 1024u)
#define MAX_BYTES   (64 * MIB)
#define SEGMENT     (256u * 1024u)
#define FLUSH_MS    30000
#define FLUSH_BYTES (64u * 1024u)
#define PIECE       (256u * 1024u)
#define RETRY_MS    30000
#define GIVE_WAY_MS 5000
#define BATCH_USUAL 2048 /* bytes of a sample, before this life has any of its own */

static int64_t now(const struct spool *s)
{
	return loop_env(s->setup.loop)->boot_ms();
}

void spool_segment_name(uint64_t first, char out[static SPOOL_NAME_MAX])
{
	snprintf(out, SPOOL_NAME_MAX, SPOOL_PREFIX "%016" PRIx64, first);
}

/* ---- segments ---- */

int spool_segment_add(struct spool *s, uint64_t first, uint64_t bytes)
{
	if (s->n_segments == s->room) {
		size_t room = s->room ? 2 * s->room : 32;
		struct spool_segment *list = reallocarray(s->segments, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		s->segments = list;
		s->room = room;
	}
	s->segments[s->n_segments++] = (struct spool_segment){.first = first, .bytes = bytes};
	s->counts.disk_bytes += bytes;
	return 0;
}

void spool_segment_gone(struct spool *s, size_t i, bool aside)
{
	char name[SPOOL_NAME_MAX];
	int r;

	spool_segment_name(s->segments[i].first, name);
	/* If the store cannot be asked the file stays and is found again by the next life. */
	r = aside ? store_aside(s->setup.store, name) : store_delete(s->setup.store, name);
	(void)r;
	s->counts.disk_bytes -= s->segments[i].bytes;
	s->counts.damaged += aside;
	if (i + 1 == s->n_segments)
		s->open = false;
	s->n_segments--;
	memmove(&s->segments[i], &s->segments[i + 1], (s->n_segments - i) * sizeof(*s->segments));
}

/* How many batches of segment @i somebody still needs, as far as it is known. */
static uint64_t needed_of(const struct spool *s, size_t i)
{
	const struct spool_segment *seg = &s->segments[i];
	uint64_t end = seg->last               ? seg->last + 1
		       : i + 1 < s->n_segments ? s->segments[i + 1].first
					       : s->next;
	uint64_t from = s->acked > seg->first ? s->acked : seg->first;

	return end > from ? end - from : 0;
}

/* Numbers are the clock's milliseconds at the start of a life: where the last one of a segment is
 * not known, the gap to the next one tells nothing, and its size tells about how many it holds. */
static uint64_t lost_with(const struct spool *s, size_t i)
{
	const struct spool_segment *seg = &s->segments[i];
	uint64_t each = s->counts.added ? s->added_bytes / s->counts.added : BATCH_USUAL;
	uint64_t needed = needed_of(s, i), most = seg->bytes / (each ? each : 1) + 1;

	return seg->last || needed < most ? needed : most;
}

static bool drop_oldest_segment(struct spool *s)
{
	/* The append under way goes to the last one. */
	if (s->n_segments == 0 || (s->n_segments == 1 && s->flying))
		return false;
	s->counts.dropped += lost_with(s, 0);
	spool_segment_gone(s, 0, false);
	return true;
}

/* ---- memory ---- */

static void free_head(struct spool *s)
{
	struct spool_item *item = s->head;

	s->head = item->next;
	if (!s->head)
		s->tail = &s->head;
	s->counts.memory_bytes -= item->n;
	s->counts.in_memory--;
	free(item);
}

static bool head_is_flying(const struct spool *s)
{
	return s->flying && s->head && s->head->number <= s->flying;
}

static bool drop_oldest_item(struct spool *s)
{
	if (!s->head || head_is_flying(s))
		return false;
	free_head(s);
	s->counts.dropped++;
	return true;
}

void spool_keep_bounds(struct spool *s)
{
	while (s->counts.disk_bytes > s->setup.max_bytes && drop_oldest_segment(s))
		;
	while (s->counts.memory_bytes > s->setup.memory_bytes && drop_oldest_item(s))
		;
}

/* ---- memory to disk ---- */

static bool signals_wait_for_room(const struct spool *s)
{
	return s->setup.store && store_is_full(s->setup.store);
}

void spool_wake(struct spool *s)
{
	int64_t wait = INT64_MAX, t = now(s);

	if (s->load.over && s->head && !s->flying && s->setup.store)
		wait = s->head->since + s->setup.flush_ms - t;
	if (s->counts.memory_bytes >= FLUSH_BYTES)
		wait = wait == INT64_MAX ? wait : 0;
	if (wait != INT64_MAX && wait < s->retry_at - t)
		wait = s->retry_at - t;
	if (s->n_segments && signals_wait_for_room(s) && wait > GIVE_WAY_MS)
		wait = GIVE_WAY_MS;
	if (s->n_segments && wait > RETRY_MS)
		wait = RETRY_MS;
	if (wait != INT64_MAX)
		loop_timer_arm(s->timer, wait > 0 ? wait : 0);
	else
		loop_timer_disarm(s->timer);
}

static void forget_flown(struct spool *s)
{
	while (head_is_flying(s))
		free_head(s);
}

static void appended(int status, void *ctx)
{
	struct spool *s = ctx;
	struct spool_segment *seg = s->n_segments ? &s->segments[s->n_segments - 1] : NULL;

	s->problem = status;
	if (status == 0) {
		seg->bytes += s->flying_bytes;
		seg->last = s->flying;
		s->counts.disk_bytes += s->flying_bytes;
		s->open = seg->bytes < s->setup.segment_bytes;
		forget_flown(s);
		s->retry_at = 0;
	} else {
		if (s->flying_new)
			s->n_segments--;
		s->open = false; /* what was half-written of it is cut when it is read */
		s->retry_at = now(s) + RETRY_MS;
	}
	s->flying = 0;
	if ((status == -ENOSPC || status == -EDQUOT) && drop_oldest_segment(s))
		s->retry_at = now(s) + 1000;
	spool_ack(s, s->acked);
	spool_keep_bounds(s);
	spool_wake(s);
}

/* As many as go into one piece; one alone while the disk refuses, which may have room for that.
 * Return: the last number of it. */
static uint64_t gather(const struct spool *s, struct buf *piece)
{
	size_t max = s->problem ? 0 : PIECE;
	uint64_t last = 0;

	for (const struct spool_item *item = s->head; item; item = item->next) {
		if (last && piece->len + item->n > max)
			break;
		if (buf_put(piece, item->p, item->n) < 0)
			break;
		last = item->number;
	}
	return last;
}

static int append(struct spool *s)
{
	_cleanup_buf_ struct buf piece = BUF_INIT(STORE_LOG_PIECE_MAX);
	struct spool_frame head = {
		.kind = SPOOL_PREAMBLE, .p = s->preamble, .n = s->setup.preamble_n};
	bool fresh = !s->open || s->n_segments == 0;
	char name[SPOOL_NAME_MAX];
	uint64_t last;
	int r = fresh ? spool_frame_encode(&head, &piece) : 0;

	if (r == 0 && fresh)
		r = spool_segment_add(s, s->head->number, 0);
	if (r < 0)
		return r;
	last = gather(s, &piece);
	spool_segment_name(s->segments[s->n_segments - 1].first, name);
	r = store_append(s->setup.store, name, s->segments[s->n_segments - 1].bytes,
			 buf_str(&piece), piece.len, appended, s);
	if (r < 0) {
		s->n_segments -= fresh;
		return r;
	}
	s->flying = last;
	s->flying_bytes = piece.len;
	s->flying_new = fresh;
	return 0;
}

void spool_flush(struct spool *s)
{
	int r;

	if (!s->load.over || !s->head || s->flying || !s->setup.store)
		return;
	r = append(s);
	if (r < 0) {
		s->problem = r;
		s->retry_at = now(s) + RETRY_MS;
	}
}

void spool_finish(struct spool *s)
{
	_cleanup_buf_ struct buf piece = BUF_INIT(STORE_LOG_PIECE_MAX);
	const struct spool_segment *seg;
	char name[SPOOL_NAME_MAX];
	int r;

	if (!s->flying) {
		spool_flush(s);
		return;
	}
	/* The store serves in order: this piece goes behind the one under way. */
	for (const struct spool_item *item = s->head; item; item = item->next)
		if (item->number > s->flying)
			buf_put(&piece, item->p, item->n);
	seg = &s->segments[s->n_segments - 1];
	spool_segment_name(seg->first, name);
	r = piece.len ? store_append(s->setup.store, name, seg->bytes + s->flying_bytes, piece.data,
				     piece.len, NULL, NULL)
		      : 0;
	if (r < 0)
		s->problem = r;
}

static void tick(struct loop *loop, void *ctx)
{
	struct spool *s = ctx;
	bool due = s->head && (loop_env(loop)->boot_ms() - s->head->since >= s->setup.flush_ms ||
			       s->counts.memory_bytes >= FLUSH_BYTES);

	if (signals_wait_for_room(s))
		drop_oldest_segment(s);
	else if (due && now(s) >= s->retry_at)
		spool_flush(s);
	spool_keep_bounds(s);
	spool_wake(s);
}

/* ---- what others ask ---- */

static int encode(struct spool *s, const void *p, size_t n, uint64_t number,
		  struct spool_item **ret)
{
	_cleanup_buf_ struct buf frame = BUF_INIT(SPOOL_FRAME_MAX + SPOOL_FRAME_HEAD);
	struct spool_frame f = {.kind = SPOOL_BATCH, .number = number, .p = p, .n = n};
	int r = spool_frame_encode(&f, &frame);
	struct spool_item *item = r < 0 ? NULL : malloc(sizeof(*item) + frame.len);

	if (!item)
		return r < 0 ? r : -ENOMEM;
	*item = (struct spool_item){.number = number, .since = now(s), .n = frame.len};
	memcpy(item->p, frame.data, frame.len);
	*ret = item;
	return 0;
}

static void put_last(struct spool *s, struct spool_item *item)
{
	*s->tail = item;
	s->tail = &item->next;
	s->counts.memory_bytes += item->n;
	s->counts.in_memory++;
}

int spool_add(struct spool *s, const void *p, size_t n, uint64_t *ret_number)
{
	uint64_t number = s->load.over ? s->next : 0;
	struct spool_item *item;
	int r = encode(s, p, n, number, &item);

	if (r < 0)
		return r;
	if (ret_number)
		*ret_number = number;
	s->next += s->load.over;
	s->counts.added++;
	s->added_bytes += item->n;
	put_last(s, item);
	spool_keep_bounds(s);
	spool_wake(s);
	return 0;
}

/* What came before the load gets its numbers. */
static void number_all(struct spool *s)
{
	struct spool_item *item = s->head, *next, *fresh;

	s->head = NULL;
	s->tail = &s->head;
	s->counts.memory_bytes = s->counts.in_memory = 0;
	for (; item; item = next) {
		next = item->next;
		if (encode(s, item->p + SPOOL_FRAME_HEAD, item->n - SPOOL_FRAME_HEAD, s->next,
			   &fresh) == 0) {
			s->next++;
			fresh->since = item->since;
			put_last(s, fresh);
		} else {
			s->counts.dropped++;
		}
		free(item);
	}
}

void spool_loaded(struct spool *s, uint64_t last, int status)
{
	uint64_t clock = (uint64_t)loop_env(s->setup.loop)->real_ms();

	s->next = clock;
	if (s->next <= last)
		s->next = last + 1;
	if (s->next < s->load.floor)
		s->next = s->load.floor;
	s->load.running = false;
	s->load.over = true;
	number_all(s);
	spool_keep_bounds(s);
	spool_wake(s);
	if (s->load.fn)
		s->load.fn(status, s->load.ctx);
}

void spool_ack(struct spool *s, uint64_t number)
{
	if (number > s->acked)
		s->acked = number;
	while (s->n_segments && needed_of(s, 0) == 0 && !(s->n_segments == 1 && s->flying))
		spool_segment_gone(s, 0, false);
	while (s->head && s->load.over && s->head->number < s->acked && !head_is_flying(s))
		free_head(s);
}

uint64_t spool_end(const struct spool *s)
{
	return s->load.over ? s->next : 0;
}

uint64_t spool_begin(const struct spool *s)
{
	if (!s->load.over)
		return 0;
	if (s->n_segments && !(s->n_segments == 1 && s->flying && s->flying_new))
		return s->segments[0].first;
	return s->head ? s->head->number : s->next;
}

bool spool_holds_backlog(const struct spool *s)
{
	return s->n_segments > 0;
}

void spool_counts(const struct spool *s, struct spool_counts *ret)
{
	*ret = s->counts;
	ret->segments = s->n_segments;
}

static const char *state_of(const struct spool *s)
{
	if (!s->load.over)
		return "loading";
	return s->problem || !s->setup.store ? "memory" : "ok";
}

json_t *spool_status(const struct spool *s)
{
	const struct spool_counts *c = &s->counts;
	char why[160];

	snprintf(why, sizeof(why), "metrics are kept in memory only: %s",
		 s->problem == -ENOTCONN ? "the store process is not running"
					 : strerror(-s->problem));
	return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "state", state_of(s),
			 "error", json_text(s->problem ? why : NULL), "bytes",
			 (json_int_t)c->disk_bytes, "segments", (json_int_t)s->n_segments,
			 "max_bytes", (json_int_t)s->setup.max_bytes, "memory_bytes",
			 (json_int_t)c->memory_bytes, "in_memory", (json_int_t)c->in_memory,
			 "dropped", (json_int_t)c->dropped, "damaged_segments",
			 (json_int_t)c->damaged, "cut_bytes", (json_int_t)c->cut);
}

/* ---- life ---- */

int spool_new(const struct spool_setup *setup, struct spool **ret)
{
	struct spool *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->setup = *setup;
	s->tail = &s->head;
	s->setup.max_bytes = setup->max_bytes ? setup->max_bytes : MAX_BYTES;
	s->setup.segment_bytes = setup->segment_bytes ? setup->segment_bytes : SEGMENT;
	s->setup.memory_bytes = setup->memory_bytes ? setup->memory_bytes : MIB;
	s->setup.flush_ms = setup->flush_ms ? setup->flush_ms : FLUSH_MS;
	s->preamble = malloc(setup->preamble_n + 1);
	r = s->preamble ? loop_timer_new(setup->loop, 1000, tick, s, &s->timer) : -ENOMEM;
	if (r < 0) {
		spool_free(s);
		return r;
	}
	if (setup->preamble_n)
		memcpy(s->preamble, setup->preamble, setup->preamble_n);
	*ret = s;
	return 0;
}

struct spool *spool_free(struct spool *s)
{
	if (!s)
		return NULL;
	s->flying = 0;
	while (s->readers) {
		s->readers->waiting = false;
		spool_reader_free(s->readers);
	}
	while (s->head)
		free_head(s);
	loop_timer_free(s->timer);
	free(s->segments);
	free(s->preamble);
	free(s);
	return NULL;
}
