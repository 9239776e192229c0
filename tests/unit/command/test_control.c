/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket's promises to those that answer later: nobody gets what another one asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "command/control.h"
#include "command/run.h"
#include "core/clock.h"
#include "core/fs.h"
#include "core/json.h"
#include "tests/unit/skip.h"

static const struct env env = {.boot_ms = clock_boot_ms, .real_ms = clock_real_ms};

struct desk { /* serves nobody at once */
	struct loop *loop;
	struct loop_timer *limit;
	struct control *control;
	int fd;
	struct sockaddr_un address;
	socklen_t address_n;
	uint64_t tickets[8];
	unsigned n;
};

static void asked(struct control_client *client, const json_t *request, void *ctx)
{
	struct desk *d = ctx;

	(void)request;
	d->tickets[d->n++] = control_ticket(client);
}

static void over(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, 0);
}

static void run(struct desk *d, int64_t ms)
{
	loop_timer_arm(d->limit, ms);
	assert_int_equal(loop_run(d->loop), 0);
}

static void begin(struct desk *d)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*d = (struct desk){
		.fd = fd, .address = {.sun_family = AF_UNIX}, .address_n = sizeof(d->address)};
	/* a name of the kernel's choice */
	assert_int_equal(bind(fd, (struct sockaddr *)&d->address, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&d->address, &d->address_n), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(loop_new(&env, &d->loop), 0);
	assert_int_equal(loop_timer_new(d->loop, 0, over, d, &d->limit), 0);
	assert_int_equal(control_new(d->loop, fd, asked, d, &d->control), 0);
}

static void end(struct desk *d)
{
	control_free(d->control);
	loop_timer_free(d->limit);
	loop_free(d->loop);
	close(d->fd);
}

static int ask(struct desk *d)
{
	static const char line[] = "{\"v\":1,\"do\":\"wait\"}\n";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned before = d->n;

	assert_int_equal(connect(fd, (struct sockaddr *)&d->address, d->address_n), 0);
	assert_int_equal(send(fd, line, strlen(line), 0), strlen(line));
	for (int i = 0; i < 1000 && d->n == before; i++)
		run(d, 5);
	assert_int_equal(d->n, before + 1);
	return fd;
}

static void leave(struct desk *d, int fd, uint64_t ticket)
{
	close(fd);
	for (int i = 0; i < 1000 && control_waits(d->control, ticket); i++)
		run(d, 5);
	assert_false(control_waits(d->control, ticket));
}

static ssize_t heard(int fd, char *text, size_t size)
{
	ssize_t n = recv(fd, text, size - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return n;
}

/* The first one gives up and its place is the second one's: the answer to the first reaches nobody.
 */
static void places(void **state)
{
	struct desk d;
	char text[256];
	int first, second;

	(void)state;
	begin(&d);
	first = ask(&d);
	leave(&d, first, d.tickets[0]);
	second = ask(&d);
	assert_true(d.tickets[1] != d.tickets[0]);
	control_answer_ticket(d.control, d.tickets[0], json_pack("{s:s}", "state", "of the first"));
	assert_int_equal(heard(second, text, sizeof(text)), -1);
	assert_true(control_waits(d.control, d.tickets[1]));
	control_answer_ticket(d.control, d.tickets[1],
			      json_pack("{s:s}", "state", "of the second"));
	assert_true(heard(second, text, sizeof(text)) > 0);
	assert_string_equal(text, "{\"state\":\"of the second\"}\n");
	assert_false(control_waits(d.control, d.tickets[1]));
	control_answer_ticket(d.control, d.tickets[1], json_pack("{s:s}", "state", "again"));
	assert_int_equal(heard(second, text, sizeof(text)), 0); /* one answer, then the end */
	close(second);
	end(&d);
}

/* Return: the limit before; no descriptor can be opened until it is set again. */
static struct rlimit no_descriptors(void)
{
	struct rlimit before, none;
	int next = dup(STDOUT_FILENO);

	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	return before;
}

/* Whoever comes while there are no descriptors costs no wake-ups, and is served when there are. */
static void without_descriptors(void **state)
{
	static const char line[] = "{\"v\":1,\"do\":\"wait\"}\n";
	struct rlimit before;
	uint64_t wakeups;
	struct desk d;
	int fd;

	(void)state;
	if (under_valgrind())
		skip_because("valgrind has another limit of descriptors than the kernel is told");
	begin(&d);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&d.address, d.address_n), 0);
	assert_int_equal(send(fd, line, strlen(line), 0), strlen(line));
	before = no_descriptors();
	wakeups = loop_get_stats(d.loop)->wakeups;
	run(&d, 500);
	wakeups = loop_get_stats(d.loop)->wakeups - wakeups;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(d.n, 0);
	assert_true(wakeups < 10);
	for (int i = 0; i < 1000 && d.n == 0; i++)
		run(&d, 10);
	assert_int_equal(d.n, 1);
	close(fd);
	end(&d);
}

/* An agent that lets nobody in any more: the question ends when its time is over. */
static void nobody_lets_in(void **state)
{
	char root[] = "/tmp/hp-control-XXXXXX", path[ENV_PATH_MAX];
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	_cleanup_json_ json_t *request = json_pack("{s:i}", "v", 1);
	json_t *answer = NULL;
	struct err e = ERR_INIT;
	struct env here = env;
	int door, first;

	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(here.root, sizeof(here.root), "%s", root);
	assert_int_equal(fs_mkdirs(env_path(&here, CONTROL_DIR, path), 0700), 0);
	env_path(&here, CONTROL_PATH, path);
	assert_true(snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path) <
		    (int)sizeof(sa.sun_path));
	door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(door, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(door, 0), 0);
	first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(first, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(control_ask(&here, request, 200, &answer, &e), -ETIMEDOUT);
	assert_string_equal(e.text, "the agent did not answer in time");
	close(first);
	close(door);
	fs_remove_tree(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
		cmocka_unit_test(without_descriptors),
		cmocka_unit_test(nobody_lets_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
