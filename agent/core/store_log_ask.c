/* SPDX-License-Identifier: Apache-2.0 */
/* Logs as the agent sees them: requests to the store process. Nothing is kept here; the caller has
 * it. */
#include "core/store_log.h"

#include <errno.h>
#include <string.h>
#include "core/fs.h"
#include "core/store_client.h"

static int call(struct store *s, enum store_msg type, struct store_request *q, const char *name,
		uint64_t at, size_t max, int fd)
{
	struct msg_writer w;
	int r;

	msg_writer_init(&w);
	msg_put_str(&w, name);
	msg_put_u64(&w, at);
	msg_put_u64(&w, max);
	r = store_request_call(s, type, &w, fd, q);
	if (r < 0)
		store_request_free(q);
	return r;
}

static int check(const struct store *s, const char *name)
{
	if (!store_name_valid(name))
		return -EINVAL;
	return s->link ? 0 : -ENOTCONN;
}

/* @p is handed over as a file: it is larger than a message. */
static int send_piece(struct store *s, enum store_msg type, const char *name, uint64_t at,
		      const void *p, size_t n, store_done_fn *fn, void *ctx)
{
	_cleanup_close_ int fd = -1;
	struct store_request *q;

	if (n > STORE_LOG_PIECE_MAX)
		return -EFBIG;
	fd = fs_blob("piece", p, n);
	if (fd < 0)
		return fd;
	q = store_request_new(s, REQUEST_APPEND);
	if (!q)
		return -ENOMEM;
	q->done = fn;
	q->ctx = ctx;
	return call(s, type, q, name, at, 0, fd);
}

int store_append(struct store *s, const char *name, uint64_t at, const void *p, size_t n,
		 store_done_fn *fn, void *ctx)
{
	int r = check(s, name);

	return r < 0 ? r : send_piece(s, STORE_APPEND, name, at, p, n, fn, ctx);
}

static int read_piece(struct store *s, const char *name, uint64_t at, size_t max, bool patient,
		      store_read_fn *fn, void *ctx)
{
	struct store_request *q;

	if (max > STORE_LOG_PIECE_MAX)
		return -EFBIG;
	q = store_reading_new(s, REQUEST_READ, name, patient);
	if (!q)
		return -ENOMEM;
	q->read = fn;
	q->ctx = ctx;
	q->at = at;
	q->max = max;
	store_reading_ask(q);
	return 0;
}

int store_read(struct store *s, const char *name, uint64_t at, size_t max, store_read_fn *fn,
	       void *ctx)
{
	int r = check(s, name);

	return r < 0 ? r : read_piece(s, name, at, max, false, fn, ctx);
}

int store_read_patient(struct store *s, const char *name, uint64_t at, size_t max,
		       store_read_fn *fn, void *ctx)
{
	return store_name_valid(name) ? read_piece(s, name, at, max, true, fn, ctx) : -EINVAL;
}

int store_aside(struct store *s, const char *name)
{
	struct store_request *q;
	int r = check(s, name);

	if (r < 0)
		return r;
	q = store_request_new(s, REQUEST_ASIDE);
	return q ? call(s, STORE_SET_ASIDE, q, name, 0, 0, -1) : -ENOMEM;
}

int store_export(struct store *s, const void *p, size_t n, store_done_fn *fn, void *ctx)
{
	if (!s->link)
		return -ENOTCONN;
	return send_piece(s, STORE_EXPORT, "export", 0, p, n, fn, ctx);
}

void store_log_answered(struct store_request *q, int status, struct link_msg *msg)
{
	_cleanup_buf_ struct buf value = BUF_INIT(STORE_LOG_PIECE_MAX);
	uint64_t size = 0;

	if (q->kind == REQUEST_APPEND) {
		if (q->done)
			q->done(status, q->ctx);
		return;
	}
	if (status == 0) {
		size = msg_get_u64(&msg->body);
		status = msg->n_fds == 1 ? fs_blob_read(msg->fds[0], &value) : -EBADMSG;
		if (msg_reader_done(&msg->body) < 0)
			status = -EBADMSG;
	}
	q->read(status, status < 0 ? NULL : buf_str(&value), status < 0 ? 0 : value.len, size,
		q->ctx);
}
