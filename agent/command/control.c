/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket, both ends. Slow or silent clients cost a slot for at most CLIENT_TIMEOUT_MS
 * and never block the loop; a client that waits for a signal's delivery asks for its own time.
 */
#include "command/control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "command/run.h"
#include "core/buf.h"
#include "core/json.h"

#define CLIENTS_MAX       16
#define CLIENT_TIMEOUT_MS 5000
#define CLIENT_WAIT_MS    (15 * 60 * 1000)
#define DOOR_PAUSE_MS     1000

struct control_client {
	struct control *control; /* NULL: slot free */
	uint64_t ticket;
	int fd;
	struct loop_io *io;
	struct loop_timer *timer;
	struct buf in, out;
	size_t sent;
	bool asked, answered;
};

struct control {
	struct loop *loop;
	int fd;
	struct loop_io *io;
	struct loop_timer *pause; /* armed: nobody is let in until then */
	control_fn *fn;
	void *ctx;
	uint64_t tickets; /* given out so far */
	struct control_client clients[CLIENTS_MAX];
};

static void client_close(struct control_client *c)
{
	loop_io_remove(c->io);
	loop_timer_free(c->timer);
	buf_deinit(&c->in);
	buf_deinit(&c->out);
	close(c->fd);
	*c = (struct control_client){.fd = -1};
}

static void on_client_timeout(struct loop *loop _unused_, void *ctx)
{
	client_close(ctx);
}

static void client_write(struct control_client *c)
{
	while (c->sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (loop_io_mod(c->io, EPOLLOUT))
				client_close(c);
			return;
		}
		if (n < 0)
			break;
		c->sent += (size_t)n;
	}
	client_close(c);
}

void control_answer(struct control_client *c, json_t *answer)
{
	_cleanup_json_ json_t *owned = answer;
	char *text =
		owned ? json_dumps(owned, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(6))
		      : NULL;

	if (!c->control || c->answered) {
		free(text);
		return;
	}
	c->answered = true;
	buf_puts(&c->out, text ? text : "{\"v\":1,\"error\":\"out of memory\"}");
	buf_putc(&c->out, '\n');
	free(text);
	loop_timer_arm(c->timer, CLIENT_TIMEOUT_MS);
	if (buf_error(&c->out))
		client_close(c);
	else
		client_write(c);
}

uint64_t control_ticket(const struct control_client *client)
{
	return client->ticket;
}

static struct control_client *find_waiting(const struct control *control, uint64_t ticket)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		const struct control_client *c = &control->clients[i];

		if (c->control && c->ticket == ticket && !c->answered)
			return (struct control_client *)(uintptr_t)c;
	}
	return NULL;
}

bool control_waits(const struct control *control, uint64_t ticket)
{
	return find_waiting(control, ticket) != NULL;
}

void control_answer_ticket(struct control *control, uint64_t ticket, json_t *answer)
{
	struct control_client *c = find_waiting(control, ticket);

	if (c)
		control_answer(c, answer);
	else
		json_decref(answer);
}

static void client_ask(struct control_client *c, size_t line_len)
{
	_cleanup_json_ json_t *request = NULL;
	struct err e = ERR_INIT;

	c->asked = true;
	if (json_parse(c->in.data, line_len, &json_limits_default, &request, &e) ||
	    !json_is_object(request)) {
		control_answer(c, json_pack("{s:i,s:o}", "v", 1, "error",
					    json_text(e.code ? e.text : "not a JSON object")));
		return;
	}
	loop_timer_arm(c->timer, CLIENT_WAIT_MS);
	c->control->fn(c, request, c->control->ctx);
}

static void client_read(struct control_client *c)
{
	ssize_t n;
	const char *end;

	if (buf_reserve(&c->in, 4096)) {
		client_close(c);
		return;
	}
	n = recv(c->fd, c->in.data + c->in.len, 4096, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(c);
		return;
	}
	c->in.len += (size_t)n;
	c->in.data[c->in.len] = '\0';
	end = memchr(c->in.data, '\n', c->in.len);
	if (end && !c->asked)
		client_ask(c, (size_t)(end - c->in.data));
}

static void on_client(struct loop *loop _unused_, uint32_t events, void *ctx)
{
	struct control_client *c = ctx;

	if (c->answered && (events & EPOLLOUT))
		client_write(c);
	else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		client_read(c);
}

static int client_open(struct control *control, struct control_client *c, int fd)
{
	*c = (struct control_client){.control = control,
				     .ticket = ++control->tickets,
				     .fd = fd,
				     .in = BUF_INIT(CONTROL_REQUEST_MAX),
				     .out = BUF_INIT(CONTROL_ANSWER_MAX)};
	if (loop_io_add(control->loop, fd, EPOLLIN, on_client, c, &c->io) ||
	    loop_timer_new(control->loop, 500, on_client_timeout, c, &c->timer)) {
		client_close(c);
		return -ENOMEM;
	}
	loop_timer_arm(c->timer, CLIENT_TIMEOUT_MS);
	return 0;
}

/* While descriptors or memory have run out, whoever waits at the door would wake us without end. */
static void pause_door(struct control *control)
{
	if (loop_io_mod(control->io, 0) == 0)
		loop_timer_arm(control->pause, DOOR_PAUSE_MS);
}

static void on_pause_over(struct loop *loop _unused_, void *ctx)
{
	struct control *control = ctx;

	if (loop_io_mod(control->io, EPOLLIN))
		loop_timer_arm(control->pause, DOOR_PAUSE_MS);
}

static void on_listen(struct loop *loop _unused_, uint32_t events _unused_, void *ctx)
{
	struct control *control = ctx;
	int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			pause_door(control);
		return;
	}
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (!control->clients[i].control) {
			(void)!client_open(control, &control->clients[i], fd);
			return;
		}
	close(fd); /* all slots taken: the client sees an end without answer and says so */
}

int control_new(struct loop *loop, int listen_fd, control_fn *fn, void *ctx, struct control **ret)
{
	struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	*c = (struct control){.loop = loop, .fd = listen_fd, .fn = fn, .ctx = ctx};
	r = loop_timer_new(loop, 0, on_pause_over, c, &c->pause);
	if (!r)
		r = loop_io_add(loop, listen_fd, EPOLLIN, on_listen, c, &c->io);
	if (r) {
		control_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct control *control_free(struct control *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (c->clients[i].control)
			client_close(&c->clients[i]);
	loop_io_remove(c->io);
	loop_timer_free(c->pause);
	free(c);
	return NULL;
}

static int socket_address(const char *path, struct sockaddr_un *sa, struct err *e)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(sa->sun_path))
		return err_set(e, -ENAMETOOLONG, "path of the control socket is too long: %s",
			       path);
	memcpy(sa->sun_path, path, strlen(path) + 1);
	return 0;
}

int control_listen(const char *path, gid_t gid, struct err *e)
{
	struct sockaddr_un sa;
	_cleanup_close_ int fd = -1;
	int r = socket_address(path, &sa, e);

	if (r)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, errno, "cannot make the control socket");
	/* The lock is held: a socket file that is there belongs to an agent that is gone. */
	(void)!unlink(path);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return err_sys(e, errno, "cannot bind %s", path);
	if (chmod(path, 0660) || (geteuid() == 0 && chown(path, 0, gid)) || listen(fd, 8))
		return err_sys(e, errno, "cannot set up %s", path);
	return take_fd(&fd);
}

#define TOO_LATE "the agent did not answer in time"

/* An agent that hangs lets nobody in: once its queue is full connect(2) waits, too, and so may
 * send(2). */
static int connect_agent(const struct env *env, int fd, int64_t timeout_ms, struct err *e)
{
	const struct timeval limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
	char path[ENV_PATH_MAX];
	struct sockaddr_un sa;
	int r = socket_address(env_path(env, CONTROL_PATH, path), &sa, e);

	if (r)
		return r;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)))
		return err_sys(e, errno, "cannot ask the agent");
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return 0;
	return errno == EAGAIN ? err_set(e, -ETIMEDOUT, TOO_LATE)
			       : err_sys(e, errno, "no agent answers on %s", path);
}

static int ask_on(int fd, const char *line, size_t n, int64_t timeout_ms, struct buf *answer,
		  struct err *e)
{
	int64_t end = clock_boot_ms() + timeout_ms;
	ssize_t put = send(fd, line, n, MSG_NOSIGNAL);

	if (put < 0 && errno != EAGAIN)
		return err_sys(e, errno, "cannot ask the agent");
	if (put != (ssize_t)n)
		return err_set(e, -ETIMEDOUT, TOO_LATE);
	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		int64_t left = end - clock_boot_ms();
		ssize_t got;

		if (left <= 0 || poll(&pfd, 1, (int)left) == 0)
			return err_set(e, -ETIMEDOUT, TOO_LATE);
		if (buf_reserve(answer, 65536))
			return err_set(e, -EFBIG, "the agent's answer is too large");
		got = recv(fd, answer->data + answer->len, 65536, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, errno, "cannot read the agent's answer");
		if (got == 0)
			return 0;
		answer->len += (size_t)got;
		answer->data[answer->len] = '\0';
	}
}

int control_ask(const struct env *env, const json_t *request, int64_t timeout_ms, json_t **ret,
		struct err *e)
{
	_cleanup_buf_ struct buf line = BUF_INIT(CONTROL_REQUEST_MAX),
				 answer = BUF_INIT(CONTROL_ANSWER_MAX);
	_cleanup_free_ char *text = json_compact(request);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0 || !text)
		return err_sys(e, fd < 0 ? errno : ENOMEM, "cannot ask the agent");
	r = connect_agent(env, fd, timeout_ms, e);
	if (r)
		return r;
	buf_puts(&line, text);
	buf_putc(&line, '\n');
	if (buf_error(&line))
		return err_set(e, -EFBIG, "the request is too large");
	r = ask_on(fd, line.data, line.len, timeout_ms, &answer, e);
	if (r)
		return r;
	if (answer.len == 0)
		return err_set(e, -ECONNRESET, "the agent closed the connection without answer");
	return json_parse(answer.data, answer.len, &json_limits_default, ret, e);
}
