/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of processes between walks: who is settled, who is looked at, how soon a change is
 * seen; by the table alone, and by the probe on a /proc that the test writes.
 */
#include "tree.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sample/process_table.h"

#define MINUTE 60000

static void put(struct process_table *t, const struct process_row *row, bool followed,
		int64_t now_ms)
{
	assert_int_equal(process_table_put(t, row, followed, now_ms), 0);
}

static struct process_row sleeper(int pid)
{
	return (struct process_row){
		.pid = pid, .ppid = 1, .state = 'S', .threads = 1, .name = "sleeper"};
}

/* Two minutes without any change; each kind of change begins them anew. */
static void settled_after_two_minutes(void **state)
{
	struct process_row changed[] = {sleeper(7), sleeper(7), sleeper(7),
					sleeper(7), sleeper(7), sleeper(7)};
	struct process_row same = sleeper(7);

	(void)state;
	changed[0].start_ticks = 1; /* another process of that pid */
	changed[1].ppid = 2;
	changed[2].threads = 2;
	changed[3].cpu_ticks = 1;
	changed[4].rss_pages = 1;
	changed[5].state = 'I';
	for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
		struct process_table t = {0};

		assert_false(process_table_keep(&t, 7, 0)); /* never seen */
		put(&t, &same, false, 0);
		put(&t, &same, false, MINUTE);
		assert_false(process_table_keep(&t, 7, 2 * MINUTE - 1));
		assert_true(process_table_keep(&t, 7, 2 * MINUTE));
		put(&t, &changed[i], false, 3 * MINUTE);
		assert_false(process_table_keep(&t, 7, 5 * MINUTE - 1));
		assert_true(process_table_keep(&t, 7, 5 * MINUTE));
		process_table_free(&t);
	}
}

/* 32 bits hold pages of 16 TiB; what is more is told as that, and never as little. */
static void more_memory_than_told(void **state)
{
	struct process_row huge = sleeper(7);
	struct process_table t = {0};

	(void)state;
	huge.rss_pages = (UINT64_C(1) << 32) + 1;
	put(&t, &huge, false, 0);
	assert_int_equal(process_table_row(&t, 0).rss_pages, UINT32_MAX);
	put(&t, &huge, false, MINUTE);
	assert_true(process_table_keep(&t, 7, 2 * MINUTE));
	process_table_free(&t);
}

static void some_never_settle(void **state)
{
	static const char restless[] = "RDZTtX";
	struct process_table t = {0};
	struct process_row row = sleeper(7);

	(void)state;
	put(&t, &row, true, 0); /* followed */
	assert_false(process_table_keep(&t, 7, 60 * MINUTE));
	for (size_t i = 0; restless[i]; i++) {
		row.state = restless[i];
		put(&t, &row, false, 60 * MINUTE);
		assert_false(process_table_keep(&t, 7, 120 * MINUTE));
	}
	process_table_free(&t);
}

/* In whatever order they come, by pid; who is not seen in a walk has ended; room comes and goes. */
static void comes_and_goes(void **state)
{
	struct process_table t = {0};

	(void)state;
	process_table_begin(&t);
	for (int i = 0; i < 1000; i++) {
		struct process_row row = sleeper(1 + i * 7 % 1000);

		row.name = i * 7 % 1000 == 499 ? "kworker/u8:3-events_unbound_and_more" : "x";
		put(&t, &row, false, 0);
	}
	process_table_end(&t);
	assert_int_equal(t.n, 1000);
	for (size_t i = 0; i < t.n; i++)
		assert_int_equal(process_table_row(&t, i).pid, i + 1);
	assert_string_equal(process_table_row(&t, 499).name, "kworker/u8:3-events_unbound_and");
	assert_true(t.room <= 1000 + 1000 / 3);
	for (int walk = 1; walk < 6; walk++) {
		process_table_begin(&t);
		for (int pid = 10; pid <= 500; pid += 10)
			assert_true(process_table_keep(&t, pid, walk * 2 * MINUTE));
		process_table_end(&t);
		assert_int_equal(t.n, 50);
		assert_int_equal(process_table_row(&t, 49).pid, 500);
	}
	assert_true(t.room <= 50 + 100);
	process_table_free(&t);
	assert_int_equal(t.n, 0);
}

/* ---- the probe ---- */

static void write_process(struct tree *t, const struct process_row *row)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", row->pid);
	snprintf(text, sizeof(text),
		 "%d (%s) %c %d 1 1 0 -1 4194560 0 0 0 0 %llu 0 0 0 20 0 %d 0 1000 8388608 %llu 0 1 1 "
		 "0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		 row->pid, row->name, row->state, row->ppid, (unsigned long long)row->cpu_ticks,
		 row->threads, (unsigned long long)row->rss_pages);
	tree_put(t, path, text);
	snprintf(path, sizeof(path), "/proc/%d/status", row->pid);
	snprintf(text, sizeof(text), "Name:\t%s\nTgid:\t%d\n", row->name, row->pid);
	tree_put(t, path, text);
}

static void end_process(const struct tree *t, int pid)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/proc/%d", t->dir, pid);
	fs_remove_tree(path);
}

static void put_load(struct tree *t, const char *load)
{
	char text[64];

	snprintf(text, sizeof(text), "%s 0.00 0.00 1/100 4242\n", load);
	tree_put(t, "/proc/loadavg", text);
}

static void look(struct tree *t, int64_t minute_s, double total, double stopped, double zombies)
{
	tree_read(t, minute_s * 1000);
	tree_value_of(t, METRIC_PROCESS_TOTAL, -1, total);
	tree_value_of(t, METRIC_PROCESS_STOPPED, -1, stopped);
	tree_value_of(t, METRIC_PROCESS_ZOMBIE, -1, zombies);
}

static void see_what_moves(struct tree *t)
{
	struct process_row big = sleeper(4), served = sleeper(5), still = sleeper(6),
			   ended = {.pid = 500, .ppid = 6, .state = 'Z', .threads = 1, .name = "x"};

	for (int pid = 1; pid <= 12; pid++)
		write_process(t, &(struct process_row){
					 .pid = pid, .ppid = 1, .state = 'S', .threads = 1, .name = "quiet"});
	big.rss_pages = 65 * 256;
	served.name = "nginx";
	write_process(t, &big);
	write_process(t, &served);
	put_load(t, "0.49");
	assert_int_equal(tree_open(t, &probe_process), 0);
	for (int minute = 0; minute < 3; minute++)
		look(t, minute * 60, 12, 0, 0);

	/* a minute later: who came, who went, who is large, who is watched */
	still.state = 'T';
	write_process(t, &still);
	write_process(t, &ended);
	end_process(t, 12);
	big.rss_pages = 70 * 256;
	big.cpu_ticks = 5;
	served.threads = 9;
	write_process(t, &big);
	write_process(t, &served);
	look(t, 180, 12, 0, 1);
	tree_value_of(t, METRIC_PROCESS_ZOMBIES_OF, tree_entity(t, "process", "quiet[6]"), 1);
	tree_value_of(t, METRIC_PROCESS_RSS_MB, tree_entity(t, "process", "sleeper[4]"), 70);
	tree_value_of(t, METRIC_WATCH_THREADS, tree_entity(t, "process_name", "nginx"), 9);

	/* the settled: with the tenth walk, or one that comes early */
	for (int s = 240; s < 660; s += 60)
		look(t, s, 12, 0, 1);
	look(t, 660, 12, 1, 1);
	end_process(t, 500);
	still.state = 'S';
	write_process(t, &still);
	look(t, 670, 11, 0, 0);

	/* or while there is load, as of one that hangs */
	still.state = 'T';
	for (int s = 730; s <= 850; s += 60)
		look(t, s, 11, 0, 0);
	write_process(t, &still);
	look(t, 910, 11, 0, 0);
	put_load(t, "0.50");
	look(t, 970, 11, 1, 0);
}

/* In a child, as /proc is another one there for good. */
static int on_own_proc(struct tree *t)
{
	char tree[300];

	snprintf(tree, sizeof(tree), "%s/proc", t->dir);
	if (unshare(CLONE_NEWNS) || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) ||
	    mount(tree, "/proc", "none", MS_BIND, NULL) || env_init(&t->env, ""))
		return 100;
	see_what_moves(t);
	return 0;
}

static void changes_are_seen(void **state)
{
	struct tree *t = tree_new(NULL);
	int status;
	pid_t pid;

	(void)state;
	t->conf.process_interval_ms = MINUTE;
	t->conf.watch_processes = (char[]){"nginx"};
	pid = fork();
	if (pid == 0)
		_exit(on_own_proc(t));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	tree_free(t);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 100 || sysconf(_SC_PAGESIZE) != 4096) {
		print_message("# SKIP no mount namespace here, or other pages\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settled_after_two_minutes),
		cmocka_unit_test(more_memory_than_told),
		cmocka_unit_test(some_never_settle),
		cmocka_unit_test(comes_and_goes),
		cmocka_unit_test(changes_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
