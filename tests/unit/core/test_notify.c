/* SPDX-License-Identifier: Apache-2.0 */
/* The service manager's socket, played by the test: by path, by abstract name, absent, broken. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>
#include "core/notify.h"

static int listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = 0;
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	return fd;
}

static void hear(const char *name, const char *said)
{
	char got[64] = "";
	int fd = listen_at(name);

	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(notify_send(said), 0);
	assert_int_equal(recv(fd, got, sizeof(got) - 1, 0), strlen(said));
	assert_string_equal(got, said);
	close(fd);
	unsetenv("NOTIFY_SOCKET");
}

/* One datagram with exactly the state, whether the name is a path or an abstract one. */
static void test_told(void **state)
{
	char folder[] = "/tmp/hp-notify-XXXXXX", path[64], name[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	hear(path, NOTIFY_READY);
	unlink(path);
	rmdir(folder);
	snprintf(name, sizeof(name), "@heat-pulse-test-%d", getpid());
	hear(name, NOTIFY_ALIVE "\nSTATUS=x");
}

/* Nobody asked: a positive answer, no error. A name that is none, or where nobody listens: -errno. */
static void test_not_told(void **state)
{
	char long_name[256] = "/";

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_send(NOTIFY_READY), 1);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_int_equal(notify_send(NOTIFY_READY), 1);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(notify_send(NOTIFY_READY), -EINVAL);
	memset(long_name + 1, 'x', sizeof(long_name) - 2);
	setenv("NOTIFY_SOCKET", long_name, 1);
	assert_int_equal(notify_send(NOTIFY_READY), -EINVAL);
	setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
	assert_int_equal(notify_send(NOTIFY_READY), -ENOENT);
	unsetenv("NOTIFY_SOCKET");
}

/* A third of what the manager waits; never when it waits for another process or names no time. */
static void test_watchdog(void **state)
{
	char pid[16];

	(void)state;
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "180000000", 1);
	assert_int_equal(notify_watchdog_ms(), 60000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_watchdog_ms(), 0);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_watchdog_ms(), 60000);
	setenv("WATCHDOG_USEC", "3min", 1);
	assert_int_equal(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "-1", 1);
	assert_int_equal(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "5", 1);
	assert_int_equal(notify_watchdog_ms(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_not_told),
		cmocka_unit_test(test_watchdog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
