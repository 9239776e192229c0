/* SPDX-License-Identifier: Apache-2.0 */
/* Watched processes: sums, ends and starts, on rows made up here and with real children that end.
 */
#include "process_bench.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_said(struct bench *b, const char *code, const char *words)
{
	struct problems p = {0};
	bool found = false;

	process_watch.explain(b->view_state, &p);
	for (size_t i = 0; i < p.n; i++)
		found |= !strcmp(p.list[i].code, code) && strstr(p.list[i].text, words);
	problems_deinit(&p);
	return found;
}

/* Sums over all of that name, told apart by 15 characters as the kernel keeps no more; the ended do
 * not count; a worker's end is none of the service, its main process' is. */
static void watched_sums(void **state)
{
	static const char *const names[] = {"a-very-long-service-name", "none"};
	const struct sampler_settings settings = {.processes = names, .n_processes = 2};
	struct process_row rows[] = {
		{.pid = 50,
		 .ppid = 1,
		 .state = 'S',
		 .threads = 3,
		 .start_ticks = 100,
		 .cpu_ticks = 50,
		 .rss_pages = 20,
		 .name = "a-very-long-ser"},
		{.pid = 51,
		 .ppid = 50,
		 .state = 'S',
		 .threads = 1,
		 .start_ticks = 110,
		 .cpu_ticks = 10,
		 .rss_pages = 6,
		 .name = "a-very-long-ser"},
		{.pid = 52,
		 .ppid = 50,
		 .state = 'Z',
		 .threads = 1,
		 .start_ticks = 120,
		 .cpu_ticks = 999,
		 .name = "a-very-long-ser"},
		{.pid = 53, .ppid = 1, .state = 'S', .threads = 9, .rss_pages = 9, .name = "other"},
	};
	const char *name = names[0];
	struct bench *b = *state;

	use(b, &process_watch);
	process_watch.apply(b->view_state, &settings);
	walk(b, 10000, rows, ARRAY_SIZE(rows));
	assert_true(value_of(&b->got, METRIC_WATCH_PID_COUNT, name) == 2);
	assert_true(value_of(&b->got, METRIC_WATCH_THREADS, name) == 4);
	assert_true(value_of(&b->got, METRIC_WATCH_RSS_MB, name) == 13);
	assert_true(value_of(&b->got, METRIC_WATCH_UPTIME_S, name) == 9);
	assert_true(isnan(value_of(&b->got, METRIC_WATCH_CPU_PERC, name)));
	assert_true(value_of(&b->got, METRIC_WATCH_PID_COUNT, "none") == 0);
	assert_true(isnan(value_of(&b->got, METRIC_WATCH_RSS_MB, "none")));
	rows[0].cpu_ticks = 150; /* 1 s in 4 */
	walk(b, 14000, rows, ARRAY_SIZE(rows));
	assert_true(value_of(&b->got, METRIC_WATCH_CPU_PERC, name) == 25);
	rows[1].pid = 60; /* another worker */
	walk(b, 15000, rows, ARRAY_SIZE(rows));
	assert_true(value_of(&b->got, METRIC_WATCH_DEATHS, name) == 0);
	rows[0].pid = 70; /* another main process */
	rows[0].start_ticks = 1500;
	rows[1].ppid = 70;
	walk(b, 16000, rows, ARRAY_SIZE(rows));
	assert_true(value_of(&b->got, METRIC_WATCH_DEATHS, name) == 1);
	assert_true(value_of(&b->got, METRIC_WATCH_RESTARTS, name) == 1);
	assert_true(value_of(&b->got, METRIC_WATCH_STARTS_5MIN, name) == 2);
	walk(b, 16000 + 310000, rows, ARRAY_SIZE(rows));
	assert_true(value_of(&b->got, METRIC_WATCH_STARTS_5MIN, name) == 0);
}

/* More names than there is room for: the first ones are watched, and the status says so, until
 * fewer are named. */
static void too_many_names_are_said(void **state)
{
	static char texts[20][8];
	const char *names[20];
	struct sampler_settings settings = {.processes = names, .n_processes = 20};
	struct process_row row = {.pid = 50, .ppid = 1, .state = 'S', .threads = 1, .name = "p15"};
	struct bench *b = *state;

	for (int i = 0; i < 20; i++) {
		snprintf(texts[i], sizeof(texts[i]), "p%d", i);
		names[i] = texts[i];
	}
	use(b, &process_watch);
	process_watch.apply(b->view_state, &settings);
	walk(b, 10000, &row, 1);
	assert_true(value_of(&b->got, METRIC_WATCH_PID_COUNT, "p15") == 1);
	assert_true(isnan(value_of(&b->got, METRIC_WATCH_PID_COUNT, "p16")));
	assert_true(is_said(b, "processes-many", "4 named processes beyond 16"));
	settings.n_processes = 16;
	process_watch.apply(b->view_state, &settings);
	assert_false(is_said(b, "processes-many", ""));
	settings.n_processes = 0; /* what the configuration names, again */
	b->conf.watch_processes = "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r";
	process_watch.apply(b->view_state, &settings);
	assert_true(is_said(b, "processes-many", "2 named processes beyond 16"));
}

/* A pool of one service, started together at boot, is no crash loop; one of them that is started
 * anew again and again is. */
static void pool_starts_together(void **state)
{
	const char *names[] = {"pool"};
	const struct sampler_settings settings = {.processes = names, .n_processes = 1};
	struct process_row rows[4];
	struct bench *b = *state;

	for (int i = 0; i < 4; i++)
		rows[i] = (struct process_row){.pid = 50 + i,
					       .ppid = 1,
					       .state = 'S',
					       .threads = 1,
					       .start_ticks = 100 + 200 * (uint64_t)i,
					       .rss_pages = 9,
					       .name = "pool"};
	use(b, &process_watch);
	process_watch.apply(b->view_state, &settings);
	walk(b, 10000, rows, ARRAY_SIZE(rows));
	assert_true(value_of(&b->got, METRIC_WATCH_STARTS_5MIN, "pool") == 1);
	for (int i = 0; i < 4; i++) { /* the whole pool again */
		rows[i].pid += 10;
		rows[i].start_ticks += 2000;
	}
	walk(b, 40000, rows, ARRAY_SIZE(rows));
	assert_true(value_of(&b->got, METRIC_WATCH_DEATHS, "pool") == 4);
	assert_true(value_of(&b->got, METRIC_WATCH_RESTARTS, "pool") == 4);
	assert_true(value_of(&b->got, METRIC_WATCH_STARTS_5MIN, "pool") == 2);
	for (int i = 1; i <= 3; i++) {
		rows[2].pid++;
		rows[2].start_ticks = 4000 + 600 * (uint64_t)i;
		walk(b, 40000 + 7000 * i, rows, ARRAY_SIZE(rows));
	}
	assert_true(value_of(&b->got, METRIC_WATCH_STARTS_5MIN, "pool") == 5);
}

static pid_t start_named(const char *name)
{
	int sync[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(sync), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		close(sync[0]);
		if (write(sync[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(sync[1]);
	assert_int_equal(read(sync[0], &c, 1), 1);
	close(sync[0]);
	return pid;
}

struct scene {
	struct bench *b;
	char name[16];
	pid_t child;
	int64_t killed_ms, seen_gone_ms;
	unsigned samples;
	bool killed, restarted;
};

static void on_event(const struct sample_event *e, void *ctx)
{
	struct scene *s = ctx;

	if (strcmp(e->entity, s->name) != 0)
		return;
	s->b->down += e->kind == SAMPLE_EVENT_PROCESS_DOWN;
	s->b->up += e->kind == SAMPLE_EVENT_PROCESS_UP;
	if (e->kind == SAMPLE_EVENT_PROCESS_UP)
		s->b->up_value = e->value;
}

static void kill_child(struct scene *s)
{
	kill(s->child, SIGKILL);
	waitpid(s->child, NULL, 0);
	s->killed = true;
	s->killed_ms = s->b->env.boot_ms();
}

/* A watched process: seen; killed; seen gone; started again; seen back. */
static void on_sample(const struct sample *sample, void *ctx)
{
	double count = value_of(sample, METRIC_WATCH_PID_COUNT, ((struct scene *)ctx)->name);
	struct scene *s = ctx;

	s->b->got = *sample;
	s->samples++;
	if (!s->killed && count == 1) {
		kill_child(s);
	} else if (s->killed && !s->restarted && count == 0) {
		s->seen_gone_ms = s->b->env.boot_ms();
		s->child = start_named(s->name);
		s->restarted = true;
	} else if (s->restarted && count == 1) {
		loop_quit(s->b->loop, 0);
	}
}

static int no_fd(int privpath, void *ctx)
{
	(void)privpath, (void)ctx;
	return -EACCES;
}

static void on_timeout(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, 1);
}

/* With an hour between samples an end is still known within a second or two, and so is the restart:
 * nothing polls for it while all is well. */
static void death_wakes_the_agent(void **state)
{
	struct bench *b = *state;
	struct scene scene = {.b = b};
	struct sampler_setup setup = {.loop = b->loop,
				      .conf = &b->conf,
				      .open_fd = no_fd,
				      .sample = on_sample,
				      .event = on_event,
				      .ctx = &scene};
	struct loop_timer *timeout = NULL;
	struct err e = ERR_INIT;

	snprintf(scene.name, sizeof(scene.name), "hp-w-%d", getpid());
	scene.child = start_named(scene.name);
	b->conf.sample_interval_ms = b->conf.process_interval_ms = 3600000;
	b->conf.watch_processes = scene.name;
	b->conf.watch_mounts = (char[]){"/"};
	assert_int_equal(sampler_new(&setup, &b->sampler, &e), 0);
	assert_int_equal(loop_timer_new(b->loop, 0, on_timeout, NULL, &timeout), 0);
	loop_timer_arm(timeout, 20000);
	assert_int_equal(sampler_start(b->sampler), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_true(scene.seen_gone_ms - scene.killed_ms < 3000);
	assert_int_equal(b->down, 1);
	assert_int_equal(b->up, 1);
	assert_true(b->up_value == 2); /* a crash loop shows in this number */
	assert_true(value_of(&b->got, METRIC_WATCH_RESTARTS, scene.name) == 1);
	assert_true(value_of(&b->got, METRIC_WATCH_DEATHS, scene.name) == 1);
	kill_child(&scene);
	loop_timer_free(timeout);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(watched_sums, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(too_many_names_are_said, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(pool_starts_together, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(death_wakes_the_agent, bench_up, bench_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
