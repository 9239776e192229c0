/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store role: one message, one file operation, one answer, in the order they came. It may block
 * for as long as the disk pleases; that is what it is a process of its own for.
 */
#include "core/store_file.h"
#include "core/store_log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include "core/fs.h"
#include "core/log.h"
#include "core/settle.h"

#define LIST_MAX (4u << 20)

struct server {
	const struct env *env;
	const char *dir;
	char *uuid; /* NULL until bound */
	const char *export_path; /* or NULL */
};

struct request {
	char *name;
	int fd; /* borrowed from the message; -1 = none */
	uint64_t at, max; /* requests about logs */
};

static int reply_blob(struct link *link, uint32_t id, const struct buf *b)
{
	_cleanup_close_ int fd = fs_blob("store", buf_str(b), b->len);

	if (fd < 0)
		return fd;
	return link_reply(link, id, 0, NULL, &fd, 1);
}

static int do_put(struct server *s, struct link *link, uint32_t id, const struct request *q)
{
	_cleanup_buf_ struct buf value = BUF_INIT(STORE_ENTRY_MAX);
	int r;

	if (!store_name_valid(q->name) || q->fd < 0)
		return -EINVAL;
	if (!s->uuid)
		return -ENOTCONN;
	r = fs_blob_read(q->fd, &value);
	if (r == 0)
		r = store_file_write(s->env, s->dir, q->name, s->uuid, buf_str(&value), value.len,
				     NULL);
	return r < 0 ? r : link_reply(link, id, 0, NULL, NULL, 0);
}

static int do_get(struct server *s, struct link *link, uint32_t id, const struct request *q)
{
	_cleanup_buf_ struct buf value = BUF_INIT(STORE_ENTRY_MAX);
	struct err e = ERR_INIT;
	int r = store_file_read(s->env, s->dir, q->name, s->uuid, &value, &e);

	if (r == -ESTALE) {
		log_warn("%s; it was moved to %s/" STORE_ASIDE, e.text, s->dir);
		store_set_aside(s->dir, q->name, s->env->real_ms());
	}
	return r < 0 ? r : reply_blob(link, id, &value);
}

static int do_delete(struct server *s, struct link *link, uint32_t id, const struct request *q)
{
	char path[STORE_PATH_MAX];
	int r = store_name_valid(q->name) ? store_path(s->dir, q->name, path) : -EINVAL;

	if (r == 0 && unlink(path) < 0)
		r = errno == ENOENT ? 0 : -errno;
	else if (r == 0)
		r = store_sync_folder_of(path);
	return r < 0 ? r : link_reply(link, id, 0, NULL, NULL, 0);
}

static int do_list(struct server *s, struct link *link, uint32_t id, const struct request *q)
{
	_cleanup_buf_ struct buf names = BUF_INIT(LIST_MAX);
	int r = store_list_names(s->dir, q->name, &names);

	return r < 0 ? r : reply_blob(link, id, &names);
}

static int do_append(struct server *s, struct link *link, uint32_t id, const struct request *q)
{
	_cleanup_buf_ struct buf piece = BUF_INIT(STORE_LOG_PIECE_MAX);
	int r;

	if (q->fd < 0)
		return -EINVAL;
	if (!s->uuid)
		return -ENOTCONN;
	r = fs_blob_read(q->fd, &piece);
	if (r == 0)
		r = store_log_append(s->dir, q->name, s->uuid, q->at, buf_str(&piece), piece.len);
	return r < 0 ? r : link_reply(link, id, 0, NULL, NULL, 0);
}

static int do_read(struct server *s, struct link *link, uint32_t id, const struct request *q)
{
	_cleanup_buf_ struct buf piece = BUF_INIT(STORE_LOG_PIECE_MAX);
	struct msg_writer w;
	_cleanup_close_ int fd = -1;
	uint64_t size = 0;
	int r;

	msg_writer_init(&w);
	if (!s->uuid)
		return -ENOTCONN;
	r = store_log_read(s->dir, q->name, s->uuid, q->at, (size_t)q->max, &piece, &size);
	if (r == -ESTALE)
		store_set_aside(s->dir, q->name, s->env->real_ms());
	if (r < 0)
		return r;
	msg_put_u64(&w, size);
	fd = fs_blob("log", buf_str(&piece), piece.len);
	return fd < 0 ? fd : link_reply(link, id, 0, &w, &fd, 1);
}

static int do_aside(struct server *s, struct link *link, uint32_t id, const struct request *q)
{
	if (!store_name_valid(q->name))
		return -EINVAL;
	log_warn("%s/%s is damaged and was moved to " STORE_ASIDE, s->dir, q->name);
	store_set_aside(s->dir, q->name, s->env->real_ms());
	return link_reply(link, id, 0, NULL, NULL, 0);
}

static int do_export(struct server *s, struct link *link, uint32_t id, const struct request *q)
{
	_cleanup_buf_ struct buf text = BUF_INIT(STORE_LOG_PIECE_MAX);
	int r;

	if (!s->export_path)
		return -ENOENT;
	if (q->fd < 0)
		return -EINVAL;
	r = fs_blob_read(q->fd, &text);
	if (r == 0)
		r = fs_write_atomic(s->export_path, buf_str(&text), text.len, 0644, NULL);
	return r < 0 ? r : link_reply(link, id, 0, NULL, NULL, 0);
}

/* Return: 1 = another server's. Files that cannot be read now are judged when somebody asks for
 * them. */
static int is_foreign(const struct server *s, const char *name)
{
	char path[STORE_PATH_MAX], head[STORE_HEADER_MAX];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	if (store_path(s->dir, name, path) < 0)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	n = fd < 0 ? -1 : read(fd, head, sizeof(head));
	return n > 0 && (store_file_head(head, (size_t)n, s->uuid) == -ESTALE ||
			 store_log_head(head, (size_t)n, s->uuid) == -ESTALE);
}

static int set_foreign_aside(const struct server *s, uint32_t *count)
{
	_cleanup_buf_ struct buf names = BUF_INIT(LIST_MAX);
	int r = store_list_names(s->dir, "", &names);
	char *next;

	for (char *p = names.data; r == 0 && p && *p; p = next) {
		next = strchr(p, '\n');
		*next++ = 0;
		if (!is_foreign(s, p))
			continue;
		store_set_aside(s->dir, p, s->env->real_ms());
		(*count)++;
	}
	return r;
}

static int do_bind(struct server *s, struct link *link, uint32_t id, const struct request *q)
{
	struct msg_writer w;
	uint32_t count = 0;
	int r;

	msg_writer_init(&w);
	if (!store_uuid_valid(q->name))
		return -EINVAL;
	free(s->uuid);
	s->uuid = strdup(q->name);
	if (!s->uuid)
		return -ENOMEM;
	r = set_foreign_aside(s, &count);
	if (count)
		log_warn("%u files of state of another server were moved to %s/" STORE_ASIDE, count,
			 s->dir);
	msg_put_u32(&w, count);
	return r < 0 ? r : link_reply(link, id, 0, &w, NULL, 0);
}

typedef int request_fn(struct server *s, struct link *link, uint32_t id, const struct request *q);

static const struct {
	uint32_t type;
	request_fn *fn;
} requests[] = {
	{STORE_PUT, do_put},       {STORE_GET, do_get},   {STORE_DELETE, do_delete},
	{STORE_LIST, do_list},     {STORE_BIND, do_bind}, {STORE_APPEND, do_append},
	{STORE_READ, do_read},     {STORE_SET_ASIDE, do_aside},
	{STORE_EXPORT, do_export},
};

static int serve(struct server *s, struct link *link, struct link_msg *msg)
{
	struct request q = {.fd = msg->n_fds ? msg->fds[0] : -1};
	int r = -EOPNOTSUPP;

	q.name = msg_get_str(&msg->body, STORE_NAME_MAX);
	if (msg->type >= STORE_APPEND) {
		q.at = msg_get_u64(&msg->body);
		q.max = msg_get_u64(&msg->body);
	}
	if (!q.name || msg_reader_done(&msg->body) < 0)
		r = -EBADMSG;
	for (size_t i = 0; r == -EOPNOTSUPP && i < ARRAY_SIZE(requests); i++)
		if (requests[i].type == msg->type)
			r = requests[i].fn(s, link, msg->id, &q);
	free(q.name);
	return r;
}

static void on_msg(struct link *link, struct link_msg *msg, void *ctx)
{
	int r = serve(ctx, link, msg);

	if (r < 0)
		link_reply(link, msg->id, r, NULL, NULL,
			   0); /* if that fails, the caller's deadline tells */
}

struct life {
	struct server server;
	struct loop *loop;
};

static void on_closed(struct link *link _unused_, void *ctx)
{
	struct life *life = ctx;

	loop_quit(life->loop, 0);
}

static void on_term(struct loop *loop _unused_, int signo _unused_, void *ctx _unused_)
{
	/* The agent may still have something to write; the store ends when its link closes. */
}

int store_role_run(const struct env *env, int link_fd, const char *dir)
{
	return store_role_run_exporting(env, link_fd, dir, NULL);
}

int store_role_run_exporting(const struct env *env, int link_fd, const char *dir, const char *export_path)
{
	struct life life = {.server = {.env = env, .dir = dir, .export_path = export_path}};
	struct link *link = NULL;
	struct settle settle = {0};
	int r = loop_new(env, &life.loop);

	if (r < 0)
		close(link_fd);
	else
		r = link_new(life.loop, link_fd, on_msg, on_closed, &life, &link);
	if (r == 0)
		r = loop_signal_add(life.loop, SIGTERM, on_term, NULL);
	if (r == 0)
		r = settle_start(life.loop, &settle);
	if (r == 0)
		r = loop_run(life.loop);
	settle_stop(&settle);
	link_free(link);
	loop_free(life.loop);
	free(life.server.uuid);
	if (r < 0)
		log_err("the store ends: %s", strerror(-r));
	return r < 0 ? 1 : 0;
}
