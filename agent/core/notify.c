/* SPDX-License-Identifier: Apache-2.0 */
/* The datagrams of sd_notify(3). The socket is opened for each: a manager that is restarted makes a
 * new one under the same name. */
#include "core/notify.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/text.h"

/* A path, or an abstract name written with '@' for its leading NUL. */
static int fill_address(const char *name, struct sockaddr_un *ret, socklen_t *ret_len)
{
	size_t n = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || n < 2 || n >= sizeof(ret->sun_path))
		return -EINVAL;
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(ret->sun_path, name, n);
	if (name[0] == '@')
		ret->sun_path[0] = 0;
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return 0;
}

int notify_send(const char *state)
{
	const char *name = getenv("NOTIFY_SOCKET");
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address;
	socklen_t len;
	int r;

	if (!name || !name[0])
		return 1;
	r = fill_address(name, &address, &len);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
		   len) < 0)
		return -errno;
	return 0;
}

static int64_t number_of(const char *variable)
{
	const char *text = getenv(variable);
	int64_t n;

	if (!text || text_i64(text, strlen(text), &n) < 0 || n < 0)
		return 0;
	return n;
}

int64_t notify_watchdog_ms(void)
{
	int64_t us = number_of("WATCHDOG_USEC"), pid = number_of("WATCHDOG_PID");

	if (us == 0 || (getenv("WATCHDOG_PID") && pid != getpid()))
		return 0;
	return us / 3000 > 0 ? us / 3000 : 1;
}
