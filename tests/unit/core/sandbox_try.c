/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the system ring: enters a role's sandbox as the agent's user and tries one thing.
 *
 *   sandbox_try agent|prober|store USER ACTION
 *
 * Ends by SIGSYS (a shell shows 159) when the filter kills, exits 0 when the action worked, 1 when
 * the kernel refused it otherwise, 2 on wrong usage, 77 when the sandbox could not be entered.
 * ACTION "list" prints the actions; "status" prints /proc/self/status from inside.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "core/sandbox.h"

static const char *const role_words[SANDBOX_ROLES] = {
	[SANDBOX_AGENT] = "agent",
	[SANDBOX_PROBER] = "prober",
	[SANDBOX_STORE] = "store",
};

static long try_exec(void)
{
	char *argv[] = {(char[]){"true"}, NULL};

	return execv("/bin/true", argv);
}

static long try_ptrace(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static long try_mount(void)
{
	return mount("none", "/mnt", "tmpfs", 0, NULL);
}

static long try_setuid(void)
{
	return setuid(0);
}

static long try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid;
}

static long try_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long try_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static long try_mkdir(void)
{
	return mkdir("/tmp/sandbox_try", 0700);
}

static long try_shadow(void)
{
	return open("/etc/shadow", O_RDONLY);
}

static long try_write(void)
{
	return open("/tmp/sandbox_try.file", O_WRONLY | O_CREAT, 0600);
}

static long try_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0);
}

static long try_status(void)
{
	char text[8192];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text));

	return n > 0 && write(1, text, (size_t)n) == n ? 0 : -1;
}

static const struct {
	const char *name;
	long (*fn)(void);
} actions[] = {
	{"exec", try_exec},     {"ptrace", try_ptrace}, {"mount", try_mount},
	{"setuid", try_setuid}, {"fork", try_fork},     {"inet", try_inet},
	{"packet", try_packet}, {"mkdir", try_mkdir},   {"shadow", try_shadow},
	{"write", try_write},   {"bpf", try_bpf},       {"status", try_status},
};

static int list_actions(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		puts(actions[i].name);
	return 0;
}

static int enter(const char *word, const char *name)
{
	struct sandbox_user user;
	struct err e = ERR_INIT;

	for (int i = 0; i < SANDBOX_ROLES; i++) {
		if (strcmp(word, role_words[i]) != 0)
			continue;
		if (sandbox_find_user(name, &user, &e) >= 0 &&
		    sandbox_enter((enum sandbox_role)i, &user, &e) == 0)
			return 0;
		fprintf(stderr, "%s\n", e.text);
		return 77;
	}
	return 2;
}

int main(int argc, char **argv)
{
	int r;

	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return list_actions();
	if (argc != 4)
		return 2;
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (strcmp(actions[i].name, argv[3]) == 0) {
			r = enter(argv[1], argv[2]);
			return r ? r : actions[i].fn() < 0;
		}
	return 2;
}
