/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prober role behind its link with an agent that lies, samples while a mount hangs, and (as
 * root) a real file system whose server is gone.
 */
#include "prober_bench.h"

#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sample/sampler.h"

/* ---- the role behind its link ---- */

static pid_t start_role(struct bench *b, int *ret_fd)
{
	int pair[2];
	pid_t pid;

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(pair[0]);
		_exit(prober_serve(&b->env, pair[1], by_order, DEADLINE_MS) ? 1 : 0);
	}
	close(pair[1]);
	*ret_fd = pair[0];
	return pid;
}

static void no_msg(struct link *link, struct link_msg *msg, void *ctx)
{
	(void)link, (void)msg, (void)ctx;
}

static void no_close(struct link *link, void *ctx)
{
	(void)link, (void)ctx;
}

/* Through client, link and role: answers, a hang, a question refused; and the role ends with its
 * link. */
static void role_serves_a_client(void **state)
{
	struct bench *b = *state;
	struct prober *client;
	struct link *link;
	int fd, wstatus;
	pid_t pid = start_role(b, &fd);

	assert_int_equal(link_new(b->loop, fd, no_msg, no_close, NULL, &link), 0);
	assert_int_equal(prober_new(b->loop, &client), 0);
	assert_int_equal(prober_ask(client, PROBER_STATVFS, "/ok", on_done, &b->replies[0]),
			 -ENOLINK);
	prober_set_link(client, link);
	b->open = 4;
	assert_int_equal(prober_ask(client, PROBER_STATVFS, "/ok", on_done, &b->replies[0]), 0);
	assert_int_equal(prober_ask(client, PROBER_STATVFS, "/hang", on_done, &b->replies[1]), 0);
	assert_int_equal(prober_ask(client, PROBER_FILE, "/no", on_done, &b->replies[2]), 0);
	assert_int_equal(prober_ask(client, PROBER_FILE, "relative", on_done, &b->replies[3]), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->replies[0].status, 0);
	assert_int_equal(b->replies[0].answer.n[0], 42);
	assert_int_equal(b->replies[0].answer.n[7], 7);
	assert_int_equal(b->replies[1].status, -ETIMEDOUT);
	assert_int_equal(b->replies[2].status, -ENOENT);
	assert_int_equal(b->replies[3].status, -EINVAL);

	/* a question still open when the link goes ends there and then */
	b->open = 1;
	b->replies[4].done = false;
	assert_int_equal(prober_ask(client, PROBER_STATVFS, "/hang2", on_done, &b->replies[4]), 0);
	link_free(link);
	prober_set_link(client, NULL);
	assert_true(b->replies[4].done);
	assert_int_equal(b->replies[4].status, -ECONNRESET);
	prober_free(client);
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	assert_true(WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0);
}

static void on_raw_answer(struct link *link, int status, struct link_msg *msg, void *ctx)
{
	struct reply *r = ctx;

	(void)link, (void)msg;
	r->done = true;
	r->status = status;
	if (!--r->bench->open)
		loop_quit(r->bench->loop, 0);
}

/* An agent that was taken over cannot break the role: short, long, unknown messages are answered
 * with an error. */
static void role_survives_a_liar(void **state)
{
	struct bench *b = *state;
	struct msg_writer w = {.len = 0};
	struct link *link;
	int fd, wstatus;
	pid_t pid = start_role(b, &fd);

	assert_int_equal(link_new(b->loop, fd, no_msg, no_close, NULL, &link), 0);
	b->open = 4;
	assert_int_equal(
		link_call(link, PROBER_MSG_ASK, &w, NULL, 0, 2000, on_raw_answer, &b->replies[0]),
		0);
	msg_put_u32(&w, PROBER_STATVFS);
	msg_put_str(&w, NULL);
	assert_int_equal(
		link_call(link, PROBER_MSG_ASK, &w, NULL, 0, 2000, on_raw_answer, &b->replies[1]),
		0);
	w.len = 0;
	msg_put_u32(&w, PROBER_STATVFS);
	msg_put_str(&w, "/ok");
	assert_int_equal(link_call(link, 99, &w, NULL, 0, 2000, on_raw_answer, &b->replies[2]), 0);
	msg_put_u64(&w, 1);
	assert_int_equal(
		link_call(link, PROBER_MSG_ASK, &w, NULL, 0, 2000, on_raw_answer, &b->replies[3]),
		0);
	assert_int_equal(loop_run(b->loop), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(b->replies[i].status, -EBADMSG);
	b->open = 1;
	w.len = 0;
	msg_put_u32(&w, PROBER_STATVFS);
	msg_put_str(&w, "/ok");
	assert_int_equal(
		link_call(link, PROBER_MSG_ASK, &w, NULL, 0, 2000, on_raw_answer, &b->replies[4]),
		0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->replies[4].status, 0);
	link_free(link);
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	assert_true(WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0);
}

/* ---- sampler, link and role together ---- */

static int no_kmsg(int privpath, void *ctx)
{
	(void)privpath, (void)ctx;
	return -EACCES;
}

static double value_of_mount(const struct sample *s, enum metric metric, const char *mount)
{
	double v = -1;

	for (size_t i = 0; i < s->n_entities; i++)
		if (!strcmp(s->entities[i].name, mount))
			sample_get_of(s, metric, (int)i, &v);
	return v;
}

struct watch {
	struct bench *bench;
	struct sampler *sampler;
	struct link *link;
	unsigned samples, stop_after;
};

static void on_tick(const struct sample *s, void *ctx)
{
	struct watch *w = ctx;

	(void)s;
	if (++w->samples == w->stop_after)
		loop_quit(w->bench->loop, 0);
}

static void on_link_closed(struct link *link, void *ctx)
{
	struct watch *w = ctx;

	sampler_set_prober(w->sampler, NULL);
	w->link = link_free(link);
	loop_quit(w->bench->loop, 0);
}

static void run_samples(struct watch *w, unsigned n)
{
	w->samples = 0;
	w->stop_after = n;
	assert_int_equal(loop_run(w->bench->loop), 0);
}

/* Samples until the number is there; a busy machine may need many. */
static void wait_for(struct watch *w, enum metric metric, const char *mount, double value)
{
	const struct sample *last = sampler_last(w->sampler);

	for (int i = 0; i < 500 && !(value_of_mount(last, metric, mount) == value); i++)
		run_samples(w, 1);
	assert_true(value_of_mount(last, metric, mount) == value);
}

/*
 * The whole way: while one mount hangs, samples come on time and the others' numbers with them; a
 * prober that dies takes the mounts from the sample and nothing else.
 */
static void samples_go_on_while_a_mount_hangs(void **state)
{
	static char mounts[] = "/ok,/hang,/no";
	struct bench *b = *state;
	struct watch w = {.bench = b};
	struct conf conf = {
		.sample_interval_ms = 20, .process_interval_ms = 3600000, .watch_mounts = mounts};
	const struct sampler_setup setup = {
		.loop = b->loop, .conf = &conf, .open_fd = no_kmsg, .sample = on_tick, .ctx = &w};
	int fd;
	pid_t pid = start_role(b, &fd);
	const struct sample *last;

	assert_int_equal(sampler_new(&setup, &w.sampler, NULL), 0);
	assert_int_equal(link_new(b->loop, fd, no_msg, on_link_closed, &w, &w.link), 0);
	sampler_set_prober(w.sampler, w.link);
	last = sampler_last(w.sampler);
	assert_int_equal(sampler_start(w.sampler), 0);
	run_samples(&w, 1); /* before the deadline: not yet known to hang */
	assert_true(value_of_mount(last, METRIC_FS_HUNG, "/hang") == -1);
	wait_for(&w, METRIC_FS_HUNG, "/ok", 0);
	wait_for(&w, METRIC_FS_HUNG, "/hang", 1);
	assert_true(value_of_mount(last, METRIC_DISK_SPACE_USED_PERC, "/hang") == -1);
	assert_true(value_of_mount(last, METRIC_DISK_SPACE_USED_PERC, "/ok") >= 0);
	assert_true(value_of_mount(last, METRIC_FS_HUNG, "/no") == -1);
	assert_true(loop_get_stats(b->loop)->late_max_ms < DEADLINE_MS);
	syscall(SYS_kill, pid, SIGKILL);
	w.stop_after = 0;
	assert_int_equal(loop_run(b->loop), 0); /* until the link closes */
	run_samples(&w, 3);
	assert_true(value_of_mount(last, METRIC_FS_HUNG, "/hang") == -1);
	assert_true(last->n_values > 10);
	sampler_free(w.sampler);
	waitpid(pid, NULL, 0);
}

/* ---- a real mount that hangs ---- */

struct dead_mount {
	char dir[32];
	int fd;
	bool mounted;
};

/* A FUSE file system whose server takes requests and answers none: the caller's sleep is beyond
 * SIGKILL then. */
static const char *mount_dead(struct dead_mount *m)
{
	struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096};
	struct fuse_out_header head = {.len = sizeof(head) + sizeof(init)};
	char request[16384], options[64], reply[sizeof(head) + sizeof(init)];

	strcpy(m->dir, "/tmp/hp-dead-XXXXXX");
	if (geteuid())
		return errno = EPERM, "needs root";
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return "no mount namespace of its own";
	m->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (m->fd < 0)
		return "no /dev/fuse";
	assert_non_null(mkdtemp(m->dir));
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", m->fd);
	if (mount("dead", m->dir, "fuse", MS_NOSUID | MS_NODEV, options))
		return "FUSE cannot be mounted";
	m->mounted = true;
	assert_true(read(m->fd, request, sizeof(request)) >=
		    (ssize_t)sizeof(struct fuse_in_header));
	head.unique = ((const struct fuse_in_header *)(const void *)request)->unique;
	memcpy(reply, &head, sizeof(head));
	memcpy(reply + sizeof(head), &init, sizeof(init));
	return write(m->fd, reply, sizeof(reply)) == (ssize_t)sizeof(reply)
		       ? NULL
		       : "FUSE refused the greeting";
}

static void take_request(struct loop *loop, uint32_t events, void *ctx)
{
	const struct dead_mount *m = ctx;
	char request[16384];

	(void)loop, (void)events;
	assert_true(read(m->fd, request, sizeof(request)) != 0);
}

static void unmount_dead(struct dead_mount *m)
{
	if (m->fd >= 0)
		close(m->fd);
	if (m->mounted)
		umount2(m->dir, MNT_DETACH);
	rmdir(m->dir);
}

static void on_sample(const struct sample *s, void *ctx)
{
	(void)s;
	loop_quit(ctx, 0);
}

/* One sample with a healthy mount and the dead one: told as hung, without numbers; the other as
 * ever. */
static void check_sample(struct bench *b, const char *dead)
{
	char mounts[64];
	struct conf conf = {
		.sample_interval_ms = 10000, .process_interval_ms = 60000, .watch_mounts = mounts};
	const struct sampler_setup setup = {.loop = b->loop,
					    .conf = &conf,
					    .open_fd = no_kmsg,
					    .sample = on_sample,
					    .ctx = b->loop};
	struct problems p = {0};
	struct sampler *sampler;
	bool named = false;

	snprintf(mounts, sizeof(mounts), "/, %s", dead);
	assert_int_equal(sampler_new(&setup, &sampler, NULL), 0);
	assert_int_equal(sampler_once(sampler, 10), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_true(value_of_mount(sampler_last(sampler), METRIC_FS_HUNG, dead) == 1);
	assert_true(value_of_mount(sampler_last(sampler), METRIC_DISK_SPACE_USED_PERC, dead) == -1);
	assert_true(value_of_mount(sampler_last(sampler), METRIC_FS_HUNG, "/") == 0);
	assert_true(value_of_mount(sampler_last(sampler), METRIC_DISK_SPACE_USED_PERC, "/") >= 0);
	sampler_problems(sampler, &p);
	for (size_t i = 0; i < p.n; i++)
		named |= !strcmp(p.list[i].code, "mount-hung") && strstr(p.list[i].text, dead);
	assert_true(named);
	problems_deinit(&p);
	sampler_free(sampler);
}

static void real_mount_hangs(void **state)
{
	struct bench *b = *state;
	struct dead_mount m = {.fd = -1};
	const char *why = mount_dead(&m);
	struct loop_io *io;

	if (why) {
		print_message("# SKIP %s: %s\n", why, strerror(errno));
		unmount_dead(&m);
		skip();
	}
	open_pool(b, prober_kinds);
	assert_int_equal(loop_io_add(b->loop, m.fd, EPOLLIN, take_request, &m, &io), 0);
	assert_int_equal(ask(b, 0, PROBER_STATVFS, m.dir), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->replies[0].status, -ETIMEDOUT);
	run_for(b, 100);
	assert_int_equal(prober_pool_stuck(b->pool), 1); /* SIGKILL did not reach it */
	assert_int_equal(ask(b, 1, PROBER_STATVFS, m.dir), -EBUSY);
	assert_int_equal(ask(b, 2, PROBER_STATVFS, "/"), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->replies[2].status, 0);
	check_sample(b, m.dir);
	loop_io_remove(io);
	close(take_fd(&m.fd)); /* the server is gone for good: the kernel lets go of everybody */
	run_for(b, 200);
	assert_int_equal(prober_pool_stuck(b->pool), 0);
	assert_int_equal(ask(b, 1, PROBER_STATVFS, m.dir), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->replies[1].status, -ENOTCONN);
	unmount_dead(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(role_serves_a_client, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(role_survives_a_liar, bench_up, bench_down),
		cmocka_unit_test_setup_teardown(samples_go_on_while_a_mount_hangs, bench_up,
						bench_down),
		cmocka_unit_test_setup_teardown(real_mount_hangs, bench_up, bench_down),
	};

	if (lacks_pidfd()) {
		printf("1..0 # SKIP no pidfd_open\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
