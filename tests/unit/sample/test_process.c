/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The views of the process table on rows made up here: growth against noise, zombies' parents, who
 * is blocked without a break, descriptors; and the library itself on a recorded table.
 */
#include "process_bench.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fs.h"
#include "sample/growth.h"
#include "sample/parse_process.h"
#include "sample/prober.h"

/* ---- growth ---- */

/* A straight line has its own slope, however uneven the readings come. */
static void slope_of_a_line(void **state)
{
	static const int minutes[] = {0, 1, 2, 5, 6, 9, 20, 21};
	struct growth g = {0};
	double slope = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(minutes); i++) {
		bool enough = i >= GROWTH_READINGS_MIN;

		assert_int_equal(growth_slope(&g, &slope), enough);
		growth_add(&g, 5000 + 3.5 * minutes[i], (int64_t)minutes[i] * 60000);
	}
	assert_true(growth_slope(&g, &slope));
	assert_true(fabs(slope - 3.5) < 1e-9);
	growth_add(&g, 1e9, (int64_t)20 * 60000); /* of the past: left out */
	assert_true(growth_slope(&g, &slope) && fabs(slope - 3.5) < 1e-9);
}

/* A level with noise grows by nothing; a leak under the same noise stands out; after a step to a
 * new level the growth ends. */
static void slope_against_noise(void **state)
{
	struct growth flat = {0}, leak = {0}, step = {0};
	unsigned seed = 1;
	double slope = 0;

	(void)state;
	for (int64_t m = 0; m < 240; m++) {
		double noise;

		seed = seed * 1103515245 + 12345;
		noise = (double)(seed >> 16 & 1023) / 512.0 - 1; /* -1 .. 1 */
		growth_add(&flat, 100 + noise, m * 60000);
		growth_add(&leak, 100 + noise + 0.5 * (double)m, m * 60000);
		growth_add(&step, m < 5 ? 10 : 500, m * 60000);
	}
	assert_false(growth_slope(&flat, &slope));
	assert_true(growth_slope(&leak, &slope));
	assert_in_range((int)(slope * 1000), 450, 550);
	assert_false(growth_slope(&step, &slope) && slope > 0.1);
}

/* ---- views ---- */

/* A leak is named with its slope and its part in the growth of all; what is stable, shrinks or
 * ended is not. Another process under the same pid starts anew. */
static void leak_suspects(void **state)
{
	struct process_row rows[] = {
		{.pid = 10, .start_ticks = 1, .name = "big"},
		{.pid = 11, .start_ticks = 2, .name = "leak"},
		{.pid = 12, .start_ticks = 3, .name = "le\nak"},
		{.pid = 13, .start_ticks = 4, .name = "shrinks"},
	};
	struct bench *b = *state;

	use(b, &process_growth);
	for (int64_t m = 0; m < 10; m++) {
		rows[0].rss_pages = 10000;
		rows[1].rss_pages = 100 + 6 * (uint64_t)m; /* 3 MiB a minute */
		rows[2].rss_pages = 100 + 2 * (uint64_t)m; /* 1 */
		rows[3].rss_pages = 1000 - 50 * (uint64_t)m;
		walk(b, m * 60000, rows, ARRAY_SIZE(rows));
	}
	assert_int_equal(b->got.n_values, 5); /* two slopes, two shares, one rise */
	assert_true(value_of(&b->got, METRIC_PROCESS_RISE_MB, "leak[11]") == 3);
	assert_true(fabs(value_of(&b->got, METRIC_PROCESS_GROWTH_MB_H, "leak[11]") - 180) < 1e-6);
	assert_true(fabs(value_of(&b->got, METRIC_PROCESS_GROWTH_SHARE, "leak[11]") - 75) < 1e-6);
	assert_true(fabs(value_of(&b->got, METRIC_PROCESS_GROWTH_MB_H, "le\\x0aak[12]") - 60) <
		    1e-6);
	rows[1].start_ticks = 99;
	walk(b, 600000, rows, 2);
	assert_int_equal(b->got.n_values, 1); /* all of what it has was gained */
	assert_true(value_of(&b->got, METRIC_PROCESS_RISE_MB, "leak[11]") == 77);
}

/* More processes than places: the largest have them, a larger one takes the smallest's. */
static void growth_keeps_the_largest(void **state)
{
	static struct process_row rows[200];
	struct bench *b = *state;

	use(b, &process_growth);
	for (int64_t m = 0; m < 6; m++) {
		for (int i = 0; i < 200; i++)
			rows[i] = (struct process_row){.pid = i + 1,
						       .start_ticks = 5,
						       .rss_pages = 1000 + 10 * (uint64_t)i +
								    100 * (uint64_t)m,
						       .name = "p"};
		walk(b, m * 60000, rows, 200);
	}
	assert_int_equal(b->got.n_values, 15);
	for (size_t i = 0; i < b->got.n_entities; i++) {
		long pid = strtol(b->got.entities[i].name + 2, NULL, 10);

		assert_in_range(pid, 200 - 64 + 1, 200);
	}
}

/* What a process gained within the last minute is known at the second look, even of one that was not
 * there at the first; what it was before is not held against it. */
static void rise_is_known_at_once(void **state)
{
	struct process_row rows[] = {
		{.pid = 10, .start_ticks = 1, .rss_pages = 10000, .name = "big"},
		{.pid = 11, .start_ticks = 2, .rss_pages = 200, .name = "leak"},
		{.pid = 12, .start_ticks = 900, .rss_pages = 80, .name = "new"},
	};
	struct bench *b = *state;

	use(b, &process_growth);
	walk(b, 1000, rows, 2);
	assert_int_equal(b->got.n_values, 0);
	rows[1].rss_pages += 120; /* 60 MiB */
	walk(b, 12000, rows, 3);
	assert_int_equal(b->got.n_values, 2);
	assert_true(value_of(&b->got, METRIC_PROCESS_RISE_MB, "leak[11]") == 60);
	assert_true(value_of(&b->got, METRIC_PROCESS_RISE_MB, "new[12]") == 40);
	for (int64_t s = 22; s <= 102; s += 10) /* nothing more: a minute later it is over */
		walk(b, s * 1000, rows, 3);
	assert_true(isnan(value_of(&b->got, METRIC_PROCESS_RISE_MB, "leak[11]")));
}

/* Zombies are laid at their parents' doors, most first; a parent that cannot be seen has a number.
 */
static void zombies_have_parents(void **state)
{
	static const struct process_row rows[] = {
		{.pid = 20, .ppid = 7, .state = 'Z', .name = "z"},
		{.pid = 21, .ppid = 5, .state = 'Z', .name = "z"},
		{.pid = 22, .ppid = 5, .state = 'Z', .name = "z"},
		{.pid = 5, .ppid = 1, .state = 'S', .name = "bad parent"},
		{.pid = 23, .ppid = 5, .state = 'S', .name = "alive"},
		{.pid = 24, .ppid = 5, .state = 'Z', .threads = 4, .name = "leader ended"},
	};
	struct bench *b = *state;

	use(b, &process_zombies);
	walk(b, 0, rows, ARRAY_SIZE(rows));
	assert_int_equal(b->got.n_values, 2);
	assert_string_equal(b->got.entities[0].name, "bad parent[5]");
	assert_true(value_of(&b->got, METRIC_PROCESS_ZOMBIES_OF, "bad parent[5]") == 2);
	assert_true(value_of(&b->got, METRIC_PROCESS_ZOMBIES_OF, "[7]") == 1);
	walk(b, 0, rows + 3, 2);
	assert_int_equal(b->got.n_values, 0);
}

/* Whoever had many and has none is reported with none for an hour, so that a finding about it can end. */
static void zombies_that_are_gone(void **state)
{
	static struct process_row rows[13];
	struct bench *b = *state;

	rows[0] = (struct process_row){.pid = 5, .ppid = 1, .state = 'S', .name = "cron"};
	for (int i = 1; i < 13; i++)
		rows[i] = (struct process_row){.pid = 20 + i, .ppid = i < 12 ? 5 : 6, .state = 'Z', .name = "z"};
	use(b, &process_zombies);
	walk(b, 0, rows, ARRAY_SIZE(rows));
	assert_true(value_of(&b->got, METRIC_PROCESS_ZOMBIES_OF, "cron[5]") == 11);
	walk(b, 60000, rows, 1);
	assert_int_equal(b->got.n_values, 1); /* [6] never had many */
	assert_true(value_of(&b->got, METRIC_PROCESS_ZOMBIES_OF, "cron[5]") == 0);
	walk(b, 120000, rows, 3);
	assert_int_equal(b->got.n_values, 1);
	assert_true(value_of(&b->got, METRIC_PROCESS_ZOMBIES_OF, "cron[5]") == 2);
	walk(b, 60000 + 60 * 60 * 1000, rows, 1);
	assert_int_equal(b->got.n_values, 0);
}

static void put_status(const char *dir, const char *switches)
{
	char path[200], text[200];

	snprintf(path, sizeof(path), "%s/proc/40/status", dir);
	snprintf(text, sizeof(text),
		 "Name:\tdd\nvoluntary_ctxt_switches:\t%s\nnonvoluntary_ctxt_switches:\t5\n",
		 switches);
	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0600, NULL), 0);
}

/* Blocked at each look is not blocked all the time: only without a switch in between does it count.
 */
static void blocked_without_a_break(void **state)
{
	static const struct process_row row = {
		.pid = 40, .start_ticks = 9, .state = 'D', .name = "dd"};
	char dir[] = "/tmp/hp-process-XXXXXX", path[200];
	struct bench *b = *state;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/proc/40", dir);
	assert_int_equal(fs_mkdirs(path, 0700), 0);
	assert_int_equal(env_init(&b->env, dir), 0);
	use(b, &process_blocked);
	put_status(dir, "10");
	walk(b, 1000, &row, 1);
	assert_true(value_of(&b->got, METRIC_PROCESS_BLOCKED_S, "dd[40]") == 0);
	walk(b, 61000, &row, 1);
	assert_true(value_of(&b->got, METRIC_PROCESS_BLOCKED_S, "dd[40]") == 60);
	put_status(dir, "11");
	walk(b, 121000, &row, 1);
	assert_true(value_of(&b->got, METRIC_PROCESS_BLOCKED_S, "dd[40]") == 0);
	walk(b, 181000, &row, 1);
	assert_true(value_of(&b->got, METRIC_PROCESS_BLOCKED_S, "dd[40]") == 60);
	walk(b, 241000, &row, 0);
	assert_int_equal(b->got.n_values, 0);
	fs_remove_tree(dir);
}

/* As the kernel has it: valgrind keeps limits of its own. */
static uint64_t kernels_limit(void)
{
	char text[4096];
	int fd = open("/proc/self/limits", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text));
	uint64_t limit = 0;

	close(fd);
	assert_true(n > 0);
	assert_int_equal(parse_nofile(text, (size_t)n, &limit), 0);
	return limit;
}

/* This process near its limit: counted by the kernel's own number, first in the report. */
static void descriptors_near_the_limit(void **state)
{
	struct process_row row = {
		.pid = getpid(), .start_ticks = 1, .rss_pages = 100, .name = "test"};
	struct rlimit old, low;
	struct bench *b = *state;
	char name[40];
	int fds[64];
	double perc, count;
	enum probe_stress first;
	bool taken;

	use(b, &process_fds);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){.rlim_cur = 100, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	taken = kernels_limit() == 100;
	walk(b, 0, &row, 1);
	first = process_fds.stress(b->view_state);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	setrlimit(RLIMIT_NOFILE, &old);
	if (!b->got.n_values || !taken) {
		print_message("# SKIP the kernel does not tell the number, or the limit is not its "
			      "own\n");
		skip();
	}
	snprintf(name, sizeof(name), "test[%d]", getpid());
	count = value_of(&b->got, METRIC_PROCESS_FDS, name);
	perc = value_of(&b->got, METRIC_PROCESS_FDS_PERC, name);
	assert_in_range((int)count, 64 + 3, 99);
	assert_true(perc == count);
	/* what it had before is not known, so that the next look is to come soon; then it is */
	assert_int_equal(first, STRESS_HOLD);
	walk(b, 10000, &row, 1);
	assert_int_equal(process_fds.stress(b->view_state), STRESS_CALM);
}

/* Who is not among those with most is looked at in any walk when the guest as a whole opened many.
 */
static void descriptors_by_a_hint(void **state)
{
	struct process_row row = {
		.pid = getpid(), .start_ticks = 1, .rss_pages = 100, .name = "test"};
	struct probe_hints hints = {0};
	struct bench *b = *state;
	char name[40];
	struct stat st;

	if (stat("/proc/self/fd", &st) || !st.st_size) {
		print_message("# SKIP the kernel does not tell the number\n");
		skip();
	}
	snprintf(name, sizeof(name), "test[%d]", getpid());
	b->context.hints = &hints;
	use(b, &process_fds);
	walk(b, 1000, &row, 0);
	walk(b, 61000, &row, 1);
	assert_true(isnan(value_of(&b->got, METRIC_PROCESS_FDS, name)));
	hints.files = true;
	walk(b, 121000, &row, 1);
	assert_true(value_of(&b->got, METRIC_PROCESS_FDS, name) > 0);
	assert_false(hints.files);
}

/* Who is not among those with most: every fifth walk if it ran since the last such, else every 25th. */
static void descriptors_of_the_idle(void **state)
{
	struct process_row row = {
		.pid = getpid(), .start_ticks = 1, .rss_pages = 100, .name = "test"};
	struct bench *b = *state;
	char name[40];
	struct stat st;

	if (stat("/proc/self/fd", &st) || !st.st_size) {
		print_message("# SKIP the kernel does not tell the number\n");
		skip();
	}
	snprintf(name, sizeof(name), "test[%d]", getpid());
	use(b, &process_fds);
	for (int64_t w = 0; w <= 50; w++) {
		int64_t now = 1000 + w * 60000;
		bool ran = w == 10, looked_at = ran || w == 25 || w == 50;

		row.since_ms = ran ? now - 60000 : 999;
		/* seen every fifth time only, so that it has no place that it keeps */
		walk(b, now, &row, w && w % 5 == 0);
		assert_int_equal(isnan(value_of(&b->got, METRIC_PROCESS_FDS, name)), !looked_at);
	}
}

static void put(const char *dir, const char *file, const char *text)
{
	char path[512], *slash;

	snprintf(path, sizeof(path), "%s%s", dir, file);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(fs_mkdirs(path, 0700), 0);
	*slash = '/';
	if (text)
		assert_int_equal(fs_write_atomic(path, text, strlen(text), 0600, NULL), 0);
}

static void on_poll(struct loop *loop, void *ctx)
{
	struct bench *b = ctx;

	(void)loop;
	loop_quit(loop, !b->view->busy(b->view_state));
}

/* Where the kernel does not tell the number to us the prober is asked, once for five walks, and
 * what it says is kept with the process it is said of. */
static void descriptors_by_the_prober(void **state)
{
	static const struct process_row rows[] = {
		{.pid = 123, .start_ticks = 1, .rss_pages = 100, .name = "a"},
		{.pid = 124, .start_ticks = 1, .rss_pages = 100, .name = "b"}};
	char dir[] = "/tmp/hp-process-XXXXXX", path[200];
	struct loop_timer *poll = NULL;
	struct bench *b = *state;
	struct prober *prober = NULL;
	struct stat st;

	assert_non_null(mkdtemp(dir));
	put(dir, "/proc/123/fd/0", "");
	put(dir, "/proc/123/limits", "Max open files  8192  8192  files\n");
	snprintf(path, sizeof(path), "%s/proc/123/fd", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(env_init(&b->env, dir), 0);
	assert_int_equal(prober_new(b->loop, &prober), 0);
	assert_int_equal(prober_allow_local(prober), 0);
	assert_int_equal(loop_timer_new(b->loop, 0, on_poll, b, &poll), 0);
	b->context.prober = prober;
	use(b, &process_fds);
	walk(b, 0, rows, 2);
	assert_int_equal(b->got.n_values, 0);
	assert_true(b->view->busy(b->view_state));
	do
		loop_timer_arm(poll, 10);
	while (loop_run(b->loop) == 0);
	walk(b, 60000, rows, 2);
	assert_false(b->view->busy(b->view_state));
	assert_int_equal(b->got.n_values, 2);
	/* a folder's own size, where it has one, stands for the kernel's number here */
	assert_true(value_of(&b->got, METRIC_PROCESS_FDS, "a[123]") ==
		    (double)(st.st_size ? st.st_size : 1));
	loop_timer_free(poll);
	prober_free(prober);
	fs_remove_tree(dir);
}

/* ---- the library, on a recorded table ---- */

struct wanted {
	enum metric metric;
	const char *entity; /* NULL: the guest */
	double value;
};
/* Worked out from tests/fixtures/processes; a page is 4 KiB there as on the machine that runs this.
 */
static const struct wanted recorded[] = {
	{METRIC_PROCESS_TOTAL, NULL, 8},
	{METRIC_PROCESS_RUNNING, NULL, 1},
	{METRIC_PROCESS_SLEEPING, NULL, 4},
	{METRIC_PROCESS_STOPPED, NULL, 1},
	{METRIC_PROCESS_BLOCKED, NULL, 1},
	{METRIC_PROCESS_ZOMBIE, NULL, 1},
	{METRIC_PROCESS_RSS_MB, "nginx[301]", 20},
	{METRIC_PROCESS_RSS_MB, "systemd[1]", 10},
	{METRIC_PROCESS_RSS_MB, "evil) R 1 (x[77]", 1},
	{METRIC_PROCESS_THREADS, "evil) R 1 (x[77]", 2},
	{METRIC_PROCESS_ZOMBIES_OF, "nginx[300]", 1},
	{METRIC_WATCH_PID_COUNT, "nginx", 2},
	{METRIC_WATCH_RSS_MB, "nginx", 22},
	{METRIC_WATCH_THREADS, "nginx", 5},
};

/* In a child, as /proc is another one there for good. Return: 0, 1 + the row that is wrong, or 100
 * and more when it could not be tried. */
static int look_at_recorded(struct bench *b)
{
	struct probe_setup setup = {.loop = b->loop, .env = &b->env, .conf = &b->conf};
	char root[256], tree[300];
	void *probe;

	snprintf(tree, sizeof(tree), "%s/proc", fixture_root("processes", root));
	if (unshare(CLONE_NEWNS) || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) ||
	    mount(tree, "/proc", "none", MS_BIND, NULL))
		return 100;
	if (probe_process.open(&setup, &probe, NULL) || probe_process.read(probe, 50000000))
		return 101;
	sample_reset(&b->got, 50000000, 0);
	probe_process.report(probe, &b->got);
	probe_process.close(probe);
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
		const struct wanted *w = &recorded[i];
		double v = NAN;

		if (w->entity)
			v = value_of(&b->got, w->metric, w->entity);
		else if (!sample_get(&b->got, w->metric, &v))
			v = NAN;
		if (!(fabs(v - w->value) < 1e-9))
			return 1 + (int)i;
	}
	return 0;
}

/* libproc2 knows only /proc, so a recorded one is put there; names that try to look like other
 * fields change nothing. */
static void table_of_a_recorded_tree(void **state)
{
	struct bench *b = *state;
	int status;
	pid_t pid;

	b->conf.watch_processes = (char[]){"nginx"};
	pid = fork();
	if (pid == 0)
		_exit(look_at_recorded(b));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 100 || sysconf(_SC_PAGESIZE) != 4096) {
		print_message("# SKIP no mount namespace here, or other pages\n");
		skip();
	}
	if (WEXITSTATUS(status) == 101)
		fail_msg("the recorded table cannot be read");
	if (WEXITSTATUS(status))
		fail_msg("wrong: %s", metric_infos[recorded[WEXITSTATUS(status) - 1].metric].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slope_of_a_line),
		cmocka_unit_test(slope_against_noise),
		cmocka_unit_test_setup_teardown(leak_suspects, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(growth_keeps_the_largest, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(rise_is_known_at_once, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(zombies_have_parents, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(zombies_that_are_gone, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(blocked_without_a_break, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(descriptors_near_the_limit, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(descriptors_by_a_hint, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(descriptors_of_the_idle, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(descriptors_by_the_prober, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(table_of_a_recorded_tree, bench_up, bench_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
