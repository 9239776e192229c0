/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: level, prefix, one write per line, and nothing in them that could forge another. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>
#include "core/log.h"

/* stderr becomes a packet socket: each write is one packet, so that the test sees writes and not
 * only bytes. */
static ssize_t packet(char *out, size_t n, enum log_level level, const char *text)
{
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t got;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	dup2(fds[1], STDERR_FILENO);
	log_at(level, "%s", text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	got = recv(fds[0], out, n - 1, MSG_DONTWAIT);
	out[got > 0 ? got : 0] = '\0';
	if (got > 0)
		assert_int_equal(recv(fds[0], out + got, 1, MSG_DONTWAIT), 0);
	close(fds[0]);
	return got;
}

/* By hand the level's word, under the journal its number. */
static void test_prefix(void **state)
{
	char line[8192];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	log_setup(LOG_LEVEL_INFO, "agent");
	packet(line, sizeof(line), LOG_LEVEL_WARN, "text");
	assert_string_equal(line, "warning: agent: text\n");
	setenv("JOURNAL_STREAM", "8:1", 1);
	log_setup(LOG_LEVEL_INFO, "agent");
	packet(line, sizeof(line), LOG_LEVEL_ERR, "text");
	assert_string_equal(line, "<3>agent: text\n");
	unsetenv("JOURNAL_STREAM");
}

/* Lines above the level are not written. */
static void test_level(void **state)
{
	char line[8192];
	enum log_level level = LOG_LEVEL_INFO;

	(void)state;
	log_setup(LOG_LEVEL_WARN, "x");
	assert_true(packet(line, sizeof(line), LOG_LEVEL_INFO, "text") <= 0);
	assert_true(packet(line, sizeof(line), LOG_LEVEL_WARN, "text") > 0);
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("Debug", &level), -EINVAL);
	assert_int_equal(log_level_parse(NULL, &level), -EINVAL);
}

/* No control character, of ASCII or of UTF-8's second block, and no broken byte leaves as it came. */
static void test_escapes(void **state)
{
	char line[8192];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	log_setup(LOG_LEVEL_INFO, "x");
	packet(line, sizeof(line), LOG_LEVEL_INFO, "a\n<3>b\r\x1b[2J\x7f \xc3\xa4 \xc2\x9b \xff\xc3");
	assert_string_equal(line, "info: x: a\\x0a<3>b\\x0d\\x1b[2J\\x7f \xc3\xa4 \\xc2\\x9b \\xff\\xc3\n");
}

/* A line of any length is one write, ends with one newline, and errno stays. */
static void test_long_line(void **state)
{
	char line[8192], text[6000];
	ssize_t got;

	(void)state;
	memset(text, '\x01', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	errno = EXDEV;
	got = packet(line, sizeof(line), LOG_LEVEL_INFO, text);
	assert_in_range(got, 3000, 4096);
	assert_int_equal(line[got - 1], '\n');
	assert_ptr_equal(strchr(line, '\n'), line + got - 1);
	errno = EXDEV;
	log_line(LOG_LEVEL_DEBUG, "not written");
	assert_int_equal(errno, EXDEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefix), cmocka_unit_test(test_level), cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_long_line),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
