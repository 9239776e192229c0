/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of signal/spool.h, with a real store process that is killed, whose disk is full, or
 * that is absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "core/backoff.h"
#include "core/fs.h"
#include "core/log.h"
#include "signal/spool.h"
#include "tests/unit/store_child.h"

#define SERVER   "8c1d0a9e-0000-4000-8000-000000000001"
#define SEEN_MAX 4096

static int64_t boot_offset;

static int64_t shifted_boot_ms(void)
{
	return clock_boot_ms() + boot_offset;
}

static const struct env env = {.boot_ms = shifted_boot_ms, .real_ms = clock_real_ms};

struct fix {
	struct store_child role;
	struct spool *spool;
	struct spool_reader *reader;
	struct loop_timer *limit;
	struct spool_setup setup;
	int loaded, status;
	size_t n;
	uint64_t numbers[SPOOL_READ_MAX];
	char texts[SPOOL_READ_MAX][32];
	char preamble[32];
};

static void quit(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, -ETIME);
}

static void on_loaded(int status, void *ctx)
{
	struct fix *f = ctx;

	f->loaded++;
	f->status = status;
	loop_quit(f->role.loop, 0);
}

static void run_until_quit(struct fix *f)
{
	loop_timer_arm(f->limit, 15000);
	assert_int_equal(loop_run(f->role.loop), 0);
	loop_timer_disarm(f->limit);
}

static void run_ms(struct fix *f, int64_t ms)
{
	loop_timer_arm(f->limit, ms);
	assert_int_equal(loop_run(f->role.loop), -ETIME);
}

/* One life. */
static void begin(struct fix *f, bool store_runs)
{
	store_child_begin(&f->role, SERVER);
	assert_int_equal(loop_timer_new(f->role.loop, 0, quit, f, &f->limit), 0);
	if (store_runs)
		store_child_start(&f->role);
	f->setup.loop = f->role.loop;
	f->setup.store = f->role.store;
	f->setup.preamble = "the names";
	f->setup.preamble_n = 9;
	assert_int_equal(spool_new(&f->setup, &f->spool), 0);
	assert_int_equal(spool_reader_new(f->spool, &f->reader), 0);
}

static void load(struct fix *f, uint64_t floor)
{
	f->loaded = 0;
	assert_int_equal(spool_load(f->spool, floor, on_loaded, f), 0);
	if (!f->loaded)
		run_until_quit(f);
	assert_int_equal(f->loaded, 1);
}

static void end(struct fix *f, bool killed)
{
	f->reader = spool_reader_free(f->reader);
	f->spool = spool_free(f->spool);
	f->role.store = store_free(f->role.store);
	if (killed && f->role.pid > 0)
		kill(f->role.pid, SIGKILL);
	else if (f->role.link)
		run_ms(f, 50); /* open calls are answered: the link forgets them otherwise */
	if (f->role.link && killed)
		run_until_quit(f);
	loop_timer_free(f->limit);
	store_child_end(&f->role);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	store_child_init(&f->role, &env);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	fs_remove_tree(f->role.dir);
	free(f);
	return 0;
}

static void add(struct fix *f, unsigned i, size_t pad)
{
	_cleanup_buf_ struct buf b = BUF_INIT(1u << 20);

	buf_printf(&b, "batch %u ", i);
	for (size_t k = 0; k < pad; k++)
		buf_putc(&b, '.');
	assert_int_equal(spool_add(f->spool, b.data, b.len, NULL), 0);
}

static void on_read(int status, const struct spool_frame *frames, size_t n,
		    const struct spool_frame *preamble, void *ctx)
{
	struct fix *f = ctx;

	f->status = status;
	f->n = n;
	for (size_t i = 0; i < n; i++) {
		f->numbers[i] = frames[i].number;
		snprintf(f->texts[i], sizeof(f->texts[i]), "%.*s", (int)strcspn(frames[i].p, "."),
			 frames[i].p);
	}
	if (n)
		snprintf(f->preamble, sizeof(f->preamble), "%.*s", (int)preamble->n, preamble->p);
	loop_quit(f->role.loop, 0);
}

static int read_from(struct fix *f, uint64_t number, size_t max)
{
	f->n = 99;
	assert_int_equal(spool_read(f->reader, number, max, on_read, f), 0);
	assert_int_equal(f->n, 99); /* never from inside */
	run_until_quit(f);
	return f->status;
}

/* Reads to the end. Return: how many; @seen gets which batches ("batch N") came. */
static unsigned read_all(struct fix *f, bool seen[SEEN_MAX], bool ack)
{
	uint64_t at = spool_begin(f->spool);
	unsigned n = 0;

	memset(seen, 0, SEEN_MAX);
	while (read_from(f, at, 7) == 0 && f->n) {
		for (size_t i = 0; i < f->n; i++) {
			unsigned long which = strtoul(f->texts[i] + 6, NULL, 10);

			assert_true(f->numbers[i] >= at);
			at = f->numbers[i] + 1;
			assert_true(which < SEEN_MAX && !seen[which]);
			seen[which] = true;
			n++;
		}
		assert_string_equal(f->preamble, "the names");
		if (ack)
			spool_ack(f->spool, at);
	}
	assert_int_equal(f->status, 0);
	return n;
}

static bool seen[SEEN_MAX];

/* First in, first out; what is acknowledged is gone; nothing of it touched the disk. */
static void test_memory(void **state)
{
	struct fix *f = *state;
	struct spool_counts c;

	begin(f, true);
	add(f, 0, 10); /* before the load: kept */
	load(f, 5);
	add(f, 1, 10);
	assert_int_equal(read_all(f, seen, true), 2);
	assert_true(seen[0] && seen[1]);
	spool_counts(f->spool, &c);
	assert_int_equal(c.in_memory + c.segments, 0);
	assert_int_equal(spool_begin(f->spool), spool_end(f->spool));
	add(f, 2, 10);
	assert_int_equal(read_from(f, spool_begin(f->spool), 10), 0);
	assert_int_equal(f->n, 1);
	assert_string_equal(f->texts[0], "batch 2 ");
	end(f, false);
}

/* What waits goes to disk, is read from there in order with what is in memory after it, by this
 * life and the next; numbers go on growing. */
static void test_disk(void **state)
{
	struct fix *f = *state;
	struct spool_counts c;
	uint64_t last;

	f->setup.flush_ms = 50;
	f->setup.segment_bytes = 2000;
	begin(f, true);
	load(f, 0);
	for (unsigned i = 0; i < 40; i++) {
		add(f, i, 100);
		if (i % 10 == 9)
			run_ms(f, 1200);
	}
	f->setup.flush_ms = 0;
	spool_counts(f->spool, &c);
	assert_true(c.segments >= 2);
	assert_int_equal(c.in_memory, 0);
	for (unsigned i = 40; i < 45; i++)
		add(f, i, 100);
	assert_int_equal(read_all(f, seen, false), 45);
	last = spool_end(f->spool);
	spool_flush(f->spool);
	run_ms(f, 300);
	end(f, true);

	begin(f, true);
	load(f, 0);
	assert_int_equal(f->status, 0);
	assert_true(spool_end(f->spool) >= last);
	add(f, 45, 100);
	assert_int_equal(read_all(f, seen, true), 46);
	run_ms(f, 100);
	spool_counts(f->spool, &c);
	assert_int_equal(c.segments, 0);
	assert_int_equal(c.disk_bytes, 0);
	end(f, false);

	begin(f, true); /* and nothing is left for the third life */
	load(f, last + 1000000000);
	assert_int_equal(read_all(f, seen, false), 0);
	assert_true(spool_end(f->spool) >= last + 1000000000);
	end(f, false);
}

/* Over the bound the oldest go, and are counted. */
static void test_bound(void **state)
{
	struct fix *f = *state;
	struct spool_counts c;
	unsigned n;

	f->setup.flush_ms = 20;
	f->setup.segment_bytes = 4000;
	f->setup.max_bytes = 20000;
	begin(f, true);
	load(f, 0);
	for (unsigned i = 0; i < 60; i++) {
		add(f, i, 900);
		if (i % 4 == 3) {
			spool_flush(f->spool);
			run_ms(f, 30);
		}
	}
	spool_counts(f->spool, &c);
	for (unsigned i = 0; i < 200 && !(c.disk_bytes <= 20000 && c.dropped > 20); i++) {
		run_ms(f, 30); /* the store of a busy machine is behind */
		spool_counts(f->spool, &c);
	}
	assert_true(c.disk_bytes <= 20000);
	assert_true(c.dropped > 20);
	n = read_all(f, seen, false);
	assert_int_equal(n + c.dropped, 60);
	assert_true(seen[59] && !seen[0]);
	end(f, false);

	f->setup.memory_bytes = 5000; /* without a store: the same in memory */
	f->setup.max_bytes = 0;
	begin(f, false);
	f->loaded = 0;
	assert_int_equal(spool_load(f->spool, 0, on_loaded, f), 0);
	run_ms(f, 200);
	assert_int_equal(f->loaded, 0); /* a process may come yet */
	boot_offset += STORE_PATIENCE_MS + 5000;
	run_until_quit(f);
	assert_int_equal(f->status, -ENOTCONN);
	for (unsigned i = 0; i < 60; i++)
		add(f, i, 900);
	spool_counts(f->spool, &c);
	assert_true(c.memory_bytes <= 5000);
	n = read_all(f, seen, false);
	assert_int_equal(n + c.dropped, 60);
	assert_true(seen[59]);
	end(f, false);
}

static void last_segment(struct fix *f, char path[256])
{
	struct dirent **list = NULL;
	char folder[128];
	int n;

	snprintf(folder, sizeof(folder), "%s/metrics", f->role.dir);
	n = scandir(folder, &list, NULL, alphasort);
	assert_true(n > 2);
	snprintf(path, 256, "%s/%.16s", folder, list[n - 1]->d_name);
	while (n-- > 0)
		free(list[n]);
	free(list);
}

static void write_life(struct fix *f, unsigned from, unsigned to)
{
	begin(f, true);
	load(f, 0);
	for (unsigned i = from; i < to; i++)
		add(f, i, 100);
	spool_flush(f->spool);
	run_ms(f, 200);
	end(f, true);
}

/* A torn tail is cut, a damaged segment set aside and counted; what is whole before and after it is
 * read. */
static void test_damage(void **state)
{
	struct fix *f = *state;
	char first[256], second[256], aside[128];
	struct spool_counts c;
	struct stat st;
	int fd;

	write_life(f, 0, 10);
	last_segment(f, first);
	write_life(f, 10, 20);
	last_segment(f, second);
	assert_string_not_equal(first, second);
	assert_int_equal(stat(second, &st), 0);
	assert_int_equal(truncate(second, st.st_size - 5), 0);
	fd = open(first, O_RDWR);
	assert_int_equal(pwrite(fd, "X", 1, 700), 1);
	close(fd);
	begin(f, true);
	load(f, 0);
	spool_counts(f->spool, &c);
	assert_true(c.cut > 0);
	assert_true(read_all(f, seen, false) < 18);
	assert_true(seen[0] && !seen[9] && seen[10] && seen[18] && !seen[19]);
	spool_counts(f->spool, &c);
	assert_int_equal(c.damaged, 1);
	run_ms(f, 100);
	assert_int_not_equal(stat(first, &st), 0);
	snprintf(aside, sizeof(aside), "%s/set-aside", f->role.dir);
	assert_int_equal(stat(aside, &st), 0);
	end(f, false);
}

static char *status_text(const struct spool *s)
{
	json_t *j = spool_status(s);
	char *text = json_dumps(j, 0);

	json_decref(j);
	return text;
}

/* A folder that refuses costs nothing but the disk: batches stay in memory, status says so, and
 * once it takes again they are written. */
static void test_refusing(void **state)
{
	struct fix *f = *state;
	struct spool_counts c;
	char *text, path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/metrics", f->role.dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600); /* a file where the folder should be */
	close(fd);
	begin(f, true);
	load(f, 0);
	add(f, 0, 10);
	spool_flush(f->spool);
	run_ms(f, 300);
	text = status_text(f->spool);
	assert_non_null(strstr(text, "\"memory\""));
	assert_non_null(strstr(text, "in memory only"));
	free(text);
	assert_int_equal(read_all(f, seen, false), 1);
	unlink(path);
	spool_flush(f->spool);
	run_ms(f, 300);
	spool_counts(f->spool, &c);
	assert_int_equal(c.segments, 1);
	assert_int_equal(c.in_memory, 0);
	text = status_text(f->spool);
	assert_non_null(strstr(text, "\"state\": \"ok\""));
	free(text);
	end(f, false);
}

/* On a full disk the oldest metrics make room for state: a signal's put succeeds in the end. */
static void test_gives_way(void **state)
{
	struct fix *f = *state;
	static char big[60000];
	struct spool_counts c;

	if (mount("none", f->role.dir, "tmpfs", MS_NOSUID, "size=200k") < 0) {
		skip();
		return;
	}
	memset(big, 's', sizeof(big));
	f->setup.segment_bytes = 20000;
	begin(f, true);
	load(f, 0);
	for (unsigned i = 0; i < 30; i++) {
		add(f, i, 20000);
		spool_flush(f->spool);
		run_ms(f, 20);
	}
	spool_counts(f->spool, &c);
	assert_true(c.segments > 2);
	assert_int_equal(store_put(f->role.store, "spool/health", big, sizeof(big), NULL, NULL), 0);
	for (unsigned i = 0; i < 60 && store_pending(f->role.store); i++) {
		add(f, 30 + i, 10);
		run_ms(f, 500);
	}
	umount2(f->role.dir, MNT_DETACH);
	assert_int_equal(store_pending(f->role.store), 0);
	spool_counts(f->spool, &c);
	assert_true(c.dropped > 0);
	end(f, false);
}

/* kill -9 at random instants, lives one after the other: a batch that was on disk is read by a
 * later life, each once, none in a wrong order. */
static void test_kills(void **state)
{
	struct fix *f = *state;
	unsigned lives = 60, made = 0, read = 0;
	static bool all[SEEN_MAX], safe[SEEN_MAX];

	f->setup.segment_bytes = 3000;
	for (unsigned life = 0; life < lives; life++) {
		unsigned first = made;
		struct spool_counts c;

		begin(f, true);
		load(f, 0);
		for (unsigned i = 0; i < 20; i++)
			add(f, made++, 50 + (life * 37 + i * 11) % 300);
		spool_flush(f->spool);
		run_ms(f, (int64_t)(random_unit() * 12));
		spool_counts(f->spool, &c);
		for (unsigned i = first; i < made && c.in_memory == 0; i++)
			safe[i] = true;
		end(f, true);
	}
	begin(f, true);
	load(f, 0);
	read = read_all(f, all, true);
	for (unsigned i = 0; i < made; i++)
		assert_true(!safe[i] || all[i]);
	assert_true(read > 0);
	end(f, false);
}

/* At an end everything is handed over, also behind an append that is under way. */
static void test_finish(void **state)
{
	struct fix *f = *state;

	begin(f, true);
	load(f, 0);
	for (unsigned i = 0; i < 10; i++)
		add(f, i, 100);
	spool_flush(f->spool);
	for (unsigned i = 10; i < 20; i++)
		add(f, i, 100);
	spool_finish(f->spool); /* no turn of the loop between */
	end(f, false);
	begin(f, true);
	load(f, 0);
	assert_int_equal(read_all(f, seen, false), 20);
	end(f, false);
}

/* What a bound pushes out of earlier lives is counted in batches, not in the milliseconds between
 * their numbers. */
static void test_dropped_of_lives(void **state)
{
	struct fix *f = *state;
	struct spool_counts c = {0};

	f->setup.flush_ms = 20;
	f->setup.segment_bytes = 4000;
	for (unsigned life = 0; life < 3; life++) {
		f->setup.max_bytes = life < 2 ? 0 : 5000;
		begin(f, true);
		load(f, life * 1000000000ull +
				(uint64_t)clock_real_ms()); /* days lie between the lives */
		for (unsigned i = 0; i < 8; i++)
			add(f, i, 900);
		spool_flush(f->spool);
		for (unsigned i = 0; i < 1500; i++) {
			run_ms(f, 10);
			spool_counts(f->spool, &c);
			if (c.in_memory == 0 && (life < 2 || c.disk_bytes <= 8000))
				break;
		}
		end(f, false);
	}
	assert_true(c.dropped >= 8 && c.dropped <= 24);
}

/* A reader that is freed while the disk is asked, and reads of several readers at once. */
static void test_readers(void **state)
{
	struct fix *f = *state;
	struct spool_reader *other;

	write_life(f, 0, 10);
	begin(f, true);
	load(f, 0);
	assert_int_equal(spool_reader_new(f->spool, &other), 0);
	assert_int_equal(spool_read(other, 1, 5, on_read, f), 0);
	assert_int_equal(spool_read(other, 1, 5, on_read, f), -EBUSY);
	spool_reader_free(other);
	assert_int_equal(read_all(f, seen, false), 10);
	assert_int_equal(spool_reader_new(f->spool, &other), 0);
	assert_int_equal(spool_read(other, 1, 5, on_read, f), 0);
	end(f, false); /* with the read open */
}

#define WITH_FOLDER(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(test_memory),   WITH_FOLDER(test_disk),
		WITH_FOLDER(test_bound),    WITH_FOLDER(test_damage),
		WITH_FOLDER(test_refusing), WITH_FOLDER(test_gives_way),
		WITH_FOLDER(test_kills),    WITH_FOLDER(test_finish),
		WITH_FOLDER(test_readers),  WITH_FOLDER(test_dropped_of_lives),
	};

	log_setup(LOG_LEVEL_ERR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
