/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of core/store_log.h: the files themselves, and the way through a real store process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "core/fs.h"
#include "core/log.h"
#include "core/store_log.h"

#define UUID  "11111111-2222-3333-4444-555555555555"
#define OTHER "99999999-2222-3333-4444-555555555555"
#define NAME  "metrics/0000000000000001"

static const struct env env = {.boot_ms = clock_boot_ms, .real_ms = clock_real_ms};

struct fix {
	char dir[64];
	struct loop *loop;
	struct store *store;
	struct link *link;
	pid_t pid;
	int done, status;
	uint64_t size;
	struct buf value;
};

static void on_msg(struct link *link, struct link_msg *msg, void *ctx)
{
	(void)link;
	(void)msg;
	(void)ctx;
}

static void on_closed(struct link *link, void *ctx)
{
	struct fix *f = ctx;

	store_set_link(f->store, NULL);
	f->link = link_free(link);
	loop_quit(f->loop, 2);
}

static void start_role(struct fix *f)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	f->pid = fork();
	if (f->pid == 0) {
		close(fds[0]);
		_exit(store_role_run(&env, fds[1], f->dir));
	}
	close(fds[1]);
	assert_int_equal(link_new(f->loop, fds[0], on_msg, on_closed, f, &f->link), 0);
	store_set_link(f->store, f->link);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/test_store_log.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->value = BUF_INIT(STORE_LOG_PIECE_MAX);
	assert_int_equal(loop_new(&env, &f->loop), 0);
	assert_int_equal(store_new(f->loop, &f->store), 0);
	assert_int_equal(store_bind(f->store, UUID), 0);
	*state = f;
	return 0;
}

static void stop_role(struct fix *f)
{
	store_set_link(f->store, NULL);
	f->link = link_free(f->link);
	if (f->pid)
		waitpid(f->pid, NULL, 0);
	f->pid = 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	stop_role(f);
	store_free(f->store);
	loop_free(f->loop);
	fs_remove_tree(f->dir);
	buf_deinit(&f->value);
	free(f);
	return 0;
}

static void on_done(int status, void *ctx)
{
	struct fix *f = ctx;

	f->done++;
	f->status = status;
	loop_quit(f->loop, 0);
}

static void on_read(int status, const char *p, size_t n, uint64_t size, void *ctx)
{
	struct fix *f = ctx;

	buf_reset(&f->value);
	if (p)
		buf_put(&f->value, p, n);
	f->size = size;
	on_done(status, f);
}

static int append(struct fix *f, uint64_t at, const char *text)
{
	int before = f->done;

	assert_int_equal(store_append(f->store, NAME, at, text, strlen(text), on_done, f), 0);
	assert_int_equal(f->done, before); /* never from inside */
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->done, before + 1);
	return f->status;
}

static int read_log(struct fix *f, uint64_t at, size_t max)
{
	assert_int_equal(store_read(f->store, NAME, at, max, on_read, f), 0);
	assert_int_equal(loop_run(f->loop), 0);
	return f->status;
}

/* What was appended is read back; a piece sent twice, or after more than it knows of, ends the
 * same. */
static void test_append_read(void **state)
{
	struct fix *f = *state;

	start_role(f);
	assert_int_equal(append(f, 0, "first"), 0);
	assert_int_equal(append(f, 5, "second"), 0);
	assert_int_equal(append(f, 5, "second"), 0);
	assert_int_equal(append(f, 11, "third"), 0);
	assert_int_equal(append(f, 5, "2nd"), 0);
	assert_int_equal(read_log(f, 0, 1000), 0);
	assert_string_equal(buf_str(&f->value), "first2nd");
	assert_int_equal(f->size, 8);
	assert_int_equal(read_log(f, 5, 2), 0);
	assert_string_equal(buf_str(&f->value), "2n");
	assert_int_equal(read_log(f, 0, 0), 0);
	assert_int_equal(f->size, 8);
	assert_int_equal(append(f, 5, ""), 0); /* an empty piece only cuts */
	assert_int_equal(read_log(f, 0, 1000), 0);
	assert_string_equal(buf_str(&f->value), "first");
}

/* A hole is refused, as is a log that does not exist and one that has no name. */
static void test_refused(void **state)
{
	struct fix *f = *state;

	assert_int_equal(store_append(f->store, NAME, 0, "x", 1, on_done, f), -ENOTCONN);
	start_role(f);
	assert_int_equal(append(f, 7, "x"), -ESTALE);
	assert_int_equal(read_log(f, 0, 10), -ENOENT);
	assert_int_equal(append(f, 0, "x"), 0);
	assert_int_equal(append(f, 7, "x"), -ESTALE);
	assert_int_equal(store_append(f->store, "../x", 0, "x", 1, on_done, f), -EINVAL);
	assert_int_equal(store_append(f->store, NAME, 0, "x", STORE_LOG_PIECE_MAX + 1, on_done, f),
			 -EFBIG);
}

static bool exists(const struct fix *f, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	return access(path, F_OK) == 0;
}

/* A clone's logs are set aside when the store learns whose state it is to keep; a log is deleted
 * and set aside by its name as any entry. */
static void test_foreign(void **state)
{
	struct fix *f = *state;

	assert_int_equal(store_log_append(f->dir, NAME, OTHER, 0, "theirs", 6), 0);
	start_role(f);
	assert_int_equal(read_log(f, 0, 10), -ENOENT);
	assert_true(exists(f, "set-aside"));
	assert_int_equal(append(f, 0, "ours"), 0);
	assert_int_equal(store_aside(f->store, NAME), 0);
	assert_int_equal(read_log(f, 0, 10), -ENOENT);
	assert_int_equal(append(f, 0, "ours"), 0);
	assert_int_equal(store_delete(f->store, NAME), 0);
	for (int i = 0; i < 500 && (exists(f, NAME) || store_pending(f->store)); i++) {
		assert_int_equal(read_log(f, 0, 0) == 0 || f->status == -ENOENT, 1);
		usleep(10000);
	}
	assert_false(exists(f, NAME));
}

/* A disk that fills in the middle of a piece leaves the log as it was before. */
static void test_full(void **state)
{
	struct fix *f = *state;
	struct rlimit old, small = {.rlim_cur = 4000, .rlim_max = 4000};
	char big[8000];
	uint64_t size = 0;
	pid_t pid;
	int status;

	memset(big, 'x', sizeof(big));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(store_log_append(f->dir, NAME, UUID, 0, "good", 4), 0);
	pid = fork();
	if (pid == 0) {
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &small);
		_exit(store_log_append(f->dir, NAME, UUID, 4, big, sizeof(big)) == -EFBIG ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(store_log_read(f->dir, NAME, UUID, 0, 100, &f->value, &size), 0);
	assert_string_equal(buf_str(&f->value), "good");
}

/* The head line: another's, a newer version's, no log at all. */
static void test_head(void **state)
{
	(void)state;
#define HEAD(text, uuid) store_log_head(text, strlen(text), uuid)
	assert_int_equal(HEAD("heat-pulse-log 1 " UUID "\nrest", UUID),
			 strlen("heat-pulse-log 1 " UUID "\n"));
	assert_int_equal(HEAD("heat-pulse-log 1 " UUID "\n", NULL),
			 strlen("heat-pulse-log 1 " UUID "\n"));
	assert_int_equal(HEAD("heat-pulse-log 1 " OTHER "\n", UUID), -ESTALE);
	assert_int_equal(HEAD("heat-pulse-log 2 whatever it is\n", UUID), -EPROTO);
	assert_int_equal(HEAD("heat-pulse-log 0 " UUID "\n", UUID), -EBADMSG);
	assert_int_equal(HEAD("heat-pulse-log 1 " UUID, UUID), -EBADMSG);
	assert_int_equal(HEAD("heat-pulse-state 1 " UUID "\n", UUID), -EBADMSG);
	assert_int_equal(HEAD("", UUID), -EBADMSG);
}

/* kill -9 of the store while it appends: the caller is told, and the log holds a prefix of what was
 * sent that can be appended to again. */
static void test_killed(void **state)
{
	struct fix *f = *state;
	static char big[512 * 1024];
	unsigned told = 0;

	memset(big, 'y', sizeof(big) - 1);
	for (unsigned i = 0; i < 20; i++) {
		int before = f->done;

		start_role(f);
		assert_int_equal(store_append(f->store, NAME, 0, big, sizeof(big) - 1, on_done, f),
				 0);
		usleep(i * 300);
		kill(f->pid, SIGKILL);
		while (f->link)
			loop_run(f->loop);
		told += f->done == before + 1;
		stop_role(f);
	}
	assert_int_equal(told, 20);
	start_role(f);
	assert_int_equal(append(f, 0, "again"), 0);
	assert_int_equal(read_log(f, 0, 100), 0);
	assert_string_equal(buf_str(&f->value), "again");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_append_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_head, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
	};

	log_setup(LOG_LEVEL_ERR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
