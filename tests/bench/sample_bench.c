/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What samples of a calm guest cost: all probes of the real /proc and /sys at their own periods of
 * a simulated clock, 10 s between samples, and the forecasts made of each, as the agent does; a
 * prober role of its own answers. Neither stress nor the machine's load changes what is done, so
 * that a busy machine measures a calm guest, too (as root; without, "calm" is 0 and each walk looks
 * at all processes where there is load). One JSON object on stdout; heap_growth is between the middle
 * and the end.
 *
 *   sample_bench SAMPLES PROCESS_INTERVAL_MS
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/privpath.h"
#include "core/text.h"
#include "predict/foresee.h"
#include "sample/mounts.h"
#include "sample/probe.h"
#include "sample/prober.h"
#include "sample/sampler.h"
#include "tests/unit/heap.h"

#define INTERVAL_MS 10000

struct bench {
	struct env env;
	struct conf conf;
	struct loop *loop;
	struct loop_timer *wait;
	struct link *link;
	pid_t prober_pid;
	struct prober *prober;
	struct mounts *mounts;
	struct kmsg_reader *kmsg;
	struct foresee *foresee;
	uint64_t errors, walks;
	bool calm; /* the load that is seen is a calm guest's */
	void *states[PROBES_MAX];
	int64_t due_ms[PROBES_MAX];
	struct sample sample;
};

static double own_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double children_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void on_message(struct link *link, struct link_msg *msg, void *ctx)
{
	(void)link, (void)msg, (void)ctx;
}

static void on_closed(struct link *link, void *ctx)
{
	struct bench *b = ctx;

	prober_set_link(b->prober, NULL);
	b->link = link_free(link);
}

static int start_prober(struct bench *b)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds))
		return -errno;
	b->prober_pid = fork();
	if (b->prober_pid < 0)
		return -errno;
	if (b->prober_pid == 0) {
		close(fds[0]);
		_exit(prober_role_run(&b->env, fds[1]));
	}
	close(fds[1]);
	return link_new(b->loop, fds[0], on_message, on_closed, b, &b->link);
}

static void open_kmsg(struct bench *b)
{
	int fd = privpath_open(&b->env, PRIVPATH_KMSG, NULL);

	if (fd < 0 || kmsg_reader_new(b->loop, fd, 0, NULL, NULL, &b->kmsg))
		b->kmsg = NULL;
}

static void open_probes(struct bench *b)
{
	const struct probe_setup setup = {.loop = b->loop,
					  .env = &b->env,
					  .conf = &b->conf,
					  .prober = b->prober,
					  .kmsg = b->kmsg,
					  .mounts = b->mounts,
					  .probe_errors = &b->errors};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < probes_n; i++)
		if (probes[i]->open(&setup, &b->states[i], &e))
			b->states[i] = NULL;
}

static void quit(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, 0);
}

static bool busy(const struct bench *b)
{
	for (size_t i = 0; i < probes_n; i++)
		if (b->states[i] && probes[i]->busy && probes[i]->busy(b->states[i]))
			return true;
	return false;
}

/* One wake-up, as each sample has, and more of them until the prober has answered. */
static int settle(struct bench *b)
{
	int err = loop_defer(b->loop, quit, b);

	if (!err)
		err = loop_run(b->loop);
	while (!err && busy(b)) {
		loop_timer_arm(b->wait, 2);
		err = loop_run(b->loop);
	}
	return err;
}

static void read_due(struct bench *b, int64_t now_ms)
{
	const int64_t periods[PROBE_PACES] = {[PROBE_PROCESS] = b->conf.process_interval_ms,
					      [PROBE_MINUTE] = 60000,
					      [PROBE_RARE] = 600000};

	for (size_t i = 0; i < probes_n; i++) {
		if (!b->states[i] || now_ms + INTERVAL_MS / 2 < b->due_ms[i])
			continue;
		b->errors += probes[i]->read(b->states[i], now_ms) != 0;
		b->walks += probes[i] == &probe_process;
		b->due_ms[i] = now_ms + periods[probes[i]->pace];
	}
}

static int take(struct bench *b, int64_t now_ms)
{
	read_due(b, now_ms);
	sample_reset(&b->sample, now_ms, 1800000000000 + now_ms);
	for (size_t i = 0; i < probes_n; i++)
		if (b->states[i])
			probes[i]->report(b->states[i], &b->sample);
	foresee_sample(b->foresee, &b->sample);
	return settle(b);
}

static int run(struct bench *b, int64_t samples)
{
	int64_t now_ms = b->env.boot_ms(), i;
	size_t heap = 0;
	double before;
	int err = take(b, now_ms);

	b->walks = 0;
	before = own_ms();
	for (i = 0; !err && i < samples; i++) {
		err = take(b, now_ms += INTERVAL_MS);
		if (i == samples / 2)
			heap = heap_bytes();
	}
	if (err)
		return err;
	printf("{\"samples\":%lld,\"calm\":%d,\"walks\":%llu,\"values\":%zu,\"errors\":%llu,\"heap_growth\":%lld,"
	       "\"cpu_ms\":%.3f",
	       (long long)samples, b->calm, (unsigned long long)b->walks, b->sample.n_values,
	       (unsigned long long)b->errors, (long long)heap_bytes() - (long long)heap,
	       own_ms() - before);
	return 0;
}

/* What the prober and its workers used shows when they have ended; its start is within. */
static void finish(struct bench *b)
{
	prober_free(b->prober);
	for (size_t i = 0; i < probes_n; i++)
		if (b->states[i])
			probes[i]->close(b->states[i]);
	link_free(b->link);
	if (b->prober_pid > 0)
		waitpid(b->prober_pid, NULL, 0);
	mounts_free(b->mounts);
	kmsg_reader_free(b->kmsg);
	foresee_free(b->foresee);
	loop_free(b->loop);
}

/* The load of a calm guest, in place of this machine's. Return: whether that is what is seen. */
static bool hide_load(void)
{
	static const char text[] = "0.10 0.10 0.10 1/150 4242\n";
	char path[] = "/tmp/hp-load-XXXXXX";
	_cleanup_close_ int fd = mkstemp(path);
	bool hidden;

	if (fd < 0)
		return false;
	hidden = write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1 &&
		 !unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
		 !mount(path, "/proc/loadavg", NULL, MS_BIND, NULL);
	unlink(path);
	return hidden;
}

static int start(struct bench *b)
{
	int err = loop_new(&b->env, &b->loop);

	if (!err)
		err = loop_timer_new(b->loop, 0, quit, b, &b->wait);
	if (!err)
		err = start_prober(b);
	if (!err)
		err = prober_new(b->loop, &b->prober);
	if (!err)
		err = foresee_new(&b->foresee);
	if (err)
		return err;
	prober_set_link(b->prober, b->link);
	if (mounts_new(&b->env, &b->mounts, NULL))
		b->mounts = NULL;
	open_kmsg(b);
	open_probes(b);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench b = {.conf = {.sample_interval_ms = INTERVAL_MS}};
	int64_t samples = 0;
	int err = argc == 3 ? env_init(&b.env, NULL) : -EINVAL;

	if (!err)
		err = text_i64(argv[1], strlen(argv[1]), &samples);
	if (!err)
		err = text_i64(argv[2], strlen(argv[2]), &b.conf.process_interval_ms);
	b.calm = hide_load();
	if (!err)
		err = start(&b);
	if (!err)
		err = run(&b, samples);
	finish(&b);
	if (err)
		fprintf(stderr, "sample_bench: %s\n", strerror(err < 0 ? -err : EIO));
	else
		printf(",\"prober_cpu_ms\":%.3f}\n", children_ms());
	return err ? 1 : 0;
}
