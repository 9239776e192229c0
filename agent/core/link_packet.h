/* SPDX-License-Identifier: Apache-2.0 */
/* Sending and receiving single packets: for link.c alone. */
#pragma once

#include "core/link.h"

#define LINK_PACKET_MAX (LINK_HEADER + LINK_PAYLOAD_MAX)

struct link_packet {
	uint8_t head[LINK_HEADER];
	const void *body;
	size_t len;
	const int *fds; /* borrowed */
	size_t n_fds;
};

/** link_packet_send() - Return: 0, -EAGAIN when the socket is full, or -errno. */
int link_packet_send(int fd, const struct link_packet *p) _must_check_;
/**
 * link_packet_receive() - one packet into @data, which @msg then points into
 *
 * Return: 1 = @msg filled, its descriptors the caller's; 0 = nothing there now; -ECONNRESET = the
 * peer is gone or broke a rule (descriptors that came with it are closed).
 */
int link_packet_receive(int fd, uint8_t data[static LINK_PACKET_MAX],
			struct link_msg *msg) _must_check_;
/** link_close_fds() - closes those that were not taken. */
void link_close_fds(int *fds, size_t n);
