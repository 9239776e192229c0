/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probes on recorded kernel trees, values against literals worked out by hand; what is missing
 * must be absent; nothing is allocated while sampling; and the sampler's promises about wake-ups
 * and problems.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/fs.h"
#include "sample/mounts.h"
#include "sample/probe.h"
#include "sample/prober.h"
#include "sample/sampler.h"
#include "tests/unit/heap.h"
#include "tests/unit/skip.h"

/* Every allocation of this program passes here, those inside of libc too. Sanitizers and valgrind
 * bring their own allocator. volatile: compilers know that malloc() changes no variable. */
static volatile uint64_t allocations, fail_at;
#if defined(__has_feature)
#define CLANG_SANITIZER __has_feature(address_sanitizer)
#else
#define CLANG_SANITIZER 0
#endif
#if !defined(__SANITIZE_ADDRESS__) && !CLANG_SANITIZER
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *malloc(size_t n)
{
	if (++allocations == fail_at)
		return NULL;
	return __libc_malloc(n);
}
void *calloc(size_t n, size_t size)
{
	if (++allocations == fail_at)
		return NULL;
	return __libc_calloc(n, size);
}
void *realloc(void *p, size_t n)
{
	if (++allocations == fail_at)
		return NULL;
	return __libc_realloc(p, n);
}
#endif

/* Is one made inside of libc counted? */
static void skip_unless_counting(void)
{
	uint64_t before = allocations;
	char *volatile copy = strdup("x"); /* else the compiler does without */

	free(copy);
	if (allocations == before + 1)
		return;
	print_message("# SKIP another allocator is in place\n");
	skip();
}

struct bench {
	struct env env;
	struct loop *loop;
	struct conf conf;
	struct sampler *sampler;
	struct sample got;
	unsigned samples, stop_after;
};

static int no_fd(int privpath, void *ctx)
{
	(void)privpath, (void)ctx;
	return -EACCES;
}

static void on_sample(const struct sample *s, void *ctx)
{
	struct bench *b = ctx;

	b->got = *s;
	if (++b->samples >= b->stop_after)
		loop_quit(b->loop, 0);
}

static char root_only[] = "/";

static void open_bench(struct bench *b, const char *tree)
{
	char root[256];

	assert_int_equal(env_init(&b->env, tree ? fixture_root(tree, root) : ""), 0);
	assert_int_equal(loop_new(&b->env, &b->loop), 0);
	b->conf.sample_interval_ms = 10000;
	b->conf.process_interval_ms = 60000;
	b->conf.watch_mounts = root_only;
	b->stop_after = 1;
}

static void open_sampler(struct bench *b)
{
	const struct sampler_setup setup = {
		.loop = b->loop, .conf = &b->conf, .open_fd = no_fd, .sample = on_sample, .ctx = b};
	struct err e = ERR_INIT;

	assert_int_equal(sampler_new(&setup, &b->sampler, &e), 0);
}

static void take_once(struct bench *b, const char *tree)
{
	open_bench(b, tree);
	open_sampler(b);
	assert_int_equal(sampler_once(b->sampler, 20), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->samples, 1);
}

static int bench_up(void **state)
{
	*state = calloc(1, sizeof(struct bench));
	return 0;
}

static int bench_down(void **state)
{
	struct bench *b = *state;

	sampler_free(b->sampler);
	loop_free(b->loop);
	free(b);
	return 0;
}

static void assert_value(const struct sample *s, enum metric metric, double want)
{
	double got;

	if (!sample_get(s, metric, &got))
		fail_msg("%s is absent", metric_infos[metric].name);
	if (fabs(got - want) > 1e-6)
		fail_msg("%s: %g is not %g", metric_infos[metric].name, got, want);
}

static void assert_absent(const struct sample *s, enum metric metric)
{
	double got;

	if (sample_get(s, metric, &got))
		fail_msg("%s is there: %g", metric_infos[metric].name, got);
}

/* Numbers of a 6.1 tree, by monasca-agent's formulas and rounding. */
static void values_of_linux_6_1(void **state)
{
	static const struct {
		enum metric metric;
		double value;
	} want[] = {
		{METRIC_MEM_TOTAL_MB, 2048},      {METRIC_MEM_FREE_MB, 100},
		{METRIC_MEM_USABLE_MB, 512},      {METRIC_MEM_USABLE_PERC, 25},
		{METRIC_MEM_USED_BUFFERS, 20},    {METRIC_MEM_USED_CACHE, 460},
		{METRIC_MEM_USED_SHARED, 10},     {METRIC_MEM_USED_SLAB_MB, 90},
		{METRIC_MEM_USED_REAL_MB, 1468},  {METRIC_MEM_SWAP_TOTAL_MB, 1024},
		{METRIC_MEM_SWAP_USED_MB, 256},   {METRIC_MEM_SWAP_FREE_MB, 768},
		{METRIC_MEM_SWAP_FREE_PERC, 75},  {METRIC_MEM_SLAB_UNRECLAIMABLE_MB, 30},
		{METRIC_MEM_COMMITTED_MB, 1536},  {METRIC_MEM_COMMIT_LIMIT_MB, 2048},
		{METRIC_MEM_CORRUPTED_KB, 4},     {METRIC_LOAD_1, 0.75},
		{METRIC_LOAD_5, 0.375},           {METRIC_LOAD_15, 0.05},
		{METRIC_TASKS_RUNNABLE, 2},       {METRIC_TASKS_TOTAL, 345},
		{METRIC_TASKS_BLOCKED, 3},        {METRIC_MEM_PRESSURE_SOME, 12.34},
		{METRIC_MEM_PRESSURE_FULL, 4.5},  {METRIC_IO_PRESSURE_SOME, 92},
		{METRIC_IO_PRESSURE_FULL, 88.08}, {METRIC_CPU_PRESSURE_SOME, 0.25},
		{METRIC_CPU_PRESSURE_FULL, 0},    {METRIC_KERNEL_OOM_KILL, 3},
		{METRIC_MEM_SWAP_IN, 0},          {METRIC_MEM_ALLOC_STALLS, 0},
		{METRIC_AGENT_PROBE_ERRORS, 0},   {METRIC_AGENT_SAMPLE_DROPPED, 0},
	};
	struct bench *b = *state;

	take_once(b, "proc-linux-6.1");
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_value(&b->got, want[i].metric, want[i].value);
	assert_absent(&b->got, METRIC_CPU_PERCENT); /* a recorded clock does not move */
}

/* A tree as recorded on 6.18, every probe of it. */
static void values_of_linux_6_18(void **state)
{
	static const struct {
		enum metric metric;
		double value;
	} want[] = {
		{METRIC_MEM_TOTAL_MB, 24105},     {METRIC_MEM_USABLE_MB, 23236},
		{METRIC_MEM_USABLE_PERC, 96.4},   {METRIC_MEM_USED_CACHE, 535},
		{METRIC_MEM_SWAP_FREE_PERC, 100}, {METRIC_KERNEL_OOM_KILL, 0},
		{METRIC_LOAD_1, 0.465},           {METRIC_TASKS_TOTAL, 101},
		{METRIC_IO_PRESSURE_SOME, 0.06},  {METRIC_MEM_PRESSURE_FULL, 0},
		{METRIC_AGENT_PROBE_ERRORS, 0},
	};
	struct bench *b = *state;

	take_once(b, "proc-linux-6.18");
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_value(&b->got, want[i].metric, want[i].value);
	assert_absent(&b->got, METRIC_MEM_CORRUPTED_KB); /* built without memory failure handling */
}

/* Of a 3.10 tree what the kernel did not have yet is absent, not zero; what it had is there. */
static void values_of_linux_3_10(void **state)
{
	static const enum metric absent[] = {
		METRIC_MEM_USABLE_MB,     METRIC_MEM_USABLE_PERC,  METRIC_KERNEL_OOM_KILL,
		METRIC_MEM_PRESSURE_SOME, METRIC_IO_PRESSURE_FULL, METRIC_KERNEL_LOG_ERR,
		METRIC_PROCESS_TOTAL,
	};
	struct bench *b = *state;

	take_once(b, "proc-linux-3.10");
	/* where the tree has no /proc/pressure it must not be taken from this machine */
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		assert_absent(&b->got, absent[i]);
	assert_value(&b->got, METRIC_MEM_TOTAL_MB, 1024);
	assert_value(&b->got, METRIC_MEM_SWAP_FREE_PERC, 100);
	assert_value(&b->got, METRIC_MEM_ALLOC_STALLS, 0);
	assert_value(&b->got, METRIC_TASKS_TOTAL, 84);
}

/* Rubbish costs its own values and is counted; the good file among it still counts. */
static void values_of_broken_files(void **state)
{
	static const enum metric absent[] = {METRIC_MEM_TOTAL_MB,    METRIC_MEM_USED_CACHE,
					     METRIC_LOAD_1,          METRIC_TASKS_BLOCKED,
					     METRIC_KERNEL_OOM_KILL, METRIC_MEM_PRESSURE_SOME,
					     METRIC_IO_PRESSURE_SOME};
	struct bench *b = *state;
	struct problems p = {0};
	bool named = false;
	double errors;

	take_once(b, "proc-broken");
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		assert_absent(&b->got, absent[i]);
	assert_value(&b->got, METRIC_CPU_PRESSURE_SOME, 0.5);
	assert_true(sample_get(&b->got, METRIC_AGENT_PROBE_ERRORS, &errors) && errors >= 4);
	sampler_problems(b->sampler, &p);
	for (size_t i = 0; i < p.n; i++)
		named |= !strcmp(p.list[i].code, "probe-cpu") &&
			 strstr(p.list[i].text, "/proc/stat");
	assert_true(named);
	problems_deinit(&p);
}

/* Each absent probe is named with its source and the reason. */
static void problems_say_why(void **state)
{
	struct bench *b = *state;
	struct problems p = {0};
	unsigned seen = 0;

	take_once(b, "proc-linux-3.10");
	sampler_problems(b->sampler, &p);
	for (size_t i = 0; i < p.n; i++) {
		const struct problem *it = &p.list[i];

		assert_true(it->text && it->text[0] && it->remedy);
		seen |= !strcmp(it->code, "probe-pressure") && strstr(it->text, "No such file") ? 1u
												: 0;
		seen |= !strcmp(it->code, "probe-kernel-log") &&
					strstr(it->text, "Permission denied")
				? 2u
				: 0;
		seen |= !strcmp(it->code, "probe-process") && strstr(it->text, "not the given root")
				? 4u
				: 0;
	}
	assert_int_equal(seen, 7);
	problems_deinit(&p);
}

static double used_perc(const struct sample *s, int entity)
{
	double v = -1;

	assert_true(sample_get_of(s, METRIC_DISK_SPACE_USED_PERC, entity, &v));
	return v;
}

/* Workers are waited for by pidfd (Linux 5.3); valgrind of that age does not know it either. */
static void skip_without_pidfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd >= 0) {
		close(fd);
		return;
	}
	print_message("# SKIP no pidfd_open: %s\n", strerror(errno));
	skip();
}

/* Without a prober the command asks by itself; a path that is none is named and harms nobody. */
static void mounts_without_a_prober(void **state)
{
	struct bench *b = *state;
	struct problems p = {0};
	bool named = false;
	int root = -1;

	skip_without_pidfd();
	open_bench(b, NULL);
	b->conf.watch_mounts = (char[]){"/, /proc/no\\such\n, relative,/"};
	open_sampler(b);
	assert_int_equal(sampler_once(b->sampler, 20), 0);
	assert_int_equal(loop_run(b->loop), 0);
	for (size_t i = 0; i < b->got.n_entities; i++)
		if (!strcmp(b->got.entities[i].kind, "mount_point")) {
			assert_int_equal(root, -1);
			assert_string_equal(b->got.entities[i].name, "/");
			root = (int)i;
		}
	assert_true(root >= 0);
	assert_true(used_perc(&b->got, root) >= 0 && used_perc(&b->got, root) <= 100);
	sampler_problems(b->sampler, &p);
	for (size_t i = 0; i < p.n; i++)
		named |= strstr(p.list[i].text, "/proc/no\\x5csuch") &&
			 strstr(p.list[i].text, "No such file");
	assert_true(named);
	problems_deinit(&p);
}

/* The real machine: the process table is read each time, this program is in it, states add up,
 * disks have a size. */
static void values_of_this_machine(void **state)
{
	static const enum metric states[] = {METRIC_PROCESS_RUNNING, METRIC_PROCESS_SLEEPING,
					     METRIC_PROCESS_BLOCKED, METRIC_PROCESS_STOPPED,
					     METRIC_PROCESS_ZOMBIE};
	struct bench *b = *state;
	double total = 0, v, sum = 0;
	size_t largest = 0;

	take_once(b, NULL); /* reads twice */
	assert_true(sample_get(&b->got, METRIC_PROCESS_TOTAL, &total) && total >= 1);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		assert_true(sample_get(&b->got, states[i], &v));
		sum += v;
	}
	assert_true(sum == total);
	for (size_t i = 0; i < b->got.n_values; i++) {
		assert_true(b->got.values[i].metric != METRIC_DISK_SIZE_MB ||
			    b->got.values[i].value > 0);
		largest += b->got.values[i].metric == METRIC_PROCESS_RSS_MB;
	}
	assert_true(largest >= 1 && largest <= 5);
}

/* ---- rates ---- */

static void put(const char *dir, const char *file, const char *text)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s%s", dir, file);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Shares of the time that passed between two readings; swap in KiB for pages; the file stays open
 * and is read anew. */
static void rates_between_two_readings(void **state)
{
	struct bench *b = *state;
	char dir[] = "/tmp/hp-sample-XXXXXX", sub[64];
	struct probe_setup setup = {.env = &b->env, .conf = &b->conf};
	double kib = (double)sysconf(_SC_PAGESIZE) / 1024.0;
	void *cpu, *vm;

	assert_non_null(mkdtemp(dir));
	snprintf(sub, sizeof(sub), "%s/proc", dir);
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_int_equal(env_init(&b->env, dir), 0);
	put(dir, "/proc/stat", "cpu  1000 0 500 8000 300 0 0 200\n");
	put(dir, "/proc/vmstat", "pswpin 10\npswpout 0\nallocstall_normal 5\npgmajfault 100\n");
	assert_int_equal(probe_cpu.open(&setup, &cpu, NULL), 0);
	assert_int_equal(probe_vmstat.open(&setup, &vm, NULL), 0);
	assert_int_equal(probe_cpu.read(cpu, 1000), 0);
	assert_int_equal(probe_vmstat.read(vm, 1000), 0);
	sample_reset(&b->got, 0, 0);
	probe_cpu.report(cpu, &b->got);
	probe_vmstat.report(vm, &b->got);
	assert_absent(&b->got, METRIC_CPU_PERCENT);
	assert_absent(&b->got, METRIC_MEM_SWAP_IN);

	/* 100 ticks: 20 user, 10 system, 40 idle, 5 waiting (after a step back of idle elsewhere),
	 * 25 stolen */
	put(dir, "/proc/stat", "cpu  1020 0 510 8040 305 0 0 225\n");
	put(dir, "/proc/vmstat",
	    "pswpin 60\npswpout 0\nallocstall_normal 5\nallocstall_movable 20\npgmajfault 90\n");
	assert_int_equal(probe_cpu.read(cpu, 11000), 0);
	assert_int_equal(probe_vmstat.read(vm, 11000), 0);
	sample_reset(&b->got, 0, 0);
	probe_cpu.report(cpu, &b->got);
	probe_vmstat.report(vm, &b->got);
	assert_value(&b->got, METRIC_CPU_PERCENT, 55);
	assert_value(&b->got, METRIC_CPU_USER_PERC, 20);
	assert_value(&b->got, METRIC_CPU_SYSTEM_PERC, 10);
	assert_value(&b->got, METRIC_CPU_WAIT_PERC, 5);
	assert_value(&b->got, METRIC_CPU_IDLE_PERC, 40);
	assert_value(&b->got, METRIC_CPU_STOLEN_PERC, 25);
	assert_value(&b->got, METRIC_MEM_SWAP_IN, 5 * kib);
	assert_value(&b->got, METRIC_MEM_ALLOC_STALLS, 2);
	assert_absent(&b->got, METRIC_MEM_MAJOR_FAULTS); /* went back */
	assert_absent(&b->got, METRIC_KERNEL_OOM_KILL);
	probe_cpu.close(cpu);
	probe_vmstat.close(vm);
	fs_remove_tree(dir);
}

/* ---- cost ---- */

/* 1,000 samples of the file probes on the running kernel: not one allocation. */
static void sampling_allocates_nothing(void **state)
{
	static const struct probe_ops *const files[] = {
		&probe_cpu,   &probe_load, &probe_memory,  &probe_vmstat, &probe_pressure,
		&probe_agent, &probe_net,  &probe_sockets, &probe_limits, &probe_clock,
		&probe_io,    &probe_cgroup, &probe_vm,	  &probe_edac,	 &probe_filesystem};
	struct bench *b = *state;
	void *states[ARRAY_SIZE(files)];
	uint64_t before, errors = 0;
	struct mounts *mounts = NULL;
	struct prober *prober;
	struct probe_setup setup;

	skip_unless_counting();
	open_bench(b, NULL);
	b->conf.watch_mounts = NULL; /* all */
	assert_int_equal(mounts_new(&b->env, &mounts, NULL), 0);
	assert_int_equal(prober_new(b->loop, &prober), 0); /* without anybody to ask */
	setup = (struct probe_setup){.loop = b->loop,
				     .env = &b->env,
				     .conf = &b->conf,
				     .mounts = mounts,
				     .prober = prober,
				     .probe_errors = &errors};
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (files[i]->open(&setup, &states[i], NULL))
			states[i] = NULL; /* a container may lack one */
	before = allocations;
	for (int k = 0; k < 1000; k++) {
		sample_reset(&b->got, k, k);
		for (size_t i = 0; i < ARRAY_SIZE(files); i++) /* slow ones come round, too */
			if (states[i] && !files[i]->read(states[i], (int64_t)k * 10000))
				files[i]->report(states[i], &b->got);
	}
	assert_int_equal(allocations, before);
	assert_true(b->got.n_values > 20);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (states[i])
			files[i]->close(states[i]);
	prober_free(prober);
	mounts_free(mounts);
}

/*
 * The libraries may allocate, but must give back: 100 looks at processes leave the heap as it was.
 * libudev keeps pools whose high-water mark creeps (measured: 60 KiB over the first 500 scans, 2
 * bytes a scan later); one device object not given back at each scan would be ten times that.
 */
static void libraries_do_not_grow(void **state)
{
	static const struct {
		const struct probe_ops *ops;
		size_t growth;
	} libraries[] = {{&probe_process, 4096}, {&probe_disk, 65536}};
	struct bench *b = *state;
	struct probe_setup setup;

	skip_unless_counting();
	if (heap_bytes() == HEAP_NOT_COUNTED)
		skip_because("this C library does not count what its heap holds");
	open_bench(b, NULL);
	setup = (struct probe_setup){.loop = b->loop, .env = &b->env, .conf = &b->conf};
	for (size_t i = 0; i < ARRAY_SIZE(libraries); i++) {
		size_t before = 0;
		void *probe;

		if (libraries[i].ops->open(&setup, &probe, NULL))
			continue;
		for (int k = 0; k < 110; k++) {
			before = k == 10 ? heap_bytes() : before;
			assert_int_equal(libraries[i].ops->read(probe, (int64_t)k * 600000), 0);
		}
		assert_true(heap_bytes() <= before + libraries[i].growth);
		libraries[i].ops->close(probe);
	}
}

/* Each allocation of the start failing in turn: an error or a sampler without that probe, never a
 * crash. */
static void start_survives_no_memory(void **state)
{
	struct bench *b = *state;
	unsigned n;

	skip_unless_counting();
	open_bench(b, NULL);
	for (n = 1; n < 2000; n++) {
		const struct sampler_setup setup = {.loop = b->loop,
						    .conf = &b->conf,
						    .open_fd = no_fd,
						    .sample = on_sample,
						    .ctx = b};
		struct err e = ERR_INIT;
		bool failed;
		int err;

		fail_at = allocations + n;
		err = sampler_new(&setup, &b->sampler, &e);
		if (!err)
			err = sampler_start(b->sampler);
		failed = allocations >= fail_at;
		fail_at = 0;
		assert_true(!err || err == -ENOMEM);
		assert_true(!err || failed);
		b->sampler = sampler_free(b->sampler);
		if (!failed)
			break;
	}
	assert_in_range(n, 10, 1999); /* it did try, and came to the end */
}

/* A sample is one wake-up, whatever the number of probes; slow probes ride along. */
static void one_wakeup_a_sample(void **state)
{
	struct bench *b = *state;

	open_bench(b, "proc-linux-6.1"); /* no process table: it is not what is measured here */
	b->conf.sample_interval_ms = 20;
	b->stop_after = 20;
	open_sampler(b);
	assert_int_equal(sampler_start(b->sampler), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->samples, 20);
	assert_in_range(loop_get_stats(b->loop)->wakeups, 20, 24);
	assert_ptr_equal(sampler_last(b->sampler)->n_values, b->got.n_values);
}

/* Without a link the running agent does not ask for mounts (it may not fork): absent, and said why.
 */
static void agent_never_forks(void **state)
{
	struct bench *b = *state;
	struct problems p = {0};
	bool named = false;

	open_bench(b, "proc-linux-6.1");
	b->conf.sample_interval_ms = 10;
	b->stop_after = 3;
	open_sampler(b);
	assert_int_equal(sampler_start(b->sampler), 0);
	assert_int_equal(loop_run(b->loop), 0);
	for (size_t i = 0; i < b->got.n_values; i++)
		assert_int_not_equal(b->got.values[i].metric, METRIC_DISK_SPACE_USED_PERC);
	sampler_problems(b->sampler, &p);
	for (size_t i = 0; i < p.n; i++)
		named |= strstr(p.list[i].text, "the prober did not answer") != NULL;
	assert_true(named);
	problems_deinit(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_of_linux_6_1, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(values_of_linux_6_18, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(values_of_linux_3_10, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(values_of_broken_files, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(problems_say_why, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(mounts_without_a_prober, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(values_of_this_machine, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(rates_between_two_readings, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(sampling_allocates_nothing, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(libraries_do_not_grow, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(start_survives_no_memory, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(one_wakeup_a_sample, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(agent_never_forks, bench_up, bench_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
