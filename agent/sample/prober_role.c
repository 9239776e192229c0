/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prober role: takes questions from the agent's link and gives them to a pool of workers. It
 * believes nothing the agent says: kinds and paths are checked by the pool, a malformed message
 * closes the link, and the end of the link ends the role.
 */
#include "sample/prober.h"

#include <errno.h>

#include "core/settle.h"
#include "sample/sampler.h"

#define OPEN_MAX_CALLS 64

struct server;
struct call {
	struct server *server;
	uint32_t id; /* 0: free */
};
struct server {
	struct loop *loop;
	struct link *link;
	struct prober_pool *pool;
	struct call calls[OPEN_MAX_CALLS];
};

static void on_done(int status, const struct prober_answer *answer, void *ctx)
{
	struct call *c = ctx;
	struct msg_writer w;
	uint32_t id = c->id;

	msg_writer_init(&w);
	c->id = 0;
	for (size_t i = 0; answer && i < PROBER_NUMBERS; i++)
		msg_put_u64(&w, answer->n[i]);
	if (c->server->link)
		link_reply(c->server->link, id, status, &w, NULL, 0);
}

static struct call *free_call(struct server *s)
{
	for (size_t i = 0; i < OPEN_MAX_CALLS; i++)
		if (!s->calls[i].id)
			return &s->calls[i];
	return NULL;
}

static int ask(struct server *s, uint32_t id, uint32_t kind, const char *path)
{
	struct call *c = free_call(s);
	int err;

	if (!c)
		return -EAGAIN;
	c->server = s;
	c->id = id;
	err = prober_pool_ask(s->pool, kind, path, on_done, c);
	if (err)
		c->id = 0;
	return err;
}

static void on_msg(struct link *link, struct link_msg *msg, void *ctx)
{
	struct server *s = ctx;
	uint32_t kind = msg_get_u32(&msg->body);
	_cleanup_free_ char *path = msg_get_str(&msg->body, PROBER_PATH_MAX - 1);
	int err = -EBADMSG;

	if (!msg->id)
		return;
	if (msg->type == PROBER_MSG_ASK && path && !msg_reader_done(&msg->body))
		err = ask(s, msg->id, kind, path);
	if (err)
		link_reply(link, msg->id, err, NULL, NULL, 0);
}

static void on_closed(struct link *link, void *ctx)
{
	struct server *s = ctx;

	s->link = link_free(link);
	loop_quit(s->loop, 0);
}

int prober_serve(const struct env *env, int link_fd, const struct prober_kind_info *kinds,
		 int64_t deadline_ms)
{
	struct server s = {0};
	struct settle settle = {0};
	int err = loop_new(env, &s.loop);

	if (err) {
		close(link_fd);
		return err;
	}
	err = prober_pool_new(s.loop, kinds, deadline_ms, &s.pool);
	if (err)
		close(link_fd);
	else
		err = link_new(s.loop, link_fd, on_msg, on_closed, &s, &s.link);
	if (!err)
		err = settle_start(s.loop, &settle);
	if (!err)
		err = loop_run(s.loop);
	settle_stop(&settle);
	prober_pool_free(s.pool);
	link_free(s.link);
	loop_free(s.loop);
	return err;
}

int prober_role_run(const struct env *env, int link_fd)
{
	return prober_serve(env, link_fd, prober_kinds, PROBER_DEADLINE_MS) ? 1 : 0;
}
