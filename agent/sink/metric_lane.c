/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sink and its place in the spool: read a chunk, send it piece by piece, go on or wait. A chunk
 * that cannot be sent now is dropped here and read again later: nothing is held while waiting.
 */
#include "sink/metric_lane.h"

#include <errno.h>
#include <string.h>

#include "core/backoff.h"
#include "core/text.h"

#define DENIED_MS      (15 * 60 * 1000LL)
#define PROBE_MAX_MS   60000
#define PROBE_MIN_MS   10000
#define DISK_MS        10000
#define QUARANTINE_MS  (60 * 60 * 1000LL)
#define FUTURE_MS      60000
#define JUMP_MS        2000
#define SINGLES_DENIED 4  /* forbidden one by one, and none taken: it is all of them */
#define SINGLES_MAX    32 /* refused one by one, and none taken: the rest would be too */
#define GROW_AFTER     20
#define URGENT_GAP_MS  1000

static void go(struct metric_lane *l);
static void send_next(struct metric_lane *l);

static const struct env *env_of(const struct metric_lane *l)
{
	return loop_env(l->set->setup.loop);
}

static int64_t boot_now(const struct metric_lane *l)
{
	return env_of(l)->boot_ms();
}

static int64_t clock_offset(const struct metric_lane *l)
{
	return env_of(l)->real_ms() - env_of(l)->boot_ms();
}

static void say(struct metric_lane *l, const char *state, const char *why)
{
	l->state = state;
	text_print(l->why, sizeof(l->why), "%s", why);
}

/* ---- waiting ---- */

static void arm(struct metric_lane *l)
{
	int64_t due = l->wait_until;

	/* what is critical does not wait for a pause of our own choice */
	if (l->urgent_hot && !l->wait_is_asked && due > l->last_try + URGENT_GAP_MS)
		due = l->last_try + URGENT_GAP_MS;
	due -= boot_now(l);
	loop_timer_arm(l->timer, due > 0 ? due : 0);
}

static void wait_ms(struct metric_lane *l, int64_t ms)
{
	l->wait_until = boot_now(l) + ms;
	arm(l);
}

/* Requests that the steady flow needs in one interval. */
static int64_t steady_requests(const struct metric_lane *l)
{
	double points = l->set->points_rate * (double)l->set->setup.interval_ms / 1000.0;
	int64_t n = (int64_t)(points / (double)l->batch_max) + 1;

	return n < 1 ? 1 : n;
}

/* While catching up: at most 1.5 times the requests of the steady flow, so that a fleet after an
 * outage is no flood. */
static int64_t catch_up_ms(const struct metric_lane *l)
{
	return jitter_ms(l->set->setup.interval_ms * 2 / 3 / steady_requests(l), random_unit());
}

/* ---- clocks ---- */

static void take_skew(struct metric_lane *l, const struct metric_verdict *v)
{
	if (v->skew_ms == METRIC_SKEW_UNKNOWN) {
		if (v->how == METRIC_TAKEN && l->skew == SKEW_UNKNOWN)
			l->skew = SKEW_NONE; /* a receiver without Date: nothing to compare with */
		return;
	}
	l->skew = SKEW_KNOWN;
	l->skew_ms = v->skew_ms;
	l->skew_offset = clock_offset(l);
}

/* As it is now: our clock may have been set since it was measured. */
static int64_t skew_now(const struct metric_lane *l)
{
	return l->skew_ms - (clock_offset(l) - l->skew_offset);
}

bool lane_clock_bad(const struct metric_lane *l)
{
	int64_t skew = l->skew == SKEW_KNOWN ? skew_now(l) : 0;

	return skew > CLOCK_TOLERANCE_MS || skew < -CLOCK_TOLERANCE_MS;
}

static int64_t probe_gap_ms(const struct metric_lane *l)
{
	int64_t gap = 2 * l->set->setup.interval_ms;

	return gap < PROBE_MIN_MS ? PROBE_MIN_MS : gap > PROBE_MAX_MS ? PROBE_MAX_MS : gap;
}

static void hold_for_clock(struct metric_lane *l)
{
	char why[120];

	snprintf(why, sizeof(why), "the clock is %lld s %s the receiver's; samples are held",
		 (long long)((skew_now(l) < 0 ? -skew_now(l) : skew_now(l)) / 1000),
		 skew_now(l) < 0 ? "ahead of" : "behind");
	say(l, "clock", why);
	l->urgent_hot = false;
	wait_ms(l, jitter_ms(probe_gap_ms(l), random_unit()));
}

/* ---- ends of a request ---- */

static void drop_chunk(struct metric_lane *l)
{
	free(l->chunk.points);
	l->chunk = (struct lane_chunk){0};
	l->doing = LANE_IDLE;
}

static void try_later(struct metric_lane *l, const struct metric_verdict *v)
{
	int64_t pause = lane_pause_ms(++l->attempts, l->set->setup.interval_ms, random_unit());

	l->wait_is_asked = v->retry_after_s >= 0;
	if (v->retry_after_s >= 0 && pause < v->retry_after_s * 1000)
		pause = v->retry_after_s * 1000 +
			(int64_t)(random_unit() * (double)l->set->setup.interval_ms);
	say(l, "retry", v->why);
	l->urgent_hot = false;
	drop_chunk(l);
	wait_ms(l, pause);
}

static void denied(struct metric_lane *l, const char *why)
{
	l->attempts++;
	l->wait_is_asked = true;
	say(l, "denied", why);
	l->urgent_hot = false;
	drop_chunk(l);
	wait_ms(l, jitter_ms(DENIED_MS, random_unit()));
}

static bool was_sent_ahead(const struct metric_lane *l, uint64_t number)
{
	for (unsigned i = 0; i < LANE_AHEAD; i++)
		if (l->sent_ahead[i] == number)
			return true;
	return false;
}

static void chunk_done(struct metric_lane *l)
{
	l->counts.refused += l->chunk.left_out.refused;
	l->counts.too_old += l->chunk.left_out.too_old;
	l->counts.bad_time += l->chunk.left_out.bad_time;
	l->counts.unreadable += l->chunk.left_out.unreadable;
	if (l->chunk.ahead)
		l->sent_ahead[l->next_ahead++ % LANE_AHEAD] = l->chunk.end - 1;
	else
		l->cursor = l->chunk.end;
	if (l->urgent && (l->urgent < l->cursor || l->chunk.ahead))
		l->urgent = 0;
	l->urgent_hot &= l->urgent != 0;
	drop_chunk(l);
	metric_set_moved(l->set);
	if (l->cursor < spool_end(l->set->spool))
		wait_ms(l, catch_up_ms(l));
	else
		wait_ms(l, jitter_ms(l->set->setup.interval_ms, random_unit()));
	if (l->urgent)
		wait_ms(l, 0);
}

/* ---- what is refused ---- */

static void put_aside(struct metric_lane *l, uint64_t key)
{
	l->quarantine[l->next_quarantine].key = key;
	l->quarantine[l->next_quarantine].until = boot_now(l) + QUARANTINE_MS;
	l->next_quarantine = (l->next_quarantine + 1) % LANE_QUARANTINE;
}

/* What was put aside last was not to blame. */
static void take_back(struct metric_lane *l, unsigned n)
{
	for (unsigned i = 1; i <= n && i <= LANE_QUARANTINE; i++)
		l->quarantine[(l->next_quarantine - i) % LANE_QUARANTINE].until = 0;
}

static bool is_aside(const struct metric_lane *l, uint64_t key)
{
	for (unsigned i = 0; i < LANE_QUARANTINE; i++)
		if (l->quarantine[i].key == key && l->quarantine[i].until > boot_now(l))
			return true;
	return false;
}

static void drop_rest(struct metric_lane *l)
{
	struct lane_chunk *c = &l->chunk;

	for (size_t i = 0; i < c->n_ranges; i++)
		c->left_out.refused += c->ranges[i].to - c->ranges[i].from;
	c->left_out.refused += c->n - c->at;
	c->n_ranges = 0;
	c->at = c->n;
}

/* Said of single points one after another, it is meant for whoever asks. */
static bool is_of_all(enum metric_how how)
{
	return how == METRIC_FORBIDDEN || how == METRIC_TOO_LARGE;
}

/* Return: the end of what is left of @from to @to without that series. */
static size_t sift(struct lane_chunk *c, size_t from, size_t to, uint64_t key)
{
	size_t kept = from;

	for (size_t i = from; i < to; i++)
		if (c->points[i].key != key)
			c->points[kept++] = c->points[i];
	c->left_out.refused += to - kept;
	return kept;
}

/* Return: whether anything of the chunk is left. */
static bool leave_out(struct lane_chunk *c, uint64_t key)
{
	size_t left = 0;

	for (size_t i = 0; i < c->n_ranges; i++) {
		c->ranges[i].to = sift(c, c->ranges[i].from, c->ranges[i].to, key);
		left += c->ranges[i].to - c->ranges[i].from;
	}
	c->n = sift(c, c->at, c->n, key);
	return left || c->at < c->n;
}

/* One point that is refused on its own is left out, and its series for a while, beginning with what
 * was read already: it would cost the same search with each sample. */
static void single_refused(struct metric_lane *l, const struct metric_verdict *v)
{
	struct lane_chunk *c = &l->chunk;
	const struct metric_point *p = &c->points[c->now.from];
	bool more = leave_out(c, p->key);
	char why[200];

	c->singles++;
	if (is_of_all(v->how) && !c->any_taken && (c->singles >= SINGLES_DENIED || !more)) {
		if (v->how == METRIC_TOO_LARGE) /* whatever it is, size it is not */
			l->batch_max = l->ops->points_max;
		take_back(l, c->singles - 1);
		denied(l, v->why);
		return;
	}
	c->left_out.refused++;
	put_aside(l, p->key);
	snprintf(why, sizeof(why), "%.60s was refused: %.120s", p->name, v->why);
	say(l, "refused", why);
	if (!c->any_taken && c->singles >= SINGLES_MAX)
		drop_rest(l);
	send_next(l);
}

static void split(struct metric_lane *l)
{
	struct lane_chunk *c = &l->chunk;
	size_t middle = c->now.from + (c->now.to - c->now.from) / 2;

	if (c->n_ranges + 2 > LANE_RANGES) { /* cannot be: halves of halves are few */
		drop_rest(l);
		send_next(l);
		return;
	}
	c->ranges[c->n_ranges++] = (struct lane_range){middle, c->now.to};
	c->ranges[c->n_ranges++] = (struct lane_range){c->now.from, middle};
	send_next(l);
}

static void refused(struct metric_lane *l, const struct metric_verdict *v)
{
	size_t n = l->chunk.now.to - l->chunk.now.from;

	if (v->how == METRIC_TOO_LARGE && n > 1) {
		l->batch_max = n / 2;
		l->good_in_row = 0;
	}
	if (n > 1)
		split(l);
	else
		single_refused(l, v);
}

static void taken(struct metric_lane *l)
{
	struct lane_chunk *c = &l->chunk;

	l->counts.sent += c->now.to - c->now.from;
	c->any_taken = true;
	l->attempts = 0;
	l->wait_is_asked = false;
	if (c->singles == 0)
		say(l, "ok", "");
	if (++l->good_in_row >= GROW_AFTER && l->batch_max < l->ops->points_max) {
		l->batch_max = 2 * l->batch_max < l->ops->points_max ? 2 * l->batch_max
								     : l->ops->points_max;
		l->good_in_row = 0;
	}
	send_next(l);
}

static void answered(const struct metric_verdict *v, void *ctx)
{
	struct metric_lane *l = ctx;

	take_skew(l, v);
	switch (v->how) {
	case METRIC_TAKEN:
		taken(l);
		break;
	case METRIC_REFUSED:
	case METRIC_FORBIDDEN:
	case METRIC_TOO_LARGE:
		refused(l, v);
		break;
	case METRIC_DENIED:
		denied(l, v->why);
		break;
	case METRIC_RETRY:
		try_later(l, v);
		break;
	}
}

static void send_next(struct metric_lane *l)
{
	struct lane_chunk *c = &l->chunk;
	struct metric_verdict v = {.how = METRIC_RETRY, .retry_after_s = -1};
	int r;

	while (c->n_ranges && c->ranges[c->n_ranges - 1].from == c->ranges[c->n_ranges - 1].to)
		c->n_ranges--;
	if (c->n_ranges == 0 && c->at >= c->n) {
		chunk_done(l);
		return;
	}
	if (lane_clock_bad(l)) {
		drop_chunk(l);
		hold_for_clock(l);
		return;
	}
	if (c->n_ranges) {
		c->now = c->ranges[--c->n_ranges];
	} else {
		size_t left = c->n - c->at, n = left < l->batch_max ? left : l->batch_max;

		c->now = (struct lane_range){c->at, c->at + n};
		c->at += n;
	}
	l->last_try = boot_now(l);
	r = l->ops->send(l->sink, c->points + c->now.from, c->now.to - c->now.from, answered, l);
	if (r < 0) {
		text_print(v.why, sizeof(v.why), "%s", strerror(-r));
		try_later(l, &v);
	}
}

/* ---- reading ---- */

/* The time of a batch of this boot follows our clock when that was set since. */
static int64_t time_of(const struct metric_lane *l, const struct batch_head *h)
{
	int64_t corrected = clock_offset(l) + h->boot_ms, diff = corrected - h->real_ms;

	return h->boot == l->set->boot && (diff > JUMP_MS || diff < -JUMP_MS) ? corrected
									      : h->real_ms;
}

static bool may_go(struct metric_lane *l, const struct batch_head *h, const struct metric_point *p)
{
	int64_t now = env_of(l)->real_ms();

	if (p->real_ms > now + FUTURE_MS ||
	    (h->boot != l->set->boot && (h->flags & BATCH_CLOCK_DOUBTFUL))) {
		l->chunk.left_out.bad_time++;
		return false;
	}
	if (p->real_ms < now - l->ops->age_max_ms) {
		l->chunk.left_out.too_old++;
		return false;
	}
	if (is_aside(l, p->key)) {
		l->chunk.left_out.refused++;
		return false;
	}
	return true;
}

static void take_batch(struct metric_lane *l, const struct spool_frame *f)
{
	struct lane_chunk *c = &l->chunk;
	struct metric_point *fresh = c->points + c->n;
	struct batch_head h;
	size_t unknown = 0, kept = 0;
	ssize_t n = batch_decode(f->p, f->n, &l->names, &h, fresh, BATCH_POINTS_MAX, &unknown);

	c->left_out.unreadable += unknown + (n < 0);
	for (ssize_t i = 0; i < n; i++) {
		fresh[i].real_ms = time_of(l, &h);
		if (may_go(l, &h, &fresh[i]))
			fresh[kept++] = fresh[i];
	}
	c->n += kept;
}

static void take_batches(struct metric_lane *l, const struct spool_frame *frames, size_t n)
{
	struct lane_chunk *c = &l->chunk;

	for (size_t i = 0; i < n && (c->n == 0 || c->n < l->batch_max); i++) {
		struct lane_counts counted = c->left_out;
		size_t before = c->n;

		if (!c->ahead && was_sent_ahead(l, frames[i].number)) {
			c->end = frames[i].number + 1;
			continue;
		}
		take_batch(l, &frames[i]);
		if (before && c->n > l->batch_max) { /* it goes whole with the next request */
			c->n = before;
			c->left_out = counted;
			return;
		}
		c->end = frames[i].number + 1;
	}
}

static void got_batches(int status, const struct spool_frame *frames, size_t n,
			const struct spool_frame *preamble, void *ctx)
{
	struct metric_lane *l = ctx;
	bool ahead = l->chunk.ahead;

	if (status == 0 && n > 0)
		status = batch_names_read(&l->names, preamble->p, preamble->n);
	if (l->set->leaving || (status < 0 && status != -EBADMSG)) {
		drop_chunk(l);
		wait_ms(l, DISK_MS);
		return;
	}
	if (status < 0 || n == 0) { /* nothing there that could be read: go on after it */
		l->chunk.left_out.unreadable += n;
		l->chunk.end = n       ? frames[n - 1].number + 1
			       : ahead ? l->urgent + 1
				       : spool_end(l->set->spool);
		chunk_done(l);
		return;
	}
	l->chunk.points = calloc(BATCH_POINTS_MAX + l->ops->points_max, sizeof(*l->chunk.points));
	if (!l->chunk.points) {
		drop_chunk(l);
		wait_ms(l, DISK_MS);
		return;
	}
	take_batches(l, frames, l->ops->newest_only || ahead ? 1 : n);
	l->doing = LANE_SENDING;
	send_next(l);
}

static void read_batches(struct metric_lane *l)
{
	uint64_t end = spool_end(l->set->spool), from = l->cursor;
	int r;

	l->chunk = (struct lane_chunk){.ahead = l->urgent > l->cursor};
	if (l->chunk.ahead)
		from = l->urgent;
	else if (l->ops->newest_only)
		from = end - 1;
	l->doing = LANE_READING;
	r = spool_read(l->reader, from, SPOOL_READ_MAX, got_batches, l);
	if (r < 0) {
		drop_chunk(l);
		wait_ms(l, DISK_MS);
	}
}

static void probed(const struct metric_verdict *v, void *ctx)
{
	struct metric_lane *l = ctx;

	l->doing = LANE_IDLE;
	take_skew(l, v);
	if (v->how == METRIC_DENIED)
		denied(l, v->why);
	else if (v->how == METRIC_RETRY)
		try_later(l, v);
	else if (lane_clock_bad(l))
		hold_for_clock(l);
	else {
		/* whatever it said to a request without points, it is there */
		if (l->skew == SKEW_UNKNOWN)
			l->skew = SKEW_NONE;
		if (strcmp(l->state, "clock") == 0)
			say(l, "idle", "");
		l->attempts = 0;
		go(l);
	}
}

static void probe(struct metric_lane *l)
{
	struct metric_verdict v = {.how = METRIC_RETRY, .retry_after_s = -1};
	int r;

	l->doing = LANE_PROBING;
	l->last_try = boot_now(l);
	r = l->ops->probe(l->sink, probed, l);
	if (r < 0) {
		text_print(v.why, sizeof(v.why), "%s", strerror(-r));
		try_later(l, &v);
	}
}

static bool urgent_may_go(const struct metric_lane *l)
{
	return l->urgent_hot && !l->wait_is_asked && boot_now(l) - l->last_try >= URGENT_GAP_MS;
}

static void go(struct metric_lane *l)
{
	if (l->doing != LANE_IDLE || l->set->leaving || !l->cursor ||
	    l->cursor >= spool_end(l->set->spool))
		return;
	if (boot_now(l) < l->wait_until && !urgent_may_go(l)) {
		arm(l);
		return;
	}
	if (l->ops->probe && (l->skew == SKEW_UNKNOWN || lane_clock_bad(l)))
		probe(l);
	else
		read_batches(l);
}

void lane_on_timer(struct loop *loop, void *ctx)
{
	(void)loop;
	go(ctx);
}

/* ---- what the set asks ---- */

void lane_wake(struct metric_lane *l, uint64_t urgent)
{
	if (urgent)
		l->urgent = urgent;
	l->urgent_hot |= urgent != 0;
	if (l->doing == LANE_IDLE && (urgent || !loop_timer_armed(l->timer)))
		arm(l);
}

void lane_place(struct metric_lane *l, uint64_t cursor)
{
	l->cursor = cursor;
	lane_wake(l, 0);
}
