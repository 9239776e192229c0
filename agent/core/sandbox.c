/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order matters: what needs root first (oom score, user, capabilities), then what can never be
 * undone (no_new_privs, filter). Each step is verified by asking the kernel, not by trusting a
 * return value.
 */
#include "core/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include "core/sandbox_rules.h"
#include "core/text.h"

#define CAPS_END (-1)

/* Capabilities that a role keeps over the change of user, where the machine grants them at all. */
static const int role_caps[SANDBOX_ROLES][4] = {
	[SANDBOX_AGENT] = {CAPS_END},
	[SANDBOX_PROBER] = {CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAPS_END},
	[SANDBOX_STORE] = {CAPS_END},
};

/* ---- finding the user ---- */

static int look_up(const char *name, struct sandbox_user *ret)
{
	struct passwd pw, *found = NULL;
	char text[16384];
	int r = getpwnam_r(name, &pw, text, sizeof(text), &found);

	if (!found)
		return r && r != ENOENT && r != ESRCH ? -r : -ENOENT;
	ret->uid = found->pw_uid;
	ret->gid = found->pw_gid;
	return 0;
}

int sandbox_find_user(const char *name, struct sandbox_user *ret, struct err *e)
{
	_cleanup_buf_ struct buf shown = BUF_INIT(ERR_TEXT_MAX);
	int r;

	*ret = (struct sandbox_user){.uid = geteuid(), .gid = getegid()};
	if (ret->uid != 0)
		return 0;
	ret->drop = true;
	r = look_up(name, ret);
	if (r == 0 && ret->uid != 0)
		return 0;
	text_escape(&shown, name, strlen(name));
	if (r == 0)
		return err_set(e, -EINVAL, "user \"%s\" is root: the agent needs a user of its own",
			       buf_str(&shown));
	if (look_up("nobody", ret) < 0 || ret->uid == 0)
		return err_set(e, -ENOENT, "there is neither a user \"%s\" nor \"nobody\"",
			       buf_str(&shown));
	return err_set(e, 1, "there is no user \"%s\"; \"nobody\" is used instead",
		       buf_str(&shown));
}

/* ---- before the rights go ---- */

#define MEMLOCK_MOST (16u << 20)

/* The watcher must outlive what it watches. Needs CAP_SYS_RESOURCE; without it all still works. */
static void protect_from_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "-900", 4) != 4) {
		/* Not allowed here: stays as it was. */
	}
	close(fd);
}

/* Without a unit that says so the limit is small; what the agent locks is far below this. */
static void allow_memory_locks(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_max >= MEMLOCK_MOST)
		return;
	limit.rlim_cur = limit.rlim_max = MEMLOCK_MOST;
	if (setrlimit(RLIMIT_MEMLOCK, &limit)) {
		/* Not allowed here: stays as it was. */
	}
}

/* ---- user and capabilities ---- */

static void want_caps(enum sandbox_role role)
{
	int have[ARRAY_SIZE(role_caps[0])], n = 0;

	capng_get_caps_process();
	for (const int *c = role_caps[role]; *c != CAPS_END; c++)
		if (capng_have_capability(CAPNG_PERMITTED, (unsigned)*c))
			have[n++] = *c;
	capng_clear(CAPNG_SELECT_ALL);
	while (n-- > 0)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, (unsigned)have[n]);
}

static bool is_role_cap(enum sandbox_role role, unsigned cap)
{
	for (const int *c = role_caps[role]; *c != CAPS_END; c++)
		if ((unsigned)*c == cap)
			return true;
	return false;
}

static int verify_caps(enum sandbox_role role, struct err *e)
{
	static const capng_type_t sets[] = {CAPNG_EFFECTIVE, CAPNG_PERMITTED, CAPNG_INHERITABLE,
					    CAPNG_AMBIENT};

	if (capng_get_caps_process() < 0)
		return err_set(e, -EPERM, "cannot read back the capabilities");
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
			if (capng_have_capability(sets[i], cap) &&
			    !(i < 2 && is_role_cap(role, cap)))
				return err_set(e, -EPERM, "capability %s is still there",
					       capng_capability_to_name(cap));
	return 0;
}

static int verify_user(const struct sandbox_user *user, struct err *e)
{
	uid_t u[3];
	gid_t g[3];

	if (getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0)
		return err_sys(e, errno, "cannot read back the user");
	for (int i = 0; i < 3; i++)
		if (u[i] != user->uid || g[i] != user->gid)
			return err_set(e, -EPERM, "the user was not changed");
	if (getgroups(0, NULL) != 0)
		return err_set(e, -EPERM, "supplementary groups are still there");
	if (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0)
		return err_set(e, -EPERM, "root could be taken back");
	return 0;
}

static int drop_rights(enum sandbox_role role, const struct sandbox_user *user, struct err *e)
{
	int r;

	if (user->uid == 0 || user->gid == 0)
		return err_set(e, -EINVAL, "a role cannot run as root");
	want_caps(role);
	/* Changes groups, gid and uid, keeps what want_caps() named, empties the bounding set. */
	r = capng_change_id((int)user->uid, (int)user->gid,
			    CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	if (r < 0)
		return err_set(e, -EPERM, "cannot change to uid %u (step %d)", (unsigned)user->uid,
			       -r);
	r = verify_user(user, e);
	return r < 0 ? r : verify_caps(role, e);
}

/* ---- what cannot be undone ---- */

static int set_flags(struct err *e)
{
	static const struct rlimit no_core = {0, 0};

	if (setrlimit(RLIMIT_CORE, &no_core) < 0)
		return err_sys(e, errno, "cannot forbid core dumps");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return err_sys(e, errno, "cannot forbid being read by others");
	/* After the change of user: that clears it. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
		return err_sys(e, errno, "cannot ask to end with the parent");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return err_sys(e, errno, "cannot give up new privileges");
	return 0;
}

static int load_filter(enum sandbox_role role, struct err *e)
{
	scmp_filter_ctx filter = seccomp_init(sandbox_violation());
	int r;

	if (!filter)
		return err_set(e, -ENOMEM, "cannot make a system call filter");
	r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE,
				     2); /* a tree: fewer steps per call */
	if (r == 0)
		r = sandbox_add_rules(filter, role);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	if (r < 0)
		return err_sys(e, -r, "cannot load the system call filter");
	/* 2: a filter is in force. The filters of all roles allow the question. */
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2
		       ? 0
		       : err_set(e, -EPERM, "the filter is not in force");
}

int sandbox_enter(enum sandbox_role role, const struct sandbox_user *user, struct err *e)
{
	int r;

	protect_from_oom();
	allow_memory_locks();
	r = user->drop ? drop_rights(role, user, e) : 0;
	if (r == 0)
		r = set_flags(e);
	return r < 0 ? r : load_filter(role, e);
}
