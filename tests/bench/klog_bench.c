/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel log, from the bytes of a record to hits of the rules: ns of processor time a record
 * over the recorded ones, and what of a burst reaches the reader. The burst comes through a socket
 * that keeps records apart, as /dev/kmsg does, and leaves out some, as an overrun ring does.
 *
 *   klog_bench records ROUNDS FILE...      klog_bench burst RECORDS
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/text.h"
#include "predict/klog.h"
#include "sample/kmsg.h"

#define RECORDS_MAX 4096
#define LEFT_OUT    1000 /* of so many records the last LEFT_RUN never come */
#define LEFT_RUN    3

struct span {
	const char *p;
	size_t n;
};
struct corpus {
	struct span records[RECORDS_MAX];
	size_t n;
	char text[1 << 20];
	size_t len;
};

static double own_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* A record goes on while lines begin with a blank: its dictionary. */
static void split(struct corpus *c, size_t from)
{
	size_t begin = from;

	for (size_t i = from; i < c->len && c->n < RECORDS_MAX; i++) {
		if (c->text[i] != '\n' || (i + 1 < c->len && c->text[i + 1] == ' '))
			continue;
		c->records[c->n++] = (struct span){c->text + begin, i + 1 - begin};
		begin = i + 1;
	}
}

static int load(struct corpus *c, const char *path)
{
	FILE *f = fopen(path, "re");
	size_t from = c->len;

	if (!f)
		return -errno;
	c->len += fread(c->text + c->len, 1, sizeof(c->text) - c->len, f);
	fclose(f);
	split(c, from);
	return 0;
}

/* What the agent does with a record: facility 0 goes to the rules. Return: hits. */
static size_t feed(struct klog *k, const struct span *record, struct kmsg_record *r)
{
	struct klog_hit hit;
	size_t hits = 0;

	if (kmsg_parse(record->p, record->n, r) || r->facility)
		return 0;
	klog_feed(k, r->text, r->text_len, (int64_t)r->usec);
	while (klog_take(k, &hit))
		hits++;
	return hits;
}

static int records(int argc, char **argv)
{
	static struct corpus c;
	static struct kmsg_record r;
	_cleanup_(klog_freep) struct klog *k = NULL;
	int64_t rounds;
	size_t hits = 0;
	double before;
	int err = text_i64(argv[0], strlen(argv[0]), &rounds);

	for (int i = 1; !err && i < argc; i++)
		err = load(&c, argv[i]);
	if (!err)
		err = klog_new(&k);
	if (err || !c.n || rounds < 1)
		return err ? err : -EINVAL;
	before = own_ns();
	for (int64_t i = 0; i < rounds; i++)
		for (size_t j = 0; j < c.n; j++)
			hits += feed(k, &c.records[j], &r);
	printf("{\"records\":%zu,\"rounds\":%lld,\"hits\":%zu,\"ns_per_record\":%.1f}\n", c.n,
	       (long long)rounds, hits, (own_ns() - before) / (double)rounds / (double)c.n);
	return 0;
}

/* ---- burst ---- */

static bool is_left_out(int64_t seq)
{
	return seq % LEFT_OUT >= LEFT_OUT - LEFT_RUN;
}

/* The last one always comes: what is lost after it would show with the next. */
static int write_burst(int fd, int64_t n)
{
	char line[128];

	for (int64_t seq = 1; seq <= n; seq++) {
		int len = snprintf(line, sizeof(line), "6,%lld,%lld,-;burst: message number %lld\n",
				   (long long)seq, (long long)seq * 7, (long long)seq);

		if (is_left_out(seq) && seq < n)
			continue;
		if (send(fd, line, (size_t)len, 0) != len)
			return 1;
	}
	return 0;
}

struct burst {
	struct loop *loop;
	struct loop_timer *timer;
	struct kmsg_reader *reader;
	struct klog *klog;
	uint64_t seen;
};

static void on_record(const struct kmsg_record *r, bool since_boot, void *ctx)
{
	struct burst *b = ctx;

	(void)since_boot;
	b->seen++;
	klog_feed(b->klog, r->text, r->text_len, (int64_t)r->usec);
}

static void on_look(struct loop *loop, void *ctx)
{
	struct burst *b = ctx;

	if (kmsg_reader_error(b->reader))
		loop_quit(loop, 0);
	else
		loop_timer_arm(b->timer, 20);
}

static int run_burst(struct burst *b, const struct env *env, int fd)
{
	int err = loop_new(env, &b->loop);

	if (!err)
		err = klog_new(&b->klog);
	if (!err)
		err = loop_timer_new(b->loop, 0, on_look, b, &b->timer);
	if (!err)
		err = kmsg_reader_new(b->loop, fd, 0, on_record, b, &b->reader);
	if (err)
		return err;
	loop_timer_arm(b->timer, 20);
	return loop_run(b->loop);
}

static int report_burst(const struct burst *b, int64_t n)
{
	const struct kmsg_stats *s = kmsg_reader_stats(b->reader);
	uint64_t left_out = 0;

	for (int64_t seq = 1; seq < n; seq++)
		left_out += is_left_out(seq);
	printf("{\"records\":%lld,\"left_out\":%llu,\"seen\":%llu,\"lost\":%llu,\"bad\":%llu,"
	       "\"unnoticed\":%lld}\n",
	       (long long)n, (unsigned long long)left_out, (unsigned long long)b->seen,
	       (unsigned long long)s->lost, (unsigned long long)s->bad,
	       (long long)n - (long long)(s->records + s->lost));
	return 0;
}

static int burst(int argc, char **argv)
{
	struct burst b = {0};
	struct env env;
	int64_t n = 0;
	int fds[2], status = 0, err = argc == 1 ? env_init(&env, NULL) : -EINVAL;
	pid_t pid;

	if (!err)
		err = text_i64(argv[0], strlen(argv[0]), &n);
	if (!err && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		err = -errno;
	if (err)
		return err;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close(fds[0]);
		_exit(write_burst(fds[1], n));
	}
	close(fds[1]);
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK))
		err = -errno;
	if (!err)
		err = run_burst(&b, &env, fds[0]);
	if (waitpid(pid, &status, 0) < 0 || status)
		err = err ? err : -EIO;
	if (!err)
		err = report_burst(&b, n);
	kmsg_reader_free(b.reader);
	klog_free(b.klog);
	loop_free(b.loop);
	return err;
}

int main(int argc, char **argv)
{
	int err = -EINVAL;

	if (argc > 3 && !strcmp(argv[1], "records"))
		err = records(argc - 2, argv + 2);
	else if (argc == 3 && !strcmp(argv[1], "burst"))
		err = burst(argc - 2, argv + 2);
	if (err)
		fprintf(stderr, "klog_bench: %s\n", strerror(err < 0 ? -err : EIO));
	return err ? 1 : 0;
}
