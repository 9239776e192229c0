/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's side of the store: open calls, and reading. What is not on disk yet is seen as if it
 * were.
 */
#include "core/store_client.h"

#include <errno.h>
#include <string.h>
#include "core/fs.h"

#define ASK_AGAIN_MS 2000

/* ---- requests ---- */

struct store_request *store_request_new(struct store *s, enum store_request_kind kind)
{
	struct store_request *q = calloc(1, sizeof(*q)), **tail = &s->requests;

	if (!q)
		return NULL;
	q->store = s;
	q->kind = kind;
	q->value = BUF_INIT(STORE_ENTRY_MAX);
	while (*tail)
		tail = &(*tail)->next;
	*tail = q;
	return q;
}

static void detach(struct store_request *q)
{
	struct store_request **p = &q->store->requests;

	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	q->store = NULL;
}

void store_request_free(struct store_request *q)
{
	if (q->store)
		detach(q);
	buf_deinit(&q->value);
	free(q->name);
	free(q);
}

static void on_answer(struct link *link, int status, struct link_msg *msg, void *ctx);

int store_request_send(struct store *s, enum store_msg type, const char *name, int fd,
		       struct store_request *q)
{
	struct msg_writer w;

	msg_writer_init(&w);
	msg_put_str(&w, name);
	return store_request_call(s, type, &w, fd, q);
}

int store_request_call(struct store *s, enum store_msg type, const struct msg_writer *w, int fd,
		       struct store_request *q)
{
	return link_call(s->link, type, w, &fd, fd >= 0, STORE_CALL_MS, on_answer, q);
}

/* ---- reading ---- */

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

	*names = BUF_INIT(STORE_LIST_MAX);
	lines = calloc(room + 1, sizeof(*lines));
	n = lines && disk ? split_lines(disk, lines, room) : 0;
	for (const struct store_entry *e = s->entries; lines && e; e = e->next)
		if (!e->deleted && strncmp(e->name, prefix, strlen(prefix)) == 0)
			lines[n++] = e->name;
	if (n)
		qsort(lines, n, sizeof(*lines), compare);
	for (size_t i = 0; i < n; i++) {
		const struct store_entry *e = store_find_entry(s, lines[i]);

		if ((i == 0 || strcmp(lines[i], lines[i - 1]) != 0) && !(e && e->deleted))
			buf_printf(names, "%s\n", lines[i]);
	}
	if (!lines || !disk)
		names->error = -ENOMEM;
	free(disk);
}

static void hand_over(struct store_request *q, int status, struct link_msg *msg)
{
	_cleanup_buf_ struct buf value = BUF_INIT(STORE_ENTRY_MAX);

	if (status == 0)
		status = msg->n_fds == 1 ? fs_blob_read(msg->fds[0], &value) : -EBADMSG;
	if (status == 0 && q->kind == REQUEST_LIST) {
		merge_names(q->store, q->name, &value);
		status = buf_error(&value);
	}
	q->fn(status, status < 0 ? NULL : buf_str(&value), status < 0 ? 0 : value.len, q->ctx);
}

static bool is_reading(const struct store_request *q)
{
	return q->kind == REQUEST_GET || q->kind == REQUEST_LIST || q->kind == REQUEST_READ;
}

/* Return: true when it waits to be asked again instead of being told @status. */
static bool waits_out(struct store_request *q, int status)
{
	struct store *s = q->store;

	if (!is_reading(q) || !store_is_silent(status) ||
	    loop_env(s->loop)->boot_ms() >= q->patient_until)
		return false;
	q->waits = true;
	if (!loop_timer_armed(s->again))
		loop_timer_arm(s->again, ASK_AGAIN_MS);
	return true;
}

static void on_answer(struct link *link, int status, struct link_msg *msg, void *ctx)
{
	struct store_request *q = ctx;
	struct store *s = q->store;
	uint64_t gen = q->gen;

	if (status > 0)
		status = -EBADMSG;
	if (s && waits_out(q, status))
		return;
	if (s && (q->kind == REQUEST_GET || q->kind == REQUEST_LIST))
		hand_over(q, status, msg);
	if (s && (q->kind == REQUEST_APPEND || q->kind == REQUEST_READ))
		store_log_answered(q, status, msg);
	if (s && q->kind == REQUEST_BIND && s->link == link)
		store_bind_done(s, status);
	if (s && q->kind == REQUEST_WRITE && s->flight == q) {
		store_request_free(q);
		store_write_done(s, gen, status);
		return;
	}
	store_request_free(q);
}

static struct store_request *first_local(const struct store *s)
{
	struct store_request *q = s->requests;

	while (q && q->kind != REQUEST_LOCAL)
		q = q->next;
	return q;
}

void store_answer_local(struct loop *loop _unused_, void *ctx)
{
	struct store *s = ctx;
	struct store_request *q = first_local(s);

	if (!q)
		return;
	detach(q); /* the callee may free the store */
	if (first_local(s))
		loop_timer_arm(s->local, 0);
	if (q->read)
		q->read(q->status, NULL, 0, 0, q->ctx);
	else
		q->fn(q->status, q->status < 0 ? NULL : buf_str(&q->value), q->value.len, q->ctx);
	store_request_free(q);
}

/* Answers from what is known here, but not from inside the call. */
static void answer_local(struct store_request *q, int status)
{
	q->kind = REQUEST_LOCAL;
	q->status = status;
	loop_timer_arm(q->store->local, 0);
}

struct store_request *store_reading_new(struct store *s, enum store_request_kind kind,
					const char *name, bool patient)
{
	struct store_request *q = store_request_new(s, kind);

	if (!q)
		return NULL;
	q->name = strdup(name);
	if (!q->name) {
		store_request_free(q);
		return NULL;
	}
	if (patient)
		q->patient_until = loop_env(s->loop)->boot_ms() + STORE_PATIENCE_MS;
	return q;
}

static int send_reading(struct store_request *q)
{
	static const enum store_msg types[] = {[REQUEST_GET] = STORE_GET,
					       [REQUEST_LIST] = STORE_LIST,
					       [REQUEST_READ] = STORE_READ};
	struct msg_writer w;

	if (!q->store->link)
		return -ENOTCONN;
	msg_writer_init(&w);
	msg_put_str(&w, q->name);
	if (q->kind == REQUEST_READ) {
		msg_put_u64(&w, q->at);
		msg_put_u64(&w, q->max);
	}
	return store_request_call(q->store, types[q->kind], &w, -1, q);
}

void store_reading_ask(struct store_request *q)
{
	const struct store_entry *e =
		q->kind == REQUEST_GET ? store_find_entry(q->store, q->name) : NULL;
	int r;

	q->waits = false;
	if (e) {
		answer_local(q, e->deleted ? -ENOENT : buf_put(&q->value, e->value, e->n));
		return;
	}
	r = send_reading(q);
	if (r < 0 && !waits_out(q, r))
		answer_local(q, r);
}

void store_ask_again(struct loop *loop _unused_, void *ctx)
{
	struct store *s = ctx;

	for (struct store_request *q = s->requests; q; q = q->next)
		if (q->waits)
			store_reading_ask(q);
}

static int read_whole(struct store *s, enum store_request_kind kind, const char *name, bool patient,
		      store_get_fn *fn, void *ctx)
{
	bool good = kind == REQUEST_LIST ? strlen(name) <= STORE_NAME_MAX : store_name_valid(name);
	struct store_request *q = good ? store_reading_new(s, kind, name, patient) : NULL;

	if (!q)
		return good ? -ENOMEM : -EINVAL;
	q->fn = fn;
	q->ctx = ctx;
	store_reading_ask(q);
	return 0;
}

int store_get(struct store *s, const char *name, store_get_fn *fn, void *ctx)
{
	return read_whole(s, REQUEST_GET, name, false, fn, ctx);
}

int store_get_patient(struct store *s, const char *name, store_get_fn *fn, void *ctx)
{
	return read_whole(s, REQUEST_GET, name, true, fn, ctx);
}

int store_list(struct store *s, const char *prefix, store_get_fn *fn, void *ctx)
{
	return read_whole(s, REQUEST_LIST, prefix, false, fn, ctx);
}

int store_list_patient(struct store *s, const char *prefix, store_get_fn *fn, void *ctx)
{
	return read_whole(s, REQUEST_LIST, prefix, true, fn, ctx);
}

/* ---- before the loop ---- */

static int call_wait(struct link *link, enum store_msg type, const char *name, int64_t timeout_ms,
		     struct link_msg *ret)
{
	struct msg_writer w;

	msg_writer_init(&w);
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
