/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's side of the store. Holds what is not on disk yet: one entry per name with its newest value.
 * One write is under way at a time, in the order in which names were first put; a refused or silent
 * one is tried again with backoff, and all others wait behind it.
 */
#include "core/store_file.h"

#include <errno.h>
#include <string.h>
#include "core/backoff.h"
#include "core/fs.h"

#define CALL_TIMEOUT_MS  10000
#define RETRY_BASE_MS    1000
#define RETRY_CAP_MS     60000
#define PENDING_MAX      4096
#define PENDING_BYTES    (64u << 20)
#define LIST_MAX         (4u << 20)

struct waiter {
	struct waiter *next;
	uint64_t gen; /* answered when this or a newer value is on disk */
	store_done_fn *fn;
	void *ctx;
};

struct entry { /* a value, or a deletion, that is not on disk yet */
	struct entry *next;
	char *name;
	char *value;
	size_t n;
	bool deleted;
	uint64_t gen;
	struct waiter *waiters;
};

enum request_kind { REQUEST_WRITE, REQUEST_BIND, REQUEST_GET, REQUEST_LIST, REQUEST_LOCAL };

/* An open call or deferred answer. It may outlive the store, so it is not part of it. */
struct request {
	struct request *next;
	struct store *store; /* NULL: nobody wants the answer any more */
	enum request_kind kind;
	uint64_t gen;
	store_get_fn *fn;
	void *ctx;
	char *prefix;
	int status;          /* REQUEST_LOCAL: what to say */
	struct buf value;
};

struct store {
	struct loop *loop;
	struct link *link;
	struct loop_timer *retry;
	struct entry *entries;
	struct request *requests;
	struct request *flight; /* the write under way */
	size_t n, bytes;
	uint64_t gen;
	char *uuid;
	struct backoff backoff;
	const char *problem;
	unsigned busy;
	bool freed;
};

static void write_next(struct store *s);

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

size_t store_pending(const struct store *s)
{
	return s->n;
}

/* ---- life ---- */

static void on_retry(struct loop *loop, void *ctx);

int store_new(struct loop *loop, struct store **ret)
{
	struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->backoff = (struct backoff){.base_ms = RETRY_BASE_MS, .cap_ms = RETRY_CAP_MS};
	r = loop_timer_new(loop, 100, on_retry, s, &s->retry);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

static void entry_free(struct entry *e)
{
	for (struct waiter *w = e->waiters, *next; w; w = next) {
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
	for (struct request *q = s->requests; q; q = q->next)
		q->store = NULL; /* freed when its call is answered */
	for (struct entry *e = s->entries, *next; e; e = next) {
		next = e->next;
		entry_free(e);
	}
	s->retry = loop_timer_free(s->retry);
	free(s->uuid);
	s->freed = true;
	if (!s->busy)
		free(s);
	return NULL;
}

/* ---- requests ---- */

static struct request *request_new(struct store *s, enum request_kind kind)
{
	struct request *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->store = s;
	q->kind = kind;
	q->value = BUF_INIT(STORE_ENTRY_MAX);
	q->next = s->requests;
	s->requests = q;
	return q;
}

static void request_free(struct request *q)
{
	if (q->store) {
		struct request **p = &q->store->requests;

		while (*p != q)
			p = &(*p)->next;
		*p = q->next;
	}
	buf_deinit(&q->value);
	free(q->prefix);
	free(q);
}

/* ---- writing ---- */

/* Tells those that wait for @gen or older. They may put, get and free the store. */
static void tell_waiters(struct store *s, struct entry *e, uint64_t gen, int status)
{
	struct waiter *told = NULL, **tail = &told, **p = &e->waiters;

	while (*p) {
		struct waiter *w = *p;

		if (w->gen > gen) {
			p = &w->next;
			continue;
		}
		*p = w->next;
		w->next = NULL;
		*tail = w;
		tail = &w->next;
	}
	if (status == 0 && e->gen == gen) {
		struct entry **q = &s->entries;

		while (*q != e)
			q = &(*q)->next;
		*q = e->next;
		s->n--;
		s->bytes -= e->n;
		entry_free(e);
	}
	for (struct waiter *next; told; told = next) {
		next = told->next;
		if (!s->freed)
			told->fn(status, told->ctx);
		free(told);
	}
}

static void tell_all(struct store *s, int status)
{
	bool more = true;
	uint64_t last = s->gen;

	while (more && !s->freed) {
		more = false;
		for (struct entry *e = s->entries; e && !more; e = e->next)
			if (e->waiters && e->waiters->gen <= last) {
				more = true;
				tell_waiters(s, e, last < e->gen ? last : e->gen, status);
				break; /* the list may have changed */
			}
	}
}

static void refused(struct store *s, int status)
{
	s->problem = problem_of(status);
	loop_timer_arm(s->retry, backoff_next(&s->backoff, random_unit()));
}

static void written(struct store *s)
{
	s->problem = NULL;
	backoff_reset(&s->backoff);
	loop_timer_disarm(s->retry);
}

/* The flight is always of the first entry: it stays first until it is on disk. */
static void on_written(struct store *s, uint64_t gen, int status)
{
	s->flight = NULL;
	s->busy++;
	if (status == 0)
		written(s);
	else
		refused(s, status);
	if (s->entries && status != -ECONNRESET)
		tell_waiters(s, s->entries, gen, status);
	if (!s->freed && status == 0)
		write_next(s);
	leave(s);
}

static void on_answer(struct link *link, int status, struct link_msg *msg, void *ctx);

static int send_request(struct store *s, enum store_msg type, const char *name, int fd, struct request *q)
{
	struct msg_writer w;

	w.len = 0;
	w.failed = false;
	msg_put_str(&w, name);
	return link_call(s->link, type, &w, &fd, fd >= 0, CALL_TIMEOUT_MS, on_answer, q);
}

static int start_write(struct store *s, const struct entry *e)
{
	_cleanup_close_ int fd = e->deleted ? -1 : fs_blob("state", e->value, e->n);
	struct request *q;
	int r;

	if (!e->deleted && fd < 0)
		return fd;
	q = request_new(s, REQUEST_WRITE);
	if (!q)
		return -ENOMEM;
	q->gen = e->gen;
	r = send_request(s, e->deleted ? STORE_DELETE : STORE_PUT, e->name, fd, q);
	if (r < 0) {
		request_free(q);
		return r;
	}
	s->flight = q;
	return 0;
}

static void write_next(struct store *s)
{
	int r;

	if (s->flight || !s->entries || loop_timer_armed(s->retry))
		return;
	if (!s->link) { /* gives a new process time to come before anybody is told */
		loop_timer_arm(s->retry, CALL_TIMEOUT_MS);
		return;
	}
	r = start_write(s, s->entries);
	if (r < 0)
		refused(s, r);
}

static void on_retry(struct loop *loop _unused_, void *ctx)
{
	struct store *s = ctx;

	s->busy++;
	if (!s->link && !s->flight) {
		s->problem = problem_of(-ENOTCONN);
		tell_all(s, -ENOTCONN);
	}
	if (!s->freed)
		write_next(s);
	leave(s);
}

static struct entry *find_entry(const struct store *s, const char *name)
{
	for (struct entry *e = s->entries; e; e = e->next)
		if (strcmp(e->name, name) == 0)
			return e;
	return NULL;
}

static struct entry *add_entry(struct store *s, const char *name)
{
	struct entry *e = calloc(1, sizeof(*e)), **tail = &s->entries;

	if (!e)
		return NULL;
	e->name = strdup(name);
	if (!e->name) {
		free(e);
		return NULL;
	}
	while (*tail)
		tail = &(*tail)->next;
	*tail = e;
	s->n++;
	return e;
}

/* Takes @value and @w on success. */
static int replace(struct store *s, const char *name, char *value, size_t n, bool deleted, struct waiter *w)
{
	struct entry *e = find_entry(s, name);
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
	s->bytes += n - old;
	if (w) {
		struct waiter **tail = &e->waiters;

		w->gen = e->gen;
		while (*tail)
			tail = &(*tail)->next;
		*tail = w;
	}
	write_next(s);
	return 0;
}

int store_put(struct store *s, const char *name, const void *p, size_t n, store_done_fn *fn, void *ctx)
{
	struct waiter *w = NULL;
	char *value;
	int r;

	if (!store_name_valid(name))
		return -EINVAL;
	if (n > STORE_ENTRY_MAX)
		return -EFBIG;
	value = malloc(n + 1);
	w = fn ? calloc(1, sizeof(*w)) : NULL;
	r = !value || (fn && !w) ? -ENOMEM : 0;
	if (r == 0) {
		if (n)
			memcpy(value, p, n);
		if (w)
			*w = (struct waiter){.fn = fn, .ctx = ctx};
		r = replace(s, name, value, n, false, w);
	}
	if (r < 0) {
		free(value);
		free(w);
	}
	return r;
}

int store_delete(struct store *s, const char *name)
{
	return store_name_valid(name) ? replace(s, name, NULL, 0, true, NULL) : -EINVAL;
}

/* ---- reading ---- */

static void merge_names(struct store *s, const char *prefix, struct buf *names);

static void hand_over(struct request *q, int status, struct link_msg *msg)
{
	_cleanup_buf_ struct buf value = BUF_INIT(STORE_ENTRY_MAX);

	if (status == 0)
		status = msg->n_fds == 1 ? fs_blob_read(msg->fds[0], &value) : -EBADMSG;
	if (status == 0 && q->kind == REQUEST_LIST) {
		merge_names(q->store, q->prefix, &value);
		status = buf_error(&value);
	}
	q->fn(status, status < 0 ? NULL : buf_str(&value), status < 0 ? 0 : value.len, q->ctx);
}

static void on_answer(struct link *link _unused_, int status, struct link_msg *msg, void *ctx)
{
	struct request *q = ctx;
	struct store *s = q->store;
	uint64_t gen = q->gen;

	if (status > 0)
		status = -EBADMSG;
	if (s && (q->kind == REQUEST_GET || q->kind == REQUEST_LIST))
		hand_over(q, status, msg);
	if (s && q->kind == REQUEST_WRITE && s->flight == q) {
		request_free(q);
		on_written(s, gen, status);
		return;
	}
	request_free(q);
}

static void on_local(struct loop *loop _unused_, void *ctx)
{
	struct request *q = ctx;

	if (q->store)
		q->fn(q->status, q->status < 0 ? NULL : buf_str(&q->value), q->value.len, q->ctx);
	request_free(q);
}

/* Answers from what is known here, but not from inside the call. Takes @q. */
static int answer_local(struct store *s, struct request *q, int status)
{
	int r;

	q->kind = REQUEST_LOCAL;
	q->status = status;
	r = loop_defer(s->loop, on_local, q);
	if (r < 0)
		request_free(q);
	return r;
}

int store_get(struct store *s, const char *name, store_get_fn *fn, void *ctx)
{
	const struct entry *e;
	struct request *q;
	int r;

	if (!store_name_valid(name))
		return -EINVAL;
	q = request_new(s, REQUEST_GET);
	if (!q)
		return -ENOMEM;
	q->fn = fn;
	q->ctx = ctx;
	e = find_entry(s, name);
	if (e && e->deleted)
		return answer_local(s, q, -ENOENT);
	if (e)
		return answer_local(s, q, buf_put(&q->value, e->value, e->n));
	if (!s->link)
		return answer_local(s, q, -ENOTCONN);
	r = send_request(s, STORE_GET, name, -1, q);
	return r < 0 ? answer_local(s, q, r) : 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t split_lines(char *text, char **lines, size_t max)
{
	size_t n = 0;

	for (char *p = text, *end; p && *p && n < max && (end = strchr(p, '\n')); p = end + 1) {
		*end = 0;
		lines[n++] = p;
	}
	return n;
}

static size_t count_lines(const char *p)
{
	size_t n = 0;

	for (; *p; p++)
		n += *p == '\n';
	return n;
}

/* What is on disk, less what is to be deleted, plus what is to be written. */
static void merge_names(struct store *s, const char *prefix, struct buf *names)
{
	_cleanup_free_ char **lines = NULL;
	char *disk = buf_take(names);
	size_t n, room = count_lines(disk ? disk : "") + s->n;

	*names = BUF_INIT(LIST_MAX);
	lines = calloc(room + 1, sizeof(*lines));
	n = lines && disk ? split_lines(disk, lines, room) : 0;
	for (const struct entry *e = s->entries; lines && e; e = e->next)
		if (!e->deleted && strncmp(e->name, prefix, strlen(prefix)) == 0)
			lines[n++] = e->name;
	if (n)
		qsort(lines, n, sizeof(*lines), compare);
	for (size_t i = 0; i < n; i++) {
		const struct entry *e = find_entry(s, lines[i]);

		if ((i == 0 || strcmp(lines[i], lines[i - 1]) != 0) && !(e && e->deleted))
			buf_printf(names, "%s\n", lines[i]);
	}
	if (!lines || !disk)
		names->error = -ENOMEM;
	free(disk);
}

int store_list(struct store *s, const char *prefix, store_get_fn *fn, void *ctx)
{
	struct request *q = request_new(s, REQUEST_LIST);
	int r;

	if (!q)
		return -ENOMEM;
	q->fn = fn;
	q->ctx = ctx;
	q->prefix = strdup(prefix);
	if (!q->prefix || strlen(prefix) > STORE_NAME_MAX) {
		r = q->prefix ? -EINVAL : -ENOMEM;
		request_free(q);
		return r;
	}
	if (!s->link)
		return answer_local(s, q, -ENOTCONN);
	r = send_request(s, STORE_LIST, prefix, -1, q);
	return r < 0 ? answer_local(s, q, r) : 0;
}

/* ---- the link ---- */

static void bind_link(struct store *s)
{
	struct request *q = request_new(s, REQUEST_BIND);

	/* Writes that come before a bind are refused and tried again; so is this, with the next link. */
	if (q && send_request(s, STORE_BIND, s->uuid, -1, q) < 0)
		request_free(q);
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
	loop_timer_disarm(s->retry);
	backoff_reset(&s->backoff);
	if (link && s->uuid)
		bind_link(s);
	write_next(s);
}

/* ---- before the loop ---- */

static int call_wait(struct link *link, enum store_msg type, const char *name, int64_t timeout_ms,
		     struct link_msg *ret)
{
	struct msg_writer w;

	w.len = 0;
	w.failed = false;
	msg_put_str(&w, name);
	return link_call_wait(link, type, &w, NULL, 0, timeout_ms, ret);
}

int store_get_wait(struct link *link, const char *name, int64_t timeout_ms, struct buf *out)
{
	struct link_msg msg;
	int r = call_wait(link, STORE_GET, name, timeout_ms, &msg);

	if (r < 0)
		return r;
	r = msg.n_fds == 1 ? fs_blob_read(msg.fds[0], out) : -EBADMSG;
	for (size_t i = 0; i < msg.n_fds; i++)
		close(msg.fds[i]);
	return r;
}

int store_bind_wait(struct link *link, const char *server_uuid, int64_t timeout_ms)
{
	struct link_msg msg;
	int r = call_wait(link, STORE_BIND, server_uuid, timeout_ms, &msg);

	if (r < 0)
		return r;
	for (size_t i = 0; i < msg.n_fds; i++)
		close(msg.fds[i]);
	return 0;
}
