/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each role in a forked child: what it needs must work, what it must not do must kill it with
 * SIGSYS. In builds with sanitizers the filters only log, so the deadly half is left out there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "core/fs.h"
#include "core/http.h"
#include "core/sandbox.h"
#include "core/sandbox_rules.h"
#include "tests/unit/skip.h"

static const struct env env = {.boot_ms = clock_boot_ms, .real_ms = clock_real_ms};

typedef int action_fn(void); /* 0 = it worked */

static bool filters_kill(void)
{
	return sandbox_violation() == SCMP_ACT_KILL_PROCESS;
}

/* Runs @fn in @role. Return: wait status. */
static int run_as(enum sandbox_role role, action_fn *fn)
{
	struct sandbox_user user;
	struct err e = ERR_INIT;
	int status;
	pid_t pid;

	assert_true(sandbox_find_user("nobody", &user, &e) >= 0);
	pid = fork();
	if (pid == 0) {
		if (sandbox_enter(role, &user, &e) < 0) {
			fprintf(stderr, "# %s\n", e.text);
			_exit(99);
		}
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void expect_works_at(enum sandbox_role role, const char *name, action_fn *fn)
{
	int status = run_as(role, fn);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("role %d: %s gave wait status 0x%x", (int)role, name, (unsigned)status);
}

static void expect_dies_at(enum sandbox_role role, const char *name, action_fn *fn)
{
	int status = run_as(role, fn);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("role %d: %s gave wait status 0x%x", (int)role, name, (unsigned)status);
}

#define expect_works(role, fn) expect_works_at(role, #fn, fn)
#define expect_dies(role, fn)  expect_dies_at(role, #fn, fn)

/* ---- actions ---- */

static int do_exec(void)
{
	char *argv[] = {(char[]){"true"}, NULL};

	execv("/bin/true", argv);
	return 1;
}

static int do_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0;
}

static int do_mount(void)
{
	return mount("none", "/mnt", "tmpfs", 0, NULL) < 0;
}

static int do_unshare(void)
{
	return unshare(CLONE_NEWUSER) < 0;
}

static int do_clone_user(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0)
		_exit(0);
	return pid < 0;
}

static int do_setuid(void)
{
	return setuid(0) < 0;
}

static int do_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0;
}

static int do_inet_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0;
}

static int do_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0;
}

static int do_fork(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
}

static int do_kexec(void)
{
	return syscall(SYS_kexec_load, 0, 0, NULL, 0) < 0;
}

static int do_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0) < 0;
}

static int do_module(void)
{
	return syscall(SYS_init_module, NULL, 0, "") < 0;
}

static int do_keyctl(void)
{
	return syscall(SYS_keyctl, 0, 0, 0, 0, 0) < 0;
}

static int do_foreign_process(void)
{
	return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0) < 0;
}

static int do_kill(void)
{
	return kill(getppid(), 0) < 0;
}

static int do_open_write(void)
{
	if (open("/tmp", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600) >= 0 || errno != EACCES)
		return 1;
	return open("/dev/null", O_RDWR | O_CLOEXEC) >= 0 || errno != EACCES;
}

static int do_mkdir(void)
{
	return mkdir("/nonexistent/x", 0700) < 0 && errno != ENOENT;
}

static void *thread(void *ctx)
{
	*(int *)ctx = 1;
	return NULL;
}

static int do_thread(void)
{
	pthread_t t;
	int ran = 0;

	if (pthread_create(&t, NULL, thread, &ran) != 0)
		return 1;
	pthread_join(t, NULL);
	return !ran;
}

static int do_resolve(void)
{
	struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};
	int r;

	setenv("RES_OPTIONS", "timeout:1 attempts:1",
	       1); /* silent servers must not make this slow */
	r = getaddrinfo("localhost", "80", &hints, &list);
	if (r == 0)
		freeaddrinfo(list);
	getaddrinfo("name.invalid", "80", &hints,
		    &list); /* asks the servers of resolv.conf; any answer is good */
	return r != 0;
}

/* libcurl with its resolver thread, OpenSSL's start-up, a refused connection. */
static int do_http(void)
{
	static const char *const urls[] = {"http://localhost:1/", "https://localhost:1/"};
	struct http_setup setup = {0};
	int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		struct http_request req = {.method = "GET", .url = urls[i], .timeout_ms = 5000};
		struct http_answer answer = {0};

		if (http_fetch(&env, &setup, &req, &answer, NULL) < 0)
			return 1;
		bad += answer.failure != HTTP_CONNECT && answer.failure != HTTP_RESET;
		http_answer_deinit(&answer);
	}
	return bad;
}

static int do_loop(void)
{
	struct loop *loop;
	struct loop_timer *t;
	int fd = inotify_init1(IN_CLOEXEC);

	if (fd < 0 || inotify_add_watch(fd, "/tmp", IN_CREATE) < 0 || loop_new(&env, &loop) < 0 ||
	    loop_timer_new(loop, 0, NULL, NULL, &t) < 0)
		return 1;
	loop_timer_arm(t, 1000);
	close(fd);
	loop_free(loop);
	return 0;
}

static int do_blob(void)
{
	struct buf b = BUF_INIT(16);
	int fd = fs_blob("test", "abc", 3), r;

	r = fd < 0 || fs_blob_read(fd, &b) < 0 || b.len != 3;
	buf_deinit(&b);
	return r;
}

static int do_read_proc(void)
{
	struct buf b = BUF_INIT(1 << 20);
	DIR *d = opendir("/proc");
	struct statvfs v;
	int r = !d || !readdir(d) || fs_read("/proc/meminfo", &b) < 0 ||
		fs_read("/proc/1/stat", &b) < 0 || statvfs("/", &v) < 0;

	buf_deinit(&b);
	return r;
}

static int do_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 15) < 0;
}

static int do_interface(void)
{
	return if_nametoindex("lo") == 0;
}

static int do_control_socket(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	snprintf(a.sun_path, sizeof(a.sun_path), "/tmp/test_sandbox.%d", (int)getpid());
	r = fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod(a.sun_path, 0660) < 0 || listen(fd, 4) < 0;
	unlink(a.sun_path);
	return r;
}

static int do_store_files(void)
{
	char dir[] = "/tmp/test_sandbox.XXXXXX", path[64];
	int r;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/a", dir);
	r = fs_write_atomic(path, "x", 1, 0600, NULL) < 0;
	unlink(path);
	return rmdir(dir) < 0 || r;
}

static int do_abort(void)
{
	abort();
}

/* ---- the kernel's view of the process ---- */

static uint64_t status_field(const char *status, const char *name, int base)
{
	const char *p = strstr(status, name);

	return p ? strtoull(p + strlen(name), NULL, base) : UINT64_MAX;
}

static int check_status(uint64_t allowed_caps)
{
	struct buf b = BUF_INIT(65536);
	struct rlimit core;
	const char *s;
	int bad = 0;

	if (fs_read("/proc/self/status", &b) < 0)
		return 1;
	s = buf_str(&b);
	bad |= status_field(s, "\nNoNewPrivs:", 10) != 1;
	bad |= (status_field(s, "\nSeccomp:", 10) != 2) << 1;
	if (geteuid() != 0 && getenv("TEST_SANDBOX_DROPS")) {
		bad |= ((status_field(s, "\nCapPrm:", 16) & ~allowed_caps) != 0) << 2;
		bad |= ((status_field(s, "\nCapEff:", 16) & ~allowed_caps) != 0) << 2;
		bad |= (status_field(s, "\nCapInh:", 16) != 0) << 3;
		bad |= (status_field(s, "\nCapBnd:", 16) != 0) << 3;
		bad |= (status_field(s, "\nCapAmb:", 16) != 0) << 3;
		bad |= (getgroups(0, NULL) != 0) << 4;
	}
	bad |= (getuid() == 0) << 5;
	bad |= (prctl(PR_GET_DUMPABLE) != 0) << 6;
	bad |= (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0) << 6;
	buf_deinit(&b);
	return bad;
}

static int status_no_caps(void)
{
	return check_status(0);
}

#define CAP_BIT(cap) (UINT64_C(1) << (cap))
static int status_prober(void)
{
	return check_status(CAP_BIT(2) | CAP_BIT(19)); /* DAC_READ_SEARCH, SYS_PTRACE */
}

static int read_foreign_io(void)
{
	struct buf b = BUF_INIT(65536);
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/io", (int)getppid()); /* the test, still root */
	r = fs_read(path, &b);
	buf_deinit(&b);
	return r < 0;
}

/* ---- tests ---- */

static action_fn *const never[] = {
	do_exec,  do_ptrace, do_mount,  do_unshare, do_clone_user,      do_setuid,
	do_kexec, do_bpf,    do_module, do_keyctl,  do_foreign_process, do_packet_socket,
};

/* No role may execute, trace, mount, become another user, load code into the kernel or read other
 * processes' memory. */
static void test_never(void **state)
{
	(void)state;
	if (!filters_kill())
		skip_because("in sanitizer builds the filters only log");
	for (int role = 0; role < SANDBOX_ROLES; role++)
		for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
			char name[32];

			snprintf(name, sizeof(name), "never[%zu]", i);
			expect_dies_at((enum sandbox_role)role, name, never[i]);
		}
}

/* The agent: network, threads, TLS, reading, its control socket; no fork, no signals to others, no
 * writing of files. */
static void test_agent_works(void **state)
{
	(void)state;
	expect_works(SANDBOX_AGENT, do_loop);
	expect_works(SANDBOX_AGENT, do_thread);
	expect_works(SANDBOX_AGENT, do_resolve);
	expect_works(SANDBOX_AGENT, do_http);
	expect_works(SANDBOX_AGENT, do_blob);
	expect_works(SANDBOX_AGENT, do_read_proc);
	expect_works(SANDBOX_AGENT, do_netlink);
	expect_works(SANDBOX_AGENT, do_control_socket);
	expect_works(SANDBOX_AGENT, do_interface);
	expect_works(SANDBOX_AGENT, do_open_write);
}

static void test_agent_dies(void **state)
{
	(void)state;
	if (!filters_kill())
		skip_because("in sanitizer builds the filters only log");
	expect_dies(SANDBOX_AGENT, do_fork);
	expect_dies(SANDBOX_AGENT, do_kill);
	expect_dies(SANDBOX_AGENT, do_mkdir);
}

/* The prober: reading, and workers; no sockets, no threads, no writing. */
static void test_prober(void **state)
{
	(void)state;
	expect_works(SANDBOX_PROBER, do_loop);
	expect_works(SANDBOX_PROBER, do_read_proc);
	expect_works(SANDBOX_PROBER, do_fork);
	expect_works(SANDBOX_PROBER, do_blob);
	expect_works(SANDBOX_PROBER, do_open_write);
	if (!filters_kill())
		return;
	expect_dies(SANDBOX_PROBER, do_inet_socket);
	expect_dies(SANDBOX_PROBER, do_unix_socket);
	expect_dies(SANDBOX_PROBER, do_netlink);
	expect_dies(SANDBOX_PROBER, do_mkdir);
}

/* The store: files; no sockets, processes or threads. */
static void test_store(void **state)
{
	(void)state;
	expect_works(SANDBOX_STORE, do_loop);
	expect_works(SANDBOX_STORE, do_store_files);
	expect_works(SANDBOX_STORE, do_blob);
	if (!filters_kill())
		return;
	expect_dies(SANDBOX_STORE, do_inet_socket);
	expect_dies(SANDBOX_STORE, do_unix_socket);
	expect_dies(SANDBOX_STORE, do_fork);
	expect_dies(SANDBOX_STORE, do_thread);
	expect_dies(SANDBOX_STORE, do_kill);
}

/* A role that aborts (an assertion, a smashed stack) still dies of SIGABRT, which tells more than
 * SIGSYS. */
static void test_abort(void **state)
{
	(void)state;
	for (int role = 0; role < SANDBOX_ROLES; role++) {
		int status = run_as((enum sandbox_role)role, do_abort);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
	}
}

/* What the kernel shows: no capability beyond the row, no group, a filter, no_new_privs, not
 * dumpable, no core, not root. */
static void test_status(void **state)
{
	(void)state;
	if (geteuid() == 0)
		setenv("TEST_SANDBOX_DROPS", "1", 1);
	expect_works(SANDBOX_AGENT, status_no_caps);
	expect_works(SANDBOX_STORE, status_no_caps);
	expect_works(SANDBOX_PROBER, status_prober);
}

/* The prober's capabilities survive the change of user and are of use: root's files below /proc. */
static void test_prober_reads(void **state)
{
	(void)state;
	if (geteuid() != 0 || prctl(PR_CAPBSET_READ, 19) != 1)
		skip_because("needs root with CAP_SYS_PTRACE");
	expect_works(SANDBOX_PROBER, read_foreign_io);
	assert_int_not_equal(run_as(SANDBOX_AGENT, read_foreign_io), 0);
}

/* An unknown user falls back to nobody and says so; root is refused. */
static void test_find_user(void **state)
{
	struct sandbox_user user;
	struct err e = ERR_INIT;

	(void)state;
	if (geteuid() != 0) {
		assert_int_equal(sandbox_find_user("no-such-user", &user, &e), 0);
		assert_false(user.drop);
		assert_int_equal(user.uid, geteuid());
		return;
	}
	assert_int_equal(sandbox_find_user("no-such-user", &user, &e), 1);
	assert_non_null(strstr(e.text, "no-such-user"));
	assert_true(user.drop);
	assert_int_not_equal(user.uid, 0);
	assert_int_equal(sandbox_find_user("root", &user, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never),      cmocka_unit_test(test_agent_works),
		cmocka_unit_test(test_agent_dies), cmocka_unit_test(test_prober),
		cmocka_unit_test(test_store),      cmocka_unit_test(test_abort),
		cmocka_unit_test(test_status),     cmocka_unit_test(test_prober_reads),
		cmocka_unit_test(test_find_user),
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
