/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of core/link.h, with a real peer in the same loop, or a raw socket that breaks the
 * rules. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "core/fs.h"
#include "link_pair.h"
#include "tests/unit/descriptors.h"

/* What is written is read back; over-long, short and NUL-bearing input fails the reader and sticks.
 */
static void test_fields(void **state)
{
	struct msg_writer w = {.len = 0};
	struct msg_reader r;
	char *s, big[LINK_PAYLOAD_MAX];

	(void)state;
	msg_put_u32(&w, 7);
	msg_put_u64(&w, UINT64_MAX);
	msg_put_i64(&w, -5);
	msg_put_str(&w, "word");
	msg_put_str(&w, NULL);
	msg_put_str(&w, "");
	r = (struct msg_reader){w.data, w.len, false};
	assert_int_equal(msg_get_u32(&r), 7);
	assert_true(msg_get_u64(&r) == UINT64_MAX);
	assert_int_equal(msg_get_i64(&r), -5);
	s = msg_get_str(&r, 4);
	assert_string_equal(s, "word");
	free(s);
	assert_null(msg_get_str(&r, 4));
	assert_int_equal(msg_reader_done(&r), -EBADMSG); /* something is left */
	s = msg_get_str(&r, 4);
	assert_string_equal(s, "");
	free(s);
	assert_int_equal(msg_reader_done(&r), 0);
	msg_get_u32(&r);
	assert_int_equal(msg_reader_done(&r), -EBADMSG);

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	w.len = 0;
	msg_put_str(&w, big); /* does not fit with its length */
	msg_put_u32(&w, 1);
	assert_true(w.failed);
}

static void expect_bad_string(const void *p, size_t n, size_t max)
{
	struct msg_reader r = {p, n, false};

	assert_null(msg_get_str(&r, max));
	assert_int_equal(msg_reader_done(&r), -EBADMSG);
}

/* Strings: a length beyond the packet, beyond the limit, or a NUL inside. */
static void test_bad_strings(void **state)
{
	(void)state;
	expect_bad_string("\x05\0\0\0abcd", 8, 100);
	expect_bad_string("\x04\0\0\0abcd", 8, 3);
	expect_bad_string("\x04\0\0\0a\0cd", 8, 100);
	expect_bad_string("\x04\0\0", 3, 100);
	expect_bad_string("\xfe\xff\xff\xff", 4, SIZE_MAX);
}

/* The header: magic, lengths, number of descriptors, and which kinds may have a status or lack an
 * id. */
static void test_decode(void **state)
{
	uint8_t p[LINK_HEADER + 4] = {0};
	struct link_msg m;

	(void)state;
	link_encode_header(p, 9, 3, 0, 4, 1);
	assert_int_equal(link_decode(p, sizeof(p), 1, &m), 0);
	assert_int_equal(m.type, 9);
	assert_int_equal(m.id, 3);
	assert_int_equal(m.body.left, 4);
	assert_int_equal(link_decode(p, sizeof(p), 0, &m), -EBADMSG);
	assert_int_equal(link_decode(p, sizeof(p) - 1, 1, &m), -EBADMSG);
	assert_int_equal(link_decode(p, LINK_HEADER - 1, 1, &m), -EBADMSG);
	assert_int_equal(link_decode(p, 0, 0, &m), -EBADMSG);
	link_encode_header(p, 9, 3, -5, 4, 0); /* a request with a status */
	assert_int_equal(link_decode(p, sizeof(p), 0, &m), -EBADMSG);
	link_encode_header(p, LINK_TYPE_ANSWER, 0, 0, 4, 0); /* an answer to nothing */
	assert_int_equal(link_decode(p, sizeof(p), 0, &m), -EBADMSG);
	link_encode_header(p, LINK_TYPE_ANSWER, 1, -5, 4, 0);
	assert_int_equal(link_decode(p, sizeof(p), 0, &m), 0);
	assert_int_equal(m.status, -5);
	p[0] ^= 1;
	assert_int_equal(link_decode(p, sizeof(p), 0, &m), -EBADMSG);
}

/* A call is answered with its payload and descriptors; both sides' descriptors are closed
 * afterwards. */
static void test_call_with_fds(void **state)
{
	struct pair p;
	struct msg_writer w = {.len = 0};
	int fds[LINK_FDS_MAX + 1];
	size_t before;

	(void)state;
	start(&p, false);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = fs_blob("test", "x", 1);
	before = count_fds();
	msg_put_str(&w, "hello");
	for (int i = 0; i < 50; i++) {
		assert_int_equal(
			link_call(p.a.link, ECHO, &w, fds, LINK_FDS_MAX, 5000, on_answer, &p.a), 0);
		assert_int_equal(run_loop(p.loop, 5000), 0);
	}
	assert_int_equal(p.a.answers, 50);
	assert_int_equal(p.a.status, 0);
	assert_int_equal(p.a.fds, 50 * LINK_FDS_MAX);
	assert_string_equal(p.a.text, "hello");
	assert_int_equal(count_fds(), before);
	assert_int_equal(link_send(p.a.link, SAY, &w, fds, LINK_FDS_MAX + 1), -EMSGSIZE);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	finish(&p);
}

/* A full payload fits; a writer that failed is not sent. */
static void test_limits(void **state)
{
	struct pair p;
	struct msg_writer w = {.len = LINK_PAYLOAD_MAX};

	(void)state;
	start(&p, false);
	p.b.stop_on_message = true;
	assert_int_equal(link_send(p.a.link, SAY, &w, NULL, 0), 0);
	assert_int_equal(run_loop(p.loop, 5000), 0);
	assert_int_equal(p.b.messages, 1);
	msg_put_u32(&w, 1);
	assert_int_equal(link_send(p.a.link, SAY, &w, NULL, 0), -EMSGSIZE);
	assert_int_equal(link_send(p.a.link, LINK_TYPE_ANSWER, NULL, NULL, 0), -EINVAL);
	finish(&p);
}

/* What the socket does not take waits in a queue of bounded length, keeps its order and its
 * descriptors, and nothing blocks. */
static void test_queue(void **state)
{
	struct pair p;
	struct msg_writer w = {.len = LINK_PAYLOAD_MAX};
	int fd = fs_blob("test", "x", 1), sent = 0, r = 0;
	size_t before;

	(void)state;
	start(&p, false);
	before = count_fds();
	while ((r = link_send(p.a.link, SAY, &w, &fd, 1)) == 0)
		sent++;
	assert_int_equal(r, -ENOBUFS);
	assert_true(sent >= LINK_QUEUE_MAX);
	assert_int_equal(run_loop(p.loop, 300), OUT_OF_TIME);
	assert_int_equal(p.b.messages, sent);
	assert_int_equal(p.b.fds, sent);
	assert_int_equal(count_fds(), before);
	assert_int_equal(link_send(p.a.link, SAY, &w, &fd, 1), 0);
	close(fd);
	finish(&p);
}

/* A call that nobody answers ends with -ETIMEDOUT, once; an answer that comes after that is dropped
 * without harm. */
static void test_timeout_and_late_answer(void **state)
{
	struct pair p;

	(void)state;
	start(&p, false);
	assert_int_equal(link_call(p.a.link, LATE, NULL, NULL, 0, 20, on_answer, &p.a), 0);
	assert_int_equal(run_loop(p.loop, 5000), 0);
	assert_int_equal(p.a.status, -ETIMEDOUT);
	assert_int_equal(link_reply(p.b.link, p.b.late_id, 0, NULL, NULL, 0), 0);
	assert_int_equal(run_loop(p.loop, 20), OUT_OF_TIME);
	assert_int_equal(p.a.answers, 1);
	assert_int_equal(p.a.closed, 0);
	assert_int_equal(link_call(p.a.link, SAY, NULL, NULL, 0, 0, on_answer, &p.a), -EINVAL);
	finish(&p);
}

/* Whoever has forgotten a call is not told of its answer, nor of a time-out. */
static void test_forgotten_call(void **state)
{
	struct pair p;

	(void)state;
	start(&p, false);
	assert_int_equal(link_call(p.a.link, LATE, NULL, NULL, 0, 200, on_answer, &p.a), 0);
	assert_int_equal(run_loop(p.loop, 20), OUT_OF_TIME);
	assert_true(link_forget(p.a.link, &p.a));
	assert_false(link_forget(p.a.link, &p.a));
	assert_int_equal(link_reply(p.b.link, p.b.late_id, 0, NULL, NULL, 0), 0);
	assert_int_equal(run_loop(p.loop, 500), OUT_OF_TIME);
	assert_int_equal(p.a.answers, 0);
	assert_int_equal(p.a.closed, 0);
	finish(&p);
}

/* A second answer to one call reaches nobody. */
static void test_second_answer(void **state)
{
	struct pair p;

	(void)state;
	start(&p, false);
	assert_int_equal(link_call(p.a.link, TWICE, NULL, NULL, 0, 1000, on_answer, &p.a), 0);
	assert_int_equal(run_loop(p.loop, 1000), 0);
	assert_int_equal(run_loop(p.loop, 20), OUT_OF_TIME);
	assert_int_equal(p.a.answers, 1);
	assert_int_equal(p.a.status, 5);
	finish(&p);
}

/* A handler may free its link with more messages waiting. */
static void test_free_inside(void **state)
{
	struct pair p;

	(void)state;
	start(&p, false);
	for (int i = 0; i < 5; i++)
		assert_int_equal(link_send(p.b.link, SAY, NULL, NULL, 0), 0);
	p.a.free_on_message = true;
	assert_int_equal(run_loop(p.loop, 5000), 0); /* b sees the end */
	assert_int_equal(p.a.messages, 1);
	assert_int_equal(p.b.closed, 1);
	finish(&p);
}

static void send_raw(int fd, const void *p, size_t n, const int *fds, size_t n_fds)
{
	char control[CMSG_SPACE(sizeof(int) * 16)] = {0};
	uint8_t copy[LINK_HEADER + LINK_PAYLOAD_MAX + 64];
	struct iovec iov = {copy, n};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	memcpy(copy, p, n);
	if (n_fds) {
		struct cmsghdr *c;

		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	assert_int_equal(sendmsg(fd, &m, 0), (ssize_t)n);
}

/* One packet from a peer that breaks the rules must close the link and leak no descriptor. */
static void expect_closed(const void *p, size_t n, size_t n_fds)
{
	struct pair pair;
	int fds[16];
	size_t before;

	start(&pair, true);
	for (size_t i = 0; i < n_fds; i++)
		fds[i] = fs_blob("test", "x", 1);
	before = count_fds();
	send_raw(pair.b.fd, p, n, fds, n_fds);
	assert_int_equal(run_loop(pair.loop, 5000), 0);
	assert_int_equal(pair.a.closed, 1);
	assert_int_equal(pair.a.messages, 0);
	assert_int_equal(count_fds(), before - 1); /* the link's own */
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	finish(&pair);
}

/* Broken rules: garbage, too long, too many descriptors, a wrong count, an answer never asked for.
 */
static void test_broken_peer(void **state)
{
	static uint8_t p[LINK_HEADER + LINK_PAYLOAD_MAX + 1];

	(void)state;
	expect_closed("garbage", 7, 0);
	link_encode_header(p, SAY, 0, 0, LINK_PAYLOAD_MAX + 1, 0);
	expect_closed(p, sizeof(p), 0);
	link_encode_header(p, SAY, 0, 0, 10, 0);
	expect_closed(p, LINK_HEADER + 9, 0);
	link_encode_header(p, SAY, 0, 0, 0, 2);
	expect_closed(p, LINK_HEADER, 1);
	link_encode_header(p, SAY, 0, 0, 0, 5);
	expect_closed(p, LINK_HEADER, 5);
	link_encode_header(p, SAY, 0, 0, 0, 4);
	expect_closed(p, LINK_HEADER, 16);
	link_encode_header(p, LINK_TYPE_ANSWER, 77, 0, 0, 0);
	expect_closed(p, LINK_HEADER, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_bad_strings),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_call_with_fds),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_timeout_and_late_answer),
		cmocka_unit_test(test_forgotten_call),
		cmocka_unit_test(test_second_answer),
		cmocka_unit_test(test_free_inside),
		cmocka_unit_test(test_broken_peer),
	};

	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
