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
#include <sys/wait.h>
#include "core/fs.h"
#include "core/log.h"
#include "core/store_log.h"
#include "tests/unit/store_child.h"

#define UUID  "11111111-2222-3333-4444-555555555555"
#define OTHER "99999999-2222-3333-4444-555555555555"
#define NAME  "metrics/0000000000000001"

static const struct env env = {.boot_ms = clock_boot_ms, .real_ms = clock_real_ms};

struct fix {
	struct store_child role;
	int done, status;
	uint64_t size;
	struct buf value;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	store_child_init(&f->role, &env);
	f->role.quit_code = 2;
	f->value = BUF_INIT(STORE_LOG_PIECE_MAX);
	store_child_begin(&f->role, UUID);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	store_child_end(&f->role);
	fs_remove_tree(f->role.dir);
	buf_deinit(&f->value);
	free(f);
	return 0;
}

static void on_done(int status, void *ctx)
{
	struct fix *f = ctx;

	f->done++;
	f->status = status;
	loop_quit(f->role.loop, 0);
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

	assert_int_equal(store_append(f->role.store, NAME, at, text, strlen(text), on_done, f), 0);
	assert_int_equal(f->done, before); /* never from inside */
	assert_int_equal(loop_run(f->role.loop), 0);
	assert_int_equal(f->done, before + 1);
	return f->status;
}

static int read_log(struct fix *f, uint64_t at, size_t max)
{
	assert_int_equal(store_read(f->role.store, NAME, at, max, on_read, f), 0);
	assert_int_equal(loop_run(f->role.loop), 0);
	return f->status;
}

/* What was appended is read back; a piece sent twice, or after more than it knows of, ends the
 * same. */
static void test_append_read(void **state)
{
	struct fix *f = *state;

	store_child_start(&f->role);
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

	assert_int_equal(store_append(f->role.store, NAME, 0, "x", 1, on_done, f), -ENOTCONN);
	store_child_start(&f->role);
	assert_int_equal(append(f, 7, "x"), -ESTALE);
	assert_int_equal(read_log(f, 0, 10), -ENOENT);
	assert_int_equal(append(f, 0, "x"), 0);
	assert_int_equal(append(f, 7, "x"), -ESTALE);
	assert_int_equal(store_append(f->role.store, "../x", 0, "x", 1, on_done, f), -EINVAL);
	assert_int_equal(
		store_append(f->role.store, NAME, 0, "x", STORE_LOG_PIECE_MAX + 1, on_done, f),
		-EFBIG);
	/* nor one whose end is beyond all numbers, which would cut the head off */
	assert_int_equal(store_log_append(f->role.dir, NAME, UUID, UINT64_MAX - 4, "beyond", 6),
			 -EFBIG);
}

static bool exists(const struct fix *f, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->role.dir, name);
	return access(path, F_OK) == 0;
}

/* A clone's logs are set aside when the store learns whose state it is to keep; a log is deleted
 * and set aside by its name as any entry. */
static void test_foreign(void **state)
{
	struct fix *f = *state;

	assert_int_equal(store_log_append(f->role.dir, NAME, OTHER, 0, "theirs", 6), 0);
	store_child_start(&f->role);
	assert_int_equal(read_log(f, 0, 10), -ENOENT);
	assert_true(exists(f, "set-aside"));
	assert_int_equal(append(f, 0, "ours"), 0);
	assert_int_equal(store_aside(f->role.store, NAME), 0);
	assert_int_equal(read_log(f, 0, 10), -ENOENT);
	assert_int_equal(append(f, 0, "ours"), 0);
	assert_int_equal(store_delete(f->role.store, NAME), 0);
	for (int i = 0; i < 500 && (exists(f, NAME) || store_pending(f->role.store)); i++) {
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
	assert_int_equal(store_log_append(f->role.dir, NAME, UUID, 0, "good", 4), 0);
	pid = fork();
	if (pid == 0) {
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &small);
		_exit(store_log_append(f->role.dir, NAME, UUID, 4, big, sizeof(big)) == -EFBIG ? 0
											       : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(store_log_read(f->role.dir, NAME, UUID, 0, 100, &f->value, &size), 0);
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

		store_child_start(&f->role);
		assert_int_equal(
			store_append(f->role.store, NAME, 0, big, sizeof(big) - 1, on_done, f), 0);
		usleep(i * 300);
		kill(f->role.pid, SIGKILL);
		while (f->role.link)
			loop_run(f->role.loop);
		told += f->done == before + 1;
		store_child_stop(&f->role);
	}
	assert_int_equal(told, 20);
	store_child_start(&f->role);
	assert_int_equal(append(f, 0, "again"), 0);
	assert_int_equal(read_log(f, 0, 100), 0);
	assert_string_equal(buf_str(&f->value), "again");
}

#define WITH_STORE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(test_append_read), WITH_STORE(test_refused), WITH_STORE(test_foreign),
		WITH_STORE(test_full),        WITH_STORE(test_head),    WITH_STORE(test_killed),
	};

	log_setup(LOG_LEVEL_ERR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
