/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The moving part of links: socket, queue of what the socket would not take, open calls. Callbacks
 * may free the link; its memory is then kept until the outermost of them returns (busy). What the
 * messages mean is the callee's business.
 */
#include "core/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include "core/link_packet.h"

#define BATCH         32 /* packets per wake-up: other users of the loop want their turn */
#define CALL_SLACK_MS 100

struct out { /* a packet that waits for the socket */
	struct out *next;
	size_t n, n_fds;
	int fds[LINK_FDS_MAX]; /* own duplicates */
	uint8_t data[];
};

struct call {
	struct call *next;
	uint32_t id;
	int64_t due;
	link_answer_fn *fn;
	void *ctx;
};

struct in { /* a packet that came while link_call_wait() waited for another */
	struct in *next;
	struct link_msg msg;
	uint8_t data[];
};

struct link {
	struct loop *loop;
	struct loop_io *io;
	struct loop_timer *deadline, *kick;
	int fd;
	unsigned busy;
	bool freed, broken;
	bool wait_failed; /* link_call_wait() met the end; the loop tells the owner */
	uint32_t next_id;
	size_t n_out, n_calls;
	struct out *out;
	struct call *calls;
	struct in *backlog;
	link_msg_fn *on_msg;
	link_closed_fn *on_closed;
	void *ctx;
	uint8_t *waited; /* the packet that link_call_wait() handed out */
};

/* ---- life ---- */

static void drop_out(struct link *link)
{
	for (struct out *o = take_ptr(link->out), *next; o; o = next) {
		next = o->next;
		link_close_fds(o->fds, o->n_fds);
		free(o);
	}
	link->n_out = 0;
}

static void drop_queues(struct link *link)
{
	drop_out(link);
	for (struct in *i = take_ptr(link->backlog), *next; i; i = next) {
		next = i->next;
		link_close_fds(i->msg.fds, i->msg.n_fds);
		free(i);
	}
}

/* Ends the traffic; calls stay for their owner to be told. */
static void shut(struct link *link)
{
	link->broken = true;
	link->io = loop_io_remove(link->io);
	drop_queues(link);
	if (link->fd >= 0)
		close(take_fd(&link->fd));
}

static void enter(struct link *link)
{
	link->busy++;
}

static void leave(struct link *link)
{
	if (--link->busy == 0 && link->freed)
		free(link);
}

struct link *link_free(struct link *link)
{
	if (!link || link->freed)
		return NULL;
	shut(link);
	link->deadline = loop_timer_free(link->deadline);
	link->kick = loop_timer_free(link->kick);
	for (struct call *c = take_ptr(link->calls), *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(take_ptr(link->waited));
	link->freed = true;
	if (!link->busy)
		free(link);
	return NULL;
}

/* ---- the end ---- */

static void finish(struct call *c, struct link *link, int status, struct link_msg *msg)
{
	link->n_calls--;
	c->fn(link, status, msg, c->ctx);
	free(c);
}

/* The caller holds the link (enter). */
static void close_link(struct link *link)
{
	shut(link);
	loop_timer_disarm(link->deadline);
	loop_timer_disarm(link->kick);
	while (!link->freed && link->calls) {
		struct call *c = link->calls;

		link->calls = c->next;
		finish(c, link, -ECONNRESET, NULL);
	}
	if (!link->freed)
		link->on_closed(link, link->ctx);
}

/* ---- sending ---- */

static int queue_packet(struct link *link, const struct link_packet *p)
{
	struct out *o, **tail = &link->out;

	if (link->n_out >= LINK_QUEUE_MAX)
		return -ENOBUFS;
	o = calloc(1, sizeof(*o) + LINK_HEADER + p->len);
	if (!o)
		return -ENOMEM;
	o->n = LINK_HEADER + p->len;
	memcpy(o->data, p->head, LINK_HEADER);
	if (p->len)
		memcpy(o->data + LINK_HEADER, p->body, p->len);
	for (size_t i = 0; i < p->n_fds; i++) {
		o->fds[i] = fcntl(p->fds[i], F_DUPFD_CLOEXEC, 3);
		if (o->fds[i] < 0) {
			int r = -errno;

			link_close_fds(o->fds, i);
			free(o);
			return r;
		}
		o->n_fds++;
	}
	while (*tail)
		tail = &(*tail)->next;
	*tail = o;
	link->n_out++;
	return link->io ? loop_io_mod(link->io, EPOLLIN | EPOLLOUT) : 0;
}

static bool is_gone(int r)
{
	return r == -EPIPE || r == -ECONNRESET;
}

static int flush(struct link *link)
{
	while (link->out) {
		struct out *o = link->out;
		struct link_packet p = {
			.body = o->data + LINK_HEADER,
			.len = o->n - LINK_HEADER,
			.fds = o->fds,
			.n_fds = o->n_fds,
		};
		int r;

		memcpy(p.head, o->data, LINK_HEADER);
		r = link_packet_send(link->fd, &p);
		if (r == -EAGAIN)
			return 0;
		if (is_gone(r)) {
			drop_out(link);
			(void)!loop_io_mod(link->io, EPOLLIN);
		}
		if (r < 0)
			return r;
		link->out = o->next;
		link->n_out--;
		link_close_fds(o->fds, o->n_fds);
		free(o);
	}
	return loop_io_mod(link->io, EPOLLIN);
}

static int transmit(struct link *link, uint32_t type, uint32_t id, int32_t status,
		    const struct msg_writer *w, const int *fds, size_t n_fds)
{
	struct link_packet p = {.fds = fds, .n_fds = n_fds};
	int r;

	if (link->broken)
		return -EPIPE;
	if (n_fds > LINK_FDS_MAX || (w && w->failed))
		return -EMSGSIZE;
	if (w) {
		p.body = w->data;
		p.len = w->len;
	}
	link_encode_header(p.head, type, id, status, p.len, n_fds);
	if (link->out)
		return queue_packet(link, &p);
	r = link_packet_send(link->fd, &p);
	return r == -EAGAIN ? queue_packet(link, &p) : r;
}

int link_send(struct link *link, uint32_t type, const struct msg_writer *w, const int *fds,
	      size_t n_fds)
{
	if (type == LINK_TYPE_ANSWER)
		return -EINVAL;
	return transmit(link, type, 0, 0, w, fds, n_fds);
}

int link_reply(struct link *link, uint32_t id, int32_t status, const struct msg_writer *w,
	       const int *fds, size_t n_fds)
{
	if (id == 0)
		return 0; /* no answer wanted */
	return transmit(link, LINK_TYPE_ANSWER, id, status, w, fds, n_fds);
}

/* ---- calls ---- */

static uint32_t new_id(struct link *link)
{
	if (++link->next_id == 0)
		link->next_id = 1;
	return link->next_id;
}

static void arm_deadline(struct link *link)
{
	int64_t first = INT64_MAX;

	for (const struct call *c = link->calls; c; c = c->next)
		if (c->due < first)
			first = c->due;
	if (!link->calls)
		loop_timer_disarm(link->deadline);
	else if (!loop_timer_armed(link->deadline) || loop_timer_due(link->deadline) != first)
		loop_timer_arm(link->deadline, first - loop_env(link->loop)->boot_ms());
}

int link_call(struct link *link, uint32_t type, const struct msg_writer *w, const int *fds,
	      size_t n_fds, int64_t timeout_ms, link_answer_fn *fn, void *ctx)
{
	struct call *c, **tail = &link->calls;
	int r;

	if (type == LINK_TYPE_ANSWER || timeout_ms <= 0)
		return -EINVAL;
	if (link->n_calls >= LINK_QUEUE_MAX)
		return -ENOBUFS;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	*c = (struct call){.id = new_id(link), .fn = fn, .ctx = ctx};
	c->due = loop_env(link->loop)->boot_ms() + timeout_ms;
	r = transmit(link, type, c->id, 0, w, fds, n_fds);
	if (r < 0) {
		free(c);
		return r;
	}
	while (*tail)
		tail = &(*tail)->next;
	*tail = c;
	link->n_calls++;
	arm_deadline(link);
	return 0;
}

static struct call *take_call(struct link *link, uint32_t id)
{
	for (struct call **p = &link->calls; *p; p = &(*p)->next)
		if ((*p)->id == id) {
			struct call *c = *p;

			*p = c->next;
			return c;
		}
	return NULL;
}

bool link_forget(struct link *link, const void *ctx)
{
	struct call *c = link->calls;

	while (c && c->ctx != ctx)
		c = c->next;
	if (!c)
		return false;
	free(take_call(link, c->id));
	link->n_calls--;
	arm_deadline(link);
	return true;
}

static struct call *take_late(struct link *link, int64_t now)
{
	for (struct call *c = link->calls; c; c = c->next)
		if (c->due <= now)
			return take_call(link, c->id);
	return NULL;
}

static void on_deadline(struct loop *loop, void *ctx)
{
	struct link *link = ctx;
	int64_t now = loop_env(loop)->boot_ms();
	struct call *c;

	enter(link);
	while (!link->freed && (c = take_late(link, now)))
		finish(c, link, -ETIMEDOUT, NULL);
	if (!link->freed && !link->broken)
		arm_deadline(link);
	leave(link);
}

/* ---- receiving ---- */

/* Return: false when the peer answered what was never asked. */
static bool deliver(struct link *link, struct link_msg *msg)
{
	struct call *c;

	if (msg->type != LINK_TYPE_ANSWER) {
		link->on_msg(link, msg, link->ctx);
		return true;
	}
	c = take_call(link, msg->id);
	if (!c)
		return msg->id <= link->next_id; /* too late: the call had timed out */
	finish(c, link, msg->status, msg);
	if (!link->freed && !link->broken)
		arm_deadline(link);
	return true;
}

/* Return: false when the link is over (closed here or by a callback). The caller holds it. */
static bool deliver_and_clean(struct link *link, struct link_msg *msg)
{
	bool good = deliver(link, msg);

	link_close_fds(msg->fds, msg->n_fds);
	if (link->freed || link->broken)
		return false;
	if (!good)
		close_link(link);
	return good;
}

static bool drain_backlog(struct link *link)
{
	bool more = true;

	while (more && link->backlog) {
		struct in *in = link->backlog;

		link->backlog = in->next;
		more = deliver_and_clean(link, &in->msg);
		free(in);
	}
	return more;
}

static bool read_some(struct link *link)
{
	uint8_t data[LINK_PACKET_MAX];
	struct link_msg msg;

	for (int i = 0; i < BATCH; i++) {
		int r = link_packet_receive(link->fd, data, &msg);

		if (r == 0)
			return true;
		if (r < 0) {
			close_link(link);
			return false;
		}
		if (!deliver_and_clean(link, &msg))
			return false;
	}
	return true;
}

static void on_io(struct loop *loop _unused_, uint32_t events, void *ctx)
{
	struct link *link = ctx;
	bool up = true;
	int r = 0;

	free(take_ptr(link->waited)); /* the loop runs: nobody waits any more */
	enter(link);
	/* A dead peer's last words are still in the socket: read before believing EPOLLHUP. */
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		up = drain_backlog(link) && read_some(link);
	if (up && events & EPOLLOUT)
		r = flush(link);
	if (r < 0 && !is_gone(r)) /* who is gone may have said more than was read yet: the end comes
				     after it */
		close_link(link);
	leave(link);
}

/* What link_call_wait() left to be done in the loop. */
static void on_kick(struct loop *loop _unused_, void *ctx)
{
	struct link *link = ctx;

	enter(link);
	if (drain_backlog(link) && link->wait_failed)
		close_link(link);
	leave(link);
}

int link_new(struct loop *loop, int fd, link_msg_fn *on_msg, link_closed_fn *on_closed, void *ctx,
	     struct link **ret)
{
	struct link *link = calloc(1, sizeof(*link));
	int r;

	if (!link) {
		close(fd);
		return -ENOMEM;
	}
	*link = (struct link){
		.loop = loop, .fd = fd, .on_msg = on_msg, .on_closed = on_closed, .ctx = ctx};
	r = loop_timer_new(loop, CALL_SLACK_MS, on_deadline, link, &link->deadline);
	if (r == 0)
		r = loop_timer_new(loop, 0, on_kick, link, &link->kick);
	if (r == 0)
		r = loop_io_add(loop, fd, EPOLLIN, on_io, link, &link->io);
	if (r < 0) {
		link_free(link);
		return r;
	}
	*ret = link;
	return 0;
}

/* ---- waiting while no loop runs ---- */

static int keep_for_later(struct link *link, const uint8_t *data, const struct link_msg *msg)
{
	size_t n = msg->body.left;
	struct in *in = calloc(1, sizeof(*in) + n), **tail = &link->backlog;

	if (!in)
		return -ENOMEM;
	in->msg = *msg;
	memcpy(in->data, data + LINK_HEADER, n);
	in->msg.body.p = in->data;
	while (*tail)
		tail = &(*tail)->next;
	*tail = in;
	loop_timer_arm(link->kick, 0);
	return 0;
}

/* Waits until the socket can do something. Return: 0, -ETIMEDOUT or -errno. */
static int wait_socket(struct link *link, int64_t due)
{
	struct pollfd p = {.fd = link->fd,
			   .events = (short)(link->out ? POLLIN | POLLOUT : POLLIN)};
	int64_t left = due - loop_env(link->loop)->boot_ms();
	int r;

	if (left <= 0)
		return -ETIMEDOUT;
	r = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return link->out && p.revents & POLLOUT ? flush(link) : 0;
}

/* The answer in memory of its own size: the caller reads it after we have returned. */
static int keep_answer(struct link *link, const uint8_t *data, struct link_msg *msg)
{
	uint8_t *body = malloc(msg->body.left + 1);

	if (!body)
		return -ENOMEM;
	memcpy(body, data + LINK_HEADER, msg->body.left);
	free(link->waited);
	link->waited = body;
	msg->body.p = body;
	return 0;
}

static int wait_answer(struct link *link, uint32_t id, int64_t due, struct link_msg *ret)
{
	uint8_t data[LINK_PACKET_MAX];

	for (;;) {
		int r = link_packet_receive(link->fd, data, ret);

		if (r == 1) {
			bool ours = ret->type == LINK_TYPE_ANSWER && ret->id == id;

			r = ours ? keep_answer(link, data, ret) : keep_for_later(link, data, ret);
			if (r == 0 && ours)
				return 0;
			if (r < 0)
				link_close_fds(ret->fds, ret->n_fds);
		} else if (r == 0) {
			r = wait_socket(link, due);
		}
		if (r < 0)
			return r;
	}
}

int link_call_wait(struct link *link, uint32_t type, const struct msg_writer *w, const int *fds,
		   size_t n_fds, int64_t timeout_ms, struct link_msg *ret)
{
	uint32_t id = new_id(link);
	int64_t due = loop_env(link->loop)->boot_ms() + timeout_ms;
	int r;

	r = transmit(link, type, id, 0, w, fds, n_fds);
	if (r == 0)
		r = wait_answer(link, id, due, ret);
	if (r == 0 && ret->status != 0) {
		link_close_fds(ret->fds, ret->n_fds);
		return ret->status;
	}
	if (r == -ECONNRESET || r == -EPIPE) {
		link->wait_failed = true;
		loop_timer_arm(link->kick, 0);
		return -ECONNRESET;
	}
	return r;
}

int link_flush_wait(struct link *link, int64_t timeout_ms)
{
	int64_t due = loop_env(link->loop)->boot_ms() + timeout_ms;
	int r = link->broken ? -EPIPE : 0;

	while (r == 0 && link->out) {
		struct pollfd p = {.fd = link->fd, .events = POLLOUT};
		int64_t left = due - loop_env(link->loop)->boot_ms();

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left) < 0)
			r = errno == EINTR ? 0 : -errno;
		else if (p.revents)
			r = flush(link);
	}
	return r;
}
