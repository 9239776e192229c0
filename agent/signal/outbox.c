/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which signal goes next, and what its answer means. One is under way at a time. Two waits are kept apart:
 * each signal's own (its handle may be gone while the others work) and one pause for all (the server is away;
 * trying each waiting signal would only be noise). A signal that was never tried ignores the pause: news
 * about a dying guest must not wait 15 minutes because an earlier signal failed.
 */
#include "signal/outbox.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/text.h"
#include "signal/outbox_entry.h"

#define BASE_MS		  5000
#define CALM_BASE_MS	  60000 /* health as usual: a whole fleet sends it all the time */
#define SLOW_BASE_MS	  60000
#define CAP_MS		  900000
#define URGENT_WAIT_MS	  300 /* of the second that urgent news have */
#define RETRY_AFTER_MAX_S 3600 /* a server may not silence a guest for longer */

const char *const carry_names[] = {"delivered", "retry", "slowly", "refused", "no-route", NULL};

/* What is judged once leaves after it is on disk, or when the disk had that long: killed in between, the next
 * life would judge anew and tell it twice. An action has less time, as it has to be out within a second. */
static const int64_t settle_ms[] = {[SIGNAL_BOOT] = OUTBOX_ACCEPT_MS, [SIGNAL_ACTION] = 800};

/* Boot ms until which a signal waits for the disk; 0 = it does not wait. */
static int64_t settle_end(const struct outbox *o, enum signal_kind kind)
{
	int64_t ms = (size_t)kind < ARRAY_SIZE(settle_ms) ? settle_ms[kind] : 0;

	return ms ? loop_now(o->set.loop) + ms : 0;
}

/* ---- the list ---- */

struct entry *outbox_find(const struct outbox *o, uint64_t order)
{
	struct entry *e = o->first;

	while (e && e->order != order)
		e = e->next;
	return e;
}

struct entry *outbox_waiting(const struct outbox *o, const char *key)
{
	struct entry *e = o->first;

	while (e && (e->superseded || strcmp(e->s.key, key) != 0))
		e = e->next;
	return e;
}

/* Deadlines are wall-clock, because they come from outside and outlive a boot; here they become a wait on the
 * loop's clock, once: a clock that is set meanwhile ends none of them. */
static int64_t deadline_of(const struct outbox *o, const struct signal *s)
{
	int64_t left = s->deadline_real_ms - loop_env(o->set.loop)->real_ms();

	if (s->deadline_real_ms == 0)
		return INT64_MAX;
	return loop_now(o->set.loop) + (left > 0 ? left : 0);
}

struct entry *outbox_append(struct outbox *o, struct signal *s, size_t bytes)
{
	struct entry *e = calloc(1, sizeof(*e));
	struct entry **at = &o->first;

	if (!e)
		return NULL;
	e->s = *s;
	*s = (struct signal){0};
	e->bytes = bytes;
	e->order = ++o->orders;
	e->deadline = deadline_of(o, &e->s);
	e->settled_at = settle_end(o, e->s.kind);
	e->backoff = (struct backoff){.base_ms = BASE_MS, .cap_ms = CAP_MS};
	while (*at)
		at = &(*at)->next;
	*at = e;
	return e;
}

static void free_entry(struct entry *e)
{
	signal_deinit(&e->s);
	free(e);
}

static void drop(struct outbox *o, struct entry *e)
{
	for (struct entry **at = &o->first; *at; at = &(*at)->next)
		if (*at == e) {
			*at = e->next;
			break;
		}
	free_entry(e);
}

/* ---- what goes next ---- */

static int64_t ready_at(const struct outbox *o, const struct entry *e)
{
	if (e->superseded || e->no_route || o->leaving)
		return INT64_MAX;
	if (e->settled_at && !e->resting && !e->stored && !e->put_failed)
		return e->settled_at;
	if (e->resting && o->pause_until > e->not_before)
		return o->pause_until;
	return e->not_before;
}

static bool before(const struct entry *a, const struct entry *b)
{
	if (a->s.urgent != b->s.urgent)
		return a->s.urgent;
	return a->s.kind != b->s.kind ? a->s.kind < b->s.kind : a->order < b->order;
}

static struct entry *pick(const struct outbox *o, int64_t now)
{
	struct entry *best = NULL;

	for (struct entry *e = o->first; e; e = e->next)
		if (e != o->flying && ready_at(o, e) <= now && (!best || before(e, best)))
			best = e;
	return best;
}

static int64_t deadline_at(const struct outbox *o, const struct entry *e)
{
	return e == o->flying ? INT64_MAX : e->deadline;
}

static int64_t way_at(const struct outbox *o)
{
	return o->flying_since + URGENT_WAIT_MS;
}

/* What is under way and not urgent gets a moment to end by itself; then it is given up and sent again later. An
 * action or a boot result would be told twice by that. */
static bool may_pass(const struct outbox *o, const struct entry *e)
{
	return e != o->flying && o->set.drop && !o->way_refused && e->s.urgent && !o->flying->s.urgent &&
	       o->flying->s.kind > SIGNAL_ACTION;
}

/* While something is under way only what may push it aside is looked at, and not before it may. */
static int64_t wakes_at(const struct outbox *o, const struct entry *e)
{
	int64_t at = ready_at(o, e);

	if (!o->flying)
		return at;
	if (!may_pass(o, e))
		return INT64_MAX;
	return at > way_at(o) ? at : way_at(o);
}

void outbox_plan(struct outbox *o)
{
	int64_t now = loop_now(o->set.loop), due = outbox_spool_due(o);

	for (const struct entry *e = o->first; e; e = e->next) {
		int64_t at = wakes_at(o, e), end = deadline_at(o, e);

		due = at < due ? at : due;
		due = end < due ? end : due;
	}
	if (due == INT64_MAX)
		loop_timer_disarm(o->timer);
	else
		loop_timer_arm(o->timer, due > now ? due - now : 0);
}

/* ---- what an answer means ---- */

static void tell(const struct outbox *o, const struct entry *e, enum carry how, const char *why)
{
	if (o->set.told)
		o->set.told(&e->s, how, why ? why : "", o->set.ctx);
}

static void finish(struct outbox *o, struct entry *e, enum carry how, const char *why)
{
	if (!e->superseded)
		outbox_spool_delete(o, e);
	if (how == CARRY_DELIVERED) {
		backoff_reset(&o->pause);
		o->pause_until = o->asked_until = 0;
		o->last_error[0] = '\0';
	}
	tell(o, e, how, why);
	drop(o, e);
}

static int64_t asked_ms(int64_t retry_after_s)
{
	return (retry_after_s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : retry_after_s) * 1000;
}

static int64_t wait_ms(struct backoff *b, int64_t retry_after_s)
{
	int64_t ms = backoff_next(b, random_unit()), asked = asked_ms(retry_after_s);

	return asked > ms ? asked : ms;
}

static void rest(struct outbox *o, struct entry *e, enum carry how, int64_t retry_after_s)
{
	int64_t now = loop_now(o->set.loop);

	e->resting = true;
	e->unreachable = how == CARRY_RETRY;
	if (how == CARRY_RETRY) {
		e->backoff.base_ms = e->s.kind == SIGNAL_HEALTH && !e->s.urgent ? CALM_BASE_MS : BASE_MS;
		o->pause_until = now + wait_ms(&o->pause, retry_after_s);
		if (o->asked_until < now + asked_ms(retry_after_s))
			o->asked_until = now + asked_ms(retry_after_s);
	} else {
		e->backoff.base_ms = SLOW_BASE_MS;
		backoff_reset(&o->pause);
	}
	e->not_before = now + wait_ms(&e->backoff, retry_after_s);
}

static void park(struct outbox *o, struct entry *e, const char *why)
{
	e->no_route = true;
	tell(o, e, CARRY_NO_ROUTE, why);
}

static void judge(struct outbox *o, struct entry *e, enum carry how, int64_t retry_after_s, const char *why)
{
	if (how != CARRY_DELIVERED)
		text_print(o->last_error, sizeof(o->last_error), "%s",
			   why ? why : carry_names[how]);
	if (how == CARRY_DELIVERED || how == CARRY_REFUSED) {
		finish(o, e, how, why);
		return;
	}
	if (e->superseded) { /* a newer one says the same: this one is not worth another try */
		drop(o, e);
		return;
	}
	if (how == CARRY_NO_ROUTE) {
		park(o, e, why);
		return;
	}
	rest(o, e, how, retry_after_s);
	tell(o, e, how, why);
}

static void carried(enum carry how, int64_t retry_after_s, const char *why, void *ctx)
{
	struct outbox *o = ctx;
	struct entry *e = o->flying;

	if (!e)
		return;
	o->flying = NULL;
	judge(o, e, how, retry_after_s, why);
	outbox_plan(o);
}

static void make_way(struct outbox *o, const struct entry *e)
{
	struct entry *old = o->flying;

	if (!may_pass(o, e) || loop_now(o->set.loop) < way_at(o))
		return;
	if (o->set.drop(o->set.ctx) < 0) {
		o->way_refused = true; /* until it ends by itself */
		return;
	}
	o->flying = NULL;
	if (old->superseded)
		drop(o, old);
}

static struct entry *expired(const struct outbox *o)
{
	int64_t now = loop_now(o->set.loop);

	for (struct entry *e = o->first; e; e = e->next)
		if (deadline_at(o, e) <= now)
			return e;
	return NULL;
}

static void tick(struct loop *loop, void *ctx)
{
	struct outbox *o = ctx;
	struct entry *e;
	int r;

	outbox_spool_tick(o, loop_now(loop));
	while ((e = expired(o)))
		finish(o, e, CARRY_REFUSED, "its deadline passed");
	e = pick(o, loop_now(loop));
	if (e && o->flying)
		make_way(o, e);
	if (e && !o->flying) {
		o->flying = e;
		o->way_refused = false;
		o->flying_since = loop_now(loop);
		r = o->set.carry(&e->s, carried, o, o->set.ctx);
		if (r < 0)
			carried(CARRY_RETRY, -1, strerror(-r), o);
	}
	outbox_plan(o);
}

/* ---- the public face ---- */

int outbox_new(const struct outbox_setup *setup, struct outbox **ret)
{
	struct outbox *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->set = *setup;
	o->pause = (struct backoff){.base_ms = BASE_MS, .cap_ms = CAP_MS};
	r = loop_timer_new(setup->loop, 0, tick, o, &o->timer);
	if (r < 0) {
		free(o);
		return r;
	}
	*ret = o;
	return 0;
}

struct outbox *outbox_free(struct outbox *o)
{
	if (!o)
		return NULL;
	outbox_spool_free(o);
	loop_timer_free(o->timer);
	for (struct entry *e = o->first, *next; e; e = next) {
		next = e->next;
		free_entry(e);
	}
	free(o);
	return NULL;
}

/* Boot results and health are few by their keys; only custom signals can pile up. */
static int room_for(const struct outbox *o, const struct signal *s, size_t bytes)
{
	size_t n = 0, sum = bytes;

	if (!signal_key_valid(s->key))
		return -EINVAL;
	if (bytes > signal_saved_max(s->kind))
		return -EFBIG;
	if (s->kind != SIGNAL_CUSTOM)
		return 0;
	for (const struct entry *e = o->first; e; e = e->next)
		if (e->s.kind == SIGNAL_CUSTOM) {
			n++;
			sum += e->bytes;
		}
	return n < OUTBOX_CUSTOM_MAX && sum <= OUTBOX_BYTES_MAX ? 0 : -ENOSPC;
}

/* The newest per key wins. One under way is let go on: what it carries cannot be called back. */
static void supersede(struct outbox *o, struct entry *old)
{
	if (!old)
		return;
	if (old == o->flying)
		old->superseded = true;
	else
		drop(o, old);
}

static int saved_size(const struct signal *s, size_t *ret)
{
	_cleanup_free_ char *text = signal_save(s);

	*ret = text ? strlen(text) : 0;
	return text ? 0 : -ENOMEM;
}

int outbox_add(struct outbox *o, struct signal *s, store_done_fn *accepted, void *ctx)
{
	struct entry *old, *e;
	size_t bytes;
	int r = saved_size(s, &bytes);

	if (r == 0)
		r = room_for(o, s, bytes);
	if (r < 0)
		return r;
	old = outbox_waiting(o, s->key);
	e = outbox_append(o, s, bytes);
	if (!e)
		return -ENOMEM;
	r = outbox_spool_put(o, e, accepted, ctx);
	if (r < 0) { /* not even asked of the disk: the caller keeps the signal and decides */
		*s = e->s;
		e->s = (struct signal){0};
		drop(o, e);
		return r;
	}
	if (old) /* it is tried once at once, and then waits as long as the one before it would */
		e->backoff = old->backoff;
	supersede(o, old);
	outbox_plan(o);
	return 0;
}

bool outbox_leave(struct outbox *o)
{
	o->leaving = true;
	return o->flying != NULL;
}

void outbox_route_changed(struct outbox *o)
{
	backoff_reset(&o->pause);
	o->pause_until = o->asked_until;
	for (struct entry *e = o->first; e; e = e->next) {
		e->no_route = false;
		if (e->unreachable) {
			e->unreachable = false;
			e->not_before = o->asked_until;
		}
	}
	outbox_plan(o);
}

bool outbox_holds(const struct outbox *o, const char *key)
{
	return outbox_waiting(o, key) != NULL;
}

const struct signal *outbox_peek(const struct outbox *o, const char *key)
{
	const struct entry *e = outbox_waiting(o, key);

	return e ? &e->s : NULL;
}

void outbox_withdraw(struct outbox *o, const char *key)
{
	struct entry *e = outbox_waiting(o, key);

	if (!e)
		return;
	outbox_spool_delete(o, e);
	supersede(o, e); /* one under way is let go on */
	outbox_plan(o);
}

size_t outbox_depth(const struct outbox *o)
{
	size_t n = 0;

	for (const struct entry *e = o->first; e; e = e->next)
		n += !e->superseded;
	return n;
}

struct tally {
	int64_t oldest_ms;
	size_t no_route;
	bool memory_only;
};

static struct tally count(const struct outbox *o)
{
	struct tally t = {.oldest_ms = INT64_MAX};

	for (const struct entry *e = o->first; e; e = e->next) {
		if (e->superseded)
			continue;
		t.oldest_ms = e->s.made_real_ms < t.oldest_ms ? e->s.made_real_ms : t.oldest_ms;
		t.no_route += e->no_route;
		t.memory_only |= e->put_failed || (!e->stored && store_problem(o->set.store));
	}
	return t;
}

json_t *outbox_status(const struct outbox *o)
{
	struct tally t = count(o);
	int64_t age = (loop_env(o->set.loop)->real_ms() - t.oldest_ms) / 1000;

	return json_pack("{s:I, s:o, s:o, s:b, s:I, s:I}", "depth", (json_int_t)outbox_depth(o),
			 "oldest_s",
			 t.oldest_ms == INT64_MAX ? json_null() : json_integer(age > 0 ? age : 0),
			 "last_error", json_text(o->last_error[0] ? o->last_error : NULL),
			 "memory_only", (int)t.memory_only, "no_route", (json_int_t)t.no_route,
			 "unreadable", (json_int_t)o->unreadable);
}
