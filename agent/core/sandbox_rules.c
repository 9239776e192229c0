/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system calls a role may make. Lists of names, grouped by what they are for; a role is a set
 * of groups. A name that this machine or this libseccomp does not know is left out. Calls whose
 * arguments decide are in functions of their own below.
 */
#include "core/sandbox_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>

/* clang-format off */
/*
 * Memory, time, signals to oneself, waiting: what libc needs in any program. set_tid_address and
 * tkill are musl's: the child of each fork and thread asks for its number, abort() raises its signal.
 */
static const char *const base[] = {
	"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "membarrier", "futex",
	"futex_time64", "set_robust_list", "get_robust_list", "rseq", "restart_syscall",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait",
	"rt_sigtimedwait_time64", "sigaltstack", "sigreturn", "signalfd4", "tgkill", "tkill",
	"clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64",
	"clock_nanosleep", "clock_nanosleep_time64", "gettimeofday", "time", "times", "nanosleep",
	"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll",
	"ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64",
	"timerfd_create", "timerfd_settime", "timerfd_settime64", "timerfd_gettime",
	"timerfd_gettime64", "eventfd2", "pause", "pipe", "pipe2", "pidfd_open", "wait4",
	"waitid", "waitpid", "getpid", "gettid", "getppid", "getpgrp", "getpgid", "getsid",
	"getuid", "geteuid", "getgid", "getegid", "getuid32", "geteuid32", "getgid32",
	"getegid32", "getresuid", "getresgid", "getresuid32", "getresgid32", "getgroups",
	"getgroups32", "capget", "getrlimit", "ugetrlimit", "prlimit64", "getrusage", "getcpu",
	"getrandom", "sysinfo", "uname", "sched_yield", "sched_getaffinity", "sched_getparam",
	"sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min", "getpriority",
	"set_tid_address", "exit", "exit_group", "close", "close_range", "dup", "dup2", "dup3",
	"fcntl", "fcntl64",
	NULL,
};

/* The agent keeps itself in memory; never all that will come (mlockall). */
static const char *const memory_locks[] = {"mlock", "mlock2", NULL};

/* Open files and looking at paths; opening for writing is decided by the rule on open. */
static const char *const files[] = {
	"read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev",
	"lseek", "_llseek", "fstat", "fstat64", "fstatat64", "newfstatat", "stat", "stat64",
	"lstat", "lstat64", "statx", "access", "faccessat", "faccessat2", "readlink",
	"readlinkat", "getdents", "getdents64", "statfs", "statfs64", "fstatfs", "fstatfs64",
	"getcwd", "umask", "fadvise64", "fadvise64_64", "arm_fadvise64_64", "memfd_create",
	"ftruncate", "ftruncate64", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
	NULL,
};

static const char *const file_changes[] = {
	"open", "openat", "creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2",
	"unlink", "unlinkat", "rmdir", "link", "linkat", "chmod", "fchmod", "fchmodat",
	"fchmodat2", "fsync", "fdatasync", "sync_file_range", "fallocate", "truncate",
	"truncate64", "utimensat", "utimensat_time64", "flock",
	NULL,
};

/* Messages over sockets that are already open: links. */
static const char *const messages[] = {
	"sendmsg", "recvmsg", "sendto", "recvfrom", "send", "recv", "shutdown", "getsockopt",
	"getsockname", "getpeername",
	NULL,
};

/* The control socket is bound, given its mode and removed again by the agent. */
static const char *const network[] = {
	"connect", "bind", "listen", "accept", "accept4", "sendmmsg", "sendmmsg_time64",
	"recvmmsg", "recvmmsg_time64", "setsockopt", "unlink", "unlinkat", "chmod", "fchmod",
	"fchmodat", "fchmodat2",
	NULL,
};

/* Workers for what may hang. */
static const char *const workers[] = {
	"fork", "vfork", "kill", "pidfd_send_signal", "setpgid",
	NULL,
};
/* clang-format on */

/* To look at how well the clock is kept; without CAP_SYS_TIME that is all they do. */
static const char *const clocks[] = {
	"adjtimex", "clock_adjtime", "clock_adjtime64", NULL,
};

#define ALLOW(...) seccomp_rule_add(filter, SCMP_ACT_ALLOW, __VA_ARGS__)

static int allow_list(scmp_filter_ctx filter, const char *const *names)
{
	for (; *names; names++) {
		int nr = seccomp_syscall_resolve_name(*names), r;

		if (nr == __NR_SCMP_ERROR)
			continue;
		r = ALLOW(nr, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Read-only. Libraries that try to write get an error that they know how to live with. */
static int allow_open_read(scmp_filter_ctx filter)
{
	/* Not O_ACCMODE: in musl it holds O_PATH too, which is no way to write. */
	const scmp_datum_t mask = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
	int r = ALLOW(SCMP_SYS(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, mask, O_RDONLY));

	if (r == 0)
		r = ALLOW(SCMP_SYS(open), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, mask, O_RDONLY));
	return r;
}

static const unsigned write_flags[] = {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC};

static int refuse_open_write(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(write_flags); i++) {
		const scmp_datum_t bit = write_flags[i];

		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, bit, bit));
		if (r == 0)
			r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(open), 1,
					     SCMP_A1(SCMP_CMP_MASKED_EQ, bit, bit));
	}
	return r;
}

static int read_only_opens(scmp_filter_ctx filter)
{
	int r = allow_open_read(filter);

	return r < 0 ? r : refuse_open_write(filter);
}

/*
 * Calls that libraries try and can live without: glibc's threads fall back from clone3
 * (whose flags a filter cannot see) to clone, and libnuma, which libproc2 loads, finds a kernel
 * without memory policies.
 */
static const char *const absent[] = {
	"clone3", "get_mempolicy", "set_mempolicy", "mbind", "migrate_pages", "move_pages", NULL,
};

static int pretend_absent(scmp_filter_ctx filter)
{
	for (const char *const *name = absent; *name; name++) {
		int nr = seccomp_syscall_resolve_name(*name);
		int r = nr == __NR_SCMP_ERROR
				? 0
				: seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), nr, 0);

		if (r < 0)
			return r;
	}
	return 0;
}

static int only_threads(scmp_filter_ctx filter)
{
	return ALLOW(SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
}

/* Processes, but none in namespaces of its own: those would hand it capabilities. */
static int only_processes(scmp_filter_ctx filter)
{
	const scmp_datum_t spaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
				    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

	return ALLOW(SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, spaces, 0));
}

static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

static int some_families(scmp_filter_ctx filter)
{
	int r = ALLOW(SCMP_SYS(socketpair), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++)
		r = ALLOW(SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	return r;
}

/* For links to workers: leads nowhere outside. */
static int only_pairs(scmp_filter_ctx filter)
{
	return ALLOW(SCMP_SYS(socketpair), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
}

/* The last one is if_nametoindex(): of an address that is good on one link alone. */
static const unsigned long ioctls[] = {FIONREAD, FIONBIO,    FIOCLEX,	   FIONCLEX,
				       TCGETS,	 TIOCGWINSZ, SIOCGIFINDEX};

static int harmless_ioctls(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(ioctls); i++)
		r = ALLOW(SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, ioctls[i]));
	return r;
}

static const int prctls[] = {
	PR_SET_NAME,         PR_GET_NAME,    PR_SET_PDEATHSIG,  PR_GET_PDEATHSIG, PR_GET_DUMPABLE,
	PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP, PR_SET_TIMERSLACK, PR_CAPBSET_READ,  PR_SET_VMA,
};

static int harmless_prctls(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(prctls); i++)
		r = ALLOW(SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)prctls[i]));
	return r;
}

typedef int rule_fn(scmp_filter_ctx filter);

static const struct {
	const char *const *lists[8]; /* NULL-terminated */
	rule_fn *rules[8];
} roles[SANDBOX_ROLES] = {
	[SANDBOX_AGENT] =
		{
			{base, files, messages, network, clocks, memory_locks},
			{read_only_opens, pretend_absent, only_threads, some_families,
			 harmless_ioctls, harmless_prctls},
		},
	[SANDBOX_PROBER] =
		{
			{base, files, messages, workers},
			{read_only_opens, pretend_absent, only_processes, only_pairs,
			 harmless_ioctls, harmless_prctls},
		},
	[SANDBOX_STORE] =
		{
			{base, files, file_changes, messages},
			{pretend_absent, harmless_ioctls, harmless_prctls},
		},
};

int sandbox_add_rules(scmp_filter_ctx filter, enum sandbox_role role)
{
	int r = 0;

	for (size_t i = 0; r == 0 && roles[role].lists[i]; i++)
		r = allow_list(filter, roles[role].lists[i]);
	for (size_t i = 0; r == 0 && roles[role].rules[i]; i++)
		r = roles[role].rules[i](filter);
	return r;
}
