/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The asking side of the prober. A link cannot take a question back, so each open question is an
 * object of its own that outlives this client if it must: freed by its answer, or when the link is
 * known to call no more.
 */
#include "sample/prober.h"

#include <errno.h>

/* The role answers at its deadline; a link that says nothing for a second more means a role that is
 * itself in trouble. */
#define ANSWER_MS (PROBER_DEADLINE_MS + 1000)

struct question {
	struct prober *prober; /* NULL: nobody waits for the answer any more */
	struct question *next;
	prober_done_fn *done;
	void *ctx;
};

struct prober {
	struct loop *loop;
	struct link *link;
	struct prober_pool *local;
	struct question *open; /* on the link */
};

static void forget(struct question *q)
{
	struct question **at = &q->prober->open;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
}

/* Without an answer message the status is the link's own word about the role, not about what was
 * asked. */
static int role_status(int status, const struct link_msg *msg)
{
	return status && !msg ? -ECONNRESET : status;
}

static void on_answer(struct link *link, int status, struct link_msg *msg, void *ctx)
{
	_cleanup_free_ struct question *q = ctx;
	struct prober_answer a;

	(void)link;
	if (!q->prober)
		return;
	forget(q);
	status = role_status(status, msg);
	for (size_t i = 0; !status && i < PROBER_NUMBERS; i++)
		a.n[i] = msg_get_u64(&msg->body);
	if (!status && msg_reader_done(&msg->body))
		status = -EBADMSG;
	q->done(status, status ? NULL : &a, q->ctx);
}

static int ask_link(struct prober *p, enum prober_kind kind, const char *path, prober_done_fn *done,
		    void *ctx)
{
	_cleanup_free_ struct question *q = calloc(1, sizeof(*q));
	struct msg_writer w;
	int err;

	if (!q)
		return -ENOMEM;
	msg_writer_init(&w);
	*q = (struct question){.prober = p, .next = p->open, .done = done, .ctx = ctx};
	msg_put_u32(&w, kind);
	msg_put_str(&w, path);
	err = link_call(p->link, PROBER_MSG_ASK, &w, NULL, 0, ANSWER_MS, on_answer, q);
	if (err)
		return err;
	p->open = take_ptr(q);
	return 0;
}

int prober_ask(struct prober *p, enum prober_kind kind, const char *path, prober_done_fn *done,
	       void *ctx)
{
	if (p->link)
		return ask_link(p, kind, path, done, ctx);
	if (p->local)
		return prober_pool_ask(p->local, kind, path, done, ctx);
	return -ENOLINK;
}

void prober_set_link(struct prober *p, struct link *link)
{
	while (p->open && link != p->link) {
		struct question *q = p->open;

		p->open = q->next;
		q->done(-ECONNRESET, NULL, q->ctx);
		free(q);
	}
	p->link = link;
}

int prober_allow_local(struct prober *p)
{
	return p->local ? 0 : prober_pool_new(p->loop, prober_kinds, PROBER_DEADLINE_MS, &p->local);
}

int prober_new(struct loop *loop, struct prober **ret)
{
	struct prober *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->loop = loop;
	*ret = p;
	return 0;
}

struct prober *prober_free(struct prober *p)
{
	if (!p)
		return NULL;
	for (struct question *q = p->open; q; q = q->next)
		q->prober = NULL;
	prober_pool_free(p->local);
	free(p);
	return NULL;
}
