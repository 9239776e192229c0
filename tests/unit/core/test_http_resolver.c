/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name servers that never answer. The test makes itself a mount and network namespace in which
 * resolv.conf points to a socket that nobody reads and /etc/hosts is its own; where that is not
 * allowed, it is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "core/fs.h"
#include "core/http_private.h"
#include "httpd.h"
#include "machine.h"
#include "tests/unit/skip.h"

static char dir[] = "/tmp/http-resolver-XXXXXX";
static struct env env;
static bool ready;

/* ---- the small world ---- */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_CREAT | O_TRUNC, 0644);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

/* In place, as the file is a mount point. */
static void rewrite(const char *name, const char *text)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_true(write_file(path, text));
}

static bool enter_namespaces(void)
{
	char map[40];
	unsigned uid = getuid(), gid = getgid();

	if (uid == 0)
		return unshare(CLONE_NEWNS | CLONE_NEWNET) == 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) < 0)
		return false;
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (!write_file("/proc/self/setgroups", "deny") || !write_file("/proc/self/uid_map", map))
		return false;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	return write_file("/proc/self/gid_map", map);
}

static bool loopback_up(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool good = ioctl(fd, SIOCSIFFLAGS, &lo) == 0;

	close(fd);
	return good;
}

/* Bound and never read: each question disappears, as with a name server behind a dropping firewall. */
static bool silent_name_server(void)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET, .sin_port = htons(53), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
}

static bool cover(const char *name, const char *text)
{
	char ours[100], theirs[100];

	snprintf(ours, sizeof(ours), "%s/%s", dir, name);
	snprintf(theirs, sizeof(theirs), "/etc/%s", name);
	return write_file(ours, text) && mount(ours, theirs, "none", MS_BIND, NULL) == 0;
}

static int build_world(void **state)
{
	(void)state;
	if (!mkdtemp(dir) || env_init(&env, "") < 0)
		return -1;
	ready = enter_namespaces() && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
		loopback_up() && silent_name_server() &&
		cover("resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:1\n") &&
		cover("nsswitch.conf", "hosts: files dns\n") &&
		cover("hosts", "127.0.0.1 heat.example\n");
	if (!ready)
		print_message(
			"# skipped: no mount and network namespaces, or no such files in /etc\n");
	return 0;
}

static int leave_world(void **state)
{
	(void)state;
	fs_remove_tree(dir);
	return 0;
}

/* ---- a loop with a pulse ---- */

struct world {
	struct loop *loop;
	struct http *http;
	struct loop_timer *pulse, *stop;
	unsigned answers, beats;
	int64_t last_beat, worst, run_delay;
	enum http_failure failure[12];
};

static void beat(struct loop *loop, void *ctx)
{
	struct world *w = ctx;
	int64_t now = clock_boot_ms();

	(void)loop;
	if (w->beats++ > 0 && now - w->last_beat > w->worst)
		w->worst = now - w->last_beat;
	w->last_beat = now;
	loop_timer_arm(w->pulse, 10);
}

static void stop_now(struct loop *loop, void *ctx)
{
	(void)ctx;
	loop_quit(loop, 0);
}

static void counted(const struct http_answer *a, void *ctx)
{
	struct world *w = ctx;

	w->failure[w->answers++ % 12] = a->failure;
}

static void world_open(struct world *w)
{
	if (!ready)
		skip_because("no mount namespace to put a resolv.conf into");
	*w = (struct world){0};
	assert_int_equal(loop_new(&env, &w->loop), 0);
	w->run_delay = machine_run_delay_ms();
	assert_int_equal(http_new(w->loop, &(struct http_setup){0}, &w->http, NULL), 0);
	assert_int_equal(loop_timer_new(w->loop, 0, beat, w, &w->pulse), 0);
	assert_int_equal(loop_timer_new(w->loop, 0, stop_now, w, &w->stop), 0);
	loop_timer_arm(w->pulse, 10);
}

static void world_run(struct world *w, int64_t ms)
{
	w->beats = 0;
	loop_timer_arm(w->stop, ms);
	assert_int_equal(loop_run(w->loop), 0);
}

/* Until there are @n answers; a busy machine is given time, up to @max_ms. */
static void world_run_until(struct world *w, unsigned n, int64_t max_ms)
{
	int64_t end = clock_boot_ms() + max_ms;

	while (w->answers < n && clock_boot_ms() < end)
		world_run(w, 20);
	assert_int_equal(w->answers, n);
}

static void world_close(struct world *w)
{
	int64_t before = clock_boot_ms(), took, noise;
	int64_t limit = under_valgrind() ? 2000 : 50;

	http_free(w->http);
	took = clock_boot_ms() - before;
	noise = machine_run_delay_ms() - w->run_delay;
	assert_true(took < limit + noise);  /* a thread may still wait: nobody waits for it */
	assert_true(w->worst < 10 + limit + noise); /* a beat of 10 ms and at most 50 ms late */
	assert_true(loop_get_stats(w->loop)->late_max_ms <= limit + noise);
	loop_timer_free(w->pulse);
	loop_timer_free(w->stop);
	loop_free(w->loop);
}

static void start(struct world *w, const char *host, int port, int64_t timeout_ms)
{
	char url[100];

	snprintf(url, sizeof(url), "http://%s:%d/ok", host, port);
	assert_int_equal(http_start(w->http,
				    &(struct http_request){
					    .method = "GET", .url = url, .timeout_ms = timeout_ms},
				    counted, w, NULL),
			 0);
}

/* One silent name: its call fails by its deadline, and neither that nor freeing everything holds
 * the loop up. */
static void test_silent(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	start(&w, "silent.example", 80, 1000);
	start(&w, "silent2.example", 80, 20000);
	world_run_until(&w, 1, 5000);
	assert_int_equal(w.failure[0], HTTP_RESOLVE);
	world_close(&w);
	assert_int_equal(w.failure[1], HTTP_CANCELLED);
}

/* Ten silent names at once: never more than four threads, and each call has its answer in its time. */
static void test_four_at_most(void **state)
{
	struct world w;
	char host[32];
	long most = 0;

	(void)state;
	world_open(&w);
	for (int i = 0; i < 10; i++) {
		snprintf(host, sizeof(host), "silent%d.example", i);
		start(&w, host, 80, 3000);
	}
	for (int i = 0; i < 80 && w.answers < 10; i++) {
		long threads = http_name_threads();

		most = threads > most ? threads : most;
		world_run(&w, 100);
	}
	assert_int_equal(most, HTTP_RESOLVERS_MAX);
	assert_int_equal(w.answers, 10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(w.failure[i], HTTP_RESOLVE);
	world_close(&w);
}

/* A host that was reached before is reached again without a name server: at once when no resolver
 * is free, when resolving fails, and after 5 s when it does neither. Loopback's name needs no
 * resolver at all. */
static void test_last_good(void **state)
{
	struct httpd *h[4];
	struct world w;

	(void)state;
	if (!ready)
		skip_because("no mount namespace to put a resolv.conf into");
	for (int i = 0; i < 4; i++)
		h[i] = httpd_start(&(struct httpd_setup){0});
	world_open(&w);
	start(&w, "heat.example", httpd_port(h[0]), 2000);
	world_run_until(&w, 1, 2000);
	assert_int_equal(w.failure[0], HTTP_OK);
	rewrite("hosts", "127.0.0.1 localhost\n");
	/* other ports, as libcurl's own cache still knows the first */
	start(&w, "heat.example", httpd_port(h[1]), 8000);
	world_run_until(&w, 2, 4500); /* the C library gives up after 2 s */
	assert_int_equal(w.failure[1], HTTP_OK);
	rewrite("resolv.conf", "nameserver 127.0.0.1\noptions timeout:9 attempts:1\n");
	start(&w, "heat.example", httpd_port(h[2]), 8000);
	world_run(&w, 4500);
	assert_int_equal(w.answers, 2);
	world_run_until(&w, 3, 3000);
	assert_int_equal(w.failure[2], HTTP_OK);
	for (int i = 0; i < 4; i++)
		start(&w, "silent.example", 80 + i, 8000);
	world_run(&w, 100);
	start(&w, "heat.example", httpd_port(h[3]), 8000);
	start(&w, "localhost", httpd_port(h[3]), 8000);
	world_run_until(&w, 5, 4500);
	assert_int_equal(w.failure[3], HTTP_OK);
	assert_int_equal(w.failure[4], HTTP_OK);
	world_close(&w);
	for (int i = 0; i < 4; i++)
		httpd_stop(h[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_four_at_most),
		cmocka_unit_test(test_last_good),
	};

	return cmocka_run_group_tests(tests, build_world, leave_world);
}
