/* SPDX-License-Identifier: Apache-2.0 */
/* A link with a real peer in the same loop, or with a raw socket that breaks the rules. Include it after
 * cmocka.h. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "core/link.h"
#include "tests/unit/turns.h"

static const struct env env = {.boot_ms = clock_boot_ms, .real_ms = clock_real_ms};

enum { SAY = 1, ECHO, SILENT, TWICE, LATE, HANG_UP };

struct side {
	struct loop *loop;
	struct link *link;
	int fd; /* raw end where there is no link */
	int messages, closed, answers, status;
	uint32_t last, late_id;
	size_t fds;
	bool stop_on_message, free_on_message;
	char text[128];
};

struct pair {
	struct loop *loop;
	struct side a, b;
};

static _unused_ void echo(struct link *link, struct link_msg *msg)
{
	struct msg_writer w = {.len = 0};
	char *s = msg_get_str(&msg->body, LINK_PAYLOAD_MAX);

	assert_int_equal(msg_reader_done(&msg->body), 0);
	msg_put_str(&w, s);
	assert_int_equal(link_reply(link, msg->id, 0, &w, msg->fds, msg->n_fds), 0);
	free(s);
}

static _unused_ void on_msg(struct link *link, struct link_msg *msg, void *ctx)
{
	struct side *s = ctx;

	s->messages++;
	s->last = msg->type;
	s->fds += msg->n_fds;
	if (msg->type == ECHO)
		echo(link, msg);
	if (msg->type == TWICE) {
		assert_int_equal(link_reply(link, msg->id, 5, NULL, NULL, 0), 0);
		assert_int_equal(link_reply(link, msg->id, 6, NULL, NULL, 0), 0);
	}
	if (msg->type == LATE)
		s->late_id = msg->id;
	if (msg->type == HANG_UP || s->free_on_message)
		s->link = link_free(link);
	if (s->stop_on_message)
		loop_quit(s->loop, 0);
}

static _unused_ void on_closed(struct link *link, void *ctx)
{
	struct side *s = ctx;

	s->closed++;
	s->link = link_free(link);
	loop_quit(s->loop, 0);
}

static _unused_ void on_answer(struct link *link, int status, struct link_msg *msg, void *ctx)
{
	struct side *s = ctx;

	(void)link;
	s->answers++;
	s->status = status;
	s->fds += msg ? msg->n_fds : 0;
	if (msg && msg->body.left) {
		char *t = msg_get_str(&msg->body, LINK_PAYLOAD_MAX);

		snprintf(s->text, sizeof(s->text), "%s", t ? t : "(null)");
		free(t);
	}
	loop_quit(s->loop, 0);
}

static _unused_ void start(struct pair *p, bool raw)
{
	int fds[2];

	memset(p, 0, sizeof(*p));
	assert_int_equal(loop_new(&env, &p->loop), 0);
	p->a.loop = p->b.loop = p->loop;
	p->b.fd = -1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(link_new(p->loop, fds[0], on_msg, on_closed, &p->a, &p->a.link), 0);
	if (raw)
		p->b.fd = fds[1];
	else
		assert_int_equal(link_new(p->loop, fds[1], on_msg, on_closed, &p->b, &p->b.link),
				 0);
}

static _unused_ void finish(struct pair *p)
{
	link_free(p->a.link);
	link_free(p->b.link);
	if (p->b.fd >= 0)
		close(p->b.fd);
	loop_free(p->loop);
}
