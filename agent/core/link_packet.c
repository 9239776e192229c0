/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One packet out of and into a SEQPACKET socket, with its descriptors. Never blocks, keeps nothing.
 */
#include "core/link_packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

void link_close_fds(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(take_fd(&fds[i]));
}

int link_packet_send(int fd, const struct link_packet *p)
{
	union {
		char data[CMSG_SPACE(sizeof(int) * LINK_FDS_MAX)];
		struct cmsghdr align;
	} control = {0};
	uint8_t head[LINK_HEADER];
	union {
		const void *c;
		void *m;
	} body = {p->body}; /* iovec knows no const; sendmsg only reads */
	struct iovec iov[2] = {{head, sizeof(head)}, {body.m, p->len}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = p->len ? 2 : 1};

	memcpy(head, p->head, sizeof(head));
	if (p->n_fds) {
		struct cmsghdr *c;

		m.msg_control = control.data;
		m.msg_controllen = (__typeof__(m.msg_controllen))CMSG_SPACE(sizeof(int) * p->n_fds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = (__typeof__(c->cmsg_len))CMSG_LEN(sizeof(int) * p->n_fds);
		memcpy(CMSG_DATA(c), p->fds, sizeof(int) * p->n_fds);
	}
	while (sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static size_t take_rights(struct msghdr *m, int fds[static LINK_FDS_MAX])
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t got;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		/* The control buffer holds LINK_FDS_MAX; the kernel closes what does not fit. */
		got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (got > LINK_FDS_MAX - n)
			got = LINK_FDS_MAX - n;
		memcpy(fds + n, CMSG_DATA(c), got * sizeof(int));
		n += got;
	}
	return n;
}

int link_packet_receive(int fd, uint8_t data[static LINK_PACKET_MAX], struct link_msg *msg)
{
	union {
		char data[CMSG_SPACE(sizeof(int) * LINK_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {data, LINK_PACKET_MAX};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.data,
		.msg_controllen = sizeof(control.data),
	};
	int fds[LINK_FDS_MAX] = {-1, -1, -1, -1};
	bool reset = false;
	size_t n_fds;
	ssize_t n;

	/* A peer that went without reading all of ours is told of once, before what it said. */
	do
		n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || (errno == ECONNRESET && !reset && (reset = true))));
	if (n < 0)
		return errno == EAGAIN ? 0 : -ECONNRESET;
	n_fds = take_rights(&m, fds);
	if (n == 0 || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ||
	    link_decode(data, (size_t)n, n_fds, msg) < 0) {
		link_close_fds(fds, n_fds);
		return -ECONNRESET;
	}
	memcpy(msg->fds, fds, sizeof(fds));
	return 1;
}
