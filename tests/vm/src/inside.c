/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside: the test's hand inside of a guest, one static file. Every rate is per second. What reaches its limit prints when that was,
 * in seconds since boot, and waits.
 *
 *   inside serve NAME         answers on the virtio port NAME: "LENGTH\n" and a shell command in, "LENGTH CODE\n" and its output out
 *   inside clock              when the guest was booted, by its wall clock: seconds since 1970
 *   inside ntp UNIT OFFSET ERROR  does what a time daemon does: OFFSET in UNIT (nano or micro) is to be slewed, at the slowest; ERROR in us
 *   inside kmsg               the kernel log as raw records, "prio,seq,usec,flags;text"
 *   inside leak KIB           touches that much more memory each second until it is killed
 *   inside fill FILE KIB      writes until the disk is full, and keeps the file open
 *   inside inodes DIR N       makes empty files until there is no inode left
 *   inside fds N              opens descriptors up to its limit
 *   inside forks N            makes idle children until the kernel refuses one
 *   inside read FILE          reads past the page cache; its exit code is the errno
 *   inside write FILE         writes a block to the disk; its exit code is the errno
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMAND_MAX (64 * 1024)
#define OUTPUT_MAX  (1024 * 1024)
#define STEPS	    10 /* a second: rates are kept in steps that small */

static void pause_ms(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* Of the calls of @step by number, @rate a second have begun by the clock; false ends it. */
static void at_rate(double rate, bool (*step)(void *), void *what)
{
	struct timespec start, now;
	double done = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		double due = rate * ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9);

		for (; done < due; done++)
			if (!step(what))
				return;
		pause_ms(1000 / STEPS);
	}
}

static _Noreturn void wait_for_end(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	printf("%lld.%03ld\n", (long long)now.tv_sec, now.tv_nsec / 1000000);
	fflush(stdout);
	for (;;)
		pause();
}

/* The port appears when its driver has seen it, and may be opened once. */
static int open_port(const char *name)
{
	for (;;) {
		glob_t found;
		char content[64];

		if (!glob("/sys/class/virtio-ports/*/name", 0, NULL, &found))
			for (size_t i = 0; i < found.gl_pathc; i++) {
				char path[64];
				FILE *f = fopen(found.gl_pathv[i], "re");
				bool same = f && fgets(content, sizeof(content), f) &&
					    !strcmp(strtok(content, "\n"), name);

				if (f)
					fclose(f);
				snprintf(path, sizeof(path), "/dev/%.40s",
					 found.gl_pathv[i] + strlen("/sys/class/virtio-ports/"));
				*strrchr(path, '/') = '\0';
				int fd = same ? open(path, O_RDWR | O_CLOEXEC) : -1;

				if (fd >= 0) {
					globfree(&found);
					return fd;
				}
			}
		globfree(&found);
		pause_ms(50);
	}
}

/* While the host's end is closed a read says 0. */
static void get(int fd, char *to, size_t n)
{
	while (n > 0) {
		ssize_t r = read(fd, to, n);

		if (r > 0)
			to += r, n -= (size_t)r;
		else
			pause_ms(20);
	}
}

static void put(int fd, const char *from, size_t n)
{
	while (n > 0) {
		ssize_t r = write(fd, from, n);

		if (r > 0)
			from += r, n -= (size_t)r;
		else
			pause_ms(20);
	}
}

static size_t run(char *command, char *out, int *ret_code)
{
	int ends[2], status;
	size_t n = 0;
	ssize_t r;

	if (pipe2(ends, O_CLOEXEC))
		exit(1);
	pid_t child = fork();

	if (child == 0) {
		int null = open("/dev/null", O_RDONLY), score = open("/proc/self/oom_score_adj", O_WRONLY);

		put(score, "0", 1); /* only we ourselves are safe from the OOM killer */
		dup2(null, 0), dup2(ends[1], 1), dup2(ends[1], 2);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(ends[1]);
	while ((r = read(ends[0], out + n, OUTPUT_MAX - n)) > 0)
		n += (size_t)r;
	close(ends[0]);
	while (waitpid(child, &status, 0) < 0)
		;
	*ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return n;
}

/* As process 1 it collects what others leave behind, and a child does the work. */
static void be_init(void)
{
	if (getpid() == 1 && fork())
		for (;;)
			if (wait(NULL) < 0)
				pause_ms(100);
}

static _Noreturn void serve(const char *name)
{
	be_init();
	char *command = malloc(COMMAND_MAX + 1), *out = malloc(OUTPUT_MAX);
	int fd = open_port(name);

	memset(out, 0, OUTPUT_MAX); /* there before memory is short */
	for (;;) {
		char head[32] = "";
		int code;

		for (size_t i = 0; i < sizeof(head) - 1; i++) {
			get(fd, head + i, 1);
			if (head[i] == '\n')
				break;
		}
		size_t n = strtoul(head, NULL, 10);

		if (n == 0 || n > COMMAND_MAX)
			continue;
		get(fd, command, n);
		command[n] = '\0';
		n = run(command, out, &code);
		snprintf(head, sizeof(head), "%zu %d\n", n, code);
		put(fd, head, strlen(head));
		put(fd, out, n);
	}
}

static int kmsg(void)
{
	static char record[16384];
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	for (;;) {
		ssize_t n = read(fd, record, sizeof(record));

		if (n > 0 && fwrite(record, 1, (size_t)n, stdout) != (size_t)n)
			return 1;
		if (n < 0 && errno != EPIPE)
			return errno == EAGAIN ? 0 : errno;
	}
}

static int boot_clock(void)
{
	struct timespec wall, up;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &up);
	printf("%.3f\n", (double)(wall.tv_sec - up.tv_sec) + (double)(wall.tv_nsec - up.tv_nsec) / 1e9);
	return 0;
}

static int set_ntp(const char *unit, const char *offset, const char *error)
{
	struct timex t = {
		.modes = ADJ_STATUS | ADJ_OFFSET | ADJ_TIMECONST | ADJ_MAXERROR,
		.status = STA_PLL,
		.constant = 10,
		.offset = strtol(offset, NULL, 10),
		.maxerror = strtol(error, NULL, 10),
	};

	t.modes |= strcmp(unit, "nano") ? ADJ_MICRO : ADJ_NANO;
	if (adjtimex(&t) < 0)
		return errno;
	t.modes = 0;
	return adjtimex(&t) < 0 ? errno : printf("the kernel says status %d offset %ld maxerror %ld\n", t.status, t.offset, t.maxerror) < 0;
}

static bool leak_step(void *unused)
{
	const size_t step = 64 * 1024;
	char *p = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	if (p != MAP_FAILED)
		memset(p, 0x5a, step);
	return true;
}

static bool fill_step(void *fd)
{
	static char block[4096];

	return write(*(int *)fd, block, sizeof(block)) > 0;
}

static bool inode_step(void *folder)
{
	static long n;
	char path[256];

	snprintf(path, sizeof(path), "%s/%ld", (const char *)folder, n++);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool fd_step(void *unused)
{
	(void)unused;
	return open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0;
}

static bool fork_step(void *unused)
{
	pid_t child = fork();

	(void)unused;
	if (child == 0)
		for (;;)
			pause();
	return child > 0;
}

static int read_past_cache(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECT);
	void *block;

	if (fd < 0 || posix_memalign(&block, 4096, 4096))
		return errno;
	for (off_t at = 0;; at += 4096) {
		ssize_t n = pread(fd, block, 4096, at);

		if (n != 4096)
			return n < 0 ? errno : 0;
	}
}

static int write_through(const char *path)
{
	static char block[4096];
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	return fd < 0 || write(fd, block, sizeof(block)) < 0 || fsync(fd) ? errno : 0;
}

int main(int c, char **v)
{
	const char *op = c > 1 ? v[1] : "";
	double last = c > 2 ? strtod(v[c - 1], NULL) : 0;

	if (!strcmp(op, "serve") && c == 3)
		serve(v[2]);
	if (!strcmp(op, "kmsg"))
		return kmsg();
	if (!strcmp(op, "clock"))
		return boot_clock();
	if (!strcmp(op, "ntp") && c == 5)
		return set_ntp(v[2], v[3], v[4]);
	if (!strcmp(op, "leak") && c == 3) {
		at_rate(last / 64, leak_step, NULL);
	} else if (!strcmp(op, "fill") && c == 4) {
		int fd = open(v[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		at_rate(last / 4, fill_step, &fd);
	} else if (!strcmp(op, "inodes") && c == 4) {
		at_rate(last, inode_step, v[2]);
	} else if (!strcmp(op, "fds") && c == 3) {
		at_rate(last, fd_step, NULL);
	} else if (!strcmp(op, "forks") && c == 3) {
		at_rate(last, fork_step, NULL);
	} else if (!strcmp(op, "read") && c == 3) {
		return read_past_cache(v[2]);
	} else if (!strcmp(op, "write") && c == 3) {
		return write_through(v[2]);
	} else {
		fputs("inside: see its source\n", stderr);
		return 2;
	}
	wait_for_end();
}
