/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of core/link.h about the end of a link, and about waiting while no loop runs. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/wait.h>
#include "link_pair.h"

/* The peer hangs up: open calls get -ECONNRESET, then closed is told, once; later sends fail. */
static void test_peer_gone(void **state)
{
	struct pair p;

	(void)state;
	start(&p, false);
	assert_int_equal(link_call(p.a.link, SILENT, NULL, NULL, 0, 5000, on_answer, &p.a), 0);
	assert_int_equal(link_call(p.a.link, HANG_UP, NULL, NULL, 0, 5000, on_answer, &p.a), 0);
	while (!p.a.closed)
		assert_int_equal(run_loop(p.loop, 5000), 0);
	assert_int_equal(p.a.answers, 2);
	assert_int_equal(p.a.status, -ECONNRESET);
	assert_null(p.a.link);
	finish(&p);
}

/* A message sent just before the peer ended is still delivered. */
static void test_last_words(void **state)
{
	struct pair p;

	(void)state;
	start(&p, false);
	assert_int_equal(link_send(p.b.link, SAY, NULL, NULL, 0), 0);
	p.b.link = link_free(p.b.link);
	assert_int_equal(run_loop(p.loop, 5000), 0);
	assert_int_equal(p.a.messages, 1);
	assert_int_equal(p.a.closed, 1);
	finish(&p);
}

/* So it is when the peer had not read all that it was sent, and when there is more to read than one
 * turn takes and to say than the socket does. */
static void test_last_words_of_one_who_did_not_listen(void **state)
{
	struct msg_writer w = {.len = LINK_PAYLOAD_MAX};
	struct pair p;

	(void)state;
	start(&p, false);
	assert_int_equal(link_send(p.a.link, SAY, NULL, NULL, 0), 0);
	assert_int_equal(link_send(p.b.link, SAY, NULL, NULL, 0), 0);
	p.b.link = link_free(p.b.link);
	while (!p.a.closed)
		assert_int_equal(run_loop(p.loop, 5000), 0);
	assert_int_equal(p.a.messages, 1);
	finish(&p);

	start(&p, false);
	while (link_send(p.a.link, SAY, &w, NULL, 0) == 0)
		;
	for (int i = 0; i < 100; i++)
		assert_int_equal(link_send(p.b.link, SAY, NULL, NULL, 0), 0);
	p.b.link = link_free(p.b.link);
	while (!p.a.closed)
		assert_int_equal(run_loop(p.loop, 5000), 0);
	assert_int_equal(p.a.messages, 100);
	finish(&p);
}

/* What waits is handed to the socket while no loop runs, as far as there is time. */
static void test_flush_wait(void **state)
{
	struct msg_writer w = {.len = LINK_PAYLOAD_MAX};
	struct pair p;
	int sent = 0, got = 0, fd;
	pid_t pid;

	(void)state;
	start(&p, true);
	assert_int_equal(link_flush_wait(p.a.link, 0), 0);
	while (link_send(p.a.link, SAY, &w, NULL, 0) == 0)
		sent++;
	assert_int_equal(link_flush_wait(p.a.link, 50), -ETIMEDOUT);
	pid = fork();
	if (pid == 0) {
		static char data[LINK_HEADER + LINK_PAYLOAD_MAX];

		while (got < sent && recv(p.b.fd, data, sizeof(data), 0) == sizeof(data))
			got++;
		_exit(got == sent ? 0 : 1);
	}
	assert_int_equal(link_flush_wait(p.a.link, 60000), 0);
	assert_int_equal(waitpid(pid, &got, 0), pid);
	assert_int_equal(got, 0);
	while (link_send(p.a.link, SAY, &w, NULL, 0) == 0)
		;
	fd = p.b.fd;
	p.b.fd = -1;
	close(fd);
	assert_int_equal(link_flush_wait(p.a.link, 60000), -ECONNRESET);
	finish(&p);
}

/* ---- waiting before the loop runs ---- */

static pid_t fork_peer(int fds[2], bool answer)
{
	pid_t pid = fork();

	if (pid == 0) {
		uint8_t p[LINK_HEADER + LINK_PAYLOAD_MAX], q[LINK_HEADER];
		struct link_msg m;
		ssize_t n;

		close(fds[0]);
		n = recv(fds[1], p, sizeof(p), 0);
		if (n < 0 || link_decode(p, (size_t)n, 0, &m) < 0)
			_exit(1);
		link_encode_header(q, SAY, 0, 0, 0, 0);
		if (send(fds[1], q, sizeof(q), 0) < 0)
			_exit(1);
		link_encode_header(p, LINK_TYPE_ANSWER, m.id, 0, m.body.left, 0);
		if (answer && send(fds[1], p, (size_t)n, 0) < 0)
			_exit(1);
		_exit(0);
	}
	close(fds[1]);
	return pid;
}

static int wait_call(struct side *s, struct loop *loop, bool answer, int64_t ms, struct link_msg *m,
		     pid_t *pid)
{
	struct msg_writer w = {.len = 0};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	*pid = fork_peer(fds, answer);
	assert_int_equal(link_new(loop, fds[0], on_msg, on_closed, s, &s->link), 0);
	msg_put_str(&w, "ping");
	return link_call_wait(s->link, ECHO, &w, NULL, 0, ms, m);
}

/* link_call_wait() gets its answer; a message that came in between is delivered when the loop runs.
 */
static void test_call_wait(void **state)
{
	struct side s = {0};
	struct link_msg m;
	char *t;
	pid_t pid;

	(void)state;
	assert_int_equal(loop_new(&env, &s.loop), 0);
	assert_int_equal(wait_call(&s, s.loop, true, 5000, &m, &pid), 0);
	t = msg_get_str(&m.body, 10);
	assert_string_equal(t, "ping");
	free(t);
	assert_int_equal(s.messages, 0);
	assert_int_equal(run_loop(s.loop, 5000), 0);
	assert_int_equal(s.messages, 1);
	assert_int_equal(s.closed, 1);
	waitpid(pid, NULL, 0);
	loop_free(s.loop);
}

/* A peer that ends instead of answering gives -ECONNRESET; the loop then tells of the message and
 * of the end. */
static void test_call_wait_peer_gone(void **state)
{
	struct side s = {0};
	struct link_msg m;
	pid_t pid;

	(void)state;
	assert_int_equal(loop_new(&env, &s.loop), 0);
	assert_int_equal(wait_call(&s, s.loop, false, 5000, &m, &pid), -ECONNRESET);
	assert_int_equal(s.closed, 0);
	assert_int_equal(run_loop(s.loop, 5000), 0);
	assert_int_equal(s.messages, 1);
	assert_int_equal(s.closed, 1);
	waitpid(pid, NULL, 0);
	loop_free(s.loop);
}

/* A silent peer costs no more than the time given. */
static void test_call_wait_timeout(void **state)
{
	struct pair p;
	struct link_msg m;
	int64_t start_ms = clock_boot_ms();

	(void)state;
	start(&p, true);
	assert_int_equal(link_call_wait(p.a.link, SAY, NULL, NULL, 0, 30, &m), -ETIMEDOUT);
	assert_true(clock_boot_ms() - start_ms >= 30);
	assert_true(clock_boot_ms() - start_ms < 5000);
	finish(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peer_gone),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_last_words_of_one_who_did_not_listen),
		cmocka_unit_test(test_flush_wait),
		cmocka_unit_test(test_call_wait),
		cmocka_unit_test(test_call_wait_peer_gone),
		cmocka_unit_test(test_call_wait_timeout),
	};

	return cmocka_run_group_tests_name("link_end", tests, NULL, NULL);
}
