/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed, length-checked messages between two roles over a SOCK_SEQPACKET pair. One message is one
 * packet: a fixed header, at most LINK_PAYLOAD_MAX bytes of payload and at most LINK_FDS_MAX
 * descriptors. Anything larger travels as a sealed memfd (fs_blob()). A message that breaks a rule
 * closes the link: the peer is not to be trusted further. Calls carry an id and a deadline; each
 * call's answer function is called exactly once.
 */
#pragma once

#include "core/loop.h"
#include "core/err.h"

#define LINK_PAYLOAD_MAX 16384
#define LINK_FDS_MAX     4
#define LINK_HEADER      24u /* bytes before the payload */
#define LINK_TYPE_ANSWER 0u  /* of answers; requests and notices have types of their own */
#define LINK_QUEUE_MAX   256 /* messages that wait for the socket, calls that wait for an answer */

/* Payload encoding: fields in order, little endian, strings as u32 length + bytes. Writers and
 * readers stick to their first error. */
struct msg_writer {
	uint8_t data[LINK_PAYLOAD_MAX];
	size_t len;
	bool failed;
};
/** msg_writer_init() - an empty one; its bytes are left alone, so that one on the stack costs no more
 * pages than it fills. */
static inline void msg_writer_init(struct msg_writer *w)
{
	w->len = 0;
	w->failed = false;
}
void msg_put_u32(struct msg_writer *w, uint32_t v);
void msg_put_u64(struct msg_writer *w, uint64_t v);
void msg_put_i64(struct msg_writer *w, int64_t v);
void msg_put_str(struct msg_writer *w, const char *s); /* NULL is sent as NULL */

struct msg_reader {
	const uint8_t *p;
	size_t left;
	bool failed;
};
uint32_t msg_get_u32(struct msg_reader *r);
uint64_t msg_get_u64(struct msg_reader *r);
int64_t msg_get_i64(struct msg_reader *r);
/** msg_get_str() - new string (or NULL as sent) of at most @max bytes without NUL inside; longer
 * fails the reader. */
char *msg_get_str(struct msg_reader *r, size_t max);
/** msg_reader_done() - 0 when all was read and nothing failed, else -EBADMSG. */
int msg_reader_done(const struct msg_reader *r) _must_check_;

struct link;
struct link_msg {
	uint32_t type;
	uint32_t id;    /* of the call; 0 = no answer wanted */
	int32_t status; /* answers: 0 or -errno */
	struct msg_reader body;
	int fds[LINK_FDS_MAX]; /* owned by the receiver of the message until taken with take_fd() */
	size_t n_fds;
};

/** a request or notice arrived; answer with link_reply() now or later when msg->id is not 0 */
typedef void link_msg_fn(struct link *link, struct link_msg *msg, void *ctx);
/** the answer to a call; @status 0, the peer's -errno, -ETIMEDOUT or -ECONNRESET; @msg NULL unless
 * an answer came */
typedef void link_answer_fn(struct link *link, int status, struct link_msg *msg, void *ctx);
/** the peer is gone or broke a rule; open calls have been answered with -ECONNRESET; free the link
 * here */
typedef void link_closed_fn(struct link *link, void *ctx);

/** link_new() - attach @fd (taken, also on failure) to the loop. */
int link_new(struct loop *loop, int fd, link_msg_fn *on_msg, link_closed_fn *on_closed, void *ctx,
	     struct link **ret) _must_check_;
struct link *link_free(struct link *link); /* open calls are dropped without answer */
/** link_send() - a notice. @fds are borrowed (duplicated by the kernel). Never blocks: queues up to
 * 256 messages, then -ENOBUFS. */
int link_send(struct link *link, uint32_t type, const struct msg_writer *w, const int *fds,
	      size_t n_fds) _must_check_;
int link_call(struct link *link, uint32_t type, const struct msg_writer *w, const int *fds,
	      size_t n_fds, int64_t timeout_ms, link_answer_fn *fn, void *ctx) _must_check_;
/** link_forget() - nobody wants the answer to the open call with that @ctx: its function is not
 * called. Return: whether there was one. */
bool link_forget(struct link *link, const void *ctx);
int link_reply(struct link *link, uint32_t id, int32_t status, const struct msg_writer *w,
	       const int *fds, size_t n_fds);
/** link_call_wait() - a call that blocks this process up to @timeout_ms: only before a loop runs.
 * Other messages queue up meanwhile.
 * @ret filled on 0; its body points into the link until the next wait or turn of the loop, its
 * descriptors are the caller's to close. Return: 0, what link_answer_fn would get as @status, or -errno. */
int link_call_wait(struct link *link, uint32_t type, const struct msg_writer *w, const int *fds,
		   size_t n_fds, int64_t timeout_ms, struct link_msg *ret) _must_check_;
/** link_flush_wait() - blocks this process until the socket has taken all that waits for it, at
 * most
 * @timeout_ms: before link_free() at an end, which drops the rest. Return: 0, -ETIMEDOUT or -errno.
 */
int link_flush_wait(struct link *link, int64_t timeout_ms) _must_check_;
/** link_decode() - the pure check of one packet (fuzzed): header, lengths, descriptor count.
 * -EBADMSG else; fds all -1. */
int link_decode(const void *p, size_t n, size_t n_fds, struct link_msg *ret) _must_check_;
/** link_encode_header() - the other direction; @len of payload and @n_fds within bounds. */
void link_encode_header(uint8_t out[static LINK_HEADER], uint32_t type, uint32_t id, int32_t status,
			size_t len, size_t n_fds);
