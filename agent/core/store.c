/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's side of the store, writing. Holds what is not on disk yet: one entry per name with
 * its newest value. One write is under way at a time, in the order in which names were first put.
 * What the disk refuses steps back, so that it does not block the others (on a full disk a deletion
 * is what helps), and is tried again with backoff; while the store is silent or gone everything
 * waits.
 */
#include "core/store_client.h"

#include <errno.h>
#include <string.h>
#include "core/fs.h"

#define RETRY_BASE_MS 1000
#define RETRY_CAP_MS  60000
#define TELL_SLACK_MS 1000
#define AGAIN_SLACK_MS 500
#define PENDING_MAX   4096
#define PENDING_BYTES (64u << 20)

static void write_next(struct store *s);
static void on_retry(struct loop *loop, void *ctx);
static void on_tell(struct loop *loop, void *ctx);
static void bind_link(struct store *s);

/* ---- problems ---- */

static const struct {
	int code;
	const char *text;
} problems[] = {
	{-ENOSPC, "state disk full; state is kept in memory only"},
	{-EDQUOT, "the quota of the state disk is used up; state is kept in memory only"},
	{-EROFS, "state disk is read-only; state is kept in memory only"},
	{-EIO, "state disk has I/O errors; state is kept in memory only"},
	{-ENOENT, "the state folder is missing; state is kept in memory only"},
	{-EACCES, "the state folder may not be written; state is kept in memory only"},
	{-EPERM, "the state folder may not be written; state is kept in memory only"},
	{-ETIMEDOUT, "state disk does not answer; state is kept in memory only"},
	{-ECONNRESET, "the store process is not running; state is kept in memory only"},
	{-ENOTCONN, "the store process is not running; state is kept in memory only"},
};

static const char *problem_of(int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(problems); i++)
		if (problems[i].code == code)
			return problems[i].text;
	return "state cannot be written; it is kept in memory only";
}

const char *store_problem(const struct store *s)
{
	return s->problem;
}

bool store_is_full(const struct store *s)
{
	return s->problem && (s->problem == problem_of(-ENOSPC) || s->problem == problem_of(-EDQUOT));
}

size_t store_pending(const struct store *s)
{
	return s->n;
}

/* ---- life ---- */

int store_new(struct loop *loop, struct store **ret)
{
	struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->round = 1;
	s->backoff = (struct backoff){.base_ms = RETRY_BASE_MS, .cap_ms = RETRY_CAP_MS};
	r = loop_timer_new(loop, 100, on_retry, s, &s->retry);
	if (r == 0)
		r = loop_timer_new(loop, TELL_SLACK_MS, on_tell, s, &s->tell);
	if (r == 0)
		r = loop_timer_new(loop, 0, store_answer_local, s, &s->local);
	if (r == 0)
		r = loop_timer_new(loop, AGAIN_SLACK_MS, store_ask_again, s, &s->again);
	if (r < 0) {
		store_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

static void entry_free(struct store_entry *e)
{
	for (struct store_waiter *w = e->waiters, *next; w; w = next) {
		next = w->next;
		free(w);
	}
	free(e->name);
	free(e->value);
	free(e);
}

static void leave(struct store *s)
{
	if (--s->busy == 0 && s->freed)
		free(s);
}

struct store *store_free(struct store *s)
{
	if (!s || s->freed)
		return NULL;
	for (struct store_request *q = s->requests, *next; q; q = next) {
		next = q->next;
		q->store = NULL; /* one whose answer is being given, or of an earlier link, is freed
				    with that */
		if (q->kind == REQUEST_LOCAL || q->waits || (s->link && link_forget(s->link, q)))
			store_request_free(q);
	}
	for (struct store_entry *e = s->entries, *next; e; e = next) {
		next = e->next;
		entry_free(e);
	}
	s->retry = loop_timer_free(s->retry);
	s->tell = loop_timer_free(s->tell);
	s->local = loop_timer_free(s->local);
	s->again = loop_timer_free(s->again);
	free(s->uuid);
	s->freed = true;
	if (!s->busy)
		free(s);
	return NULL;
}

/* ---- telling those that wait ---- */

/* Moves the waiters of @e up to @gen that have waited since @since or longer to the end of @list.
 */
static void collect(struct store_entry *e, uint64_t gen, int64_t since, struct store_waiter **list)
{
	while (*list)
		list = &(*list)->next;
	while (e->waiters && e->waiters->gen <= gen && e->waiters->since <= since) {
		struct store_waiter *w = e->waiters;

		e->waiters = w->next;
		w->next = NULL;
		*list = w;
		list = &w->next;
	}
}

/* They may put, get and free the store; the caller holds it. */
static void tell(struct store *s, struct store_waiter *list, int status)
{
	for (struct store_waiter *w = list, *next; w; w = next) {
		next = w->next;
		if (!s->freed)
			w->fn(status, w->ctx);
		free(w);
	}
}

static void arm_tell(struct store *s)
{
	int64_t first = INT64_MAX;

	for (const struct store_entry *e = s->entries; e; e = e->next)
		if (e->waiters && e->waiters->since < first)
			first = e->waiters->since;
	if (first == INT64_MAX)
		loop_timer_disarm(s->tell);
	else
		loop_timer_arm(s->tell, first + STORE_CALL_MS - loop_env(s->loop)->boot_ms());
}

static void on_tell(struct loop *loop, void *ctx)
{
	struct store *s = ctx;
	int status = s->link ? -ETIMEDOUT : -ENOTCONN;
	struct store_waiter *list = NULL;

	for (struct store_entry *e = s->entries; e; e = e->next)
		collect(e, UINT64_MAX, loop_env(loop)->boot_ms() - STORE_CALL_MS, &list);
	s->problem = problem_of(status);
	arm_tell(s);
	s->busy++;
	tell(s, list, status);
	leave(s);
}

/* ---- writing ---- */

static void unlink_entry(struct store *s, struct store_entry *e)
{
	struct store_entry **p = &s->entries;

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	e->next = NULL;
}

static void append_entry(struct store *s, struct store_entry *e)
{
	struct store_entry **tail = &s->entries;

	while (*tail)
		tail = &(*tail)->next;
	*tail = e;
}

bool store_is_silent(int status)
{
	return status == -ETIMEDOUT || status == -ECONNRESET || status == -EPIPE ||
	       status == -ENOTCONN || status == -ENOBUFS || status == -EMFILE ||
	       status == -ENFILE || status == -ENOMEM;
}

static void wait_and_retry(struct store *s)
{
	if (!loop_timer_armed(s->retry))
		loop_timer_arm(s->retry, backoff_next(&s->backoff, random_unit()));
}

static bool any_refused(const struct store *s)
{
	for (const struct store_entry *e = s->entries; e; e = e->next)
		if (e->round == s->round)
			return true;
	return false;
}

static void accepted(struct store *s, struct store_entry *e, uint64_t gen)
{
	if (e->gen == gen) {
		unlink_entry(s, e);
		s->n--;
		s->bytes -= e->n;
		entry_free(e);
	}
	if (any_refused(s) || s->bind_due) /* which the timer is to say again */
		return;
	s->problem = NULL;
	backoff_reset(&s->backoff);
	loop_timer_disarm(s->retry);
}

static void refused(struct store *s, struct store_entry *e, int status)
{
	s->problem = problem_of(status);
	wait_and_retry(s);
	if (store_is_silent(status)) {
		s->stalled = true;
		return;
	}
	e->round = s->round;
	unlink_entry(s, e);
	append_entry(s, e);
}

void store_write_done(struct store *s, uint64_t gen, int status)
{
	struct store_entry *e = s->flying;
	struct store_waiter *list = NULL;

	s->flight = NULL;
	s->flying = NULL;
	/* Silence is no answer: those that wait are told when they have waited long enough. */
	if (!store_is_silent(status))
		collect(e, gen, INT64_MAX, &list);
	if (status == 0)
		accepted(s, e, gen);
	else
		refused(s, e, status);
	arm_tell(s);
	s->busy++;
	tell(s, list, status);
	if (!s->freed)
		write_next(s);
	leave(s);
}

static int start_write(struct store *s, struct store_entry *e)
{
	_cleanup_close_ int fd = e->deleted ? -1 : fs_blob("state", e->value, e->n);
	struct store_request *q;
	int r;

	if (!e->deleted && fd < 0)
		return fd;
	q = store_request_new(s, REQUEST_WRITE);
	if (!q)
		return -ENOMEM;
	q->gen = e->gen;
	r = store_request_send(s, e->deleted ? STORE_DELETE : STORE_PUT, e->name, fd, q);
	if (r < 0) {
		store_request_free(q);
		return r;
	}
	s->flight = q;
	s->flying = e;
	return 0;
}

static void write_next(struct store *s)
{
	struct store_entry *e = s->entries;
	int r;

	if (s->flight || !s->link || s->stalled || s->bind_due)
		return;
	while (e && e->round == s->round)
		e = e->next;
	r = e ? start_write(s, e) : 0;
	if (r < 0)
		refused(s, e, store_is_silent(r) ? r : -ENOBUFS);
}

static void on_retry(struct loop *loop _unused_, void *ctx)
{
	struct store *s = ctx;

	s->round++;
	s->stalled = false;
	if (s->bind_due)
		bind_link(s);
	write_next(s);
}

struct store_entry *store_find_entry(const struct store *s, const char *name)
{
	for (struct store_entry *e = s->entries; e; e = e->next)
		if (strcmp(e->name, name) == 0)
			return e;
	return NULL;
}

static struct store_entry *add_entry(struct store *s, const char *name)
{
	struct store_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->name = strdup(name);
	if (!e->name) {
		free(e);
		return NULL;
	}
	append_entry(s, e);
	s->n++;
	return e;
}

static void add_waiter(struct store *s, struct store_entry *e, struct store_waiter *w)
{
	struct store_waiter **tail = &e->waiters;

	w->gen = e->gen;
	w->since = loop_env(s->loop)->boot_ms();
	while (*tail)
		tail = &(*tail)->next;
	*tail = w;
	if (!loop_timer_armed(s->tell))
		arm_tell(s);
}

/* Takes @value and @w on success. */
static int replace(struct store *s, const char *name, char *value, size_t n, bool deleted,
		   struct store_waiter *w)
{
	struct store_entry *e = store_find_entry(s, name);
	size_t old = e ? e->n : 0;

	if (s->bytes - old + n > PENDING_BYTES || (!e && s->n >= PENDING_MAX))
		return -ENOBUFS;
	if (!e)
		e = add_entry(s, name);
	if (!e)
		return -ENOMEM;
	free(e->value);
	e->value = value;
	e->n = n;
	e->deleted = deleted;
	e->gen = ++s->gen;
	e->round = 0; /* whoever waits for it is told soon what the disk says now */
	s->bytes += n - old;
	if (w)
		add_waiter(s, e, w);
	write_next(s);
	return 0;
}

int store_put(struct store *s, const char *name, const void *p, size_t n, store_done_fn *fn,
	      void *ctx)
{
	_cleanup_free_ struct store_waiter *w = NULL;
	_cleanup_free_ char *value = NULL;
	int r;

	if (!store_name_valid(name))
		return -EINVAL;
	if (n > STORE_ENTRY_MAX)
		return -EFBIG;
	value = malloc(n + 1);
	w = fn ? calloc(1, sizeof(*w)) : NULL;
	if (!value || (fn && !w))
		return -ENOMEM;
	if (n)
		memcpy(value, p, n);
	if (w)
		*w = (struct store_waiter){.fn = fn, .ctx = ctx};
	r = replace(s, name, value, n, false, w);
	if (r == 0) {
		value = NULL;
		w = NULL;
	}
	return r;
}

int store_delete(struct store *s, const char *name)
{
	return store_name_valid(name) ? replace(s, name, NULL, 0, true, NULL) : -EINVAL;
}

/* ---- the end ---- */

/* Nobody waits for the answer: the process serves what it was sent, in order, before it sees that
 * the link is closed. */
static int hand_over(struct store *s, const struct store_entry *e)
{
	_cleanup_close_ int fd = e->deleted ? -1 : fs_blob("state", e->value, e->n);
	struct msg_writer w;

	if (!e->deleted && fd < 0)
		return fd;
	msg_writer_init(&w);
	msg_put_str(&w, e->name);
	return link_send(s->link, e->deleted ? STORE_DELETE : STORE_PUT, &w, &fd, fd >= 0);
}

static bool is_under_way(const struct store *s, const struct store_entry *e)
{
	return e == s->flying && s->flight->gen == e->gen;
}

int store_finish(struct store *s, int64_t timeout_ms)
{
	int64_t due = loop_env(s->loop)->boot_ms() + timeout_ms;
	int r = s->link ? 0 : -ENOTCONN;

	for (const struct store_entry *e = s->entries; r == 0 && e; e = e->next) {
		r = is_under_way(s, e) ? 0 : hand_over(s, e);
		if (r != -ENOBUFS)
			continue;
		r = link_flush_wait(s->link, due - loop_env(s->loop)->boot_ms());
		if (r == 0)
			r = hand_over(s, e);
	}
	return r < 0 ? r : link_flush_wait(s->link, due - loop_env(s->loop)->boot_ms());
}

/* ---- the link ---- */

static void bind_link(struct store *s)
{
	struct store_request *q = store_request_new(s, REQUEST_BIND);
	int r = q ? store_request_send(s, STORE_BIND, s->uuid, -1, q) : -ENOMEM;

	if (q && r < 0)
		store_request_free(q);
	store_bind_done(s, r);
}

/* What was not heard is said again; what the disk said to it, it says to each write, too. */
void store_bind_done(struct store *s, int status)
{
	s->bind_due = status < 0 && store_is_silent(status);
	if (s->bind_due)
		wait_and_retry(s);
}

int store_bind(struct store *s, const char *server_uuid)
{
	char *copy;

	if (!store_uuid_valid(server_uuid))
		return -EINVAL;
	copy = strdup(server_uuid);
	if (!copy)
		return -ENOMEM;
	free(s->uuid);
	s->uuid = copy;
	if (s->link)
		bind_link(s);
	return 0;
}

void store_set_link(struct store *s, struct link *link)
{
	if (link == s->link)
		return;
	s->link = link;
	s->flight = NULL; /* its answer, should it come, says nothing about the new process */
	s->flying = NULL;
	s->stalled = false;
	s->bind_due = false;
	s->round++;
	loop_timer_disarm(s->retry);
	backoff_reset(&s->backoff);
	if (!link)
		s->problem = problem_of(-ENOTCONN);
	else if (s->uuid)
		bind_link(s);
	if (link && !s->entries)
		s->problem = NULL;
	write_next(s);
}
