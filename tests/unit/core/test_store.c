/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of core/store.h, with the real store role in a child that can be killed at any
 * moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "core/fs.h"
#include "core/log.h"
#include "tests/unit/skip.h"
#include "tests/unit/store_child.h"
#include "tests/unit/turns.h"

#define UUID  "11111111-2222-3333-4444-555555555555"
#define OTHER "99999999-2222-3333-4444-555555555555"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct env env = {.boot_ms = clock_boot_ms, .real_ms = clock_real_ms};

struct fix {
	struct store_child role;
	int done, status, got;
	struct buf value;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	store_child_init(&f->role, &env);
	f->role.quit_code = 2;
	f->value = BUF_INIT(STORE_ENTRY_MAX);
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

/* Until all that was put is on disk; the limit is for a machine under load. */
static void run_until_written(struct fix *f)
{
	for (int i = 0; i < 200 && store_pending(f->role.store); i++)
		run_loop(f->role.loop, 100);
	assert_int_equal(store_pending(f->role.store), 0);
}

static void on_done(int status, void *ctx)
{
	struct fix *f = ctx;

	f->done++;
	f->status = status;
	loop_quit(f->role.loop, 0);
}

static void on_got(int status, const char *p, size_t n, void *ctx)
{
	struct fix *f = ctx;

	f->got++;
	f->status = status;
	buf_reset(&f->value);
	if (p)
		buf_put(&f->value, p, n);
	loop_quit(f->role.loop, 0);
}

static int put(struct fix *f, const char *name, const char *value)
{
	f->status = 1;
	assert_int_equal(store_put(f->role.store, name, value, strlen(value), on_done, f), 0);
	assert_int_equal(run_loop(f->role.loop, 20000), 0);
	return f->status;
}

static int get(struct fix *f, const char *name)
{
	f->status = 1;
	assert_int_equal(store_get(f->role.store, name, on_got, f), 0);
	assert_int_equal(f->status, 1); /* never from inside */
	assert_int_equal(run_loop(f->role.loop, 20000), 0);
	return f->status;
}

static const char *list(struct fix *f, const char *prefix)
{
	int before = f->got;

	assert_int_equal(store_list(f->role.store, prefix, on_got, f), 0);
	while (f->got == before)
		assert_int_equal(run_loop(f->role.loop, 20000), 0);
	assert_int_equal(f->status, 0);
	return buf_str(&f->value);
}

static size_t count_aside(const struct fix *f)
{
	char path[128];
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/set-aside", f->role.dir);
	d = opendir(path);
	if (!d)
		return 0;
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void write_raw(const struct fix *f, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->role.dir, name);
	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0600, NULL), 0);
}

/* Put, get, list, delete; names outside the grammar never reach the disk. */
static void test_round_trip(void **state)
{
	static const char *const bad[] = {"",     ".",  "..",  "a/b/c",     "/a",          "a/",
					  "a/..", ".a", "a b", "set-aside", "set-aside/a", "\xff"};
	struct fix *f = *state;

	store_child_start(&f->role);
	assert_int_equal(put(f, "b", "two\nlines"), 0);
	assert_int_equal(put(f, "spool/1", ""), 0);
	assert_int_equal(put(f, "a", "one"), 0);
	assert_int_equal(store_pending(f->role.store), 0);
	assert_null(store_problem(f->role.store));
	assert_int_equal(get(f, "b"), 0);
	assert_string_equal(buf_str(&f->value), "two\nlines");
	assert_int_equal(get(f, "spool/1"), 0);
	assert_int_equal(f->value.len, 0);
	assert_int_equal(get(f, "c"), -ENOENT);
	assert_string_equal(list(f, ""), "a\nb\nspool/1\n");
	assert_string_equal(list(f, "spool/"), "spool/1\n");
	assert_int_equal(store_delete(f->role.store, "b"), 0);
	assert_int_equal(store_delete(f->role.store, "never-there"), 0);
	assert_int_equal(run_loop(f->role.loop, 100), OUT_OF_TIME);
	assert_int_equal(store_pending(f->role.store), 0);
	assert_int_equal(get(f, "b"), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(store_put(f->role.store, bad[i], "x", 1, on_done, f), -EINVAL);
		assert_int_equal(store_get(f->role.store, bad[i], on_got, f), -EINVAL);
		assert_int_equal(store_delete(f->role.store, bad[i]), -EINVAL);
	}
}

/* Before a put is on disk, get and list see it; a deletion too. The newest value of a name wins. */
static void test_pending_is_seen(void **state)
{
	struct fix *f = *state;

	assert_int_equal(store_put(f->role.store, "a", "old", 3, on_done, f), 0);
	assert_int_equal(store_put(f->role.store, "b", "x", 1, NULL, NULL), 0);
	assert_int_equal(store_put(f->role.store, "a", "new", 3, on_done, f), 0);
	assert_int_equal(store_delete(f->role.store, "b"), 0);
	assert_int_equal(store_pending(f->role.store), 2);
	assert_int_equal(get(f, "a"), 0);
	assert_string_equal(buf_str(&f->value), "new");
	assert_int_equal(get(f, "b"), -ENOENT);
	assert_int_equal(get(f, "c"), -ENOTCONN);
	store_child_start(&f->role);
	assert_string_equal(list(f, ""), "a\n");
	run_loop(f->role.loop, 200);
	run_loop(f->role.loop, 200);
	assert_int_equal(f->done, 2); /* the replaced one too, with the newer one's success */
	assert_int_equal(store_pending(f->role.store), 0);
	assert_int_equal(get(f, "a"), 0);
	assert_string_equal(buf_str(&f->value), "new");
}

struct ack {
	int value, *highest;
	pid_t kill_at_once; /* the role to kill on this answer, or 0 */
};

static void acknowledged(int status, void *ctx)
{
	const struct ack *a = ctx;

	if (status == 0 && a->value > *a->highest)
		*a->highest = a->value;
	if (a->kill_at_once)
		kill(a->kill_at_once, SIGKILL);
}

static void kill_role(struct loop *loop, void *ctx)
{
	struct fix *f = ctx;

	(void)loop;
	kill(f->role.pid, SIGKILL);
}

/* Reads one entry of the folder as it lies on disk. */
static int64_t value_on_disk(const struct fix *f, const char *name)
{
	struct buf b = BUF_INIT(STORE_ENTRY_MAX);
	struct err e = ERR_INIT;
	int64_t v = -1;
	int r = store_file_read(&env, f->role.dir, name, UUID, &b, &e);

	if (r == 0)
		v = strtoll(buf_str(&b), NULL, 10);
	else if (r != -ENOENT)
		fail_msg("torn entry: %s", e.text);
	buf_deinit(&b);
	return v;
}

/* The store is killed again and again while it writes: no acknowledged put is lost, none is half
 * there, and the rest is written by the next process. */
static void test_kill(void **state)
{
	struct fix *f = *state;
	struct ack acks[60][8];
	int highest[8] = {0}, puts[8] = {0}, total = 0;

	for (int round = 0; round < 60; round++) {
		struct loop_timer *t;

		store_child_start(&f->role);
		for (int i = 0; i < 8; i++) {
			char name[16], value[5000];

			memset(value, ' ', sizeof(value));
			snprintf(value, 16, "%d", ++puts[i]);
			value[strlen(value)] = ' ';
			snprintf(name, sizeof(name), "n%d", i);
			acks[round][i] = (struct ack){puts[i], &highest[i], 0};
			assert_int_equal(store_put(f->role.store, name, value, sizeof(value),
						   acknowledged, &acks[round][i]),
					 0);
		}
		assert_int_equal(loop_timer_new(f->role.loop, 0, kill_role, f, &t), 0);
		/* At some moment, or between one answer and the next. */
		if (round % 2)
			acks[round][round % 7].kill_at_once = f->role.pid;
		loop_timer_arm(t, round % 2 ? 5000 : round % 12);
		while (f->role.link)
			run_loop(f->role.loop, 5000);
		loop_timer_free(t);
		waitpid(f->role.pid, NULL, 0);
		for (int i = 0; i < 8; i++) {
			char name[16];

			snprintf(name, sizeof(name), "n%d", i);
			assert_true(value_on_disk(f, name) >= (highest[i] ? highest[i] : -1));
			assert_true(value_on_disk(f, name) <= puts[i]);
			total += highest[i] == puts[i];
		}
	}
	assert_int_equal(f->role.closed, 60);
	assert_true(total > 0 && total < 60 * 8); /* some were killed before, some after */
	store_child_start(&f->role);
	run_until_written(f);
	assert_int_equal(value_on_disk(f, "n7"), puts[7]);
	assert_string_equal(list(f, ""), "n0\nn1\nn2\nn3\nn4\nn5\nn6\nn7\n");
}

/* State of another server (a cloned disk) is set aside when the store learns whose it serves, and
 * is not seen any more. */
static void test_clone(void **state)
{
	struct fix *f = *state;
	struct buf b = BUF_INIT(100);

	assert_int_equal(store_file_write(&env, f->role.dir, "key", OTHER, "secret", 6, NULL), 0);
	assert_int_equal(store_file_write(&env, f->role.dir, "spool/1", OTHER, "x", 1, NULL), 0);
	assert_int_equal(store_file_write(&env, f->role.dir, "mine", UUID, "y", 1, NULL), 0);
	assert_int_equal(store_file_read(&env, f->role.dir, "key", UUID, &b, NULL), -ESTALE);
	assert_int_equal(store_file_read(&env, f->role.dir, "key", NULL, &b, NULL), 0);
	buf_deinit(&b);
	store_child_fork(&f->role);
	assert_int_equal(store_bind_wait(f->role.link, UUID, 5000), 0);
	assert_int_equal(count_aside(f), 2);
	store_set_link(f->role.store, f->role.link);
	assert_string_equal(list(f, ""), "mine\n");
	assert_int_equal(get(f, "key"), -ENOENT);
	assert_int_equal(put(f, "key", "new"), 0);
}

/* A newer version, a wrong sum, no header: set aside and answered with -ESTALE, then absent. */
static void test_set_aside(void **state)
{
	struct fix *f = *state;

	write_raw(f, "newer", "heat-pulse-state 2 whatever comes then");
	write_raw(f, "damaged", "heat-pulse-state 1 " UUID " " HEX64 "\nx");
	write_raw(f, "empty", "");
	store_child_start(&f->role);
	assert_int_equal(get(f, "newer"), -ESTALE);
	assert_int_equal(get(f, "damaged"), -ESTALE);
	assert_int_equal(get(f, "empty"), -ESTALE);
	assert_int_equal(count_aside(f), 3);
	assert_int_equal(get(f, "newer"), -ENOENT);
	assert_string_equal(list(f, ""), "");
}

/* The corner for set-aside files does not grow without end. */
static void test_set_aside_is_bounded(void **state)
{
	struct fix *f = *state;

	store_child_start(&f->role);
	for (int i = 0; i < 80; i++) {
		char name[16];

		snprintf(name, sizeof(name), "bad%d", i);
		write_raw(f, name, "garbage");
		assert_int_equal(get(f, name), -ESTALE);
	}
	assert_int_equal(count_aside(f), 64);
}

/* Before any bind nothing is written; store_get_wait() reads. */
static void test_wait(void **state)
{
	struct fix *f = *state;
	struct buf b = BUF_INIT(100);

	assert_int_equal(store_file_write(&env, f->role.dir, "a", UUID, "early", 5, NULL), 0);
	store_child_fork(&f->role);
	assert_int_equal(store_bind_wait(f->role.link, "not a uuid", 5000), -EINVAL);
	assert_int_equal(store_bind_wait(f->role.link, UUID, 5000), 0);
	assert_int_equal(store_get_wait(f->role.link, "a", 5000, &b), 0);
	assert_string_equal(buf_str(&b), "early");
	assert_int_equal(store_get_wait(f->role.link, "b", 5000, &b), -ENOENT);
	buf_deinit(&b);
}

/* A missing folder is a status and a sentence; the value stays in memory and gets to disk when the
 * folder is back. */
static void test_missing_folder(void **state)
{
	struct fix *f = *state;

	assert_int_equal(rmdir(f->role.dir), 0);
	store_child_start(&f->role);
	assert_int_equal(put(f, "a", "kept"), -ENOENT);
	assert_non_null(strstr(store_problem(f->role.store), "missing"));
	assert_int_equal(store_pending(f->role.store), 1);
	assert_int_equal(get(f, "a"), 0);
	assert_string_equal(buf_str(&f->value), "kept");
	assert_int_equal(mkdir(f->role.dir, 0700), 0);
	run_until_written(f);
	assert_null(store_problem(f->role.store));
	assert_int_equal(f->done, 1); /* told once */
}

/* A value that the disk refuses for ever (here: a folder is in its place) does not block the
 * others. */
static void test_refusal_blocks_nobody(void **state)
{
	struct fix *f = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/wall", f->role.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	store_child_start(&f->role);
	assert_int_equal(put(f, "wall", "x"), -EISDIR);
	assert_int_equal(put(f, "free", "y"), 0);
	assert_int_equal(store_pending(f->role.store), 1);
	assert_non_null(store_problem(f->role.store));
}

/* A full disk: refused with -ENOSPC, told in a sentence; a deletion that comes later makes the
 * room. */
static void test_full_disk(void **state)
{
	struct fix *f = *state;
	char big[40000];

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
		skip_because("no mount namespace for a full disk");
	assert_int_equal(mount("none", f->role.dir, "tmpfs", 0, "size=64k,mode=0700"), 0);
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = 0;
	store_child_start(&f->role);
	assert_int_equal(put(f, "a", big), 0);
	assert_int_equal(put(f, "b", big), -ENOSPC);
	assert_string_equal(store_problem(f->role.store),
			    "state disk full; state is kept in memory only");
	assert_int_equal(get(f, "b"), 0);
	assert_int_equal(f->value.len, sizeof(big) - 1);
	assert_int_equal(store_delete(f->role.store, "a"), 0);
	run_until_written(f);
	assert_null(store_problem(f->role.store));
	assert_string_equal(list(f, ""), "b\n");
	assert_int_equal(mount("none", f->role.dir, "none", MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_int_equal(put(f, "c", "x"), -EROFS);
	store_child_stop(&f->role);
	assert_int_equal(umount(f->role.dir), 0);
}

/* A store that stands still (as on a frozen disk) blocks neither puts nor reads of what is pending;
 * all gets to disk once it moves again. */
static void test_frozen(void **state)
{
	struct fix *f = *state;
	int64_t start;

	store_child_start(&f->role);
	assert_int_equal(put(f, "a", "1"), 0);
	kill(f->role.pid, SIGSTOP);
	start = clock_boot_ms();
	for (int i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(store_put(f->role.store, name, "v", 1, NULL, NULL), 0);
	}
	assert_int_equal(get(f, "n299"), 0);
	assert_true(clock_boot_ms() - start < 10000); /* the 300 puts wait for nothing */
	assert_int_equal(store_pending(f->role.store), 300);
	kill(f->role.pid, SIGCONT);
	run_until_written(f);
}

/* Without a store process a put is answered after a while, and kept. */
static void test_no_store(void **state)
{
	struct fix *f = *state;

	assert_int_equal(put(f, "a", "x"), -ENOTCONN);
	assert_int_equal(store_pending(f->role.store), 1);
	assert_non_null(strstr(store_problem(f->role.store), "not running"));
	store_child_start(&f->role);
	run_until_written(f);
	assert_null(store_problem(f->role.store));
	assert_int_equal(f->done, 1);
}

/* A store that could not be told whose state it keeps, because its link was full, is told again. */
static void test_bind_again(void **state)
{
	struct fix *f = *state;

	store_child_fork(&f->role);
	kill(f->role.pid, SIGSTOP);
	while (link_send(f->role.link, STORE_LIST, NULL, NULL, 0) == 0)
		;
	store_set_link(f->role.store, f->role.link);
	kill(f->role.pid, SIGCONT);
	assert_int_equal(store_put(f->role.store, "a", "x", 1, on_done, f), 0);
	for (int i = 0; i < 200 && store_pending(f->role.store); i++)
		run_loop(f->role.loop, 100);
	assert_int_equal(store_pending(f->role.store), 0);
	assert_null(store_problem(f->role.store));
	assert_int_equal(get(f, "a"), 0);
}

/* ... also when a write that was under way is taken meanwhile: else nothing is written any more. */
static void test_bind_again_after_write(void **state)
{
	struct fix *f = *state;

	store_child_start(&f->role);
	assert_int_equal(put(f, "old", "x"), 0); /* the first bind was answered before that */
	kill(f->role.pid, SIGSTOP);
	assert_int_equal(store_put(f->role.store, "a", "x", 1, on_done, f), 0);
	while (link_send(f->role.link, STORE_LIST, NULL, NULL, 0) == 0)
		;
	assert_int_equal(store_bind(f->role.store, UUID), 0);
	kill(f->role.pid, SIGCONT);
	assert_int_equal(store_put(f->role.store, "b", "y", 1, NULL, NULL), 0);
	run_until_written(f);
	assert_int_equal(f->done, 2);
	assert_int_equal(get(f, "b"), 0);
}

/* At an end all that waits is handed over, also to a store that is slow to take it, and is written
 * though nobody waits for it: the newest values, deletions too. */
static void test_finish(void **state)
{
	struct fix *f = *state;

	store_child_start(&f->role);
	assert_int_equal(put(f, "old", "x"), 0);
	kill(f->role.pid, SIGSTOP);
	assert_int_equal(store_put(f->role.store, "a", "1", 1, NULL, NULL), 0);
	assert_int_equal(store_put(f->role.store, "a", "2", 1, NULL, NULL), 0);
	assert_int_equal(store_delete(f->role.store, "old"), 0);
	for (int i = 0; i < 800; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(store_put(f->role.store, name, "v", 1, NULL, NULL), 0);
	}
	assert_int_equal(store_finish(f->role.store, 100), -ETIMEDOUT);
	kill(f->role.pid, SIGCONT);
	assert_int_equal(store_finish(f->role.store, 60000), 0);
	f->role.store = store_free(f->role.store);
	store_child_stop(&f->role);
	assert_int_equal(store_new(f->role.loop, &f->role.store), 0);
	assert_int_equal(store_bind(f->role.store, UUID), 0);
	assert_int_equal(store_finish(f->role.store, 100), -ENOTCONN);
	store_child_start(&f->role);
	assert_int_equal(get(f, "a"), 0);
	assert_string_equal(buf_str(&f->value), "2");
	assert_int_equal(get(f, "n799"), 0);
	assert_int_equal(get(f, "old"), -ENOENT);
}

static void free_store(int status, void *ctx)
{
	struct fix *f = ctx;

	(void)status;
	f->done++;
	f->role.store = store_free(f->role.store);
	loop_quit(f->role.loop, 0);
}

static void got_free_store(int status, const char *p, size_t n, void *ctx)
{
	(void)p;
	(void)n;
	free_store(status, ctx);
}

/* The store may be freed inside its callbacks, with calls open. */
static void test_free_inside(void **state)
{
	struct fix *f = *state;

	store_child_start(&f->role);
	assert_int_equal(store_put(f->role.store, "a", "x", 1, free_store, f), 0);
	assert_int_equal(store_put(f->role.store, "b", "x", 1, free_store, f), 0);
	assert_int_equal(store_get(f->role.store, "c", on_got, f), 0);
	while (!f->done)
		run_loop(f->role.loop, 5000);
	run_loop(f->role.loop, 50);
	assert_int_equal(f->done, 1);
	assert_int_equal(store_new(f->role.loop, &f->role.store), 0);
	assert_int_equal(store_get(f->role.store, "a", got_free_store, f), 0);
	assert_int_equal(store_get(f->role.store, "a", got_free_store, f), 0);
	run_loop(f->role.loop, 50);
	run_loop(f->role.loop, 50);
	assert_int_equal(f->done, 2);
	assert_null(f->role.store);
	assert_int_equal(store_new(f->role.loop, &f->role.store), 0);
}

#define WITH_STORE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(test_round_trip),
		WITH_STORE(test_pending_is_seen),
		WITH_STORE(test_kill),
		WITH_STORE(test_clone),
		WITH_STORE(test_set_aside),
		WITH_STORE(test_set_aside_is_bounded),
		WITH_STORE(test_wait),
		WITH_STORE(test_missing_folder),
		WITH_STORE(test_refusal_blocks_nobody),
		WITH_STORE(test_full_disk),
		WITH_STORE(test_frozen),
		WITH_STORE(test_no_store),
		WITH_STORE(test_bind_again),
		WITH_STORE(test_bind_again_after_write),
		WITH_STORE(test_finish),
		WITH_STORE(test_free_inside),
	};

	log_setup(LOG_LEVEL_ERR, "test");
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
